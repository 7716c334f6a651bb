"""What `status` prints of files that wait; which lines that makes is said in observe/waiting.py."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scriptixd.cli.output import Colour, moment, say, say_marked
from scriptixd.observe.waiting import Heading

INDENT: Final = " " * 11  # below what stands behind the state


def tell_waiting(headings: Sequence[Heading], now: float) -> None:
    """Each heading with its lines."""
    for heading in headings:
        say()
        say(heading.title, colour=Colour.BOLD)
        for line in heading.lines:
            told = f"{moment(line.at, now)}  {line.whom}: {line.why}"
            say_marked(line.state, Colour.YELLOW, told, width=len(INDENT) - 1)
            if line.way_on:
                say(INDENT + line.way_on)
        if heading.all_of_them:
            say(f"and more: {heading.all_of_them}")
