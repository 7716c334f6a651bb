"""The sandbox's memory: uploads, sessions and requests in one SQLite file; all SQL of this room is here.

What a method has returned from is on the disk (WAL, synchronous FULL). It never touches the uploaded
bytes, and keeps fingerprints of API keys, never keys.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    info TEXT NOT NULL,
    size INTEGER,
    offset INTEGER NOT NULL,
    completed INTEGER NOT NULL DEFAULT 0,
    sha256 TEXT,
    terminated INTEGER NOT NULL DEFAULT 0,
    CHECK (size IS NULL OR offset <= size)
) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    upload TEXT NOT NULL UNIQUE REFERENCES uploads (id),
    owner TEXT NOT NULL,
    metadata TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('processing', 'done', 'error', 'removed')),
    error TEXT,
    duration REAL NOT NULL DEFAULT 0,
    utterances TEXT,
    created_at TEXT NOT NULL,
    started_at TEXT,
    finished_at TEXT
) STRICT;
CREATE TABLE IF NOT EXISTS requests (
    at REAL NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    status INTEGER NOT NULL
) STRICT;
"""

SESSION_ID_BYTES = 13  # 26 hexadecimal digits, as the service's ids look


class Status(StrEnum):
    """A session's state, in the words of `/result`; `removed` is never shown."""

    PROCESSING = "processing"
    DONE = "done"
    ERROR = "error"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it was heard; times are seconds of the media."""

    text: str
    start: float
    stop: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Heard:
    """What listening to one media file came to: words by utterance, or an error sentence."""

    duration: float = 0.0
    utterances: tuple[tuple[Word, ...], ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """A TUS upload as it is kept; `info` is tuspyserver's own record of it."""

    id: str
    owner: str
    info: dict[str, Any]
    size: int | None
    offset: int
    completed: int
    sha256: str | None
    session: str | None

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self.info["metadata"])


@dataclass(frozen=True, slots=True)
class Session:
    """A transcription job of the sandbox."""

    number: int
    id: str
    upload: str
    owner: str
    metadata: dict[str, str]
    status: Status
    heard: Heard = field(repr=False)
    created_at: str
    started_at: str | None
    finished_at: str | None


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One answered request; `at` is the Unix time of its arrival."""

    at: float
    method: str
    path: str
    status: int


class Records:
    """The database; every method is one transaction and may be called from any thread."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(SCHEMA)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        with self._lock:
            return self._database.execute(sql, values).fetchall()

    # uploads

    def create_upload(self, upload: str, owner: str, info: dict[str, Any]) -> None:
        with self._transaction() as database:
            database.execute(
                "INSERT INTO uploads (id, owner, info, size, offset) VALUES (?, ?, ?, ?, ?)",
                (upload, owner, json.dumps(info), info["size"], info["offset"]),
            )

    def save_upload(self, upload: str, info: dict[str, Any]) -> None:
        """Keeps tuspyserver's record; an offset never goes back, whatever order late savers come in."""
        with self._transaction() as database:
            database.execute(
                "UPDATE uploads SET info = ?, size = ?, offset = max(offset, ?) WHERE id = ?",
                (json.dumps(info), info["size"], info["offset"], upload),
            )

    def upload(self, upload: str) -> Upload | None:
        """None for an upload that was never created, or was terminated."""
        rows = self._rows(UPLOAD_SQL + " WHERE uploads.id = ? AND NOT terminated", upload)
        return _upload(rows[0]) if rows else None

    def uploads(self) -> list[Upload]:
        """Every upload ever created, oldest first."""
        return [_upload(row) for row in self._rows(UPLOAD_SQL + " ORDER BY uploads.rowid")]

    def terminate(self, upload: str) -> None:
        with self._transaction() as database:
            database.execute("UPDATE uploads SET terminated = 1 WHERE id = ?", (upload,))

    def complete(self, upload: str, sha256: str) -> str | None:
        """Opens the session of a complete upload: its id for the first caller, None for all later ones."""
        session = secrets.token_hex(SESSION_ID_BYTES)
        with self._transaction() as database:
            opened = database.execute(
                "INSERT OR IGNORE INTO sessions (id, upload, owner, metadata, status, created_at)"
                " SELECT ?, id, owner, json_extract(info, '$.metadata'), 'processing', ?"
                " FROM uploads WHERE id = ? AND NOT terminated",
                (session, _now(), upload),
            ).rowcount
            if not opened:
                return None
            database.execute(
                "UPDATE uploads SET completed = completed + 1, sha256 = ? WHERE id = ?",
                (sha256, upload),
            )
        return session

    # sessions

    def session(self, session: str) -> Session | None:
        """Also a removed one; who asks decides what that means."""
        rows = self._rows("SELECT * FROM sessions WHERE id = ?", session)
        return _session(rows[0]) if rows else None

    def sessions(self, owner: str, offset: int, limit: int) -> tuple[int, list[Session]]:
        """How many the key has, and one page of them, newest first."""
        where = "FROM sessions WHERE owner = ? AND status != 'removed'"
        [total] = self._rows(f"SELECT count(*) {where}", owner)
        rows = self._rows(
            f"SELECT * {where} ORDER BY number DESC LIMIT ? OFFSET ?",
            owner,
            limit,
            offset,
        )
        return int(total[0]), [_session(row) for row in rows]

    def all_sessions(self) -> list[Session]:
        return [_session(row) for row in self._rows("SELECT * FROM sessions ORDER BY number")]

    def start(self, session: str) -> Session | None:
        """Marks that listening begins; None when there is nothing to hear any more."""
        with self._transaction() as database:
            rows = database.execute(
                "UPDATE sessions SET started_at = ? WHERE id = ? AND status = 'processing' RETURNING *",
                (_now(), session),
            ).fetchall()
        return _session(rows[0]) if rows else None

    def finish(self, session: str, heard: Heard) -> None:
        """Keeps the outcome, unless the session was removed meanwhile."""
        words = [[[w.text, w.start, w.stop, w.confidence] for w in utterance] for utterance in heard.utterances]
        status = Status.DONE if heard.error is None else Status.ERROR
        with self._transaction() as database:
            database.execute(
                "UPDATE sessions SET status = ?, error = ?, duration = ?, utterances = ?, finished_at = ?"
                " WHERE id = ? AND status = 'processing'",
                (status, heard.error, heard.duration, json.dumps(words), _now(), session),
            )

    def remove(self, session: Session) -> None:
        """Erases the names and the transcript; ids, sizes and hashes stay for counting."""
        with self._transaction() as database:
            database.execute(
                "UPDATE sessions SET status = 'removed', metadata = '{}', error = NULL, utterances = NULL WHERE id = ?",
                (session.id,),
            )
            database.execute(
                "UPDATE uploads SET info = json_set(info, '$.metadata', json('{}')) WHERE id = ?", (session.upload,)
            )

    # requests

    def note(self, request: SeenRequest) -> None:
        with self._transaction() as database:
            database.execute(
                "INSERT INTO requests (at, method, path, status) VALUES (?, ?, ?, ?)",
                (request.at, request.method, request.path, request.status),
            )

    def request_count(self) -> int:
        [row] = self._rows("SELECT count(*) FROM requests")
        return int(row[0])

    def requests(self) -> list[SeenRequest]:
        """Every answered request, in the order of the answers."""
        return [SeenRequest(*row) for row in self._rows("SELECT * FROM requests ORDER BY rowid")]


UPLOAD_SQL = "SELECT uploads.*, sessions.id AS session FROM uploads LEFT JOIN sessions ON sessions.upload = uploads.id"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _upload(row: sqlite3.Row) -> Upload:
    # The column holds the offset that counts; the copy inside tuspyserver's record may lag behind it.
    return Upload(
        id=row["id"],
        owner=row["owner"],
        info=json.loads(row["info"]) | {"offset": row["offset"]},
        size=row["size"],
        offset=row["offset"],
        completed=row["completed"],
        sha256=row["sha256"],
        session=row["session"],
    )


def _session(row: sqlite3.Row) -> Session:
    utterances = json.loads(row["utterances"] or "[]")
    heard = Heard(row["duration"], tuple(tuple(Word(*word) for word in words) for words in utterances), row["error"])
    return Session(
        number=row["number"],
        id=row["id"],
        upload=row["upload"],
        owner=row["owner"],
        metadata=json.loads(row["metadata"]),
        status=Status(row["status"]),
        heard=heard,
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )
