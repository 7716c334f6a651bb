"""Owns the numbers that captions keep to, each with its unit and source; must never hold a rule that is no number."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layout:
    """What a guide asks of a cue. The defaults are Netflix's: Timed Text Style Guide, general and timing pages.

    Raises ValueError for numbers with which no cue could be made.
    """

    max_chars: int = 42  # characters in a line
    max_lines: int = 2  # 1 or 2
    min_ms: int = 834  # 5/6 s: 20 frames at 24 a second
    max_ms: int = 7000
    chars_per_second: float = 20.0  # adult programmes in most languages
    gap_ms: int = 84  # two frames at 24 a second, rounded up
    chain_ms: int = 500  # gaps below half a second are closed to `gap_ms`

    def __post_init__(self) -> None:
        if self.max_lines not in (1, 2):
            raise ValueError("a cue has one line or two")
        if self.max_chars < 1 or self.chars_per_second <= 0 or self.gap_ms < 0 or not 0 < self.min_ms <= self.max_ms:
            raise ValueError("no cue can be made with these numbers")


NETFLIX = Layout()
