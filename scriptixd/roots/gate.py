"""A root that can be shut: while its ground is not to be trusted, nobody gets at what lies there.

Decides nothing; who sets `closed` does, and who is asked in `doubt`. Not even what is open is read any further:
what is being sent may be somebody else's to send by now.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Self

from scriptixd.errors import ShareTrouble
from scriptixd.roots.root import LIKE_ITS_DIRECTORY, Disk, FileAccess, Listing, Reader, Root, Stat


class Gate:
    """A Root that raises the trouble in `closed` from every method, while that is not None.

    `doubt` is asked each time as well: what was true when the gate was opened may not be so after a machine's sleep.
    """

    def __init__(self, root: Root) -> None:
        self._root = root
        self.closed: ShareTrouble | None = None
        self.doubt: Callable[[], ShareTrouble | None] = lambda: None

    @property
    def shut(self) -> ShareTrouble | None:
        """Why nobody gets through just now."""
        return self.closed or self.doubt()

    @property
    def at_once(self) -> int:
        return self._root.at_once

    def disk(self) -> Disk:
        return self._passed().disk()

    def listing(self, directory: str) -> Listing:
        return self._passed().listing(directory)

    def open(self, path: str) -> Reader:
        return GatedReader(self, self._passed().open(path))

    def probe(self, directory: str, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        self._passed().probe(directory, access)

    def make(self, directory: str) -> None:
        self._passed().make(directory)

    def write(self, path: str, data: bytes, replaces: str | None, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        self._passed().write(path, data, replaces, access)

    def remove(self, path: str, sha256: str) -> None:
        self._passed().remove(path, sha256)

    def sweep(self, directory: str) -> int:
        return self._passed().sweep(directory)

    def pass_through(self) -> None:
        """Raise why that cannot be, in every thread another exception."""
        shut = self.shut
        if shut is not None:
            raise type(shut)(shut.what, shut.hint)

    def _passed(self) -> Root:
        self.pass_through()
        return self._root


class GatedReader:
    """A source that is open behind a gate."""

    def __init__(self, gate: Gate, reader: Reader) -> None:
        self._gate = gate
        self._reader = reader

    def stat(self) -> Stat:
        self._gate.pass_through()
        return self._reader.stat()

    def read(self, offset: int, count: int) -> bytes:
        self._gate.pass_through()
        return self._reader.read(offset, count)

    def written_to(self) -> bool | None:
        self._gate.pass_through()
        return self._reader.written_to()

    def __enter__(self) -> Self:
        self._reader.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.__exit__(kind, error, trace)
