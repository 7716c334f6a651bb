"""Owns what was said, by whom and when: the repaired form of a result that everything else here reads.

Must never hold a time that is not a whole millisecond, nor a word that is empty or has white space in it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """A word as it is shown, punctuation included, 0 <= start_ms <= stop_ms."""

    text: str
    start_ms: int
    stop_ms: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """At least one word of one speaker (None: unknown) on one channel; the words' starts never fall."""

    words: tuple[Word, ...]
    speaker: str | None
    channel: int

    @property
    def start_ms(self) -> int:
        return self.words[0].start_ms

    @property
    def stop_ms(self) -> int:
        return self.words[-1].stop_ms


@dataclass(frozen=True, slots=True)
class Transcript:
    """The utterances in the order of their starts (none: no speech), and the media's length if the result says it."""

    utterances: tuple[Utterance, ...]
    duration_ms: int | None
