"""`report`: what was paid, month by month, from the ledger; as a table, for spreadsheets, or for programs.

The JSON's keys are a promise: they are added to, never renamed.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from typing import Final

from scriptixd.cli.accounts import (
    UNKNOWN_RULE,
    Grouping,
    Line,
    Months,
    Sums,
    lines,
    month_named,
    months_until,
    total,
)
from scriptixd.cli.installation import settings_in
from scriptixd.cli.opening import reading
from scriptixd.cli.output import HOUR, say, say_json, say_table
from scriptixd.config.settings import Settings
from scriptixd.errors import StartError
from scriptixd.jobs.clock import local_day, read_clock
from scriptixd.jobs.store.ledger import Entry, Ledger

OWN_SETTINGS: Final = "(the folder's own)"
_FIGURES: Final = ("JOBS", "HOURS", "LENGTH UNKNOWN", "FAILED", "REUSED")


def report(config: str, month: str | None, by: str, *, as_csv: bool, as_json: bool) -> None:
    """Print the bill; raises StartError for a month or a grouping that there is not."""
    if by not in set(Grouping):
        raise StartError(f"--by {by} is nothing to sum up by", f"it is one of: {', '.join(Grouping)}")
    if as_csv and as_json:
        raise StartError("--csv and --json are two things", "name one of them")
    settings, grouping = settings_in(config), Grouping(by)
    months = months_until(date.fromisoformat(local_day(read_clock().wall))) if month is None else month_named(month)
    if months is None:
        raise StartError(f"'{month}' is no month", "write it as 2026-05")
    with reading(settings) as store:
        bill = lines(_entries(store.ledger, months, grouping), _rule_of(settings, grouping))
    if as_json:
        say_json(_record(bill, months, grouping))
    elif as_csv:
        _say_csv(bill, grouping)
    else:
        _tell(bill, months, grouping)


def _entries(ledger: Ledger, months: Months, grouping: Grouping) -> Sequence[Entry]:
    since, until = months.since.isoformat(), months.until.isoformat()
    begins, ends = (datetime.combine(day, time()).astimezone().timestamp() for day in (months.since, months.until))
    paid = ledger.paid(since, until, by_file=grouping is Grouping.RULE)
    return [*paid, *ledger.reused(since, until, begins, ends)]


def _rule_of(settings: Settings, grouping: Grouping) -> Callable[[Entry], str]:
    """The rule that holds today for the file of an entry; empty where the folder's own settings do."""
    folders = {folder.name: folder for folder in settings.folders}

    def rule_of(entry: Entry) -> str:
        if grouping is Grouping.FOLDER:
            return ""
        folder = folders.get(entry.folder)
        here = folder.at(entry.path) if folder is not None and entry.path is not None else None
        return UNKNOWN_RULE if here is None else here.rule or ""

    return rule_of


def _tell(bill: Sequence[Line], months: Months, grouping: Grouping) -> None:
    span = months.first if months.first == months.last else f"{months.first} to {months.last}"
    if not bill:
        say(f"nothing was paid, and nothing was known already: {span}")
        return
    sums = total(bill)
    figures = _aligned([_figures(line.sums) for line in bill], _figures(sums))
    rules = [(line.rule or OWN_SETTINGS,) if grouping is Grouping.RULE else () for line in bill]
    rows = [(line.month, line.folder, *rule) for line, rule in zip(bill, rules, strict=True)]
    rows.append(("total", *[""] * (len(rows[0]) - 1)))
    headings = ("MONTH", "FOLDER", *(("RULE",) if grouping is Grouping.RULE else ()))
    say_table((*headings, *figures[0]), [(*row, *figure) for row, figure in zip(rows, figures[1:], strict=True)])
    if sums.unknown_length:
        say()
        say(f"{sums.unknown_length} of the jobs told no length: the hours are those of the others")


def _aligned(rows: Sequence[Sequence[str]], last: Sequence[str]) -> Sequence[Sequence[str]]:
    """Figures one below the other, their headings first."""
    table = [_FIGURES, *rows, last]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [[cell.rjust(width) for cell, width in zip(row, widths, strict=True)] for row in table]


def _figures(sums: Sums) -> Sequence[str]:
    return (
        str(sums.jobs),
        f"{sums.media_seconds / HOUR:.2f}",
        str(sums.unknown_length),
        str(sums.failed),
        str(sums.reused),
    )


def _say_csv(bill: Sequence[Line], grouping: Grouping) -> None:
    """RFC 4180: a header, CRLF, quotes where they must be; nobody wants a sum of sums in a spreadsheet."""
    rule = ("rule",) if grouping is Grouping.RULE else ()
    writer = csv.writer(sys.stdout)
    writer.writerow(("month", "folder", *rule, "jobs", "media_hours", "unknown_length", "failed", "reused"))
    for line in bill:
        sums, ruled = line.sums, (line.rule,) if rule else ()
        hours = f"{sums.media_seconds / HOUR:.4f}"
        writer.writerow(
            (line.month, line.folder, *ruled, sums.jobs, hours, sums.unknown_length, sums.failed, sums.reused)
        )


def _record(bill: Sequence[Line], months: Months, grouping: Grouping) -> dict[str, object]:
    return {
        "since": months.first,
        "until": months.last,
        "by": grouping.value,
        "lines": [
            {"month": line.month, "folder": line.folder, "rule": line.rule or None, **_sums(line.sums)} for line in bill
        ],
        "total": _sums(total(bill)),
    }


def _sums(sums: Sums) -> dict[str, object]:
    return {
        "jobs": sums.jobs,
        "media_seconds": sums.media_seconds,
        "unknown_length": sums.unknown_length,
        "failed": sums.failed,
        "reused": sums.reused,
    }
