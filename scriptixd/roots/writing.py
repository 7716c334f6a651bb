"""Writing a sidecar whole or not at all, in a directory that is already open.

Never follows a link, never replaces what is not known to be ours, never leaves a temporary behind on
a failure. Raises OSError for its caller to translate; NameTaken is the one verdict that it gives itself.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from scriptixd.errors import NameTaken
from scriptixd.roots.paths import shown
from scriptixd.roots.root import TEMPORARY_PREFIX, TEMPORARY_SUFFIX

MODE = 0o666  # what any new file asks for; nothing of ours is executable
DEFAULT_ACL = "system.posix_acl_default"  # xattr(7) of a directory that says itself who may read what is made in it
PROBE_BYTES = 4096  # a block: a full disk still has room for an empty file
HASH_BLOCK = 1 << 20  # bytes
RENAME_NOREPLACE = 1  # linux/fs.h

CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

# FUSE and SMB servers that cannot sync say so with these; there is nothing more that we could do there.
NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
NO_NOREPLACE = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP})
# EIO is how rclone says it; a disk that is really broken says so once more in the next way.
NO_LINK = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EINVAL, errno.EIO})

_THIS_PROCESS = os.urandom(4).hex()  # tells our temporaries that are being written from left-over ones
_libc = ctypes.CDLL(None, use_errno=True)

Rename = Callable[[int, str, str], None]


def write(directory: int, name: str, data: bytes, replaces: str | None, place: str) -> None:
    """Put `data` under `name`, durably; `place` is its path for sentences."""
    with temporary(directory, data) as written:
        if replaces is not None and _holds(directory, name, replaces, place):
            os.replace(written, name, src_dir_fd=directory, dst_dir_fd=directory)
        else:
            publish(directory, written, name)
    _sync_directory(directory)


def remove(directory: int, name: str, sha256: str, place: str) -> None:
    """Remove the file under `name`, which must have that digest, or be gone."""
    if _holds(directory, name, sha256, place):
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)
        _sync_directory(directory)


def probe(directory: int) -> None:
    """Write, sync and remove a temporary of one block."""
    with temporary(directory, os.urandom(PROBE_BYTES)):
        pass


def sweep(directory: int) -> int:
    """Remove temporaries that no living writer of this process owns."""
    opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    try:
        with os.scandir(opened) as found:
            left = [one.name for one in found if _is_left_over(one)]
    finally:
        os.close(opened)
    for name in left:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)
    return len(left)


@contextmanager
def temporary(directory: int, data: bytes) -> Iterator[str]:
    """A complete, synced file under a name that the scanner ignores; gone afterwards if it was not renamed."""
    name = f"{TEMPORARY_PREFIX}{_THIS_PROCESS}{os.urandom(8).hex()}{TEMPORARY_SUFFIX}"
    descriptor = os.open(name, CREATE, MODE, dir_fd=directory)
    try:
        try:
            _like_its_directory(directory, descriptor)
            _write_all(descriptor, data)
            _sync(descriptor)
        finally:
            os.close(descriptor)
        yield name
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)


def _like_its_directory(directory: int, descriptor: int) -> None:
    """Whoever may read or write in the directory may do so with the file, whatever our own umask is.

    A default ACL has said so already. A disk that keeps no modes or groups has its own idea, and so has
    whoever may not give a file to the directory's group.
    """
    if _has_default_acl(directory):
        return
    wanted = os.stat(directory)
    with suppress(OSError):
        if os.fstat(descriptor).st_gid != wanted.st_gid:
            os.fchown(descriptor, -1, wanted.st_gid)
    of_group = os.fstat(descriptor).st_gid == wanted.st_gid
    mode = wanted.st_mode & (MODE if of_group else MODE & ~0o060)
    with suppress(OSError):
        os.fchmod(descriptor, mode | 0o600)


def _has_default_acl(directory: int) -> bool:
    try:
        return bool(os.getxattr(f"/proc/self/fd/{directory}", DEFAULT_ACL))
    except OSError:
        return False


def publish(directory: int, written: str, name: str) -> None:
    """Give a temporary its final name, which must be free: FileExistsError if it is not.

    File systems differ in what they offer; each way is atomic where the one before it is missing.
    """
    ways: tuple[tuple[Rename, frozenset[int]], ...] = (
        (rename_noreplace, NO_NOREPLACE),
        (link_and_unlink, NO_LINK),
    )
    for way, missing in ways:
        try:
            way(directory, written, name)
        except OSError as error:
            if error.errno not in missing:
                raise
        else:
            return
    claim_and_replace(directory, written, name)


def rename_noreplace(directory: int, written: str, name: str) -> None:
    """renameat2(2) with RENAME_NOREPLACE: most local file systems, not NFS."""
    old, new = os.fsencode(written), os.fsencode(name)
    try:
        call = _libc.renameat2
    except AttributeError as error:  # glibc before 2.28
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS)) from error
    if call(directory, old, directory, new, RENAME_NOREPLACE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


def link_and_unlink(directory: int, written: str, name: str) -> None:
    """link(2) refuses a name that is taken: NFS."""
    os.link(written, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
    os.unlink(written, dir_fd=directory)


def claim_and_replace(directory: int, written: str, name: str) -> None:
    """Take the name with an empty file of our own, then put the whole one over it: FAT, many FUSE and SMB shares."""
    os.close(os.open(name, CREATE, MODE, dir_fd=directory))
    try:
        os.replace(written, name, src_dir_fd=directory, dst_dir_fd=directory)
    except OSError:
        os.unlink(name, dir_fd=directory)
        raise


def _holds(directory: int, name: str, sha256: str, place: str) -> bool:
    """Whether the file there is the one to replace; False if there is none, NameTaken if it is another."""
    taken = NameTaken(f"{shown(place)} was changed by somebody else", "their text is kept as it is")
    try:
        descriptor = os.open(name, READ, dir_fd=directory)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):  # a link, or a socket
            raise taken from error
        raise
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise taken
        digest = hashlib.sha256()
        while block := os.read(descriptor, HASH_BLOCK):
            digest.update(block)
    finally:
        os.close(descriptor)
    if digest.hexdigest() != sha256:
        raise taken
    return True


def _is_left_over(found: os.DirEntry[str]) -> bool:
    name = found.name
    ours = name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)
    return ours and not name.startswith(TEMPORARY_PREFIX + _THIS_PROCESS) and found.is_file(follow_symlinks=False)


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise


def _sync_directory(directory: int) -> None:
    """Make the name durable; a directory that may be written but not read cannot be synced."""
    try:
        opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    except PermissionError:
        return
    try:
        _sync(opened)
    finally:
        os.close(opened)
