"""Owns the numbers that captions keep to, each with its unit and source; must never hold a rule that is no number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from scriptixd.captions.script import WIDE, primary


@dataclass(frozen=True, slots=True)
class Layout:
    """What a guide asks of a cue. The defaults are Netflix's: Timed Text Style Guide, general and timing pages.

    Raises ValueError for numbers with which no cue could be made.
    """

    max_chars: int = 42  # characters in a line, full-width ones in Chinese, Japanese and Korean
    max_lines: int = 2  # 1 or 2
    min_ms: int = 834  # 5/6 s: 20 frames at 24 a second
    max_ms: int = 7000
    chars_per_second: float = 20.0  # adult programmes in most languages
    gap_ms: int = 84  # two frames at 24 a second, rounded up
    chain_ms: int = 500  # gaps below half a second are closed to `gap_ms`

    def __post_init__(self) -> None:
        if self.max_lines not in (1, 2):
            raise ValueError("a cue has one line or two")
        if self.min_ms > self.max_ms:
            shortest, longest = self.min_ms / 1000, self.max_ms / 1000
            raise ValueError(f"no cue is shown for {shortest:g} s at the least and {longest:g} s at the most")
        if self.gap_ms < 0:
            raise ValueError(f"the gap between two cues is no {self.gap_ms / 1000:g} s")
        if self.max_chars < 1 or self.chars_per_second <= 0 or self.min_ms <= 0:
            raise ValueError("no cue can be made unless its characters, speed and shortest duration are above 0")


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a layout that somebody wants otherwise than their profile has them; None: as it has them."""

    max_chars: int | None = None
    max_lines: int | None = None
    min_ms: int | None = None
    max_ms: int | None = None
    chars_per_second: float | None = None
    gap_ms: int | None = None
    chain_ms: int | None = None

    @classmethod
    def in_seconds(
        cls,
        max_chars: int | None,
        max_lines: int | None,
        min_duration: float | None,
        max_duration: float | None,
        chars_per_second: float | None,
        gap: float | None,
        chain: float | None,
    ) -> Numbers:
        """As people say them: times are in seconds."""
        times = (min_duration, max_duration, gap, chain)
        shortest, longest, between, closed = (None if time is None else round(1000 * time) for time in times)
        return cls(max_chars, max_lines, shortest, longest, chars_per_second, between, closed)

    def over(self, layout: Layout) -> Layout:
        """The layout with these numbers; raises ValueError as Layout does."""
        return replace(layout, **self._wanted)

    def before(self, others: Numbers) -> Numbers:
        """These numbers, and where there is none the others."""
        return replace(others, **self._wanted)

    @property
    def _wanted(self) -> dict[str, Any]:
        wanted = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: number for name, number in wanted.items() if number is not None}


class Profile(StrEnum):
    """Whose guide is followed."""

    NETFLIX = "netflix"
    BBC = "bbc"
    DUTCH = "dutch"


NETFLIX: Final = Layout()
_LAYOUTS: Final[Mapping[Profile, Layout]] = MappingProxyType(
    {
        Profile.NETFLIX: NETFLIX,
        # BBC subtitle guidelines: 160 to 180 words a minute, which are 17 characters a second.
        Profile.BBC: Layout(max_chars=37, chars_per_second=17.0),
        # Subtitle Edit's profile "Dutch professional".
        Profile.DUTCH: Layout(min_ms=1400, chars_per_second=15.0, gap_ms=120),
    }
)
# Netflix, the pages of these languages. Where a character is a syllable or a word, they hold in every profile.
_SPEEDS: Final[Mapping[str, float]] = MappingProxyType(
    {"ar": 23.0, "hi": 25.0, "ja": 7.0, "ko": 14.0, "zh": 11.0, "yue": 11.0}
)
_LINES: Final[Mapping[str, int]] = MappingProxyType({"ja": 13, "ko": 16, "zh": 16, "yue": 16, "th": 35})


def layout_of(profile: Profile, language: str = "") -> Layout:
    """The numbers of a guide for a language."""
    layout, main = _LAYOUTS[profile], primary(language)
    speed = _SPEEDS.get(main) if profile is Profile.NETFLIX or main in WIDE else None
    return Numbers(max_chars=_LINES.get(main), chars_per_second=speed).over(layout)
