"""A root on this machine's own file systems, reached in-process.

Opens every path name by name from a descriptor of the root, so that no symbolic link below it is
ever followed. Holds no descriptor between two calls: an open one would keep a disk from being unmounted.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from types import TracebackType
from typing import Final, Self

from scriptixd.errors import FileTrouble, SourceMissing
from scriptixd.roots import writing
from scriptixd.roots.mounts import MOUNTS, Mounts, is_local, path_within
from scriptixd.roots.paths import components, joined, name_of, parent, shown
from scriptixd.roots.root import (
    LIKE_ITS_DIRECTORY,
    Disk,
    FileAccess,
    Identity,
    Kind,
    Listing,
    Nested,
    Reader,
    Row,
    Stat,
)
from scriptixd.roots.trouble import Purpose, root_trouble, translated

INODE: Final = 2**63 - 1  # what a database can hold: FUSE file systems use all 64 bits
WALK: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC  # a way through: needs no right to read the directory
LIST: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A FIFO or a device that took a file's name must neither be waited for nor become our terminal.
READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
AUTOMOUNTER: Final = "autofs"
BLOCK: Final = 512  # bytes: the unit of st_blocks, whatever the disk's own is
FILE, DIRECTORY, OTHER = Kind.FILE, Kind.DIRECTORY, Kind.OTHER


class LocalRoot:
    """The files below one directory; a root that is a link itself leads to its target."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.path.abspath(os.fspath(path))

    @property
    def path(self) -> str:
        return self._path

    @property
    def at_once(self) -> int:
        return 1

    def disk(self) -> Disk:
        with self._opened():  # an automounter mounts when somebody comes, not before
            place = os.path.realpath(self._path)
            mounts = _mounted(place)
        mount, inside = mounts.holding(place), place.rstrip("/") + "/"
        nested = (
            Nested(below.mountpoint.removeprefix(inside), Identity(below.filesystem, below.source, below.subpath))
            for below in mounts.below(place)
            if below.filesystem != AUTOMOUNTER
        )
        identity = Identity(mount.filesystem, mount.source, path_within(mount, place))
        return Disk(identity, mount.mountpoint, tuple(nested))

    def listing(self, directory: str) -> Listing:
        with self._directory(directory, Purpose.READ, flags=LIST) as descriptor, os.scandir(descriptor) as found:
            return Listing(_rows(found))

    def parts(self, directory: str, most: int, seconds: float) -> Iterator[list[Row]]:
        """A listing in parts, of so many names and about so much time each; what fails, fails in between."""
        with self._directory(directory, Purpose.READ, flags=LIST) as descriptor, os.scandir(descriptor) as found:
            while rows := _rows(_for_a_while(found, most, seconds)):
                yield rows

    def open(self, path: str) -> Reader:
        with self._directory(parent(path), Purpose.READ, path) as descriptor:
            name = name_of(path)
            _refuse_irregular(os.stat(name, dir_fd=descriptor, follow_symlinks=False), self._place(path))
            try:
                opened = os.open(name, READ, dir_fd=descriptor)
            except OSError as error:
                if error.errno == errno.ELOOP:
                    raise FileTrouble(f"{shown(self._place(path))} is a link", "links are not followed") from error
                raise
        reader = LocalReader(opened, self._place(path))
        try:
            reader.check()
        except BaseException:
            reader.close()
            raise
        return reader

    def probe(self, directory: str, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        with self._directory(directory, Purpose.WRITE) as descriptor:
            writing.probe(descriptor, access, self._place(directory))

    def make(self, directory: str) -> None:
        names = components(directory)
        for depth in range(1, len(names) + 1):
            path = "/".join(names[:depth])
            with self._directory(parent(path), Purpose.WRITE, path) as descriptor:
                writing.make(descriptor, name_of(path))

    def write(self, path: str, data: bytes, replaces: str | None, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        with self._directory(parent(path), Purpose.WRITE, path) as descriptor:
            writing.write(descriptor, name_of(path), data, replaces, access, self._place(path))

    def remove(self, path: str, sha256: str) -> None:
        with suppress(SourceMissing), self._directory(parent(path), Purpose.WRITE, path) as descriptor:
            writing.remove(descriptor, name_of(path), sha256, self._place(path))

    def sweep(self, directory: str) -> int:
        with self._directory(directory, Purpose.WRITE) as descriptor:
            return writing.sweep(descriptor)

    def _place(self, path: str) -> str:
        return joined(self._path.rstrip("/"), path) if path else self._path

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            descriptor = os.open(self._path, LIST)
        except OSError as error:
            raise root_trouble(error, self._path) from error
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def _directory(
        self, directory: str, purpose: Purpose, about: str | None = None, flags: int = WALK
    ) -> Iterator[int]:
        """A descriptor of a directory below the root; what fails inside is told about the path `about`."""
        place = self._place(directory if about is None else about)
        names = components(directory)
        with self._opened() as root, translated(place, purpose):
            descriptor = root
            try:
                for depth, name in enumerate(names, start=1):
                    how = flags if depth == len(names) else WALK
                    deeper = os.open(name, how | os.O_NOFOLLOW, dir_fd=descriptor)
                    if descriptor != root:
                        os.close(descriptor)
                    descriptor = deeper
                yield descriptor
            finally:
                if descriptor != root:
                    os.close(descriptor)


class LocalReader:
    """One open source file, read by offset so that nobody shares a position."""

    def __init__(self, descriptor: int, place: str) -> None:
        self._descriptor = descriptor
        self._place = place
        self._leasing = threading.Lock()

    def check(self) -> None:
        """Refuse what is not a plain file, whatever the name meant a moment ago."""
        with translated(self._place, Purpose.READ):
            _refuse_irregular(os.fstat(self._descriptor), self._place)

    def stat(self) -> Stat:
        with translated(self._place, Purpose.READ):
            found = os.fstat(self._descriptor)
        return Stat(found.st_size, found.st_mtime_ns, found.st_ino & INODE)

    def read(self, offset: int, count: int) -> bytes:
        with translated(self._place, Purpose.READ):
            return os.pread(self._descriptor, count, offset)

    def written_to(self) -> bool | None:
        """Asked by taking a lease (fcntl(2)), which cannot be had while there is a writer."""
        try:
            # Who opens the file for writing while we hold the lease makes the kernel send us a signal. SIGIO, the
            # usual one, would end the process; SIGURG is ignored unless somebody asked for it. Releasing a lease
            # forgets the choice, so it is made before each, and by one thread at a time.
            with self._leasing:
                fcntl.fcntl(self._descriptor, fcntl.F_SETSIG, signal.SIGURG)
                fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
                fcntl.fcntl(self._descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)  # a writer waits until then
        except BlockingIOError:
            return True
        except OSError:  # not ours, and no right to lease it; or a disk that has no leases
            return None
        return False if self._is_ours_alone() else None

    def _is_ours_alone(self) -> bool:
        """Whether nobody can have the file open elsewhere; a lease tells of this machine only."""
        try:
            place = os.readlink(f"/proc/self/fd/{self._descriptor}")
        except OSError:
            return False
        return is_local(MOUNTS.now().holding(place).filesystem)

    def close(self) -> None:
        """What a share says that dies meanwhile is of no interest: nothing was written, and the descriptor is gone."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _mounted(place: str) -> Mounts:
    """The mounts, after whatever an automounter has in store below a directory was asked to come."""
    mounts = MOUNTS.now()
    waiting = [mount.mountpoint for mount in mounts.below(place) if mount.filesystem == AUTOMOUNTER]
    for mountpoint in waiting:
        with suppress(OSError):  # it is not there for now, and not among the mounts either
            os.close(os.open(mountpoint, LIST))
    return MOUNTS.now() if waiting else mounts


def _rows(found: Iterable[os.DirEntry[str]]) -> list[Row]:
    """One row a name; a bad name tells nothing about itself and does not spoil the others."""
    rows: list[Row] = []
    add = rows.append
    for one in found:
        try:
            if one.is_file(follow_symlinks=False):
                its = one.stat(follow_symlinks=False)
                add((one.name, FILE, its.st_size, its.st_mtime_ns, its.st_ino & INODE, its.st_blocks * BLOCK))
            elif one.is_dir(follow_symlinks=False):
                add((one.name, DIRECTORY, -1, -1, -1, 0))
            else:
                add((one.name, OTHER, -1, -1, -1, 0))
        except OSError:
            add((one.name, FILE, -1, -1, -1, 0))
    return rows


def _for_a_while(found: Iterator[os.DirEntry[str]], most: int, seconds: float) -> Iterator[os.DirEntry[str]]:
    """The next names, at least one if there is any."""
    end = time.monotonic() + seconds
    for one in islice(found, most):
        yield one
        if time.monotonic() >= end:
            return


def _refuse_irregular(found: os.stat_result, place: str) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise FileTrouble(f"{shown(place)} is a link", "links are not followed; put the recording itself there")
    if not stat.S_ISREG(found.st_mode):
        raise FileTrouble(f"{shown(place)} is not a plain file", "only plain files are transcribed")
