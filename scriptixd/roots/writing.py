"""Writing a sidecar whole or not at all, in a directory that is already open.

Never follows a link, never replaces what is not known to be ours, never leaves a temporary behind on
a failure. Raises OSError for its caller to translate; gives two verdicts itself: NameTaken, and TargetTrouble
where the mode or the group that somebody has set cannot be had.
"""

from __future__ import annotations

import ctypes
import errno
import grp
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

from scriptixd.errors import NameTaken, TargetTrouble
from scriptixd.roots.paths import shown
from scriptixd.roots.root import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, FileAccess
from scriptixd.roots.trouble import whoami

MODE = 0o666  # what any new file asks for; nothing of ours is executable
DIRECTORY_MODE = 0o777  # what any new directory asks for
WORLD_WRITABLE = 0o002  # never, unless the directory is
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

_libc = ctypes.CDLL(None, use_errno=True)

Rename = Callable[[int, str, str], None]


@cache
def _this_process() -> str:
    """Tells our temporaries that are being written from left-over ones."""
    return os.urandom(4).hex()


def write(directory: int, name: str, data: bytes, replaces: str | None, access: FileAccess, place: str) -> None:
    """Put `data` under `name`, durably; `place` is its path for sentences."""
    with temporary(directory, data, access, place) as written:
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


def probe(directory: int, access: FileAccess, place: str) -> None:
    """Write, sync and remove a temporary of one block."""
    with temporary(directory, os.urandom(PROBE_BYTES), access, place):
        pass


def make(directory: int, name: str) -> None:
    """Make a directory like the one that it is in, if it is not there; FileExistsError if something else is."""
    try:
        os.mkdir(name, DIRECTORY_MODE, dir_fd=directory)
    except FileExistsError:
        if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
            return
        raise
    made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
    try:
        if not _has_default_acl(directory):
            wanted = os.stat(directory)
            _open_up(made, _like(wanted, made, stat.S_IMODE(wanted.st_mode)) | 0o700)
    finally:
        os.close(made)
    _sync_directory(directory)


def _open_up(made: int, mode: int) -> None:
    """Give a directory its mode; without setgid where only that is refused, as RestrictSUIDSGID= of systemd does."""
    for bits in (mode, mode & ~stat.S_ISGID):
        with suppress(OSError):
            os.fchmod(made, bits)
            return


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
def temporary(directory: int, data: bytes, access: FileAccess, place: str) -> Iterator[str]:
    """A complete, synced file under a name that the scanner ignores; gone afterwards if it was not renamed."""
    name = f"{TEMPORARY_PREFIX}{_this_process()}{os.urandom(8).hex()}{TEMPORARY_SUFFIX}"
    descriptor = os.open(name, CREATE, MODE, dir_fd=directory)
    try:
        try:
            _let_in(directory, descriptor, access, place)
            _write_all(descriptor, data)
            _sync(descriptor)
        finally:
            os.close(descriptor)
        yield name
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=directory)


def _let_in(directory: int, descriptor: int, access: FileAccess, place: str) -> None:
    """Whoever may read or write in the directory may do so with the file, whatever our own umask is.

    A default ACL has said so already. What somebody has set is set, or it is TargetTrouble.
    """
    wanted = os.stat(directory)
    mode = stat.S_IMODE(wanted.st_mode) & MODE
    if access.group is not None:
        _give_to(descriptor, access.group, place)
    elif not _has_default_acl(directory):
        mode = _like(wanted, descriptor, mode)
    if access.mode is not None:
        allowed = MODE if wanted.st_mode & WORLD_WRITABLE else MODE & ~WORLD_WRITABLE
        try:
            os.fchmod(descriptor, access.mode & allowed)
        except OSError as error:
            what = f"what is written to {shown(place)} cannot get the mode {access.mode:04o}: {error.strerror}"
            raise TargetTrouble(what, "leave output.mode out there: its disk keeps no modes of its own") from error
    elif not _has_default_acl(directory):
        with suppress(OSError):
            os.fchmod(descriptor, mode | 0o600)


def _like(wanted: os.stat_result, descriptor: int, mode: int) -> int:
    """Give what was made to the group of its directory; returns the mode, without the group's rights if that failed.

    A disk that keeps no groups has its own idea, and so has whoever may not give a file to that group.
    """
    with suppress(OSError):
        if os.fstat(descriptor).st_gid != wanted.st_gid:
            os.fchown(descriptor, -1, wanted.st_gid)
    return mode if os.fstat(descriptor).st_gid == wanted.st_gid else mode & ~0o070


def _give_to(descriptor: int, group: str, place: str) -> None:
    try:
        number = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError as error:
        what = f"there is no group {shown(group)} on this machine, which what is written to {shown(place)} is to get"
        raise TargetTrouble(what, "set output.group to one that `getent group` knows") from error
    if os.fstat(descriptor).st_gid == number:
        return
    try:
        os.fchown(descriptor, -1, number)
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) else "no such number"
        what = f"what is written to {shown(place)} cannot be given to the group {shown(group)}: {why}"
        raise TargetTrouble(what, f"{whoami()} must be a member of it, and the disk must keep groups") from error


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
    return ours and not name.startswith(TEMPORARY_PREFIX + _this_process()) and found.is_file(follow_symlinks=False)


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
