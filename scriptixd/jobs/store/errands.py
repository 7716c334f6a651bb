"""The errands table: the commands that are still to be run, each written down with the delivery that it follows.

A row is there until its command has run, or was given up; which command that is, today's configuration says.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.history import remember
from scriptixd.jobs.store.rows import join, told

_COLUMNS: Final = """errands.id, errands.delivery_id, deliveries.job_id, deliveries.source_id, sources.folder,
    sources.directory, sources.name, errands.since, errands.due_at, errands.failing_since, errands.failures,
    errands.reason"""
_FROM: Final = """FROM errands CROSS JOIN deliveries ON deliveries.id = errands.delivery_id
    CROSS JOIN sources ON sources.id = deliveries.source_id"""
# A delivery that was made anew meanwhile has an errand of its own, under the same number.
_THIS: Final = "id = ? AND since = ?"


@dataclass(frozen=True, slots=True)
class Errand:
    """One command to be run. Times are Unix seconds."""

    id: int
    delivery_id: int
    job_id: int
    source_id: int
    folder: str
    path: str  # of the source
    since: float  # when its delivery was complete
    due_at: float
    failing_since: float | None
    failures: int
    reason: str  # why it failed last; empty while it did not


@dataclass(frozen=True, slots=True)
class Unrun:
    """How many commands are still to be run, how many of them fail, and the first of these."""

    planned: int
    failing: int
    place: str  # of its file, as FOLDER/PATH
    reason: str


NONE_UNRUN: Final = Unrun(0, 0, "", "")


class Errands:
    """What deliveries plan, and what the loop that runs commands writes down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def plan(self, delivery_id: int, at: float) -> None:
        """A delivery is complete; part of the transaction that is open."""
        with self._database.transaction() as connection:
            connection.execute(
                """INSERT INTO errands (delivery_id, since, due_at, failures, reason) VALUES (?1, ?2, ?2, 0, '')
                ON CONFLICT (delivery_id) DO UPDATE SET since = excluded.since, due_at = excluded.due_at,
                    failing_since = NULL, failures = 0, reason = ''""",
                (delivery_id, at),
            )

    def withdraw(self, delivery_id: int) -> None:
        """A delivery is nobody's any more: what it wrote has another owner, or lies elsewhere."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM errands WHERE delivery_id = ?", (delivery_id,))

    def folders(self) -> Sequence[str]:
        """Those that have any."""
        with self._database.reading() as connection:
            return [folder for (folder,) in connection.execute(f"SELECT DISTINCT sources.folder {_FROM}")]

    def due(self, at: float, folders: Collection[str]) -> Sequence[Errand]:
        """The one of each of these folders that is due longest."""
        query = f"""SELECT {_COLUMNS}, min(errands.due_at) {_FROM} WHERE errands.due_at <= ?
            AND sources.folder IN ({_marks(folders)}) GROUP BY sources.folder ORDER BY min(errands.due_at)"""
        with self._database.reading() as connection:
            return [_errand_from(row[:-1]) for row in connection.execute(query, (at, *folders))]

    def next_due(self, at: float, folders: Collection[str]) -> float | None:
        """When the next one of these folders is due, after `at`."""
        query = f"""SELECT min(errands.due_at) {_FROM} WHERE errands.due_at > ?
            AND sources.folder IN ({_marks(folders)})"""
        with self._database.reading() as connection:
            (earliest,) = connection.execute(query, (at, *folders)).fetchone()
        return None if earliest is None else float(earliest)

    def pressing(self, at: float, folders: Collection[str]) -> bool:
        """Whether any in these folders is due, and has not failed."""
        query = f"""SELECT 1 {_FROM} WHERE errands.due_at <= ? AND errands.reason = ''
            AND sources.folder IN ({_marks(folders)}) LIMIT 1"""
        with self._database.reading() as connection:
            return connection.execute(query, (at, *folders)).fetchone() is not None

    def of_source(self, source_id: int) -> Sequence[Errand]:
        """What is still to be run for a source."""
        query = f"SELECT {_COLUMNS} {_FROM} WHERE deliveries.source_id = ? ORDER BY errands.id"
        with self._database.reading() as connection:
            return [_errand_from(row) for row in connection.execute(query, (source_id,))]

    def unrun(self) -> Unrun:
        """The sum of them."""
        failing = f"SELECT {_COLUMNS} {_FROM} WHERE errands.reason != '' ORDER BY errands.id LIMIT 1"
        with self._database.reading() as connection:
            planned, count = connection.execute(
                "SELECT count(*), coalesce(sum(reason != ''), 0) FROM errands"
            ).fetchone()
            row = connection.execute(failing).fetchone()
        if row is None:
            return Unrun(planned, 0, "", "")
        first = _errand_from(row)
        return Unrun(planned, count, f"{first.folder}/{first.path}", first.reason)

    def done(self, errand: Errand, said: str, at: float) -> None:
        """Its command has run."""
        self._end(errand, "ErrandDone", said, at)

    def give_up(self, errand: Errand, reason: str, at: float) -> None:
        """It has failed for too long."""
        self._end(errand, "ErrandGivenUp", reason, at)

    def drop(self, errand: Errand, reason: str, at: float) -> None:
        """There is nothing to be run any more."""
        self._end(errand, "ErrandDropped", reason, at)

    def postpone(self, errand: Errand, due_at: float, reason: str, at: float) -> None:
        """Its command has failed; told when that begins, and when it fails otherwise."""
        with self._database.transaction(quiet=True) as connection:
            done = connection.execute(
                f"""UPDATE errands SET due_at = ?, failing_since = coalesce(failing_since, ?), failures = failures + 1,
                reason = ? WHERE {_THIS}""",
                (due_at, at, told(reason), errand.id, errand.since),
            )
            if done.rowcount and told(reason) != errand.reason:
                remember(
                    connection, errand.job_id, errand.source_id, "ErrandPostponed", "delivered", reason, at,
                    lasting=True,
                )  # fmt: skip

    def leave(self, folder: str, reason: str, at: float) -> int:
        """A folder is not configured any more, and nobody knows its command; returns how many are not run."""
        query = f"SELECT {_COLUMNS} {_FROM} WHERE sources.folder = ?"
        with self._database.transaction() as connection:
            errands = [_errand_from(row) for row in connection.execute(query, (folder,)).fetchall()]
            for errand in errands:
                self.drop(errand, reason, at)
        return len(errands)

    def take_up(self, at: float) -> None:
        """What waited is due again, and no wait outlives a clock that was wrong."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE errands SET due_at = ?1 WHERE due_at > ?1", (at,))

    def _end(self, errand: Errand, event: str, detail: str, at: float) -> None:
        with self._database.transaction() as connection:
            done = connection.execute(f"DELETE FROM errands WHERE {_THIS}", (errand.id, errand.since))
            if done.rowcount:
                remember(connection, errand.job_id, errand.source_id, event, "delivered", detail, at)


def _errand_from(row: tuple[Any, ...]) -> Errand:
    (id_, delivery_id, job_id, source_id, folder, directory, name, *rest) = row
    path = join(os.fsdecode(directory), os.fsdecode(name))
    return Errand(id_, delivery_id, job_id, source_id, folder, path, *rest)


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" for _ in values)
