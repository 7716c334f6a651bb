"""The erasures table: what is still to be erased at the service, each planned with what makes it superfluous.

An unfinished upload that nobody goes on with is always given up; a session is erased where the settings say so, and
they are asked again when it is due. Never plans for what somebody still waits for.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from scriptixd.errors import with_hint
from scriptixd.jobs.clock import local_day
from scriptixd.jobs.job import ACTIVE, Job, State
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.history import remember
from scriptixd.jobs.store.rows import join, told

if TYPE_CHECKING:  # whoever only looks loads no events
    from scriptixd.jobs.events import UploadOpened

ABANDONED: Final = 7 * 86_400.0  # s that an unfinished upload is kept for a file that may come back, or for a retry

_COLUMNS: Final = (
    "id, job_id, kind, remote_id, service, key_fingerprint, since, due_at, failures, reason, hint, ordered"
)
_OURS: Final = "service = ? AND key_fingerprint = ?"
# What is planned twice keeps the earlier date; what was erased is not planned again for a copy that comes later.
_PLAN: Final = """INSERT INTO erasures (job_id, kind, remote_id, service, key_fingerprint, since, due_at, failures,
        reason, hint, ordered)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, '', '', ?8
    WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE id = ?1 AND erased = ?3)
    ON CONFLICT (kind, remote_id) DO UPDATE SET since = iif(excluded.due_at < due_at, excluded.since, since),
        due_at = min(due_at, excluded.due_at), ordered = max(ordered, excluded.ordered)"""


class Remnant(StrEnum):
    """What the service may still have of a job."""

    SESSION = "session"
    UPLOAD = "upload"


@dataclass(frozen=True, slots=True)
class Erasure:
    """One thing to be erased at the service. Times are Unix seconds."""

    id: int
    job_id: int  # whose story tells of it
    kind: Remnant
    remote_id: str
    service: str  # scheme and host where it is
    key_fingerprint: str  # of the key that may erase it
    since: float  # from when on it is wanted no more: what `delete_remote` counts from
    due_at: float
    failures: int
    reason: str  # why it waits, empty while nothing is in its way
    hint: str
    ordered: bool = False  # by a person: no setting takes it back


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much is to be erased, and how much of it waits for trouble to end, with the reason of the oldest."""

    planned: int
    waiting: int
    reason: str
    hint: str


NOTHING: Final = Backlog(0, 0, "", "")


class Erasures:
    """What jobs and deliveries plan, and what the loop that erases asks and writes down."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def plan(self, job: Job, at: float, wait: float = 0.0, teller: int | None = None, *, ordered: bool = False) -> None:
        """Erase what the service has of a job, `wait` seconds after `at`; part of the transaction that is open.

        `teller`: the job whose story tells of it, if this one will be no more. `ordered`: whatever the settings say.
        """
        if job.file_id is None or job.service is None or job.key_fingerprint is None:
            return
        kind, remote_id = Remnant.UPLOAD, job.file_id
        if job.session_id is not None:
            kind, remote_id = Remnant.SESSION, job.session_id
        of = job.id if teller is None else teller
        with self._database.transaction() as connection:
            due_at = at + max(0.0, wait)
            connection.execute(_PLAN, (of, kind, remote_id, job.service, job.key_fingerprint, at, due_at, ordered))

    def plan_upload(self, job_id: int, opened: UploadOpened, at: float) -> None:
        """An upload was opened for a job that has moved on meanwhile: nobody will go on with it."""
        with self._database.transaction() as connection:
            values = (job_id, Remnant.UPLOAD, opened.file_id, opened.service, opened.key_fingerprint, at, at, False)
            connection.execute(_PLAN, values)

    def follow(self, before: Job, after: Job, at: float) -> None:
        """What a change means for what the service has of the job; part of the transaction that is open."""
        if before.file_id is not None and before.file_id != after.file_id:
            self.plan(before, at)
        elif after.file_id is None:
            return
        elif after.state is State.DISMISSED:
            self.plan(after, at)
        elif after.state in (State.FAILED, State.GONE) and is_unfinished(after):
            self.plan(after, at, ABANDONED)
        elif after.state in ACTIVE and before.state not in ACTIVE:
            with self._database.transaction() as connection:
                connection.execute(
                    "DELETE FROM erasures WHERE job_id = ? AND remote_id IN (?, ?)",
                    (after.id, after.file_id, after.session_id),
                )

    def plan_unshared(self, job: Job, at: float) -> None:
        """A transcript that no file gets any more; one that waits to be written is wanted, and so was a written one."""
        wanted = "SELECT 1 FROM deliveries WHERE job_id = ? AND state != 'dropped' LIMIT 1"
        with self._database.transaction() as connection:
            if job.state is State.READY and connection.execute(wanted, (job.id,)).fetchone() is None:
                self.plan(job, at)

    def supersede(self, job: Job, at: float) -> None:
        """A person has the same content transcribed anew; a transcript is not erased before it lay beside its file."""
        delivered = "SELECT 1 FROM deliveries WHERE job_id = ? AND state = 'delivered' LIMIT 1"
        with self._database.transaction() as connection:
            if job.state is not State.READY or connection.execute(delivered, (job.id,)).fetchone():
                self.plan(job, at)

    def order(self, job: Job, at: float) -> bool:
        """A person wants it erased now, whatever the settings say; returns whether there is anything to be erased."""
        with self._database.transaction() as connection:
            self.plan(job, at, ordered=True)
            # What waited for trouble to end may name the file in telling of it; it is tried again now, and told anew.
            connection.execute(
                "UPDATE erasures SET ordered = 1, due_at = min(due_at, ?), reason = '', hint = '' WHERE job_id = ?",
                (at, job.id),
            )
            return connection.execute("SELECT 1 FROM erasures WHERE job_id = ?", (job.id,)).fetchone() is not None

    def is_ordered(self, session_id: str) -> bool:
        """Whether a person wants this session erased, and it is not yet."""
        return self._one("kind = ? AND remote_id = ? AND ordered = 1", (Remnant.SESSION, session_id)) is not None

    def named(self, erasure: Erasure, session_id: str, at: float) -> None:
        """The upload that was to be given up has become a session: it was paid for, and that is to be erased."""
        with self._database.transaction() as connection:
            connection.execute(
                """INSERT INTO ledger (job_id, day, folder, media_seconds, failed, paid_at)
                SELECT id, ?, folder, media_seconds, 0, ? FROM jobs WHERE id = ? AND uploaded_at IS NULL""",
                (local_day(at), at, erasure.job_id),
            )
            connection.execute(
                """UPDATE jobs SET session_id = ?, uploaded_at = coalesce(uploaded_at, ?), version = version + 1
                WHERE id = ?""",
                (session_id, at, erasure.job_id),
            )
            connection.execute(
                "UPDATE OR REPLACE erasures SET kind = ?, remote_id = ?, reason = '', hint = '' WHERE id = ?",
                (Remnant.SESSION, session_id, erasure.id),
            )

    def due(self, at: float, service: str, key_fingerprint: str) -> Erasure | None:
        """What is due longest of what this key may erase at this service."""
        where = f"{_OURS} AND due_at <= ? ORDER BY due_at, id LIMIT 1"
        return self._one(where, (service, key_fingerprint, at))

    def estranged(self, at: float, service: str, key_fingerprint: str) -> Erasure | None:
        """What is due longest of what another key, or this one elsewhere, would have to erase."""
        where = f"NOT ({_OURS}) AND due_at <= ? ORDER BY due_at, id LIMIT 1"
        return self._one(where, (service, key_fingerprint, at))

    def next_due(self, at: float) -> float | None:
        """When the next one is due, after `at`."""
        with self._database.reading() as connection:
            (earliest,) = connection.execute("SELECT min(due_at) FROM erasures WHERE due_at > ?", (at,)).fetchone()
        return None if earliest is None else float(earliest)

    def stands(self, erasure: Erasure) -> bool:
        """Whether it is still planned: somebody may want the upload, or the transcript, again."""
        return self._one("id = ?", (erasure.id,)) is not None

    def places(self, erasure: Erasure) -> Sequence[tuple[str, str]]:
        """Folder and path of every file that had a share of what is to be erased."""
        query = """SELECT sources.folder, sources.directory, sources.name FROM deliveries
            JOIN sources ON sources.id = deliveries.source_id WHERE deliveries.job_id = ? ORDER BY sources.id"""
        with self._database.reading() as connection:
            rows = connection.execute(query, (erasure.job_id,)).fetchall()
        return [(folder, join(os.fsdecode(directory), os.fsdecode(name))) for folder, directory, name in rows]

    def done(self, erasure: Erasure, answer: str, at: float) -> None:
        """It is erased: the plan is no more, and history keeps the proof."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM erasures WHERE id = ?", (erasure.id,))
            if erasure.kind is Remnant.SESSION:
                connection.execute("UPDATE jobs SET erased = ? WHERE id = ?", (erasure.remote_id, erasure.job_id))
            _tell(connection, erasure, "Erased", f"and answered {answer}", at)

    def keep(self, erasure: Erasure, reason: str, at: float) -> None:
        """It is not to be erased after all."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM erasures WHERE id = ?", (erasure.id,))
            _tell(connection, erasure, "Kept", reason, at)

    def put_off(self, erasure: Erasure, due_at: float) -> None:
        """The settings give it more time than they did."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE erasures SET due_at = ? WHERE id = ?", (due_at, erasure.id))

    def postpone(self, erasure: Erasure, due_at: float, reason: str, hint: str, at: float, *, failed: bool) -> None:
        """Trouble is in its way; told when it begins."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE erasures SET due_at = ?, failures = failures + ?, reason = ?, hint = ? WHERE id = ?",
                (due_at, failed, told(reason), told(hint), erasure.id),
            )
            if told(reason) != erasure.reason:
                _tell(connection, erasure, "ErasurePostponed", with_hint(reason, hint), at)

    def take_up(self, at: float) -> None:
        """What waited for trouble is due again, and no plan outlives a clock that was wrong."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE erasures SET due_at = ? WHERE reason != '' AND due_at > ?", (at, at))
            connection.execute(
                "UPDATE erasures SET due_at = ?1 + due_at - since, since = ?1 WHERE since > ?1 AND due_at >= since",
                (at,),
            )

    def pressing(self, at: float) -> bool:
        """Whether anything is due, and nothing known is in its way."""
        return self._one("due_at <= ? AND reason = '' LIMIT 1", (at,)) is not None

    def of_source(self, source_id: int) -> Sequence[Erasure]:
        """What is to be erased of every job that a source has had."""
        shares = "SELECT job_id FROM deliveries WHERE source_id = ?"
        query = f"SELECT {_COLUMNS} FROM erasures WHERE job_id IN ({shares}) ORDER BY due_at, id"
        with self._database.reading() as connection:
            return [_erasure_from(row) for row in connection.execute(query, (source_id,))]

    def backlog(self) -> Backlog:
        with self._database.reading() as connection:
            planned, waiting = connection.execute(
                "SELECT count(*), coalesce(sum(reason != ''), 0) FROM erasures"
            ).fetchone()
            oldest = connection.execute(
                "SELECT reason, hint FROM erasures WHERE reason != '' ORDER BY since, id LIMIT 1"
            ).fetchone()
        return Backlog(planned, waiting, *(oldest or ("", "")))

    def _one(self, where: str, values: tuple[object, ...]) -> Erasure | None:
        with self._database.reading() as connection:
            row = connection.execute(f"SELECT {_COLUMNS} FROM erasures WHERE {where}", values).fetchone()
        return _erasure_from(row) if row else None


def is_unfinished(job: Job) -> bool:
    """Whether a job has an upload that certainly lacks its last part: nothing was paid for it."""
    return job.file_id is not None and job.closing_at is None


def _tell(connection: sqlite3.Connection, erasure: Erasure, event: str, what: str, at: float) -> None:
    row = connection.execute("SELECT state FROM jobs WHERE id = ?", (erasure.job_id,)).fetchone()
    detail = f"{erasure.kind} {erasure.remote_id}, {what}"
    remember(
        connection, erasure.job_id, None, event, row[0] if row else "", detail, at, lasting=event == "ErasurePostponed"
    )


def _erasure_from(row: tuple[Any, ...]) -> Erasure:
    (id_, job_id, kind, remote_id, service, key_fingerprint, since, due_at, failures, reason, hint, ordered) = row
    return Erasure(
        id_, job_id, Remnant(kind), remote_id, service, key_fingerprint, since, due_at, failures, reason, hint,
        bool(ordered),
    )  # fmt: skip
