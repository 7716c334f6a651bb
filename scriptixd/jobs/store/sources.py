"""The sources table: what the scanner saw, and what follows from it for jobs, in one transaction a directory."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence

from scriptixd.jobs.events import Resettled, SourceBack, SourceChanged, SourceGone
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.source import Admission, Sighting, Source
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.jobs import Jobs
from scriptixd.jobs.store.rows import SOURCE_COLUMNS, source_from, split
from scriptixd.roots.paths import shown

_UNSENT = (State.FOUND, State.HELD, State.UPLOADING)
_MISSING = """UPDATE sources SET present = 0, settled = 0, updated_at = ?
    WHERE folder = ? AND directory = ? AND name = ?"""
_SEEN = """INSERT INTO sources (folder, directory, name, size, mtime_ns, inode, boot_id, look_since, looks,
        settled, existing, ignored, present, created_at, updated_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)
    ON CONFLICT (folder, directory, name) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns,
        inode = excluded.inode, boot_id = excluded.boot_id, look_since = excluded.look_since,
        looks = excluded.looks, settled = excluded.settled, existing = excluded.existing,
        ignored = excluded.ignored, present = 1, updated_at = excluded.updated_at"""


class Sources:
    """The scanner's book, and the way from a path to its row."""

    def __init__(self, database: Database, jobs: Jobs) -> None:
        self._database = database
        self._jobs = jobs

    def get(self, source_id: int) -> Source | None:
        return self._one("sources.id = ?", (source_id,))

    def at(self, folder: str, path: str) -> Source | None:
        """The source at a path below a folder, present or not."""
        return self._one("folder = ? AND directory = ? AND name = ?", (folder, *split(path)))

    def in_directory(self, folder: str, directory: str) -> Mapping[str, Source]:
        """Every source that was ever seen in a directory, by name."""
        rows = self._many("folder = ? AND directory = ?", (folder, os.fsencode(directory)))
        return {source.name: source for source in rows}

    def directories(self, folder: str) -> Sequence[str]:
        """The directories in which sources are present."""
        query = "SELECT DISTINCT directory FROM sources WHERE folder = ? AND present = 1 ORDER BY directory"
        with self._database.reading() as connection:
            return [os.fsdecode(directory) for (directory,) in connection.execute(query, (folder,))]

    def unsettled(self, folder: str) -> Sequence[Source]:
        """The sources that are present and may still be growing."""
        return self._many("folder = ? AND present = 1 AND settled = 0", (folder,))

    def begin_contact(self, folder: str, identity: str, at: float) -> bool:
        """Whether the first contact with this disk is still going on; begins it when it was never seen."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO contacts (folder, identity, begun_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (folder, identity, at),
            )
            (completed,) = connection.execute(
                "SELECT completed_at FROM contacts WHERE folder = ? AND identity = ?", (folder, identity)
            ).fetchone()
        return completed is None

    def complete_contact(self, folder: str, identity: str, at: float) -> None:
        """One pass over the whole root is done: what appears from now on is new, and this is the folder's disk."""
        with self._database.transaction() as connection:
            connection.execute(
                """UPDATE contacts SET completed_at = coalesce(completed_at, ?), met_at = ?
                WHERE folder = ? AND identity = ?""",
                (at, at, folder, identity),
            )

    def last_disk(self, folder: str) -> str | None:
        """The identity of the disk that was the folder's at the end of the last complete pass."""
        query = """SELECT identity FROM contacts WHERE folder = ? AND met_at IS NOT NULL
            ORDER BY met_at DESC, begun_at DESC LIMIT 1"""
        with self._database.reading() as connection:
            row = connection.execute(query, (folder,)).fetchone()
        return str(row[0]) if row else None

    def record(self, folder: str, directory: str, sightings: Sequence[Sighting], at: float) -> None:
        """What one listing changed, with everything that follows for jobs."""
        with self._database.transaction() as connection:
            for sighting in sightings:
                self._record(connection, folder, directory, sighting, at)

    def folders(self) -> Sequence[str]:
        """The folders in which sources are present, configured today or not."""
        query = "SELECT DISTINCT folder FROM sources WHERE present = 1 ORDER BY folder"
        with self._database.reading() as connection:
            return [folder for (folder,) in connection.execute(query)]

    def leave(self, folder: str, at: float) -> int:
        """A folder is not configured any more: nothing in it goes on that was not paid; returns how many files."""
        count = 0
        for directory in self.directories(folder):
            present = [name for name, source in self.in_directory(folder, directory).items() if source.present]
            self.record(folder, directory, [Sighting(name, None) for name in present], at)
            count += len(present)
        return count

    def _record(
        self, connection: sqlite3.Connection, folder: str, directory: str, sighting: Sighting, at: float
    ) -> None:
        place = (folder, os.fsencode(directory), os.fsencode(sighting.name))
        if sighting.stat is None or sighting.look is None:
            connection.execute(_MISSING, (at, *place))
        else:
            stat, look, admission = sighting.stat, sighting.look, sighting.admission
            ignored = admission is not None and admission.ignored
            looked = (stat.size, stat.mtime_ns, stat.inode, look.boot_id, look.since, look.looks)
            connection.execute(_SEEN, (*place, *looked, admission is not None, sighting.existing, ignored, at, at))
        source = self._one("folder = ? AND directory = ? AND name = ?", place)
        if source is None:
            return
        if sighting.stat is None:
            self._gone(source, at)
        elif sighting.admission is not None:
            self._settled(source, sighting.admission, at)

    def _gone(self, source: Source, at: float) -> None:
        job = self._jobs.newest_of(source.id)
        if job is not None:
            what = f"{shown(source.path)} is not there any more"
            self._jobs.remember(job.id, source.id, "Missing", job.state, what, at)
            self._pass_on(job, source, what, at)

    def _settled(self, source: Source, admission: Admission, at: float) -> None:
        """The content of a path is complete: it is a new job, or what an earlier one was waiting for."""
        job = self._jobs.newest_of(source.id)
        if job is None:
            if not admission.ignored:
                self._jobs.create(source, admission.request, admission.held_for, 0, at)
        elif job.state is State.GONE:
            self._jobs.apply(job, SourceBack(source.stat), at)
        elif source.stat.same_content(job.stat):
            return
        elif job.state in _UNSENT and not self._others(job, source):
            self._resettle(job, source, at)
        else:
            # A person's no holds for the same recording with a new tag; a yes was given, or none is needed.
            held_for = admission.held_for if job.state is State.DISMISSED else ""
            self._jobs.create(source, admission.request, held_for, 0, at)
            self._pass_on(job, source, f"{shown(source.path)} has other content now", at)

    def _pass_on(self, job: Job, left: Source, what: str, at: float) -> None:
        """A path has left a job: what was not sent yet is sent from another that waits for it, or it is gone."""
        if job.state not in _UNSENT:
            return
        others = self._others(job, left)
        if any(other.present and other.stat.same_content(job.stat) for other in others):
            return
        heir = next((other for other in others if other.present and other.settled), None)
        if heir is not None:
            self._resettle(job, heir, at)
        elif not any(other.present for other in others):
            self._jobs.apply(job, SourceGone(what), at)

    def _resettle(self, job: Job, source: Source, at: float) -> None:
        if job.state is State.UPLOADING:
            what = f"{shown(source.path)} is not what its upload was begun for"
            job = self._jobs.apply(job, SourceChanged(what), at) or job
        self._jobs.apply(job, Resettled(source.stat), at)

    def _others(self, job: Job, source: Source) -> Sequence[Source]:
        """The other paths that wait for a job: those that have had no content since."""
        others = [other for other in self._jobs.sources(job.id) if other.id != source.id]
        return [other for other in others if (newest := self._jobs.newest_of(other.id)) and newest.id == job.id]

    def _one(self, where: str, values: tuple[object, ...]) -> Source | None:
        with self._database.reading() as connection:
            row = connection.execute(f"SELECT {SOURCE_COLUMNS} FROM sources WHERE {where}", values).fetchone()
        return source_from(row) if row else None

    def _many(self, where: str, values: tuple[object, ...]) -> Sequence[Source]:
        query = f"SELECT {SOURCE_COLUMNS} FROM sources WHERE {where} ORDER BY id"
        with self._database.reading() as connection:
            rows = connection.execute(query, values).fetchall()
        return [source_from(row) for row in rows]  # of a directory of 50,000 files nobody else waits for this
