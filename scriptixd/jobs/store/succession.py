"""What follows for jobs from what the scanner saw: new content, a path that is gone, one that has another name.

Works in the transaction that is open. Never touches what was paid, and never drops an upload that another path
can go on with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from scriptixd.jobs.events import Resettled, SourceBack, SourceChanged, SourceGone
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.source import CIRCUMSTANCES, Admission, Source
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.forgotten import Forgotten
from scriptixd.jobs.store.jobs import Jobs
from scriptixd.jobs.store.rows import SOURCE_COLUMNS, source_from, split
from scriptixd.roots.paths import shown

_UNSENT: Final = (State.FOUND, State.HELD, State.UPLOADING)
# By their index: whatever has the inode of a file, its size and its mtime, is that file. 0 is no inode number.
_SAME_FILE: Final = "folder = ? AND inode = ? AND inode != 0 AND size = ? AND mtime_ns = ? AND id != ?"
# One that was there before the other was seen, and has stayed as it was, is a hard link and no new name.
_NEW_NAMES: Final = f"""SELECT {SOURCE_COLUMNS} FROM sources WHERE {_SAME_FILE} AND present = 1
    AND (settled = 0 OR created_at >= (SELECT created_at FROM sources AS old WHERE old.id = ?)) ORDER BY id"""
_ANY_NAME: Final = f"SELECT {SOURCE_COLUMNS} FROM sources WHERE {_SAME_FILE} ORDER BY present DESC, id"
_OLD_NAME: Final = f"""SELECT {SOURCE_COLUMNS} FROM sources WHERE {_SAME_FILE} AND present = 0
    ORDER BY updated_at DESC, id DESC LIMIT 1"""


DISMISSED_BEFORE: Final = "was dismissed before, and nobody has said yes since"


class Succession:
    """Which job a path belongs to, and which path a job is sent from."""

    def __init__(self, database: Database, jobs: Jobs, forgotten: Forgotten) -> None:
        self._database = database
        self._jobs = jobs
        self._forgotten = forgotten

    def settled(self, source: Source, admission: Admission, at: float) -> bool:
        """The content of a path is complete: it is a new job, known from another name, or what one was waiting for.

        Returns whether it waits for a person's yes now.
        """
        self._follow(source, admission, at)
        job = self._jobs.newest_of(source.id)
        return job is not None and job.state is State.HELD

    def _follow(self, source: Source, admission: Admission, at: float) -> None:
        job = self._jobs.newest_of(source.id)
        if job is not None and source.stat.same_content(job.stat):
            if job.state is State.GONE:
                self._jobs.apply(job, SourceBack(source.stat), at)
        elif job is None and (admission.ignored or source.ignored):
            return
        elif (known := self._ready_under_old_name(source, admission)) is not None:
            self._jobs.share(known, [source], at)
            self._leave(job, source, at)
        elif job is None:
            self._jobs.create(
                source, admission.request, self._held_for(source, admission), 0, at, asks=not admission.marked
            )
        elif job.state is State.GONE:
            back = self._jobs.apply(job, SourceBack(source.stat), at)
            if back is not None and back.state is State.HELD:  # for what it was held, is not there any more
                self._jobs.apply(back, Resettled(source.stat, admission.held_for), at)
        elif job.state in _UNSENT and not self._others(job, source):
            self._resettle(job, source, admission.held_for, at)
        else:
            # A person's no holds for the same recording with a new tag; a yes was given, or none is needed.
            again = DISMISSED_BEFORE if source.stat.size == job.stat.size else ""
            held_for = (admission.held_for or again) if job.state is State.DISMISSED else ""
            self._jobs.create(source, admission.request, held_for, 0, at, asks=not admission.marked)
            self._leave(job, source, at)

    def gone(self, source: Source, at: float) -> None:
        """A path is not in its directory any more, and its file has no other name."""
        job = self._jobs.newest_of(source.id)
        if job is not None:
            what = f"{shown(source.path)} is not there any more"
            self._jobs.remember(job.id, source.id, "Missing", job.state, what, at)
            self._pass_on(job, source, what, at)

    def renamed(self, source: Source, at: float) -> bool:
        """Whether the file of a path that is there no more has another name by now, which its row has taken over.

        What was paid and is here stays what it is: the new name shares it once it has settled.
        """
        job = self._jobs.newest_of(source.id)
        if job is not None and not job.stat.same_content(source.stat):
            return False  # it has other content than the job is about, which settles under the new name
        for new in self._same_file(_NEW_NAMES, source, source.id):
            theirs = self._jobs.newest_of(new.id)
            if theirs is not None and job is not None and theirs.id == job.id:  # a copy that is known as one
                continue
            untouched = theirs is not None and self._is_untouched(theirs, new)  # settled before this was noticed
            if job is not None and job.state is State.READY:
                if theirs is not None and untouched and job.request == theirs.request:
                    self._jobs.merge(theirs, job, at)
                return False
            if theirs is None and not self._jobs.has_shares(new.id):
                self._move(source, new, job, at)
                return True
            if job is None and not source.ignored:
                return False  # nothing was decided about it under its old name
            if theirs is not None and untouched:
                self._jobs.withdraw(theirs)
                theirs = self._jobs.newest_of(new.id)
                if theirs is None and not self._jobs.has_shares(new.id):
                    self._move(source, new, job, at)
                    return True
            replaced = theirs is None or not theirs.stat.same_content(new.stat)
            if job is not None and replaced:
                self._jobs.share(job, [new], at)
                if theirs is not None:
                    self._leave(theirs, new, at)
            return False
        return False

    def taken_over(self, source: Source, at: float) -> Source | None:
        """The source that a path is, if its file has been missing under another name: that one's row is here now."""
        for old in self._same_file(_OLD_NAME, source):
            job = self._jobs.newest_of(old.id)
            if (job is None or job.state is not State.READY) and not self._jobs.has_shares(source.id):
                return self._move(old, source, job, at)
        return None

    def _held_for(self, source: Source, admission: Admission) -> str:
        """Why a new path waits for a yes: what the same file waits for, or was refused, under another name."""
        for kin in () if admission.held_for else self._same_file(_ANY_NAME, source):
            job = self._jobs.newest_of(kin.id)
            if job is not None and job.state is State.DISMISSED:
                return DISMISSED_BEFORE
            if job is not None and job.held_for:
                return job.held_for
        return admission.held_for or (DISMISSED_BEFORE if self._forgotten.has(source) else "")

    def _move(self, old: Source, new: Source, job: Job | None, at: float) -> Source:
        """The old row gets the new name, and everything that is known of it goes on; the new row is no more.

        A file that was there until now is as settled as it was, or as it is under its new name by now; one that was
        missing is as its new name was seen.
        """
        with self._database.transaction() as connection:
            if not old.present or new.settled:
                connection.execute(
                    """UPDATE sources SET (boot_id, look_since, looks, settled, unsettled_since) =
                    (SELECT boot_id, look_since, looks, settled, unsettled_since FROM sources AS new WHERE new.id = ?)
                    WHERE id = ?""",
                    (new.id, old.id),
                )
            connection.execute("UPDATE history SET source_id = ? WHERE source_id = ?", (old.id, new.id))
            connection.execute("DELETE FROM sources WHERE id = ?", (new.id,))
            connection.execute(
                "UPDATE sources SET directory = ?, name = ?, present = 1, updated_at = ? WHERE id = ?",
                (*split(new.path), at, old.id),
            )
            what = f"{shown(old.path)} → {shown(new.path)}"
            self._jobs.remember(job.id if job else None, old.id, "Renamed", job.state if job else "", what, at)
        seen = old if old.present and not new.settled else new
        return replace(old, path=new.path, present=True, settled=seen.settled, look=seen.look)

    def _ready_under_old_name(self, source: Source, admission: Admission) -> Job | None:
        """The transcript of just this file, which is here already, if the same is asked for."""
        for old in self._same_file(_OLD_NAME, source):
            job = self._jobs.newest_of(old.id)
            if job is not None and job.state is State.READY and job.request == admission.request:
                return job if job.stat.same_content(source.stat) else None
        return None

    def _is_untouched(self, job: Job, source: Source) -> bool:
        """Whether a job is about what its one source is now, and nothing was sent, paid or decided for it."""
        fresh = job.state in (State.FOUND, State.HELD) and not job.cleared and not self._jobs.was_paid(job.id)
        return fresh and source.stat.same_content(job.stat) and not self._others(job, source)

    def _leave(self, job: Job | None, source: Source, at: float) -> None:
        """A path has other content than this job's by now."""
        if job is not None:
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
            self._resettle(job, heir, job.held_for, at)
        elif not any(other.present for other in others):
            self._jobs.apply(job, SourceGone(what), at)

    def _resettle(self, job: Job, source: Source, held_for: str, at: float) -> None:
        """Of the same size it is the same recording, touched: it still waits for what it was held for."""
        if source.stat.size == job.stat.size and job.held_for in CIRCUMSTANCES:
            held_for = held_for or job.held_for
        if job.state is State.UPLOADING:
            what = f"{shown(source.path)} is not what its upload was begun for"
            job = self._jobs.apply(job, SourceChanged(what), at) or job
        self._jobs.apply(job, Resettled(source.stat, held_for), at)

    def _others(self, job: Job, source: Source) -> Sequence[Source]:
        """The other paths that wait for a job: those that have had no content since."""
        others = [other for other in self._jobs.sources(job.id) if other.id != source.id]
        return [other for other in others if (newest := self._jobs.newest_of(other.id)) and newest.id == job.id]

    def _same_file(self, query: str, source: Source, *more: object) -> Sequence[Source]:
        stat = source.stat
        values = (source.folder, stat.inode, stat.size, stat.mtime_ns, source.id, *more)
        with self._database.reading() as connection:
            return [source_from(row) for row in connection.execute(query, values)]
