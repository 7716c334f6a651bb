"""Owns how a transcript is divided to be read rather than watched: paragraphs, each one speaker's.

Must never drop, change or reorder a word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scriptixd.captions.prices import ends_sentence, shape
from scriptixd.captions.script import joints_of
from scriptixd.captions.transcript import Transcript, Word

NO_SPEECH = "There is no speech in this recording."
LONG_PAUSE_MS = 2500  # after so long a silence the same speaker begins anew
LONG_CHARS = 600  # a paragraph that is longer ends with its sentence: some eight lines


@dataclass(frozen=True, slots=True)
class Paragraph:
    """What one speaker (None: unknown) says in a row."""

    start_ms: int
    speaker: str | None
    text: str


def paragraphs(transcript: Transcript, language: str = "") -> list[Paragraph]:
    """The whole transcript in order, spaced as its language is; none where there is no speech."""
    return [
        Paragraph(words[0].start_ms, speaker, _text([word.text for word in words], language))
        for speaker, turn in _turns(transcript)
        for words in _parts(turn)
    ]


def _text(words: Sequence[str], language: str) -> str:
    return "".join(word + joint for word, joint in zip(words, joints_of(words, language), strict=True))


def _turns(transcript: Transcript) -> Iterator[tuple[str | None, list[Word]]]:
    """What each speaker says until another one, or another channel, goes on."""
    turn: list[Word] = []
    before: tuple[str | None, int] | None = None
    for utterance in transcript.utterances:
        now = utterance.speaker, utterance.channel
        if before is not None and now != before:
            yield before[0], turn
            turn = []
        turn += utterance.words
        before = now
    if before is not None:
        yield before[0], turn


def _parts(turn: list[Word]) -> Iterator[list[Word]]:
    """A turn at its long silences, and at the ends of sentences where it is long."""
    part: list[Word] = []
    chars = 0
    for word, following in zip(turn, [*turn[1:], None], strict=True):
        part.append(word)
        chars += len(word.text) + 1
        if following is None:
            break
        silent = following.start_ms - word.stop_ms >= LONG_PAUSE_MS
        if silent or (chars >= LONG_CHARS and ends_sentence(shape(word.text), shape(following.text))):
            yield part
            part, chars = [], 0
    yield part
