"""What it takes to forget a file: its transcript, its names, its story; and what is told to the service.

What was paid for stays known by its hash, so that nobody pays for it again by mistake; no name stays, and no text.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from scriptixd.jobs.events import Dismissed, Rejected
from scriptixd.jobs.job import ACTIVE, ADOPTED_UPLOAD, Job, State
from scriptixd.jobs.source import Source
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.erasures import Erasures
from scriptixd.jobs.store.history import remember
from scriptixd.jobs.store.jobs import Jobs
from scriptixd.jobs.store.requests import NamedFile
from scriptixd.jobs.store.rows import told
from scriptixd.jobs.store.sources import Sources
from scriptixd.roots.paths import name_of, shown

FORGOTTEN: Final = "it is to be forgotten"

_NEWEST: Final = """(SELECT job_id FROM deliveries AS newest WHERE newest.source_id = sources.id
    AND newest.state != 'dropped' ORDER BY newest.id DESC LIMIT 1)"""
_SHARERS: Final = f"""SELECT DISTINCT sources.id, sources.present, {_NEWEST} FROM deliveries
    JOIN sources ON sources.id = deliveries.source_id WHERE deliveries.job_id = ?"""
# Where a sentence may name a file, of what belongs to a job.
_SENTENCES: Final = (
    ("history", "job_id", "detail"),
    ("jobs", "id", "reason"),
    ("jobs", "id", "hint"),
    ("jobs", "id", "held_for"),
    ("deliveries", "job_id", "reason"),
    ("deliveries", "job_id", "hint"),
    ("erasures", "job_id", "reason"),
    ("erasures", "job_id", "hint"),
)


@dataclass(frozen=True, slots=True)
class Left:
    """What is to be told of a file that was forgotten."""

    ordered: bool  # the service is told to erase something of it
    shared: bool  # its transcript stays, for another file has the same content
    adopted: tuple[str, ...]  # sessions that another state file paid for: nobody here knows where they are


class Forgetting:
    """Forgets one source after the other; each is one transaction, or part of the one that is open."""

    def __init__(self, database: Database, jobs: Jobs, sources: Sources, erasures: Erasures) -> None:
        self._database = database
        self._jobs = jobs
        self._sources = sources
        self._erasures = erasures

    def copies(self, source_ids: Collection[int]) -> Sequence[Source]:
        """The other sources that are there, with the content of one of these."""
        found: dict[int, Source] = {}
        with self._database.reading() as connection:
            for source_id in source_ids:
                kin = self._kin(connection, source_id)
                for sharer, present, newest in _sharers(connection, kin):
                    source = self._sources.get(sharer) if present and newest in kin else None
                    if source is not None and sharer not in source_ids:
                        found[sharer] = source
        return list(found.values())

    def names(self, source_id: int) -> Collection[int]:
        """A source, and what is there no more of the names that its recording had before."""
        with self._database.reading() as connection:
            return {source_id, *self._old_names(connection, source_id)}

    def forget(self, file: NamedFile, at: float) -> Left | None:
        """Forget a source, and the names that it had before; None if there is none, or the row is another file's."""
        with self._database.transaction() as connection:
            source = self._sources.meant(file)
            if source is None:
                return None
            newest = self._jobs.newest_of(source.id)
            names = self.names(source.id)
            jobs = {job for name in names for job in _jobs_of(connection, name)}
            shared = {job for job in jobs if _has_others(connection, job, names)}
            for name in names:
                self._unname(connection, name, shared)
            told_of = [self._erase(connection, job, at) for job in sorted(jobs - shared)]
            if file.stays:
                self._sources.forgotten.leave_alone(source, at)
            for name in names:
                _remove(connection, name)
        stays = newest.id in shared if newest is not None else bool(shared)
        return Left(any(one.ordered for one in told_of), stays, tuple(id_ for one in told_of for id_ in one.adopted))

    def _kin(self, connection: sqlite3.Connection, source_id: int) -> set[int]:
        """The jobs about the content that a source has today."""
        job = self._jobs.newest_of(source_id)
        if job is None:
            return set()
        query = "SELECT id FROM jobs WHERE size = ? AND sha256 = ?"
        return {job.id, *(id_ for (id_,) in connection.execute(query, (job.stat.size, job.sha256)))}

    def _old_names(self, connection: sqlite3.Connection, source_id: int) -> Iterator[int]:
        """What is there no more, and was about the same content when it was."""
        kin = self._kin(connection, source_id)
        for sharer, present, newest in list(_sharers(connection, kin)):
            left = newest is None and _jobs_of(connection, sharer) <= kin
            if not present and (newest in kin or left):
                yield sharer

    def _erase(self, connection: sqlite3.Connection, job_id: int, at: float) -> Left:
        """A job that is nobody else's: only what tells that its content was paid for stays."""
        job = self._stopped(job_id, at)
        ordered = self._erasures.order(job, at)
        connection.execute("DELETE FROM results WHERE job_id = ?", (job_id,))
        connection.execute(
            """UPDATE jobs SET labels = NULL, reason = '', hint = '', held_for = '', cleared = '', updated_at = ?,
            version = version + 1 WHERE id = ?""",
            (at, job_id),
        )
        connection.execute(
            """UPDATE deliveries SET reason = '', hint = '', state = iif(state = 'pending', 'dropped', state)
            WHERE job_id = ?""",
            (job_id,),
        )
        connection.execute("UPDATE history SET detail = '' WHERE job_id = ? AND event != 'Erased'", (job_id,))
        remember(connection, job_id, None, "Forgotten", job.state, "", at)
        adopted = (job.session_id,) if job.file_id == ADOPTED_UPLOAD and job.session_id else ()
        return Left(ordered, False, adopted)

    def _stopped(self, job_id: int, at: float) -> Job:
        """The job, which does not go on any more."""
        job = self._jobs.get(job_id)
        if job is not None and job.state in ACTIVE:
            job = self._jobs.apply(job, Rejected(FORGOTTEN, ""), at)
        if job is not None and job.state in (State.HELD, State.FAILED):
            job = self._jobs.apply(job, Dismissed(), at)
        if job is None:
            raise AssertionError("nobody else changes a job in our transaction")
        return job

    def _unname(self, connection: sqlite3.Connection, source_id: int, shared: Collection[int]) -> None:
        """A source in its own story, in that of jobs that are no more, and in sentences about those of others."""
        own = "SELECT DISTINCT job_id FROM history WHERE source_id = ?"
        connection.execute(
            f"UPDATE history SET detail = '' WHERE job_id IN ({own}) AND job_id NOT IN (SELECT id FROM jobs)",
            (source_id,),
        )
        connection.execute("UPDATE history SET detail = '', source_id = NULL WHERE source_id = ?", (source_id,))
        source = self._sources.get(source_id)
        if source is None:
            return
        self._sources.forget_unread(source.folder, source.path)
        name = name_of(source.path)
        for job_id in shared:
            for spelled in {told(name), shown(name)}:
                for table, key, column in _SENTENCES:
                    connection.execute(
                        f"UPDATE {table} SET {column} = '' WHERE {key} = ? AND instr({column}, ?)", (job_id, spelled)
                    )
            connection.execute(
                "UPDATE jobs SET labels = json_set(labels, '$.filename', NULL) WHERE id = ? AND labels IS NOT NULL",
                (job_id,),
            )


def _jobs_of(connection: sqlite3.Connection, source_id: int) -> set[int]:
    """Every job that a source has, or ever had, a share of."""
    query = "SELECT job_id FROM deliveries WHERE source_id = ?"
    return {job for (job,) in connection.execute(query, (source_id,))}


def _sharers(connection: sqlite3.Connection, jobs: Collection[int]) -> Iterator[tuple[int, bool, int | None]]:
    """Every source that has, or ever had, a share of one of these: whether it is there, and its newest job."""
    for job in jobs:
        yield from connection.execute(_SHARERS, (job,)).fetchall()


def _has_others(connection: sqlite3.Connection, job: int, names: Collection[int]) -> bool:
    """Whether the content of a job is that of another source than these."""
    return any(newest == job and sharer not in names for sharer, _, newest in _sharers(connection, (job,)))


def _remove(connection: sqlite3.Connection, source_id: int) -> None:
    connection.execute(
        "DELETE FROM sidecars WHERE delivery_id IN (SELECT id FROM deliveries WHERE source_id = ?)", (source_id,)
    )
    connection.execute("DELETE FROM deliveries WHERE source_id = ?", (source_id,))
    connection.execute("DELETE FROM sources WHERE id = ?", (source_id,))
