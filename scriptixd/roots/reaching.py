"""A folder's root, reached in the way that its disks allow: in-process, or through a child that may hang for us.

Asks the table of mounts before each call, as a share may come or go at any time, and touches in-process
nothing but what that calls local: the way to the root, the root, and everything mounted below it.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection

from scriptixd.errors import Hung
from scriptixd.roots.child import LAST_BREATH
from scriptixd.roots.isolated import PATIENCE, IsolatedRoot, Patience
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.mounts import MOUNTS, MountTable
from scriptixd.roots.root import LIKE_ITS_DIRECTORY, Disk, FileAccess, Listing, Reader, Root


class FolderRoot:
    """The files below one directory, wherever that is."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        patience: Patience = PATIENCE,
        mounts: MountTable = MOUNTS,
    ) -> None:
        self._local = LocalRoot(path)
        self._patience = patience
        self._mounts = mounts
        self._lock = threading.Lock()
        self._isolated: IsolatedRoot | None = None
        self._closed = False

    @property
    def path(self) -> str:
        return self._local.path

    @property
    def is_local(self) -> bool:
        """Whether it is reached in-process now: nobody but this machine can write to it, or make it hang."""
        return self._mounts.now().is_local(self._local.path)

    @property
    def hung(self) -> Hung | None:
        """What every call raises at once, while it does: the disk does not answer."""
        isolated = self._isolated
        return isolated.hung if isolated is not None and not self.is_local else None

    @property
    def slow(self) -> bool:
        """Whether somebody waits for it for suspiciously long, just now."""
        isolated = self._isolated
        return isolated is not None and isolated.slow

    @property
    def at_once(self) -> int:
        return self._root().at_once

    def disk(self) -> Disk:
        return self._root().disk()

    def listing(self, directory: str) -> Listing:
        return self._root().listing(directory)

    def open(self, path: str) -> Reader:
        return self._root().open(path)

    def probe(self, directory: str, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        self._root().probe(directory, access)

    def make(self, directory: str) -> None:
        self._root().make(directory)

    def write(self, path: str, data: bytes, replaces: str | None, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        self._root().write(path, data, replaces, access)

    def remove(self, path: str, sha256: str) -> None:
        self._root().remove(path, sha256)

    def sweep(self, directory: str) -> int:
        return self._root().sweep(directory)

    def close(self) -> None:
        """Wake everybody who waits for the disk; from then on only a local one can be asked."""
        close_together([self])

    def end(self) -> IsolatedRoot | None:
        """The same without waiting for anything; whoever is returned is still to be left."""
        with self._lock:
            self._closed = True
            isolated = self._isolated
        if isolated is not None:
            isolated.end()
        return isolated

    def _root(self) -> Root:
        if not self.is_local:
            return self._over_there()
        if self._isolated is not None:
            self._come_home()
        return self._local

    def _over_there(self) -> IsolatedRoot:
        with self._lock:
            if self._isolated is None:
                self._isolated = IsolatedRoot(self._local.path, self._patience)
                if self._closed:
                    self._isolated.close()
            return self._isolated

    def _come_home(self) -> None:
        """The share is unmounted: nobody needs the child, least of all one that hung in it."""
        with self._lock:
            isolated, self._isolated = self._isolated, None
        if isolated is not None:
            isolated.close()


def close_together(roots: Collection[FolderRoot]) -> None:
    """Close any number of roots in the time that one takes, also where all of them hang."""
    ended = [isolated for root in roots if (isolated := root.end()) is not None]
    deadline = time.monotonic() + LAST_BREATH
    for isolated in ended:
        isolated.leave(deadline)
