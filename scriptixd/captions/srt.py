"""Owns SubRip; must never change a time, nor trust a text that it is given."""

from __future__ import annotations

import re
from collections.abc import Sequence

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
            times = f"{clock_time(cue.start_ms, ',')} {ARROW} {clock_time(cue.end_ms, ',')}"
            blocks.append(f"{len(blocks) + 1}\n{times}\n{text}\n")
    return "\n".join(blocks)


def clock_time(milliseconds: int, point: str) -> str:
    """`HH:MM:SS` and the milliseconds after the point, with more digits above 99 hours."""
    seconds, rest = divmod(milliseconds, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    # Two for every cue: this takes two thirds of the time of an f-string with widths.
    return "%02d:%02d:%02d%s%03d" % (hour, minute, second, point, rest)  # noqa: UP031


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
