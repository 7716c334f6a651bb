"""Owns the cue and the way from a transcript to cues: segment, then time; must never read or write a file."""

from __future__ import annotations

from dataclasses import dataclass

from scriptixd.captions.dialogue import Turn, paired
from scriptixd.captions.layout import NETFLIX, Layout
from scriptixd.captions.lexicon import lexicon
from scriptixd.captions.segment import Passage, Stream, segment, stream
from scriptixd.captions.timing import Span, times
from scriptixd.captions.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle event; `speaker` is None where the result names nobody, or where each line has a speaker of its own.

    `speakers` names those of the two lines then, and is empty otherwise.
    """

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None
    speakers: tuple[str | None, ...] = ()


def cues(transcript: Transcript, layout: Layout = NETFLIX, language: str = "") -> list[Cue]:
    """The transcript as cues in the order of their times, which never overlap; none where there is no speech."""
    words = stream(transcript, language)
    turns = paired([_turn(words, passage) for passage in segment(words, layout)], layout, lexicon(language).dash)
    shown = times([turn.span for turn in turns], layout)
    return [_cue(turn, start, end) for turn, (start, end) in zip(turns, shown, strict=True)]


def _cue(turn: Turn, start_ms: int, end_ms: int) -> Cue:
    if len(turn.speakers) > 1:
        return Cue(start_ms, end_ms, turn.lines, None, turn.speakers)
    return Cue(start_ms, end_ms, turn.lines, turn.speakers[0])


def _turn(words: Stream, passage: Passage) -> Turn:
    lines = _lines(words, passage)
    span = Span(words.starts[passage.first], words.stops[passage.last - 1], sum(map(len, lines)))
    return Turn(lines, (words.speakers[passage.first],), span)


def _lines(words: Stream, passage: Passage) -> tuple[str, ...]:
    if passage.split is None:
        return (" ".join(words.texts[passage.first : passage.last]),)
    upper = words.texts[passage.first : passage.split]
    return " ".join(upper), " ".join(words.texts[passage.split : passage.last])
