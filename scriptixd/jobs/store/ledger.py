"""What was paid, and what was not because it was known: sums by month, folder and file. Reads only.

The ledger outlives jobs and names; what is told of reuse is what the state file still knows of deliveries.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from scriptixd.jobs.clock import local_day
from scriptixd.jobs.job import ADOPTED_UPLOAD, State
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.rows import join

# The oldest of a job's files in the folder that was charged; a file that was forgotten is none.
_SOURCE: Final = """(SELECT sources.id FROM deliveries JOIN sources ON sources.id = deliveries.source_id
    WHERE deliveries.job_id = ledger.job_id AND sources.folder = ledger.folder ORDER BY deliveries.id LIMIT 1)"""
_PAID: Final = """SELECT paid.month, paid.folder, sources.directory, sources.name, jobs, seconds, unknown, failed
    FROM (SELECT substr(day, 1, 7) AS month, folder, {source} AS source, count(*) AS jobs,
            coalesce(sum(media_seconds), 0.0) AS seconds, sum(media_seconds IS NULL) AS unknown, sum(failed) AS failed
        FROM ledger WHERE day >= ? AND day < ? GROUP BY 1, 2, 3) AS paid
    LEFT JOIN sources ON sources.id = paid.source"""
# A share of a transcript that was there: of one that was paid all but the first, of one that was adopted each. What
# a renamed file has left behind is dropped, and counts as little as its new name does.
_REUSED: Final = f"""SELECT deliveries.created_at, sources.folder, sources.directory, sources.name FROM deliveries
    JOIN jobs ON jobs.id = deliveries.job_id JOIN sources ON sources.id = deliveries.source_id
    WHERE deliveries.created_at >= ? AND deliveries.created_at < ? AND deliveries.state != 'dropped'
    AND jobs.state = '{State.READY}' AND (jobs.file_id = '{ADOPTED_UPLOAD}'
        OR EXISTS (SELECT 1 FROM deliveries AS first WHERE first.job_id = jobs.id AND first.id < deliveries.id
            AND first.state != 'dropped'))"""
_SPARE: Final = 2 * 86_400.0  # s on either side of a span of days, which begin at another time in every zone


@dataclass(frozen=True, slots=True)
class Entry:
    """A sum: so many payments of one month and folder, of one file if they are asked for by file, or of reuses."""

    month: str  # local, as 2026-05
    folder: str
    path: str | None  # None: of the folder as a whole, or of a file of which nothing is known any more
    jobs: int = 0
    media_seconds: float = 0.0  # of those that told their length
    unknown_length: int = 0  # how many did not
    failed: int = 0  # after they were paid
    reused: int = 0  # files that got a transcript for nothing


class Ledger:
    """Questions to the ledger, and to the deliveries beside it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def paid(self, since: str, until: str, *, by_file: bool) -> Sequence[Entry]:
        """What was paid from one local day, as ISO 8601, to before another."""
        query = _PAID.format(source=_SOURCE if by_file else "NULL")
        with self._database.reading() as connection:
            return [_entry_from(row) for row in connection.execute(query, (since, until))]

    def reused(self, since: str, until: str, begins: float, ends: float) -> Sequence[Entry]:
        """What was not paid on these days, a file an entry; `begins` and `ends` are they in Unix seconds, roughly."""
        found = []
        with self._database.reading() as connection:
            for at, folder, directory, name in connection.execute(_REUSED, (begins - _SPARE, ends + _SPARE)):
                day = local_day(at)
                if since <= day < until:
                    path = join(os.fsdecode(directory), os.fsdecode(name))
                    found.append(Entry(day[:7], folder, path, reused=1))
        return found


def _entry_from(row: tuple[Any, ...]) -> Entry:
    (month, folder, directory, name, jobs, seconds, unknown, failed) = row
    path = None if name is None else join(os.fsdecode(directory), os.fsdecode(name))
    return Entry(month, folder, path, jobs, float(seconds), unknown, failed)
