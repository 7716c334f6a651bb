"""A FUSE file system over a directory that errs or hangs on demand: `python faulty_disk.py MOUNTPOINT BEHIND ORDERS`.

ORDERS is a file with one word in it: `work`, `err` (everything is EIO) or `hang` (nothing is answered until the
word is another one). Runs in the foreground until it is unmounted or killed.
"""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import mfusepy as fuse

WORK, ERR, HANG = "work", "err", "hang"
LOOK = 0.02  # s between two looks at the orders while nothing is answered


def as_ordered(method: Callable[..., Any]) -> Callable[..., Any]:
    """An operation that is answered only as the orders say."""

    @wraps(method)
    def answered(disk: FaultyDisk, *arguments: Any) -> Any:
        disk.obey()
        return method(disk, *arguments)

    return answered


class FaultyDisk(fuse.Operations):  # type: ignore[misc]  # it has no types
    """What is behind it, unless the orders are otherwise."""

    use_ns = True

    def __init__(self, behind: Path, orders: Path) -> None:
        self._behind = behind
        self._orders = orders

    def obey(self) -> None:
        while (order := self._orders.read_text().strip()) == HANG:
            time.sleep(LOOK)
        if order == ERR:
            raise fuse.FuseOSError(errno.EIO)

    def _there(self, path: str) -> str:
        return f"{self._behind}{path}"

    @as_ordered
    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = os.lstat(self._there(path))
        names = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_ino", "st_blocks")
        times = {f"st_{kind}time": getattr(found, f"st_{kind}time_ns") for kind in "amc"}
        return {name: getattr(found, name) for name in names} | times

    @as_ordered
    def readdir(self, path: str, fh: int) -> list[str]:
        return [".", "..", *os.listdir(self._there(path))]

    @as_ordered
    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._there(path))
        names = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail")
        return {name: getattr(found, name) for name in names} | {"f_namemax": 255}

    @as_ordered
    def open(self, path: str, flags: int) -> int:
        return os.open(self._there(path), flags)

    @as_ordered
    def create(self, path: str, mode: int, fi: object = None) -> int:
        return os.open(self._there(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    @as_ordered
    def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    @as_ordered
    def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
        return os.pwrite(fh, data, offset)

    @as_ordered
    def truncate(self, path: str, length: int, fh: int | None = None) -> None:
        os.truncate(self._there(path), length)

    @as_ordered
    def fsync(self, path: str, datasync: int, fh: int) -> None:
        os.fsync(fh)

    @as_ordered
    def release(self, path: str, fh: int) -> None:
        os.close(fh)

    @as_ordered
    def chmod(self, path: str, mode: int) -> None:
        os.chmod(self._there(path), mode)

    @as_ordered
    def chown(self, path: str, uid: int, gid: int) -> None:
        os.chown(self._there(path), uid, gid)

    @as_ordered
    def unlink(self, path: str) -> None:
        os.unlink(self._there(path))

    @as_ordered
    def rename(self, old: str, new: str) -> None:
        os.rename(self._there(old), self._there(new))

    @as_ordered
    def link(self, target: str, source: str) -> None:
        os.link(self._there(source), self._there(target))

    @as_ordered
    def mkdir(self, path: str, mode: int) -> None:
        os.mkdir(self._there(path), mode)

    @as_ordered
    def rmdir(self, path: str) -> None:
        os.rmdir(self._there(path))

    @as_ordered
    def utimens(self, path: str, times: tuple[int, int]) -> None:
        os.utime(self._there(path), ns=times)


if __name__ == "__main__":
    mountpoint, behind, orders = sys.argv[1:]
    # Nothing is kept by the kernel: what is asked reaches this disk, and is answered as it says.
    fuse.FUSE(
        FaultyDisk(Path(behind), Path(orders)), mountpoint, foreground=True, fsname="faulty", subtype="faulty",
        attr_timeout=0, entry_timeout=0, negative_timeout=0,
    )  # fmt: skip
