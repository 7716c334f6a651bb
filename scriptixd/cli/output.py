"""How things look on a terminal and in a pipe: lines, tables, JSON, times, sizes, bars.

Whatever is printed is escaped here, so that a name from a disk never reaches a terminal as it came. Colour only
repeats what words say.
"""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, TextIO

from scriptixd.errors import ConfigurationError, Trouble
from scriptixd.observe.wording import HOUR, duration, iso, moment, size
from scriptixd.roots.paths import shown

__all__ = (
    "HOUR", "Colour", "bar", "complain", "complain_of", "duration", "iso", "moment", "painted", "say", "say_json",
    "say_marked", "say_table", "size",
)  # fmt: skip

BAR_WIDTH: Final = 20  # characters
WIDEST: Final = 60  # columns of a terminal; what is longer takes what it needs, and moves its own row alone


class Colour(StrEnum):
    """SGR codes of ECMA-48."""

    GREEN = "32"
    YELLOW = "33"
    RED = "31"
    BOLD = "1"


def say(text: str = "", *, colour: Colour | None = None) -> None:
    """One line for people."""
    print(painted(text, colour))


def say_marked(mark: str, colour: Colour, text: str, *, width: int = 8, priority: str = "") -> None:
    """One line behind a word that says how good or bad it is, and behind what the journal takes for its priority."""
    print(f"{priority}{painted(mark, colour)}{' ' * (width - len(mark))} {shown(text)}")


def complain(text: str) -> None:
    """One line for people that is not the answer: to standard error."""
    print(shown(text), file=sys.stderr, flush=True)


def complain_of(trouble: Trouble) -> None:
    """The sentence, then what to do; a configuration's problems one below the other."""
    if isinstance(trouble, ConfigurationError):
        for problem in trouble.problems:
            complain(problem)
    else:
        complain(f"scriptixd: {trouble.what}")
    if trouble.hint:
        complain(f"  {trouble.hint}")


def painted(text: str, colour: Colour | None) -> str:
    """Escaped, and coloured where a terminal shows it."""
    plain = shown(text)
    return f"\x1b[{colour}m{plain}\x1b[0m" if colour is not None and _has_colours(sys.stdout) else plain


def _has_colours(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def say_json(value: object) -> None:
    """Plain ASCII, so that bytes that are not UTF-8 travel as surrogate escapes."""
    print(json.dumps(value, ensure_ascii=True, indent=2))


def say_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as they have to be, the last one free: nothing is cut off."""
    if not rows:
        return
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [min(WIDEST, max(map(_columns, column))) for column in zip(headings, *cells, strict=True)]
    print(painted(_row(headings, widths), Colour.BOLD))
    for row in cells:
        print(_row(row, widths))


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - _columns(cell)) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(padded).rstrip()


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes: ideographs take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def bar(done: int, whole: int) -> str:
    """How much of something is done, in signs that every terminal has."""
    share = min(1.0, done / whole) if whole else 1.0
    filled = int(share * BAR_WIDTH)
    return f"[{'#' * filled}{'-' * (BAR_WIDTH - filled)}] {int(share * 100):3d} %"
