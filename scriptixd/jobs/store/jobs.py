"""The jobs table: saving events with their history, finding what is due, recognising content.

Every change is one event applied to the row as it is now, in one transaction with its history, its
result and its line in the ledger. Who holds an older version of a job changes nothing.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Collection, Sequence
from dataclasses import replace

from scriptixd.jobs.clock import local_day
from scriptixd.jobs.events import (
    Adopted,
    Closing,
    Event,
    Held,
    Postponed,
    Rejected,
    ResultReady,
    SourceBack,
    StillRunning,
    UploadFinished,
    UploadOpened,
    detail_of,
)
from scriptixd.jobs.job import ACTIVE, NO_RESULT_YET, DeliveryState, Job, Request, State
from scriptixd.jobs.source import Source
from scriptixd.jobs.store.contents import Contents
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.erasures import Erasures
from scriptixd.jobs.store.history import remember
from scriptixd.jobs.store.rows import (
    JOB_COLUMNS,
    JOB_FACTS,
    JOB_MARKS,
    SOURCE_COLUMNS,
    job_from,
    job_values,
    source_from,
)
from scriptixd.jobs.store.twins import TWIN_PATIENCE, WAITED_FOR, readable
from scriptixd.jobs.transitions import advance, without_upload

_STARTABLE = f"""AND {readable("jobs")} AND NOT EXISTS (SELECT 1 FROM {WAITED_FOR})"""

_LAST_PAID = "id = (SELECT max(id) FROM ledger WHERE job_id = ?)"


class Jobs:
    """What the pipeline and the scanner do to jobs."""

    def __init__(self, database: Database, erasures: Erasures, contents: Contents) -> None:
        self._database = database
        self._erasures = erasures
        self._contents = contents

    def get(self, job_id: int) -> Job | None:
        with self._database.reading() as connection:
            row = connection.execute(f"SELECT {JOB_COLUMNS} FROM jobs WHERE id = ?", (job_id,)).fetchone()
        return job_from(row) if row else None

    def apply(self, job: Job, event: Event, at: float) -> Job | None:
        """The job after the event, committed; None if it has changed since `job` was read, or is no more.

        Raises Unlisted, and changes nothing, for an event that the table does not list.
        """
        with self._database.transaction() as connection:
            current = self.get(job.id)
            if current is None or current.version != job.version:
                if isinstance(event, UploadOpened):
                    self._erasures.plan_upload(job.id, event, at)
                return None
            after = replace(advance(current, event, at), version=current.version + 1)
            _put(connection, after)
            self._erasures.follow(current, after, at)
            if isinstance(event, ResultReady):
                self._erasures.plan_unshared(after, at)
            _settle_accounts(connection, after, event, at)
            lasting = isinstance(event, Postponed | StillRunning)
            self.remember(after.id, None, type(event).__name__, after.state, detail_of(event), at, lasting=lasting)
        return after

    def create(
        self,
        source: Source,
        request: Request,
        held_for: str,
        redo: int,
        at: float,
        cleared: str = "",
        *,
        asks: bool = True,
        language: str | None = None,
    ) -> Job:
        """A new job for a source's content, and this source's share of it; held, if a yes is needed for it.

        `cleared`: the doubts about this content that a person has said yes to already, a line each. Without `asks`
        it is looked first whether it is known.
        """
        fresh = Job(
            id=0,  # the database gives it
            state=State.FOUND,
            folder=source.folder,
            request=request,
            stat=source.stat,
            redo=redo,
            created_at=at,
            updated_at=at,
            held_for="" if asks else held_for,
            cleared=cleared,
            language=language,
        )
        with self._database.transaction() as connection:
            given = connection.execute(
                f"INSERT INTO jobs ({JOB_FACTS}) VALUES ({JOB_MARKS})", job_values(fresh)
            ).lastrowid
            job = replace(fresh, id=given or 0)
            self.remember(job.id, source.id, "Settled", job.state, "", at)
            self._share(job, source, at)
            held = self.apply(job, Held(held_for), at) if asks and held_for else None
        return held or job

    def follow(self, job: Job, request: Request, at: float) -> Job | None:
        """A job that was not sent yet asks what today's configuration says."""
        with self._database.transaction():
            after = self._amend(job, replace(job, request=request), at)
            if after is not None:
                self.remember(job.id, None, "RequestFollowed", after.state, request.key, at)
        return after

    def paid_again(self, job: Job, redo: int, at: float) -> Job | None:
        """A job that was not sent yet pays for known content once more, because a person said so."""
        return self._amend(job, replace(job, redo=redo), at)

    def _amend(self, job: Job, amended: Job, at: float) -> Job | None:
        """A job that was not sent yet as it is to be; None if it has changed since `job` was read, or is no more."""
        with self._database.transaction() as connection:
            current = self.get(job.id)
            if current is None or current.version != job.version or current.state is not State.FOUND:
                return None
            after = replace(amended, updated_at=at, version=current.version + 1)
            _put(connection, after)
        return after

    def fold(self, job: Job, at: float) -> Job | None:
        """Share another job's transcript, if one of this content and request is known; returns that one.

        Only for a job for which nothing was paid: it is no more afterwards, and its sources share the other.
        One that was not paid either is none to share: it may lose its file before it gets there.
        """
        with self._database.transaction():
            current = self.get(job.id)
            into = self._contents.same(job)
            if into is None or current is None or current.version != job.version:
                return None
            self.merge(job, into, at)
            if into.state is State.GONE:  # its file is there after all, under another path
                return self.apply(into, SourceBack(current.stat), at) or into
        return into

    def merge(self, job: Job, into: Job, at: float) -> None:
        """The sources of a job for which nothing was paid share another one, and it is no more.

        But for those that have had other content since: that is what they are now.
        """
        with self._database.transaction():
            own = ((source, self.newest_of(source.id)) for source in self.sources(job.id))
            sources = [source for source, newest in own if newest is not None and newest.id == job.id]
            self._erasures.plan(job, at, teller=into.id)
            self.withdraw(job)
            self.share(into, sources, at)

    def withdraw(self, job: Job) -> None:
        """A job for which nothing was paid is no more, and its sources belong to what they belonged to before."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM deliveries WHERE job_id = ?", (job.id,))
            connection.execute("DELETE FROM jobs WHERE id = ?", (job.id,))

    def close_or_fold(self, job: Job, sha256: str, at: float) -> Job | None:
        """Commit the content's identity before its last chunk is sent, unless it turns out to be known already.

        Returns the job, now closing, or the one that it shares from now on; None if it has changed meanwhile.
        """
        with self._database.transaction():
            return self.fold(replace(job, sha256=sha256), at) or self.apply(job, Closing(sha256), at)

    def let_go(self, job_id: int, remote_id: str, at: float) -> None:
        """What a job that rests has at the service is about to be erased: it begins anew if it ever goes on.

        But for what may have been paid for without anybody knowing: that stays undecided.
        """
        with self._database.transaction() as connection:
            job = self.get(job_id)
            if job is None or job.state not in (State.FAILED, State.GONE, State.DISMISSED):
                return
            undecided = job.closing_at is not None and job.uploaded_at is None
            if not undecided and remote_id in (job.session_id, job.file_id):
                _put(connection, replace(without_upload(job), updated_at=at, version=job.version + 1))

    def sources(self, job_id: int) -> Sequence[Source]:
        """Every source that shares the job, the oldest first."""
        query = f"""SELECT {SOURCE_COLUMNS} FROM sources JOIN deliveries ON deliveries.source_id = sources.id
            WHERE deliveries.job_id = ? AND deliveries.state != 'dropped' ORDER BY sources.id"""
        with self._database.reading() as connection:
            return [source_from(row) for row in connection.execute(query, (job_id,))]

    def newest_of(self, source_id: int) -> Job | None:
        """The job that the source's content of today belongs to, if it has one."""
        query = f"""SELECT {JOB_COLUMNS} FROM jobs WHERE id = (SELECT job_id FROM deliveries
            WHERE source_id = ? AND state != 'dropped' ORDER BY id DESC LIMIT 1)"""
        with self._database.reading() as connection:
            row = connection.execute(query, (source_id,)).fetchone()
        return job_from(row) if row else None

    def has_shares(self, source_id: int) -> bool:
        """Whether a source has, or ever had, a share of any job."""
        query = "SELECT 1 FROM deliveries WHERE source_id = ? LIMIT 1"
        with self._database.reading() as connection:
            return connection.execute(query, (source_id,)).fetchone() is not None

    def was_paid(self, job_id: int) -> bool:
        """Whether the ledger has a payment for the job."""
        with self._database.reading() as connection:
            return connection.execute("SELECT 1 FROM ledger WHERE job_id = ? LIMIT 1", (job_id,)).fetchone() is not None

    def due(
        self, state: State, at: float, folder: str | None, excluded: Collection[int], without: Collection[str] = ()
    ) -> Job | None:
        """A job of a state that is due, and neither in `excluded` nor of one of the folders `without`.

        Of a folder the oldest, but where the service is asked: there and of all folders the one that is due longest.
        """
        # Each way has its index; the plus keeps SQLite from reading and sorting a whole backlog by due_at.
        where, order = f"due_at <= ? AND folder NOT IN ({_marks(without)})", "due_at, id"
        values: tuple[object, ...] = (at, *without)
        if folder is not None and state in (State.UPLOADED, State.TRANSCRIBING):
            where, values = "folder = ? AND due_at <= ?", (folder, at)
        elif folder is not None:
            where, order, values = "folder = ? AND +due_at <= ?", "id", (folder, at)
        startable, patience = (_STARTABLE, (at - TWIN_PATIENCE,)) if state is State.FOUND else ("", ())
        query = f"""SELECT {JOB_COLUMNS} FROM jobs WHERE state = '{state}' AND {where}
            AND id NOT IN ({_marks(excluded)}) {startable} ORDER BY {order} LIMIT 1"""
        with self._database.reading() as connection:
            row = connection.execute(query, (*values, *excluded, *patience)).fetchone()
        return job_from(row) if row else None

    def next_due(self, states: Collection[State], at: float) -> float | None:
        """When the next waiting job of these states is due, after `at`."""
        with self._database.reading() as connection:
            earliest = [
                connection.execute(
                    f"SELECT min(due_at) FROM jobs WHERE state = '{state}' AND due_at > ?", (at,)
                ).fetchone()
                for state in states
            ]
        return min((float(due) for (due,) in earliest if due is not None), default=None)

    def clamp(self, latest: float) -> int:
        """No backoff may outlive a clock that was wrong: nothing is due later than `latest`; returns how many were."""
        with self._database.transaction() as connection:
            late = [f"jobs SET due_at = :latest WHERE state = '{state}' AND due_at > :latest" for state in ACTIVE]
            late.append("deliveries SET due_at = :latest WHERE state = 'pending' AND due_at > :latest AND due_at < :no")
            values = {"latest": latest, "no": NO_RESULT_YET}
            return sum(connection.execute(f"UPDATE {one}", values).rowcount for one in late)

    def result(self, job_id: int) -> bytes | None:
        """The service's reply as it came, or None if none is stored."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT body FROM results WHERE job_id = ?", (job_id,)).fetchone()
        return zlib.decompress(row[0]) if row else None

    def has_result(self, job_id: int) -> bool:
        """Whether the service's reply is stored."""
        with self._database.reading() as connection:
            return connection.execute("SELECT 1 FROM results WHERE job_id = ?", (job_id,)).fetchone() is not None

    def keep_result(self, job: Job, body: bytes, at: float) -> None:
        """A reply that was stored before, and was found again."""
        with self._database.transaction() as connection:
            _store_result(connection, job, body, at)

    def remember(
        self,
        job_id: int | None,
        source_id: int | None,
        event: str,
        state: str,
        detail: str,
        at: float,
        *,
        lasting: bool = False,
    ) -> None:
        """A history row, in the transaction that is open; what is merely `lasting` is told when it begins."""
        with self._database.transaction() as connection:
            remember(connection, job_id, source_id, event, state, detail, at, lasting=lasting)

    def share(self, job: Job, sources: Sequence[Source], at: float) -> None:
        """These sources have the job's content, and get its transcript."""
        with self._database.transaction():
            for source in sources:
                self.remember(job.id, source.id, "SameContent", job.state, f"shares job {job.id}", at)
                self._share(job, source, at)

    def _share(self, job: Job, source: Source, at: float) -> None:
        """This source's share of a job, from now on its newest.

        A share that it has already stays as it is, unless it has had other content since: then that is no
        longer its own, and the sidecars of this one are due again.
        """
        due_at = 0.0 if job.state is State.READY else NO_RESULT_YET
        with self._database.transaction() as connection:
            known = connection.execute(
                "SELECT id, state FROM deliveries WHERE job_id = ? AND source_id = ?", (job.id, source.id)
            ).fetchone()
            if known is None:
                connection.execute(
                    """INSERT INTO deliveries
                        (job_id, source_id, state, due_at, failures, reason, hint, created_at, updated_at)
                    VALUES (?, ?, 'pending', ?, 0, '', '', ?, ?)""",
                    (job.id, source.id, due_at, at, at),
                )
                return
            share, state = known
            since = "source_id = ? AND id > ? AND state != 'dropped'"
            rows = connection.execute(f"SELECT job_id FROM deliveries WHERE {since}", (source.id, share))
            later = [self.get(job_id) for (job_id,) in rows.fetchall()]
            connection.execute(
                f"UPDATE deliveries SET state = 'dropped', updated_at = ? WHERE {since}", (at, source.id, share)
            )
            for left in filter(None, later):
                self._erasures.plan_unshared(left, at)
            if later or state == DeliveryState.DROPPED:
                connection.execute(
                    "UPDATE deliveries SET state = 'pending', due_at = ?, failures = 0, updated_at = ? WHERE id = ?",
                    (due_at, at, share),
                )


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" for _ in values)


def _put(connection: sqlite3.Connection, job: Job) -> None:
    connection.execute(f"UPDATE jobs SET ({JOB_FACTS}) = ({JOB_MARKS}) WHERE id = ?", (*job_values(job), job.id))


def _store_result(connection: sqlite3.Connection, job: Job, body: bytes, at: float) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO results (job_id, body, stored_at) VALUES (?, ?, ?)", (job.id, zlib.compress(body), at)
    )


def _settle_accounts(connection: sqlite3.Connection, job: Job, event: Event, at: float) -> None:
    """What an event means beside the job's own row: the result, what limits count, the ledger of what was paid."""
    match event:
        case UploadOpened():
            connection.execute(
                "INSERT INTO openings (job_id, folder, media_seconds, opened_at) VALUES (?, ?, ?, ?)",
                (job.id, job.folder, job.media_seconds, at),
            )
        case UploadFinished():
            day = local_day(at)
            connection.execute(
                "INSERT INTO ledger (job_id, day, folder, media_seconds, failed, paid_at) VALUES (?, ?, ?, ?, 0, ?)",
                (job.id, day, job.folder, job.media_seconds, at),
            )
        case Adopted(body):
            _store_result(connection, job, body, at)
            connection.execute("UPDATE deliveries SET due_at = 0 WHERE job_id = ? AND state = 'pending'", (job.id,))
        case ResultReady(body, _):
            _store_result(connection, job, body, at)
            connection.execute(f"UPDATE ledger SET media_seconds = ? WHERE {_LAST_PAID}", (job.media_seconds, job.id))
            connection.execute("UPDATE deliveries SET due_at = 0 WHERE job_id = ? AND state = 'pending'", (job.id,))
        case Rejected(voids=True):
            connection.execute(f"UPDATE ledger SET failed = 1 WHERE {_LAST_PAID}", (job.id,))
        case _:
            pass
