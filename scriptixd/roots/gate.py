"""A root that can be shut: while its ground is not to be trusted, nobody gets at what lies there.

Decides nothing; who sets `closed` does. What is open stays open.
"""

from __future__ import annotations

from scriptixd.errors import ShareTrouble
from scriptixd.roots.root import Disk, Listing, Reader, Root


class Gate:
    """A Root that raises the trouble in `closed` from every method, while that is not None."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self.closed: ShareTrouble | None = None

    @property
    def at_once(self) -> int:
        return self._root.at_once

    def disk(self) -> Disk:
        return self._passed().disk()

    def listing(self, directory: str) -> Listing:
        return self._passed().listing(directory)

    def open(self, path: str) -> Reader:
        return self._passed().open(path)

    def probe(self, directory: str) -> None:
        self._passed().probe(directory)

    def write(self, path: str, data: bytes, replaces: str | None) -> None:
        self._passed().write(path, data, replaces)

    def remove(self, path: str, sha256: str) -> None:
        self._passed().remove(path, sha256)

    def sweep(self, directory: str) -> int:
        return self._passed().sweep(directory)

    def _passed(self) -> Root:
        closed = self.closed
        if closed is not None:
            raise type(closed)(closed.what, closed.hint)  # in every thread another exception
        return self._root
