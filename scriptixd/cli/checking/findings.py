"""What was found: a colour's worth of trouble, a sentence and what to do, for people and for programs.

Colour never stands alone: the level is a word.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scriptixd.cli.output import Colour, say_marked
from scriptixd.errors import with_hint
from scriptixd.observe.log import PRIORITIES, STDOUT, is_journal


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


COLOURS: Final = {Level.OK: Colour.GREEN, Level.WARNING: Colour.YELLOW, Level.PROBLEM: Colour.RED}
# Of the log: a reload of the unit has its configuration checked first, whose lines are in the journal.
SEVERITY: Final = {Level.OK: logging.INFO, Level.WARNING: logging.WARNING, Level.PROBLEM: logging.ERROR}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    level: Level
    sentence: str
    hint: str = ""

    @property
    def record(self) -> dict[str, object]:
        """For programs."""
        return {
            "subject": self.subject,
            "level": self.level.value,
            "sentence": self.sentence,
            "hint": self.hint or None,
        }


def found(record: dict[str, str | None]) -> Finding:
    """The finding that a record is of. Raises KeyError, ValueError for what is none."""
    sentence = record["sentence"] or ""
    return Finding(record["subject"] or "", Level(record["level"] or ""), sentence, record["hint"] or "")


def tell(finding: Finding) -> None:
    """One line for people."""
    line = f"{finding.subject}: {with_hint(finding.sentence, finding.hint)}"
    priority = PRIORITIES[SEVERITY[finding.level]] if is_journal(os.environ, STDOUT) else ""
    say_marked(finding.level, COLOURS[finding.level], line, priority=priority)


@contextmanager
def meanwhile(doing: Callable[[], str]) -> Iterator[None]:
    """A line on the terminal, if there is one, that says what is waited for and since when."""
    if not sys.stderr.isatty():
        yield
        return
    from scriptixd.cli.progress import counting  # noqa: PLC0415 - without a terminal there is no need for it

    since = time.monotonic()
    with counting(lambda: f"{doing()} … {time.monotonic() - since:.0f} s"):
        yield
