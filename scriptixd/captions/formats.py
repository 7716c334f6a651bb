"""Owns how cues are written down, format by format; must never change a time, nor trust a text it is given.

A further format is one function from cues to text and one row in FORMATS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from scriptixd.captions.cue import Cue
from scriptixd.captions.wording import one_line

ARROW = "-->"
# What players and parsers of SRT take for a tag: "<i>", "</", "<!", and anything between "<" and ">".
_TAG = re.compile(r"<(?=[A-Za-z/!?]|[^>]*>)")
# What ASS renderers, through which many players show SRT, take for a line break or a hard space.
_ASS_BREAK = re.compile(r"\\(?=[Nnh])")
WORD_JOINER = "\u2060"


def srt(cues: Sequence[Cue]) -> str:
    """SubRip: numbered from 1, `HH:MM:SS,mmm` with more digits above 99 hours, LF, a blank line after every cue.

    A cue in which nothing can be seen is left out. Write it as UTF-8; without cues it is empty, and players refuse
    an empty file.
    """
    blocks: list[str] = []
    for cue in cues:
        text = _srt_text(cue.lines)
        if text:
            times = f"{_srt_time(cue.start_ms)} {ARROW} {_srt_time(cue.end_ms)}"
            blocks.append(f"{len(blocks) + 1}\n{times}\n{text}\n")
    return "\n".join(blocks)


def _srt_time(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{hour:02d}:{minute:02d}:{second:02d},{rest:03d}"


def _srt_text(lines: Sequence[str]) -> str:
    text = "\n".join(filter(None, map(one_line, lines))).replace(ARROW, "→")
    if "<" in text:
        text = _TAG.sub("‹", text)
    # Some players hide whatever stands in braces, as an instruction about style.
    if "{" in text:
        text = text.replace("{", "(").replace("}", ")")
    if "\\" in text:
        text = _ASS_BREAK.sub("\\\\" + WORD_JOINER, text)
    return text


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write cues: its name in settings, the ending of its files, and the function that does it."""

    name: str
    extension: str
    render: Callable[[Sequence[Cue]], str]


FORMATS: Mapping[str, Format] = MappingProxyType({format_.name: format_ for format_ in (Format("srt", ".srt", srt),)})
