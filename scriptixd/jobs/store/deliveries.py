"""The deliveries table and the sidecars: what a source gets beside it, and what we wrote there."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import Any

from scriptixd.errors import Stopped, with_hint
from scriptixd.jobs.delivering import Delivered, DeliveryEvent, RenderRequested, Unwanted, advance_delivery
from scriptixd.jobs.events import Postponed
from scriptixd.jobs.job import NO_RESULT_YET, Delivery, Sidecar
from scriptixd.jobs.source import Source
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.erasures import Erasures
from scriptixd.jobs.store.errands import Errands
from scriptixd.jobs.store.jobs import Jobs
from scriptixd.jobs.store.rows import DELIVERY_COLUMNS, delivery_from, told

_SIDECAR_COLUMNS = "id, delivery_id, folder, path, output, sha256, replaces, written_at, former"


class Deliveries:
    """What the delivery room does to deliveries and sidecars."""

    def __init__(self, database: Database, jobs: Jobs, erasures: Erasures, errands: Errands) -> None:
        self._database = database
        self._jobs = jobs
        self._erasures = erasures
        self._errands = errands

    def due(self, at: float, folders: Collection[str], excluded: Collection[int]) -> Delivery | None:
        """A pending delivery whose result is stored and whose source is there, in one of these folders."""
        # CROSS keeps the order of the tables: those that are due are few, the finished and the waiting ones a million.
        columns = ", ".join(f"deliveries.{column}" for column in DELIVERY_COLUMNS.split(", "))
        query = f"""SELECT {columns} FROM deliveries CROSS JOIN jobs ON jobs.id = deliveries.job_id
            CROSS JOIN sources ON sources.id = deliveries.source_id
            WHERE deliveries.state = 'pending' AND jobs.state = 'ready' AND sources.present = 1
            AND deliveries.due_at <= ? AND sources.folder IN ({_marks(folders)})
            AND deliveries.id NOT IN ({_marks(excluded)}) ORDER BY deliveries.due_at, deliveries.id LIMIT 1"""
        with self._database.reading() as connection:
            row = connection.execute(query, (at, *folders, *excluded)).fetchone()
        return delivery_from(row) if row else None

    def next_due(self, at: float) -> float | None:
        """When the next postponed delivery is due, after `at`."""
        query = "SELECT min(due_at) FROM deliveries WHERE state = 'pending' AND due_at > ? AND due_at < ?"
        with self._database.reading() as connection:
            (earliest,) = connection.execute(query, (at, NO_RESULT_YET)).fetchone()
        return None if earliest is None else float(earliest)

    def get(self, delivery_id: int) -> Delivery | None:
        query = f"SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE id = ?"
        with self._database.reading() as connection:
            row = connection.execute(query, (delivery_id,)).fetchone()
        return delivery_from(row) if row else None

    def _current(self, delivery: Delivery) -> Delivery | None:
        """A delivery as it is now; None if it is no more, and perhaps its number another one's."""
        current = self.get(delivery.id)
        same = current is not None and (current.job_id, current.source_id) == (delivery.job_id, delivery.source_id)
        return current if same else None

    def stands(self, delivery: Delivery) -> bool:
        """Whether it is there still: its file may have been forgotten meanwhile."""
        return self._current(delivery) is not None

    def siblings(self, delivery: Delivery) -> Sequence[tuple[Delivery, Source]]:
        """The other shares of its job for which sidecars were written, the latest first."""
        query = f"""SELECT {DELIVERY_COLUMNS} FROM deliveries WHERE job_id = ? AND id != ? AND state != 'dropped'
            AND EXISTS (SELECT 1 FROM sidecars WHERE delivery_id = deliveries.id AND written_at IS NOT NULL)
            ORDER BY id DESC"""
        with self._database.reading() as connection:
            found = [delivery_from(row) for row in connection.execute(query, (delivery.job_id, delivery.id))]
            sources = {source.id: source for source in self._jobs.sources(delivery.job_id)}
        return [(one, sources[one.source_id]) for one in found if one.source_id in sources]

    def apply(self, delivery: Delivery, event: DeliveryEvent, at: float) -> Delivery:
        """The delivery after the event, committed with its history row; of one that is no more, nothing is told."""
        with self._database.transaction() as connection:
            current = self._current(delivery)
            after = advance_delivery(current or delivery, event)
            if current is None:
                return after
            connection.execute(
                """UPDATE deliveries SET state = ?, due_at = ?, failures = ?, reason = ?, hint = ?, wishes = ?,
                updated_at = ? WHERE id = ?""",
                (*_facts(after), at, after.id),
            )
            match event:
                case RenderRequested():
                    detail = ""
                    connection.execute(
                        "UPDATE sidecars SET former = 1 WHERE delivery_id = ? AND written_at IS NOT NULL", (after.id,)
                    )
                case Postponed(_, reason, hint):
                    detail = with_hint(reason, hint)
                case Unwanted(reason):
                    detail = reason
                case Delivered():
                    detail = ", ".join(os.path.basename(sidecar.path) for sidecar in self.sidecars(after.id))
            self._plan(after, event, at)
            kind, lasting = type(event).__name__, isinstance(event, Postponed)
            self._jobs.remember(after.job_id, after.source_id, kind, after.state, detail, at, lasting=lasting)
        return after

    def _plan(self, delivery: Delivery, event: DeliveryEvent, at: float) -> None:
        """What a delivery means for what the service has, which it may set free; and the command that follows it."""
        job = self._jobs.get(delivery.job_id)
        if isinstance(event, Delivered) and event.errand:
            self._errands.plan(delivery.id, at)
        elif isinstance(event, Unwanted):
            self._errands.withdraw(delivery.id)
        match event:
            case Delivered(erase_after=wait) if job is not None and wait is not None:
                self._erasures.plan(job, at, wait)
            case Unwanted() if job is not None:
                self._erasures.plan_unshared(job, at)
            case _:
                pass

    def sidecars(self, delivery_id: int) -> Sequence[Sidecar]:
        """What this delivery wrote, or is about to write, in the order of writing."""
        query = f"SELECT {_SIDECAR_COLUMNS} FROM sidecars WHERE delivery_id = ? AND former = 0 ORDER BY id"
        with self._database.reading() as connection:
            return [_sidecar_from(row) for row in connection.execute(query, (delivery_id,))]

    def leave_as_it_was(self, delivery: Delivery) -> None:
        """What was to be made anew cannot be: what there was before is what it wrote."""
        with self._database.transaction() as connection:
            connection.execute(
                """DELETE FROM sidecars WHERE delivery_id = :id AND former = 0 AND output IN
                (SELECT output FROM sidecars WHERE delivery_id = :id AND former = 1)""",
                {"id": delivery.id},
            )
            connection.execute(
                """UPDATE sidecars SET former = 0 WHERE id IN
                (SELECT max(id) FROM sidecars WHERE delivery_id = ? AND former = 1 GROUP BY output)""",
                (delivery.id,),
            )

    def sidecars_of(self, source_id: int) -> Sequence[Sidecar]:
        """What was written for a source, of any content that it has had, and that nothing of ours has replaced."""
        query = f"""SELECT {_SIDECAR_COLUMNS} FROM sidecars WHERE written_at IS NOT NULL AND delivery_id IN
            (SELECT id FROM deliveries WHERE source_id = ?) ORDER BY id"""
        with self._database.reading() as connection:
            return [_sidecar_from(row) for row in connection.execute(query, (source_id,))]

    def sidecar_at(self, folder: str, path: str) -> Sidecar | None:
        """The sidecar of ours that has, or is about to have, this path in a folder, or in a directory for outputs."""
        query = f"SELECT {_SIDECAR_COLUMNS} FROM sidecars WHERE folder = ? AND path = ?"
        with self._database.reading() as connection:
            row = connection.execute(query, (folder, os.fsencode(path))).fetchone()
        return _sidecar_from(row) if row else None

    def intend(
        self, delivery: Delivery, folder: str, path: str, output: str, sha256: str, replaces: str | None
    ) -> Sidecar:
        """Commit a sidecar's name and hash, before it is written over our own file of the hash `replaces`.

        Raises Stopped if the delivery is no more: its file was forgotten meanwhile.
        """
        with self._database.transaction() as connection:
            if self._current(delivery) is None:
                raise Stopped(f"delivery {delivery.id} is no more")
            connection.execute(
                "DELETE FROM sidecars WHERE folder = ? AND path = ? AND (delivery_id != ? OR former = 1)",
                (folder, os.fsencode(path), delivery.id),
            )
            connection.execute(
                """INSERT INTO sidecars (delivery_id, folder, path, output, sha256, replaces)
                VALUES (?, ?, ?, ?, ?, ?)
                ON CONFLICT (delivery_id, output) WHERE former = 0
                DO UPDATE SET folder = excluded.folder, path = excluded.path,
                    sha256 = excluded.sha256, replaces = excluded.replaces, written_at = NULL""",
                (delivery.id, folder, os.fsencode(path), output, sha256, replaces),
            )
            row = connection.execute(
                f"SELECT {_SIDECAR_COLUMNS} FROM sidecars WHERE delivery_id = ? AND output = ? AND former = 0",
                (delivery.id, output),
            ).fetchone()
        return _sidecar_from(row)

    def written(self, sidecar: Sidecar, at: float) -> None:
        """The sidecar is on the disk, whole."""
        with self._database.transaction() as connection:
            connection.execute("UPDATE sidecars SET written_at = ? WHERE id = ?", (at, sidecar.id))

    def release(self, sidecar: Sidecar) -> None:
        """We do not own this path: somebody else's file lies there."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM sidecars WHERE id = ?", (sidecar.id,))


def _sidecar_from(row: tuple[Any, ...]) -> Sidecar:
    (id_, delivery_id, folder, path, output, sha256, replaces, written_at, former) = row
    return Sidecar(id_, delivery_id, folder, os.fsdecode(path), output, sha256, replaces, written_at, bool(former))


def _facts(delivery: Delivery) -> tuple[object, ...]:
    told_of = (told(delivery.reason), told(delivery.hint))
    return (delivery.state, delivery.due_at, delivery.failures, *told_of, delivery.wishes)


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" for _ in values)
