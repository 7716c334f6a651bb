"""The forgotten table: files that were to be forgotten and lie there still, known by digests of their names alone.

They are left alone for as long as they stay as they are. Holds no name, and no reader can make one of what it holds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Final

from scriptixd.jobs.source import Look, Source
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.rows import split
from scriptixd.roots.paths import joined
from scriptixd.roots.root import Stat

_UNMET: Final = "\0"  # no name on a disk begins so
_DIGEST: Final = 16  # bytes
_SETTLED: Final = Look("", 0.0, 2)


class Forgotten:
    """What is left of files that lie there still."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._key = b""

    def leave_alone(self, source: Source, at: float) -> None:
        """A file lies there, and its source is about to be no more."""
        stat = source.stat
        directory, _ = split(source.path)
        values = (source.folder, self._of(source.folder, directory), self._of(source.folder, os.fsencode(source.path)))
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO forgotten VALUES (?, ?, ?, ?, ?, ?, ?)",
                (*values, stat.size, stat.mtime_ns, stat.inode, at),
            )

    def among(self, folder: str, directory: str, named: Mapping[str, Source]) -> Mapping[str, Source]:
        """The sources of a directory, and the forgotten ones in it, which whoever asks for their names meets."""
        query = "SELECT name, size, mtime_ns, inode FROM forgotten WHERE folder = ? AND directory = ?"
        with self._database.reading() as connection:
            rows = connection.execute(query, (folder, self._of(folder, os.fsencode(directory)))).fetchall()
        if not rows:
            return named
        nameless = {
            _UNMET + digest.hex(): _source(folder, directory, _UNMET + digest.hex(), Stat(size, mtime_ns, inode))
            for digest, size, mtime_ns, inode in rows
        }
        return Known(
            named, nameless, lambda name: _UNMET + self._of(folder, os.fsencode(joined(directory, name))).hex()
        )

    def left(self, folder: str, directory: str, name: str) -> bool:
        """Whether this is one that nobody has met in its directory: it is there no more, and nothing is kept of it."""
        if not name.startswith(_UNMET):
            return False
        place = (folder, self._of(folder, os.fsencode(directory)), bytes.fromhex(name.removeprefix(_UNMET)))
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM forgotten WHERE folder = ? AND directory = ? AND name = ?", place)
        return True

    def known(self, folder: str) -> Callable[[str], Stat | None]:
        """What a path below a folder was when it was forgotten, None if it was not: for whoever asks about many."""
        query = "SELECT name, size, mtime_ns, inode FROM forgotten WHERE folder = ?"
        with self._database.reading() as connection:
            stats = {bytes(row[0]): Stat(*row[1:]) for row in connection.execute(query, (folder,))}
        return lambda path: stats.get(self._of(folder, os.fsencode(path))) if stats else None

    def has(self, source: Source) -> bool:
        """Whether a file was to be forgotten under another name, by its inode, size and mtime."""
        query = (
            """SELECT 1 FROM forgotten WHERE folder = ? AND inode = ? AND inode != 0 AND size = ? AND mtime_ns = ?"""
        )
        stat = source.stat
        with self._database.reading() as connection:
            found = connection.execute(query, (source.folder, stat.inode, stat.size, stat.mtime_ns)).fetchone()
        return found is not None

    def _of(self, folder: str, path: bytes) -> bytes:
        """The digest of a path, in this state file alone: nobody has a list of them to look it up in."""
        if not self._key:
            with self._database.reading() as connection:
                (instance,) = connection.execute("SELECT id FROM instance").fetchone()
            self._key = str(instance).encode("ascii")
        return blake2b(
            folder.encode("utf-8", "surrogateescape") + b"\0" + path, digest_size=_DIGEST, key=self._key
        ).digest()


class Known(Mapping[str, Source]):
    """The sources of a directory by name. One without a name is met by asking for it; while it is not, it is shown."""

    def __init__(
        self, named: Mapping[str, Source], nameless: Mapping[str, Source], digest: Callable[[str], str]
    ) -> None:
        self._named = named
        self._nameless = nameless
        self._digest = digest
        self._met: set[str] = set()

    def __getitem__(self, name: str) -> Source:
        if name in self._named:
            return self._named[name]
        if name in self._nameless:
            return self._nameless[name]
        digest = self._digest(name)
        source = self._nameless[digest]
        self._met.add(digest)
        return source

    def __iter__(self) -> Iterator[str]:
        yield from self._named
        yield from (digest for digest in self._nameless if digest not in self._met)

    def __len__(self) -> int:
        return len(self._named) + len(self._nameless) - len(self._met)


def _source(folder: str, directory: str, name: str, stat: Stat) -> Source:
    """As the scanner has to see it: there, settled, left alone, and no new recording when it is merely touched."""
    return Source(
        0, folder, joined(directory, name), stat, _SETTLED, settled=True, present=True, existing=True, ignored=True
    )
