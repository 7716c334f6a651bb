"""Owns what can be chosen beside the style: the unit of a result's times, how files are written, all of it together.

What reads and what writes is loaded by those who do: a configuration only chooses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from scriptixd.captions.style import PLAIN_STYLE, Style


class Units(StrEnum):
    """The unit of the times in a result; the service's own pages contradict each other."""

    AUTO = "auto"
    SECONDS = "s"
    MILLISECONDS = "ms"


@dataclass(frozen=True, slots=True)
class Writing:
    """How files are written, where somebody may want it otherwise."""

    srt_bom: bool = False  # a byte order mark, which some players need to see that it is UTF-8
    srt_crlf: bool = False  # line ends of Windows
    vtt_note: str = "automatic, not reviewed"  # empty: none


@dataclass(frozen=True, slots=True)
class Manner:
    """Everything that can be chosen about what is made of a transcript."""

    style: Style = PLAIN_STYLE
    writing: Writing = Writing()

    def of(self, language: str) -> Manner:
        """The same for a language."""
        return replace(self, style=replace(self.style, language=language))
