"""A root on this machine's own file systems, reached in-process.

Opens every path name by name from a descriptor of the root, so that no symbolic link below it is
ever followed. Holds no descriptor between two calls: an open one would keep a disk from being unmounted.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from scriptixd.errors import FileTrouble
from scriptixd.roots import writing
from scriptixd.roots.mounts import mount_of, path_within
from scriptixd.roots.paths import components, joined, name_of, parent, shown
from scriptixd.roots.root import Entry, Identity, Kind, Reader, Stat
from scriptixd.roots.trouble import Purpose, root_trouble, translated

WALK = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC  # a way through: needs no right to read the directory
LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# A FIFO or a device that took a file's name must neither be waited for nor become our terminal.
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class LocalRoot:
    """The files below one directory; a root that is a link itself leads to its target."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.path.abspath(os.fspath(path))

    @property
    def path(self) -> str:
        return self._path

    def identity(self) -> Identity:
        """File system, source and sub-path as the table of mounts tells them now."""
        with self._opened():  # an automounter mounts when somebody comes, not before
            place = os.path.realpath(self._path)
            mount = mount_of(place)
        return Identity(mount.filesystem, mount.source, path_within(mount, place))

    def listing(self, directory: str) -> Sequence[Entry]:
        with self._directory(directory, Purpose.READ) as descriptor:
            opened = os.open(".", LIST, dir_fd=descriptor)
            try:
                with os.scandir(opened) as found:
                    return [_entry(one) for one in found]
            finally:
                os.close(opened)

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

    def probe(self, directory: str) -> None:
        with self._directory(directory, Purpose.WRITE) as descriptor:
            writing.probe(descriptor)

    def write(self, path: str, data: bytes, replaces: str | None) -> None:
        with self._directory(parent(path), Purpose.WRITE, path) as descriptor:
            writing.write(descriptor, name_of(path), data, replaces, self._place(path))

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
    def _directory(self, directory: str, purpose: Purpose, about: str | None = None) -> Iterator[int]:
        """A descriptor of a directory below the root; what fails inside is told about the path `about`."""
        place = self._place(directory if about is None else about)
        names = components(directory)
        with self._opened() as root, translated(place, purpose):
            descriptor = os.dup(root)
            try:
                for name in names:
                    deeper = os.open(name, WALK | os.O_NOFOLLOW, dir_fd=descriptor)
                    os.close(descriptor)
                    descriptor = deeper
                yield descriptor
            finally:
                os.close(descriptor)


class LocalReader:
    """One open source file, read by offset so that nobody shares a position."""

    def __init__(self, descriptor: int, place: str) -> None:
        self._descriptor = descriptor
        self._place = place

    def check(self) -> None:
        """Refuse what is not a plain file, whatever the name meant a moment ago."""
        with translated(self._place, Purpose.READ):
            _refuse_irregular(os.fstat(self._descriptor), self._place)

    def stat(self) -> Stat:
        with translated(self._place, Purpose.READ):
            return _stat(os.fstat(self._descriptor))

    def read(self, offset: int, count: int) -> bytes:
        with translated(self._place, Purpose.READ):
            return os.pread(self._descriptor, count, offset)

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _entry(found: os.DirEntry[str]) -> Entry:
    """One name; a bad one tells nothing about itself and does not spoil the others."""
    try:
        if found.is_dir(follow_symlinks=False):
            return Entry(found.name, Kind.DIRECTORY, None)
        if not found.is_file(follow_symlinks=False):
            return Entry(found.name, Kind.OTHER, None)
        return Entry(found.name, Kind.FILE, _stat(found.stat(follow_symlinks=False)))
    except OSError:
        return Entry(found.name, Kind.FILE, None)


def _stat(found: os.stat_result) -> Stat:
    return Stat(found.st_size, found.st_mtime_ns, found.st_ino)


def _refuse_irregular(found: os.stat_result, place: str) -> None:
    if stat.S_ISLNK(found.st_mode):
        raise FileTrouble(f"{shown(place)} is a link", "links are not followed; put the recording itself there")
    if not stat.S_ISREG(found.st_mode):
        raise FileTrouble(f"{shown(place)} is not a plain file", "only plain files are transcribed")
