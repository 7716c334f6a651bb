"""What people ask of the state file: every source with its story, and the sums that `status` shows. Reads only."""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scriptixd.jobs.job import ACTIVE, NO_RESULT_YET, Request, State
from scriptixd.jobs.source import Question, QuestionKind
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.rows import join, split
from scriptixd.jobs.store.twins import TWIN_PATIENCE, WAITED_FOR
from scriptixd.roots.paths import typed

SETTLING: Final = "settling"  # seen, and perhaps still being written
IGNORED: Final = "ignored"  # was there before, and `existing: ignore`
MISSING: Final = "missing"  # its job is done, or it never had one, and it is not there any more
DELIVERING: Final = "delivering"  # the result is here, the sidecars are not yet
DONE: Final = "done"

STATES: Final = (SETTLING, IGNORED, MISSING, *(str(s) for s in State if s is not State.READY), DELIVERING, DONE)


@dataclass(frozen=True, slots=True)
class SourceView:
    """One source, what is going on with it, and why. Times are Unix seconds."""

    source_id: int
    job_id: int | None
    delivery_id: int | None
    folder: str
    path: str
    state: str  # one of STATES
    present: bool
    size: int
    mtime: float  # of the file
    language: str | None
    document_type: str | None
    sha256: str | None
    file_id: str | None
    session_id: str | None
    media_seconds: float | None
    attempts: int
    due_at: float | None
    reason: str
    hint: str
    paid: bool
    redo: int
    sidecars: tuple[str, ...]  # relative to the folder; absolute in a directory for outputs
    created_at: float
    updated_at: float

    @property
    def typed(self) -> str:
        """What a person types for it."""
        return typed(f"{self.folder}/{self.path}")


@dataclass(frozen=True, slots=True)
class Chapter:
    """One line of a story."""

    at: float
    event: str
    state: str
    detail: str


_NEWEST = "(SELECT max(id) FROM deliveries AS share WHERE share.source_id = sources.id AND share.state != 'dropped')"

_VIEW = f"""SELECT sources.id AS source_id, jobs.id AS job_id, deliveries.id AS delivery_id, sources.folder,
        sources.directory, sources.name, sources.standing AS state, sources.present, sources.size,
        sources.mtime_ns, jobs.request, jobs.sha256, jobs.state = 'ready' AS is_ready,
        jobs.file_id, jobs.session_id, jobs.media_seconds, jobs.redo,
        iif(jobs.state = 'ready', deliveries.failures, jobs.failures) AS attempts,
        iif(jobs.state = 'ready', deliveries.due_at, jobs.due_at) AS due_at,
        iif(jobs.state = 'ready', deliveries.reason, jobs.reason) AS reason,
        iif(jobs.state = 'ready', deliveries.hint, jobs.hint) AS hint,
        EXISTS (SELECT 1 FROM ledger WHERE ledger.job_id = jobs.id) AS paid, sources.created_at,
        max(sources.updated_at, coalesce(jobs.updated_at, 0), coalesce(deliveries.updated_at, 0)) AS updated_at
    FROM sources LEFT JOIN deliveries ON deliveries.id = {_NEWEST} LEFT JOIN jobs ON jobs.id = deliveries.job_id"""
_OF_ANY_FILE: Final = re.compile(r"(scriptixd [a-z]+) FILE\b")  # as hints put it that do not know whose they are
_WAS_THERE: Final = "it was there when the folder was first seen, and `existing` is ignore"
_BY_PATH = "ORDER BY sources.folder, sources.directory, sources.name"


class Views:
    """Questions to the state file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def sources(self, folder: str | None = None, state: str | None = None) -> Sequence[SourceView]:
        """Every source, by folder and path; of one folder or state only, if named."""
        where = ["sources.folder = :folder"] if folder is not None else []
        where += ["sources.standing = :state"] if state is not None else []
        return self._views(" AND ".join(where) or "TRUE", {"folder": folder, "state": state})

    def of_states(self, states: Collection[str]) -> Mapping[str, Sequence[SourceView]]:
        """The sources in each of these states, by folder and path, in one look at all of them."""
        found: dict[str, list[SourceView]] = {state: [] for state in states}
        where = "sources.standing IN (SELECT value FROM json_each(:states))"
        for view in self._views(where, {"states": json.dumps([*found])}):
            found[view.state].append(view)
        return found

    def source(self, folder: str, path: str) -> SourceView | None:
        """The source at a path below a folder."""
        directory, name = split(path)
        where = "sources.folder = :folder AND sources.directory = :directory AND sources.name = :name"
        found = self._views(where, {"folder": folder, "directory": directory, "name": name})
        return found[0] if found else None

    def named(self, name: str) -> Sequence[SourceView]:
        """Every source with this bare file name."""
        return self._views("sources.name = :name", {"name": os.fsencode(name)})

    def places(self) -> Sequence[tuple[str, str]]:
        """Folder and path of every source."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT folder, directory, name FROM sources").fetchall()
        return [(folder, join(os.fsdecode(directory), os.fsdecode(name))) for folder, directory, name in rows]

    def sidecars(self) -> Sequence[tuple[str, str]]:
        """Folder, or directory for outputs, and path of every file that was written."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT folder, path FROM sidecars WHERE written_at IS NOT NULL").fetchall()
        return [(folder, os.fsdecode(path)) for folder, path in rows]

    def at_the_service(self) -> int:
        """How many transcriptions of ours the service has not been seen to erase."""
        query = "SELECT count(*) FROM jobs WHERE session_id IS NOT NULL AND session_id IS NOT erased"
        with self._database.reading() as connection:
            (count,) = connection.execute(query).fetchone()
        return int(count)

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many sources are in each state, by folder and state."""
        query = "SELECT folder, standing, number FROM tallies WHERE number > 0"
        with self._database.reading() as connection:
            return {(folder, state): count for folder, state, count in connection.execute(query)}

    def active(self, without: Collection[str] = (), paused: Collection[str] = ()) -> bool:
        """Whether anything goes on by itself: settling, active or to be delivered, but for some folders.

        Of those that are `paused`, nothing is uploaded. Asked several times a second: each of the three has an index,
        and the first that is found is enough.
        """
        elsewhere = f"sources.folder NOT IN ({', '.join('?' for _ in without)})"
        at_work = " OR ".join(f"jobs.state = '{state}'" for state in ACTIVE)
        asked = " OR ".join(f"jobs.state = '{state}'" for state in (State.UPLOADED, State.TRANSCRIBING))
        goes_on = f"({asked} OR sources.folder NOT IN ({', '.join('?' for _ in paused)}))"
        shares = "deliveries JOIN sources ON sources.id = deliveries.source_id"
        queries = (
            (f"SELECT 1 FROM sources WHERE present = 1 AND settled = 0 AND {elsewhere} LIMIT 1", without),
            (
                f"""SELECT 1 FROM jobs CROSS JOIN {shares} WHERE deliveries.job_id = jobs.id AND ({at_work})
                AND deliveries.id = {_NEWEST} AND {goes_on} AND {elsewhere} LIMIT 1""",
                (*paused, *without),
            ),
            (
                f"""SELECT 1 FROM {shares} JOIN jobs ON jobs.id = deliveries.job_id
                WHERE deliveries.state = 'pending' AND deliveries.due_at < {NO_RESULT_YET}
                AND jobs.state = 'ready' AND sources.present = 1
                AND deliveries.id = {_NEWEST} AND {elsewhere} LIMIT 1""",
                without,
            ),
        )
        with self._database.reading() as connection:
            return any(connection.execute(query, tuple(names)).fetchone() for query, names in queries)

    def question(self, folder: str) -> tuple[Question, bool] | None:
        """What a folder asked last, and whether a person has said yes to it since; None if it asks nothing."""
        query = "SELECT kind, about, sentence, answered_at FROM questions WHERE folder = ?"
        with self._database.reading() as connection:
            row = connection.execute(query, (folder,)).fetchone()
        return None if row is None else (Question(QuestionKind(row[0]), row[1], row[2]), row[3] is not None)

    def waited_for(self, view: SourceView, at: float) -> str | None:
        """The file, with its folder, whose upload a found one waits for, as its content may be the same; None if none.

        The sources of it that are there are named before others.
        """
        query = f"""SELECT sources.folder, sources.directory, sources.name FROM jobs
            JOIN deliveries ON deliveries.job_id = (SELECT min(twin.id) FROM {WAITED_FOR})
                AND deliveries.state != 'dropped'
            JOIN sources ON sources.id = deliveries.source_id
            WHERE jobs.id = ? AND jobs.state = '{State.FOUND}' ORDER BY sources.present DESC, deliveries.id LIMIT 1"""
        with self._database.reading() as connection:
            row = connection.execute(query, (at - TWIN_PATIENCE, view.job_id)).fetchone()
        return f"{row[0]}/{join(os.fsdecode(row[1]), os.fsdecode(row[2]))}" if row else None

    def twins(self, at: float, most: int) -> Sequence[tuple[SourceView, str]]:
        """The first found files that wait for another one's upload, each with what `waited_for` tells of it."""
        query = f"""SELECT jobs.id FROM jobs WHERE jobs.state = '{State.FOUND}'
            AND EXISTS (SELECT 1 FROM {WAITED_FOR}) ORDER BY jobs.id LIMIT ?"""
        with self._database.reading() as connection:
            jobs = [job for (job,) in connection.execute(query, (at - TWIN_PATIENCE, most))]
        waiting = self._views(f"jobs.id IN ({', '.join(map(str, jobs))})", {}) if jobs else ()
        return [(view, other) for view in waiting if (other := self.waited_for(view, at)) is not None][:most]

    def story(self, view: SourceView) -> Sequence[Chapter]:
        """Everything that happened to a source and to the jobs that it had, oldest first."""
        # The plus has SQLite look for the jobs: most rows of history are of no source.
        query = """SELECT at, event, state, detail FROM history WHERE source_id = ? OR (+source_id IS NULL AND job_id IN
            (SELECT job_id FROM deliveries WHERE source_id = ?)) ORDER BY id"""
        with self._database.reading() as connection:
            return [Chapter(*row) for row in connection.execute(query, (view.source_id, view.source_id))]

    def paid(self, day: str) -> tuple[int, float]:
        """What was paid on a local calendar day: how many uploads, and their known media seconds."""
        query = "SELECT count(*), coalesce(sum(media_seconds), 0) FROM ledger WHERE day = ?"
        with self._database.reading() as connection:
            count, seconds = connection.execute(query, (day,)).fetchone()
        return int(count), float(seconds)

    def _views(self, where: str, values: Mapping[str, object]) -> Sequence[SourceView]:
        with self._database.reading() as connection:
            cursor = connection.cursor()
            cursor.row_factory = sqlite3.Row
            rows = cursor.execute(f"{_VIEW} WHERE {where} {_BY_PATH}", values).fetchall()
            return [_view(connection, row) for row in rows]


def _placed(where: str, path: str, folder: str) -> str:
    """A sidecar's path: relative where it lies in its source's folder, absolute in a directory for outputs."""
    return path if where == folder else join(where, path)


def _sidecars(connection: sqlite3.Connection, row: sqlite3.Row) -> tuple[str, ...]:
    """What was written for one that has its transcript: before that there is nothing to ask for."""
    query = (
        "SELECT folder, path FROM sidecars WHERE delivery_id = ? AND written_at IS NOT NULL AND former = 0 ORDER BY id"
    )
    found = connection.execute(query, (row["delivery_id"],))
    return tuple(_placed(where, os.fsdecode(path), row["folder"]) for where, path in found)


def _view(connection: sqlite3.Connection, row: sqlite3.Row) -> SourceView:
    request = Request.from_key(row["request"]) if row["request"] else None
    waits = row["state"] in {*ACTIVE, DELIVERING}
    concerned = row["state"] != SETTLING  # else what is said is of the content that it had before
    path = join(os.fsdecode(row["directory"]), os.fsdecode(row["name"]))
    place = f"{row['folder']}/{path}"
    return SourceView(
        source_id=row["source_id"],
        job_id=row["job_id"],
        delivery_id=row["delivery_id"],
        folder=row["folder"],
        path=path,
        state=row["state"],
        present=bool(row["present"]),
        size=row["size"],
        mtime=row["mtime_ns"] / 1e9,
        language=request.language if request else None,
        document_type=request.document_type.value if request else None,
        sha256=row["sha256"],
        file_id=row["file_id"],
        session_id=row["session_id"],
        media_seconds=row["media_seconds"],
        attempts=row["attempts"] or 0,
        due_at=(row["due_at"] or None) if waits else None,
        reason=_WAS_THERE if row["state"] == IGNORED else _naming(place, row["reason"]) if concerned else "",
        hint=_naming(place, row["hint"]) if concerned else "",
        paid=bool(row["paid"]),
        redo=row["redo"] or 0,
        sidecars=_sidecars(connection, row) if row["is_ready"] else (),
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _naming(place: str, text: str | None) -> str:
    """A sentence as it is stored, with the file in its verbs."""
    return _OF_ANY_FILE.sub(lambda words: f"{words[1]} {typed(place)}", text) if text else ""
