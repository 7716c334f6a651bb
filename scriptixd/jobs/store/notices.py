"""The notices table, and the files that a notice tells of: those that need somebody, or have waited for long."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from scriptixd.jobs.job import NO_RESULT_YET, State
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.rows import join

_NEWEST = """deliveries.id = (SELECT max(id) FROM deliveries AS share
    WHERE share.source_id = sources.id AND share.state != 'dropped')"""
_FILES = f"""FROM jobs CROSS JOIN deliveries ON deliveries.job_id = jobs.id
    CROSS JOIN sources ON sources.id = deliveries.source_id
    WHERE {{}} AND sources.folder = :folder AND sources.present = 1 AND {_NEWEST} ORDER BY jobs.id LIMIT :most"""
_TOLD = "sources.directory, sources.name, {}, count(*) OVER ()"


@dataclass(frozen=True, slots=True)
class Notice:
    """What a folder's notice holds, or is about to: `replaces` is what it held before."""

    sha256: str
    replaces: str | None
    written: bool


@dataclass(frozen=True, slots=True)
class Waits:
    """So many files of one kind, and the first of them: their paths below the folder, each with its reason."""

    count: int
    first: Sequence[tuple[str, str]]


class Notices:
    """What the daemon knows of the one file in a folder that tells what waits in it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, folder: str) -> Notice | None:
        with self._database.reading() as connection:
            row = connection.execute(
                "SELECT sha256, replaces, written FROM notices WHERE folder = ?", (folder,)
            ).fetchone()
        return None if row is None else Notice(row[0], row[1], bool(row[2]))

    def intend(self, folder: str, sha256: str, replaces: str | None) -> None:
        """Commit what it is about to hold, before it is written."""
        with self._database.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO notices VALUES (?, ?, ?, 0)", (folder, sha256, replaces))

    def written(self, folder: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE notices SET written = 1 WHERE folder = ?", (folder,))

    def forget(self, folder: str) -> None:
        """There is none of ours any more."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM notices WHERE folder = ?", (folder,))

    def stopped(self, folder: str, state: State, before: float, most: int) -> Waits:
        """What has been held, or failed, since before then."""
        where = f"jobs.state = '{state}' AND jobs.updated_at <= :before"
        return self._waits(where, "jobs.reason", folder, before, most)

    def unsent(self, folder: str, before: float, most: int, *, troubled: bool) -> Waits:
        """What was complete before then and is not sent; only what has met with trouble of its own, if `troubled`."""
        states = f"(jobs.state = '{State.FOUND}' OR jobs.state = '{State.UPLOADING}')"
        where = f"{states} AND sources.updated_at <= :before AND (NOT {int(troubled)} OR jobs.failures > 0)"
        return self._waits(where, "jobs.reason", folder, before, most)

    def undelivered(self, folder: str, before: float, most: int) -> Waits:
        """Transcripts that came before then, and cannot be written."""
        query = f"""SELECT {_TOLD.format("deliveries.reason")} FROM deliveries CROSS JOIN jobs
            ON jobs.id = deliveries.job_id CROSS JOIN sources ON sources.id = deliveries.source_id
            WHERE deliveries.state = 'pending' AND deliveries.due_at < {NO_RESULT_YET} AND deliveries.reason != ''
            AND jobs.ready_at <= :before AND sources.folder = :folder AND sources.present = 1 AND {_NEWEST}
            ORDER BY deliveries.id LIMIT :most"""
        return self._asked(query, folder, before, most)

    def _waits(self, where: str, reason: str, folder: str, before: float, most: int) -> Waits:
        return self._asked(f"SELECT {_TOLD.format(reason)} {_FILES.format(where)}", folder, before, most)

    def _asked(self, query: str, folder: str, before: float, most: int) -> Waits:
        with self._database.reading() as connection:
            rows = connection.execute(query, {"folder": folder, "before": before, "most": most}).fetchall()
        named = [(join(os.fsdecode(directory), os.fsdecode(name)), reason) for directory, name, reason, _ in rows]
        return Waits(rows[0][3] if rows else 0, named)
