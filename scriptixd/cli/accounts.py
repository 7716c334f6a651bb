"""The bill in lines: what the ledger tells, summed up by month and folder, or by month, folder and rule. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final

from scriptixd.jobs.store.ledger import Entry

MONTHS: Final = 12  # that are told of, where nobody names one
UNKNOWN_RULE: Final = "(unknown rule)"  # its file, or its folder, is not known any more


class Grouping(StrEnum):
    FOLDER = "folder"
    RULE = "rule"


@dataclass(frozen=True, slots=True)
class Sums:
    """What was paid, and what was not. `jobs` counts payments: one that was paid twice on purpose is two."""

    jobs: int = 0
    media_seconds: float = 0.0  # of those that told their length
    unknown_length: int = 0  # how many did not
    failed: int = 0  # after they were paid
    reused: int = 0  # files that got a transcript for nothing

    def and_also(self, entry: Entry | Sums) -> Sums:
        return Sums(
            self.jobs + entry.jobs,
            self.media_seconds + entry.media_seconds,
            self.unknown_length + entry.unknown_length,
            self.failed + entry.failed,
            self.reused + entry.reused,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill; `rule` is the folder's own settings where it is empty, or rules are not told apart."""

    month: str
    folder: str
    rule: str
    sums: Sums


@dataclass(frozen=True, slots=True)
class Months:
    """Whole months, from the first day of the first to before the first day of the last."""

    since: date
    until: date

    @property
    def first(self) -> str:
        return f"{self.since:%Y-%m}"

    @property
    def last(self) -> str:
        return f"{_later(self.until, -1):%Y-%m}"


def month_named(text: str) -> Months | None:
    """One month as 2026-05; None if that is none."""
    if not re.fullmatch(r"\d{4}-\d\d", text):
        return None
    try:
        since = date.fromisoformat(f"{text}-01")
        return Months(since, _later(since, 1))
    except (ValueError, OverflowError):
        return None


def months_until(today: date) -> Months:
    """The last twelve, this one among them."""
    this = today.replace(day=1)
    return Months(_later(this, 1 - MONTHS), _later(this, 1))


def lines(entries: Iterable[Entry], rule_of: Callable[[Entry], str]) -> Sequence[Line]:
    """The entries summed up, by month, folder and rule."""
    found: dict[tuple[str, str, str], Line] = {}
    for entry in entries:
        key = (entry.month, entry.folder, rule_of(entry))
        line = found.get(key) or Line(*key, Sums())
        found[key] = replace(line, sums=line.sums.and_also(entry))
    return [found[key] for key in sorted(found)]


def total(of: Iterable[Line]) -> Sums:
    sums = Sums()
    for line in of:
        sums = sums.and_also(line.sums)
    return sums


def _later(month: date, months: int) -> date:
    """The first day of the month so many months later."""
    count = month.year * 12 + month.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)
