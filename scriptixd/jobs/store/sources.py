"""The sources table: what the scanner saw, and what follows from it for jobs, in one transaction a look.

Everything that the scanner asks over and over goes by an index, however many files there are.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Final

from scriptixd.jobs.job import ADOPTED_UPLOAD
from scriptixd.jobs.source import FLOOD_WITHIN, HELD_FOR_FLOOD, Happening, Restless, Sighting, Source
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.disks import Disks
from scriptixd.jobs.store.forgotten import Forgotten
from scriptixd.jobs.store.history import happened, latest
from scriptixd.jobs.store.jobs import Jobs
from scriptixd.jobs.store.requests import NamedFile
from scriptixd.jobs.store.rows import SOURCE_COLUMNS, join, source_from, split
from scriptixd.jobs.store.succession import Succession

_MISSING: Final = """UPDATE sources SET present = 0, settled = 0, unsettled_since = NULL, updated_at = ?
    WHERE folder = ? AND directory = ? AND name = ?"""
_SEEN: Final = """INSERT INTO sources (folder, directory, name, size, mtime_ns, inode, boot_id, look_since, looks,
        settled, existing, ignored, present, created_at, updated_at, arrived_at, unsettled_since)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?, ?)
    ON CONFLICT (folder, directory, name) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns,
        inode = excluded.inode, boot_id = excluded.boot_id, look_since = excluded.look_since,
        looks = excluded.looks, settled = excluded.settled, existing = excluded.existing,
        ignored = excluded.ignored, present = 1, updated_at = excluded.updated_at,
        arrived_at = iif((excluded.size != sources.size AND (sources.settled = 1 OR sources.present = 0))
            OR (excluded.settled = 1 AND sources.unsettled_since = sources.arrived_at),
            excluded.arrived_at, sources.arrived_at),
        unsettled_since = iif(excluded.settled = 0 AND sources.present = 1 AND sources.settled = 0,
            sources.unsettled_since, excluded.unsettled_since)"""
_RENUMBERED: Final = """UPDATE sources SET inode = ? WHERE folder = ? AND directory = ? AND name = ? AND size = ?
    AND mtime_ns = ? AND present = 1"""
_RESTLESS: Final = """SELECT directory, name, unsettled_since FROM sources
    WHERE folder = ? AND present = 1 AND settled = 0 AND unsettled_since < ? ORDER BY unsettled_since LIMIT ?"""
# One that was touched before it was renamed is known by a name that has not been missed yet.
_EXISTED: Final = """SELECT 1 FROM sources WHERE folder = ? AND inode = ? AND inode != 0 AND size = ?
    AND (mtime_ns = ? OR present = 1) AND existing = 1 LIMIT 1"""
_NO_OLD_NAME: Final = """NOT EXISTS (SELECT 1 FROM sources AS old
    WHERE old.folder = sources.folder AND old.inode = sources.inode AND old.inode != 0 AND old.size = sources.size
    AND old.mtime_ns = sources.mtime_ns AND old.present = 0)"""
# What has not settled since it came is coming now, whatever the clock is set to meanwhile; then the hour begins.
# The plus keeps SQLite from reading all that ever came, by its index, for the few that have not settled.
_COMING: Final = f"""SELECT 1 FROM sources WHERE folder = ? AND present = 1 AND settled = 0
    AND unsettled_since = arrived_at AND +existing = 0 AND {_NO_OLD_NAME} LIMIT ?"""
# A copy, or what came with its transcript, costs nothing.
_FREE: Final = f"""EXISTS (SELECT 1 FROM deliveries JOIN jobs ON jobs.id = deliveries.job_id
    WHERE deliveries.source_id = sources.id AND deliveries.state != 'dropped' AND (jobs.file_id = '{ADOPTED_UPLOAD}'
    OR EXISTS (SELECT 1 FROM deliveries AS first WHERE first.job_id = jobs.id AND first.id < deliveries.id)))"""
_CAME: Final = f"""SELECT EXISTS (SELECT 1 FROM deliveries JOIN jobs ON jobs.id = deliveries.job_id
        WHERE deliveries.source_id = sources.id AND (instr(jobs.cleared, :flood)
            OR jobs.state = 'dismissed' AND jobs.held_for = :flood))
    FROM sources WHERE folder = :folder AND arrived_at BETWEEN :since AND :until AND present = 1
    AND unsettled_since IS NOT arrived_at AND existing = 0 AND {_NO_OLD_NAME} AND NOT {_FREE}
    ORDER BY arrived_at DESC, id DESC"""

JUST_NOW: Final = 60.0  # s between the beginning of a look and what it writes down


class Sources(Disks):
    """The scanner's book, and the way from a path to its row."""

    def __init__(self, database: Database, jobs: Jobs) -> None:
        super().__init__(database)
        self.forgotten = Forgotten(database)
        self._succession = Succession(database, jobs, self.forgotten)
        self.on_happening: Callable[[Happening], None] = lambda _: None  # what a look has come to, once it is committed

    def get(self, source_id: int) -> Source | None:
        return self._one("sources.id = ?", (source_id,))

    def meant(self, file: NamedFile) -> Source | None:
        """The source that a person named; None if there is none any more, or the row is another file's by now."""
        known = "sources.id = ? AND sources.created_at <= ?"
        return self._one(known, (file.source_id, file.asked_at))

    def at(self, folder: str, path: str) -> Source | None:
        """The source at a path below a folder, present or not."""
        return self._one("folder = ? AND directory = ? AND name = ?", (folder, *split(path)))

    def in_directory(self, folder: str, directory: str) -> Mapping[str, Source]:
        """Every source that was ever seen in a directory, by name; what was forgotten, by whatever name it is met."""
        query = f"SELECT {SOURCE_COLUMNS} FROM sources WHERE folder = ? AND directory = ? ORDER BY id"
        with self._database.reading() as connection:
            rows = connection.execute(query, (folder, os.fsencode(directory))).fetchall()
        # Of a directory of 50,000 files nobody else waits for the records.
        return self.forgotten.among(folder, directory, {source.name: source for source in map(source_from, rows)})

    def knows(self, folder: str) -> bool:
        """Whether any source is present."""
        query = "SELECT 1 FROM sources WHERE folder = ? AND present = 1 LIMIT 1"
        with self._database.reading() as connection:
            return connection.execute(query, (folder,)).fetchone() is not None

    def directories(self, folder: str) -> Sequence[str]:
        """The directories in which sources are present."""
        query = "SELECT DISTINCT directory FROM sources WHERE folder = ? AND present = 1 ORDER BY directory"
        with self._database.reading() as connection:
            return [os.fsdecode(directory) for (directory,) in connection.execute(query, (folder,))]

    def unsettled(self, folder: str) -> int:
        """How many sources are present and not settled."""
        query = "SELECT count(*) FROM sources WHERE folder = ? AND present = 1 AND settled = 0"
        with self._database.reading() as connection:
            (count,) = connection.execute(query, (folder,)).fetchone()
        return int(count)

    def restless(self, folder: str, since: float, most: int) -> Sequence[Restless]:
        """The sources that have been unsettled without a break since before `since`, the longest first."""
        with self._database.reading() as connection:
            rows = connection.execute(_RESTLESS, (folder, since, most))
            return [Restless(join(os.fsdecode(place), os.fsdecode(name)), at) for place, name, at in rows]

    def arrived(self, folder: str, since: float, most: int | None = None) -> int:
        """How many sources have come since then, or are coming, that were not there before, and are no renamed ones.

        What came before one of a flood that a person said yes or no to is accounted for with it, and what turned out
        to cost nothing is not counted. Of more than `most`, one more than that is told.
        """
        limit = -1 if most is None else most + 1
        # What a clock that was wrong dated into the future has not come yet.
        within = {"folder": folder, "since": since, "until": since + FLOOD_WITHIN + JUST_NOW, "flood": HELD_FOR_FLOOD}
        with self._database.reading() as connection:
            count = len(connection.execute(_COMING, (folder, limit)).fetchall())
            if count == limit:
                return count
            with closing(connection.execute(_CAME, within)) as came:
                for (decided,) in came:
                    if decided or count == limit:
                        break
                    count += 1
        return count

    def record(self, folder: str, directory: str, sightings: Sequence[Sighting], at: float) -> int:
        """What one listing changed, or a part of it, with everything that follows for jobs.

        Returns how many files wait for a person's yes by it.

        What is gone from one path and there under another, by its inode, size and mtime, was renamed.
        """
        with self._database.transaction() as connection:
            before = latest(connection)
            held = self._write(folder, directory, sightings, at)
            found = happened(connection, before)
        for one in found:
            self.on_happening(one)
        return held

    def _write(self, folder: str, directory: str, sightings: Sequence[Sighting], at: float) -> int:
        held = 0
        with self._database.transaction() as connection:
            for sighting in self._with_past(connection, folder, sightings):
                stat = sighting.stat
                if stat is None:
                    self._miss(connection, folder, directory, sighting.name, at)
                elif sighting.look is None:
                    place = (folder, os.fsencode(directory), os.fsencode(sighting.name))
                    connection.execute(_RENUMBERED, (stat.inode, *place, stat.size, stat.mtime_ns))
                else:
                    held += self._see(connection, folder, directory, sighting, at)
        return held

    def folders(self) -> Sequence[str]:
        """The folders in which sources are present, configured today or not."""
        query = "SELECT DISTINCT folder FROM sources WHERE present = 1 ORDER BY folder"
        with self._database.reading() as connection:
            return [folder for (folder,) in connection.execute(query)]

    def leave(self, folder: str, at: float, but: Collection[int] = ()) -> int:
        """A folder is not configured any more: nothing in it goes on that was not paid; returns how many files.

        The sources of these ids stay: somebody still has something to bring them.
        """
        count = 0
        for directory in self.directories(folder):
            known = self.in_directory(folder, directory)
            present = [name for name, source in known.items() if source.present and source.id not in but]
            self._write(folder, directory, [Sighting(name, None) for name in present], at)
            count += len(present)
        return count

    def awaited(self, folder: str) -> Collection[int]:
        """The sources of a folder whose transcript was paid for and is not delivered yet."""
        query = """SELECT sources.id FROM deliveries JOIN jobs ON jobs.id = deliveries.job_id
            JOIN sources ON sources.id = deliveries.source_id
            WHERE deliveries.state = 'pending' AND jobs.state IN ('closing', 'uploaded', 'transcribing', 'ready')
            AND sources.folder = ? AND sources.present = 1"""
        with self._database.reading() as connection:
            return {source for (source,) in connection.execute(query, (folder,))}

    def _see(self, connection: sqlite3.Connection, folder: str, directory: str, sighting: Sighting, at: float) -> bool:
        stat, look, admission = sighting.stat, sighting.look, sighting.admission
        if stat is None or look is None:
            raise AssertionError("whoever sees a file has looked at it")
        ignored = admission is not None and admission.ignored
        looked = (stat.size, stat.mtime_ns, stat.inode, look.boot_id, look.since, look.looks)
        place = (folder, os.fsencode(directory), os.fsencode(sighting.name))
        unsettled_since = at if admission is None else None
        values = (*place, *looked, admission is not None, sighting.existing, ignored, at, at, at, unsettled_since)
        connection.execute(_SEEN, values)
        source = self._one("folder = ? AND directory = ? AND name = ?", place)
        if source is None:
            raise AssertionError("what was just written down is there")
        source = self._succession.taken_over(source, at) or source
        return admission is not None and self._succession.settled(source, admission, at)

    def _with_past(
        self, connection: sqlite3.Connection, folder: str, sightings: Sequence[Sighting]
    ) -> Sequence[Sighting]:
        """What was there before was there before under another name, too: as the book knew it until now."""
        known = []
        for one in sightings:
            stat, past = one.stat, None
            if stat is not None and one.look is not None and one.admission is None and not one.existing:
                values = (folder, stat.inode, stat.size, stat.mtime_ns)
                past = connection.execute(_EXISTED, values).fetchone()
            known.append(replace(one, existing=True) if past else one)
        return known

    def _miss(self, connection: sqlite3.Connection, folder: str, directory: str, name: str, at: float) -> None:
        if self.forgotten.left(folder, directory, name):
            return
        place = (folder, os.fsencode(directory), os.fsencode(name))
        source = self._one("folder = ? AND directory = ? AND name = ?", place)
        if source is None or not source.present or self._succession.renamed(source, at):
            return
        connection.execute(_MISSING, (at, *place))
        self._succession.gone(source, at)

    def _one(self, where: str, values: tuple[object, ...]) -> Source | None:
        with self._database.reading() as connection:
            row = connection.execute(f"SELECT {SOURCE_COLUMNS} FROM sources WHERE {where}", values).fetchone()
        return source_from(row) if row else None
