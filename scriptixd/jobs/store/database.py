"""The state file itself: opening, locking, migrating, and the one way to begin a transaction.

Never holds a transaction across a network or a folder's disk, and never locks the database file
itself: closing a second descriptor of it would drop SQLite's own locks. The lock is a sibling.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from scriptixd import __version__
from scriptixd.errors import StateError, StateHeld, StateTrouble
from scriptixd.jobs.store.copies import keep_copy
from scriptixd.jobs.store.schema import MIGRATIONS
from scriptixd.roots.mounts import is_local, mount_of

BUSY_TIMEOUT = 10.0  # s that a writer waits for another: a verb's transaction lasts milliseconds
BETWEEN_TRIES: Final = 0.05  # s
MIGRATES_WITHIN: Final = 5.0  # s that a verb waits for a daemon that has just been started

_FLOCK = "hhqqi0q"  # struct flock of fcntl(2): type, whence, start, len, pid
_UNUSABLE = {"SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT"}
_PASSING: Final[Mapping[str, str]] = {
    "SQLITE_FULL": "make room on its disk",
    "SQLITE_IOERR": "make room on its disk, and see whether the disk is in order",
    "SQLITE_BUSY": "close the program that has it open",
    "SQLITE_CANTOPEN": "the service's user must be able to write it and its directory",
    "SQLITE_READONLY": "the service's user must be able to write it and its directory",
    "SQLITE_NOMEM": "the machine is short of memory",
}
_IN_USE = b"in use\n"  # what the lock holds once the tables were made: an empty state file was emptied then
_ANEW = "put a backup in its place; without one every file counts as new, and is paid for again"
_ASK_AS_SERVICE = "ask as the service's user, or as root"


class Database:
    """One connection, one writer at a time. Errors: StateError, StateHeld, StateTrouble."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int | None) -> None:
        self.path = path
        self._connection = connection
        self._lock = lock
        self._turn = threading.RLock()
        self._file = _file_at(path)
        self.on_commit: Callable[[], None] = lambda: None  # there may be work for somebody

    @contextmanager
    def transaction(self, *, quiet: bool = False) -> Iterator[sqlite3.Connection]:
        """BEGIN IMMEDIATE … COMMIT, or nothing at all. Nested ones are part of the outer one.

        `quiet`: there is nothing in it that makes work for anybody.
        """
        with self._turn, translated(self.path):
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        if not quiet:
            self.on_commit()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection for a few SELECTs that belong together."""
        with self._turn, translated(self.path):
            yield self._connection

    def check(self) -> None:
        """Raise StateError if the file under the path is not the one that was opened: what is written is lost then."""
        there, opened = _file_at(self.path), self._file
        same = there is not None and opened is not None and there[:2] == opened[:2] and there[2] >= opened[2]
        self._file = there
        if not same or (self._lock is not None and not _is_lock(self._lock, self.path)):
            raise StateError(
                f"the state file {self.path} was removed, replaced or emptied under the running daemon", _ANEW
            )

    def empty_log(self, *, within: float = 0.0) -> bool:
        """Check the write-ahead log in and leave nothing in it.

        Tried again for `within` seconds; False if somebody who reads or writes was in the way all the time.
        """
        deadline = time.monotonic() + within
        while self._is_log_busy():
            if time.monotonic() >= deadline:
                return False
            time.sleep(BETWEEN_TRIES)
        return True

    def _is_log_busy(self) -> bool:
        """Whether it cannot be emptied just now; SQLite waits for readers, but never for another checkpoint."""
        with self._turn, translated(self.path):
            self._connection.execute("PRAGMA busy_timeout = 0")
            try:
                (busy, _, _) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000:.0f}")
        return bool(busy)

    def close(self) -> None:
        """Check the write-ahead log in, close, and let the next daemon in."""
        with self._turn:
            self._connection.close()
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None


def open_state(path: Path) -> Database:
    """The state file for the one process that may write it; made and migrated if need be.

    Raises StateHeld if another process has it, StateError if it cannot be used at all.
    """
    _refuse_network_share(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        lock = _take_lock(path)
        try:
            _refuse_emptied(path, lock)
            with translated(path):
                connection = _connect(path)
            os.pwrite(lock, _IN_USE, 0)
        except BaseException:
            os.close(lock)
            raise
    except OSError as error:
        raise StateError(
            f"the state file {path} cannot be made: {error.strerror}",
            f"give the service's user a directory that it may write, or set 'state' (now {path})",
        ) from error
    return Database(path, connection, lock)


def is_there(path: Path) -> bool:
    """Whether there is a state file; raises StateError where that may not be known."""
    try:
        return path.exists()
    except OSError as error:
        raise StateError(f"the state file {path} cannot be read: {error.strerror}", _ASK_AS_SERVICE) from error


def open_for_reading(path: Path) -> Database:
    """The state file for a verb that only looks, beside a running daemon or without one; creates nothing."""
    try:
        if not is_there(path):
            raise StateError(f"there is no state file {path} yet", "start the daemon, or name another with -c")

        # Without a log beside it nobody is writing, and only immutable=1 keeps SQLite from making files of its own.
        def opened() -> sqlite3.Connection:
            return _connect_for_reading(path, "mode=ro" if _log_of(path).exists() else "mode=ro&immutable=1")

        with translated(path):
            connection = _once_migrated(path, opened)
    except OSError as error:
        raise StateError(f"the state file {path} cannot be read: {error.strerror}", _ASK_AS_SERVICE) from error
    except StateTrouble as trouble:
        raise StateError(f"the state file {path} cannot be read: {trouble.__cause__}", _ASK_AS_SERVICE) from trouble
    return Database(path, connection, None)


def open_beside(path: Path) -> Database:
    """The state file for a verb that asks something of the daemon that has it: takes no lock, migrates nothing.

    Raises StateError if its tables are not this version's.
    """

    def opened() -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False,
            timeout=BUSY_TIMEOUT,
        )  # fmt: skip
        try:
            _refuse_other(connection, path)
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    with translated(path):
        return Database(path, _once_migrated(path, opened), None)


def is_held(path: Path) -> bool:
    """Whether a daemon has the state file now; only asks, so it is never in a starting daemon's way."""
    try:
        descriptor = os.open(_lock_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StateError(
            f"the lock beside the state file {path} cannot be read: {error.strerror}", _ASK_AS_SERVICE
        ) from error
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    finally:
        os.close(descriptor)
    return bool(struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables to this version, each migration and its record in one transaction."""
    done = _refuse_newer(connection, path)
    for number in range(done + 1, len(MIGRATIONS) + 1):
        record = (number, time.time(), __version__)
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in _statements(MIGRATIONS[number - 1]):
                connection.execute(statement)
            connection.execute("INSERT INTO migrations (number, at, version) VALUES (?, ?, ?)", record)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def _refuse_newer(connection: sqlite3.Connection, path: Path) -> int:
    """How many migrations the file has had; raises StateError if it has had more than we know."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if "migrations" not in tables:
        if tables:
            raise StateError(
                f"{path} is a database, but not one of scriptixd's", "set 'state' to a file of its own in config.yaml"
            )
        return 0
    number, version = connection.execute(
        "SELECT number, version FROM migrations ORDER BY number DESC LIMIT 1"
    ).fetchone() or (0, "")
    if number > len(MIGRATIONS):
        raise StateError(
            f"the state file {path} was written by a newer scriptixd ({version})",
            f"install version {version} or newer again, or set 'state' to another file",
        )
    return int(number)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT)
    try:
        _refuse_newer(connection, path)  # before anything of another program's is touched
        if connection.execute("PRAGMA page_count").fetchone() == (0,):  # later it is nothing but a wish, and a write
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        os.chmod(path, 0o640)  # transcripts are nobody's business but the service's and its group's
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise StateError(f"the state file {path} cannot use a write-ahead log", "set 'state' to a local disk")
        _prepare(connection)
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations "
            "(number INTEGER PRIMARY KEY, at REAL NOT NULL, version TEXT NOT NULL) STRICT"
        )
        if 0 < _refuse_newer(connection, path) < len(MIGRATIONS):
            keep_copy(connection, path, time.time())
        migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    """What a connection that writes must keep."""
    connection.execute("PRAGMA synchronous = FULL")  # NORMAL lost 200 of 200 commits to a power cut
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON").fetchone()  # what is erased is overwritten, whatever the build says


def _connect_for_reading(path: Path, how: str) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?{how}"
    connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False, timeout=BUSY_TIMEOUT)
    try:
        _refuse_other(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


class _OtherTables(StateError):
    """The tables are not this version's."""


def _once_migrated(path: Path, opened: Callable[[], sqlite3.Connection]) -> sqlite3.Connection:
    """The connection; a daemon that has just begun brings the tables up to date, and is waited for."""
    deadline = time.monotonic() + MIGRATES_WITHIN
    while True:
        try:
            return opened()
        except _OtherTables:
            if time.monotonic() > deadline or not is_held(path):
                raise
        time.sleep(MIGRATES_WITHIN / 100)


def _refuse_other(connection: sqlite3.Connection, path: Path) -> None:
    """Whoever does not migrate can only use a file that needs none."""
    if _refuse_newer(connection, path) != len(MIGRATIONS):
        raise _OtherTables(
            f"the state file {path} has not the tables of scriptixd {__version__}",
            "start or restart the daemon, which brings them up to date: systemctl restart scriptixd",
        )


def _statements(script: str) -> Iterator[str]:
    """One statement after the other: executescript() would commit between them."""
    buffer = ""
    for line in script.splitlines(keepends=True):
        buffer += line
        if sqlite3.complete_statement(buffer):
            yield buffer
            buffer = ""


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _lock_path(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _take_lock(path: Path) -> int:
    descriptor = os.open(_lock_path(path), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    except (BlockingIOError, PermissionError) as error:
        os.close(descriptor)
        raise StateHeld(
            f"the state file {path} is held by another scriptixd",
            "stop it first (systemctl stop scriptixd), or use another 'state'",
        ) from error
    return descriptor


def _refuse_emptied(path: Path, lock: int) -> None:
    """An empty file is where a first start was cut off, or all that is left of a state."""
    emptied = path.exists() and path.stat().st_size == 0 and not _log_of(path).exists()
    if emptied and os.fstat(lock).st_size > 0:
        raise StateError(f"the state file {path} is empty, and was not", _ANEW + " once the empty one is removed")


def _file_at(path: Path) -> tuple[int, int, bool] | None:
    """Which file a path leads to, and whether anything is in it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size > 0


def _is_lock(descriptor: int, path: Path) -> bool:
    """Whether the lock that is held is the one that another daemon would try."""
    ours, there = os.fstat(descriptor), _file_at(_lock_path(path))
    return there is not None and there[:2] == (ours.st_dev, ours.st_ino)


def _refuse_network_share(path: Path) -> None:
    filesystem = mount_of(str(path.absolute())).filesystem
    if not is_local(filesystem):
        raise StateError(
            f"the state file {path} is on a network share or a foreign file system ({filesystem})",
            "SQLite's write-ahead log needs a local disk: set 'state' to one",
        )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours; what is not named here is our bug and stays what it is."""
    try:
        yield
    except sqlite3.Error as error:
        name = getattr(error, "sqlite_errorname", "")
        kind = "_".join(name.split("_")[:2])
        if kind in _UNUSABLE:
            raise StateError(
                f"the state file {path} is damaged: {error}",
                _ANEW,
            ) from error
        if kind in _PASSING:
            raise StateTrouble(f"the state file {path} cannot be written: {error}", _PASSING[kind]) from error
        raise
