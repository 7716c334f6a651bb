"""Copies of the state file: the ones that people ask for, and the one that is kept before its tables are changed.

A copy is consistent and durable, or there is none; it is never made over another file, and is its owner's alone. Kept
ones lie beside the state file, and are deleted after a month.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Final

from scriptixd.errors import StateError, TargetTrouble

KEPT_FOR: Final = 30 * 86_400.0  # s: who has not missed anything by then does not go back
CHECKS_WITH: Final = 65_536  # KiB of memory: an index is compared with its table row by row
KEPT_SUFFIX: Final = ".backup"
UNFINISHED: Final = ".part"
_FILES_OF_A_DATABASE: Final = ("", "-journal", "-wal")
MAGIC: Final = b"SQLite format 3\0"  # sqlite.org/fileformat2: what every database begins with
_OF_THE_SOURCE: Final = {"SQLITE_CORRUPT", "SQLITE_NOTADB"}  # its reader says so
# A file system without hard links says so with one of these.
_NO_LINK: Final = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EINVAL})


def checked_copy(connection: sqlite3.Connection, target: Path) -> None:
    """A copy of a database that is open, as it is at one moment; raises TargetTrouble if it cannot be made, or is bad.

    A million jobs are checked in a minute, which is why nobody waits for that who has a daemon to start.
    """
    with _copied(connection, target) as copy:
        copy.execute(f"PRAGMA cache_size = -{CHECKS_WITH}").fetchone()
        (verdict,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise TargetTrouble(
                f"what was copied to {target} is damaged: {verdict}",
                "see whether its disk is in order, and with scriptixd check whether the state file is",
            )


@contextmanager
def _copied(connection: sqlite3.Connection, target: Path) -> Iterator[sqlite3.Connection]:
    """The copy, as long as it has not got its name."""
    with (
        _told(target),
        _written(target) as place,
        closing(sqlite3.connect(place, isolation_level=None)) as copy,
    ):
        copy.execute("PRAGMA synchronous = OFF")  # it is synced as a whole
        copy.execute("PRAGMA locking_mode = EXCLUSIVE").fetchone()  # so that a log is nobody else's
        connection.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()  # one file, with nothing beside it
        yield copy


def keep_copy(connection: sqlite3.Connection, state: Path, at: float) -> None:
    """A copy beside the state file, before its tables are brought up to date. StateError if there can be none.

    For whoever has the lock. What is left of those that were cut off goes first: each may be as large as the file.
    """
    _sweep(state)
    (number,) = connection.execute("SELECT max(number) FROM migrations").fetchone()
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    target = state.absolute().with_name(f"{state.name}.schema-{number}.{stamp}{KEPT_SUFFIX}")
    try:
        with _copied(connection, target):
            pass
    except TargetTrouble as trouble:
        raise StateError(
            f"before the state file {state} is brought up to date a copy of it is kept, and {trouble.what}",
            trouble.hint,
        ) from trouble


def _sweep(state: Path) -> None:
    """Delete what was to become a kept copy of this state file."""
    endings = tuple(f"{UNFINISHED}{suffix}" for suffix in _FILES_OF_A_DATABASE)
    for one in state.absolute().parent.iterdir():
        if one.name.startswith(f".{state.name}.schema-") and one.name.endswith(endings):
            one.unlink(missing_ok=True)


def kept(state: Path) -> Sequence[tuple[Path, float]]:
    """The copies that were kept beside a state file, and until when each is, in Unix seconds; the oldest first."""
    found = []
    with suppress(FileNotFoundError):
        for one in state.absolute().parent.iterdir():
            if one.name.startswith(f"{state.name}.schema-") and one.name.endswith(KEPT_SUFFIX):
                with suppress(FileNotFoundError):
                    found.append((one, one.stat().st_mtime + KEPT_FOR))
    return sorted(found, key=lambda each: each[1])


def delete_expired(state: Path, at: float) -> Sequence[Path]:
    """Delete the kept copies whose time is over; returns them. Raises OSError."""
    over = [path for path, until in kept(state) if until <= at]
    for path in over:
        path.unlink(missing_ok=True)
    return over


def databases_beside(state: Path) -> Sequence[Path]:
    """Whatever lies in the directory of a state file and is a database as well, whoever put it there."""
    try:
        beside = sorted(state.absolute().parent.iterdir())
    except OSError:
        return ()
    return [one for one in beside if one.name != state.name and _begins_with(one, MAGIC)]


def _begins_with(path: Path, magic: bytes) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError:
        return False


@contextmanager
def _written(target: Path) -> Iterator[Path]:
    """A file of its owner's alone to be filled, which gets its name only then, durably."""
    if os.path.lexists(target):  # said at once, and not after a gigabyte
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=UNFINISHED, dir=target.parent)  # mode 0600
    place = Path(name).absolute()
    try:
        yield place
        os.fsync(descriptor)
        _publish(place, target)
        directory = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        os.close(descriptor)
        for suffix in _FILES_OF_A_DATABASE:
            Path(f"{name}{suffix}").unlink(missing_ok=True)


def _publish(place: Path, target: Path) -> None:
    """Raises FileExistsError if somebody else has the name by now."""
    try:
        os.link(place, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        os.replace(place, target)


@contextmanager
def _told(target: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise TargetTrouble(f"{target} is there already", "name another file: nothing is written over") from error
    except OSError as error:
        raise TargetTrouble(
            f"{target} cannot be written: {error.strerror}", "name a file in a directory that you may write, with room"
        ) from error
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") in _OF_THE_SOURCE:
            raise
        raise TargetTrouble(f"{target} cannot be written: {error}", "make room on its disk, or name another") from error
