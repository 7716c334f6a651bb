"""What limits go by: the uploads that were opened, and what a person has paused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from scriptixd.jobs.store.database import Database


@dataclass(frozen=True, slots=True)
class Opening:
    """One upload that was opened. Times are Unix seconds."""

    id: int
    job_id: int
    folder: str
    opened_at: float
    media_seconds: float | None
    counted_at: float | None  # when the length of this very job was counted before, if it was


class Openings:
    """The openings table; its rows are written with the event that they stand for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def first_since(self, at: float) -> int:
        """The least id of what was opened since then; beyond all of them if nothing was."""
        query = """SELECT coalesce(min(id), (SELECT coalesce(max(id), 0) + 1 FROM openings))
            FROM openings WHERE opened_at >= ?"""
        with self._database.reading() as connection:
            return int(connection.execute(query, (at,)).fetchone()[0])

    def after(self, last: int, most: int) -> Sequence[Opening]:
        """What was opened after this id, in order, so many at most."""
        query = """SELECT id, job_id, folder, opened_at, media_seconds, (SELECT max(opened_at) FROM openings AS before
            WHERE before.job_id = openings.job_id AND before.id < openings.id AND before.media_seconds IS NOT NULL)
            FROM openings WHERE id > ? ORDER BY id LIMIT ?"""
        with self._database.reading() as connection:
            return [Opening(*row) for row in connection.execute(query, (last, most))]

    def opened_at(self, job_id: int) -> float | None:
        """When the upload of a job was opened last."""
        query = "SELECT max(opened_at) FROM openings WHERE job_id = ?"
        with self._database.reading() as connection:
            (at,) = connection.execute(query, (job_id,)).fetchone()
        return None if at is None else float(at)

    def counted_at(self, job_id: int) -> float | None:
        """When the length of a job was counted last."""
        query = "SELECT max(opened_at) FROM openings WHERE job_id = ? AND media_seconds IS NOT NULL"
        with self._database.reading() as connection:
            (at,) = connection.execute(query, (job_id,)).fetchone()
        return None if at is None else float(at)


class Pauses:
    """The standstills table: folders by name, and "" for all of them together."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def paused(self) -> Mapping[str, float]:
        """What is paused, and since when in Unix seconds."""
        with self._database.reading() as connection:
            return dict(connection.execute("SELECT folder, since FROM standstills ORDER BY folder").fetchall())

    def pause(self, folder: str, at: float) -> bool:
        """Whether it was not paused before."""
        with self._database.transaction() as connection:
            done = connection.execute("INSERT OR IGNORE INTO standstills (folder, since) VALUES (?, ?)", (folder, at))
        return done.rowcount > 0

    def resume(self, folder: str) -> bool:
        """Whether it was paused; of everything, all that was paused by its name goes on as well."""
        with self._database.transaction() as connection:
            done = connection.execute("DELETE FROM standstills WHERE folder = ? OR ? = ''", (folder, folder))
        return done.rowcount > 0
