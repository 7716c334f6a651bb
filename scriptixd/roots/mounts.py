"""Which file system holds a path, as the kernel's table of mounts tells it.

Reads /proc/self/mountinfo (proc_pid_mountinfo(5)); looks at links on local disks, and never touches a
file system that others may serve: whoever asks a share that is gone waits for ever.
"""

from __future__ import annotations

import os
import re
import select
import stat
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
FIELDS_BEFORE_OPTIONAL = 6  # id, parent, device, root, mount point, mount options; then optional ones up to a "-"
FIELDS_AFTER_SEPARATOR = 2  # type and source; the super options behind them are of no interest
MOST_LINKS = 40  # as the kernel does: more are a circle
MOST_READS = 5  # a table that changes while it is read is read again, but not for ever
# s: a link on a local disk may be swapped between a look and what follows from it in any case. Mounts are not
# taken for granted that long: a table that has changed is another one.
LINKS_STAY = 0.1
BLOCK = 1 << 16  # bytes asked for at once; the kernel gives a page or so

# What the kernel tells us about changes made on these is everything: nobody else can write to them.
LOCAL = frozenset({"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"})
# The kernel's own, which make nobody wait: a way may lead through them, /dev/shm through /dev.
OF_THE_KERNEL = frozenset({"devtmpfs", "erofs", "proc", "ramfs", "rootfs", "squashfs", "sysfs"})

_ESCAPED = re.compile(rb"\\([0-7]{3})")
_OUTSIDE = -1  # the parent of what is mounted on nothing that the table names


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted file system: its type, where it comes from, which part of it is seen, and where."""

    filesystem: str
    source: str
    subpath: str  # the part of the file system that is mounted, "/" for all of it
    mountpoint: str
    id: int = 0
    parent: int = 0


NOWHERE = Mount("unknown", "unknown", "/", "/", id=-1, parent=-1)


@dataclass(frozen=True, slots=True)
class Held:
    """A path and the mount that holds it; on a mount that is not local, its links are not followed."""

    mount: Mount
    path: str


def is_local(filesystem: str) -> bool:
    """Whether only this machine can write to it; a type that nobody knows is not."""
    return filesystem in LOCAL


def parse(text: str) -> tuple[Mount, ...]:
    """Every mount of a mountinfo table, in its order; lines that are none are left out."""
    return tuple(mount for line in text.split("\n") if (mount := _mount(line)) is not None)


def path_within(mount: Mount, path: str) -> str:
    """Where an absolute path without links lies inside the mounted file system itself."""
    below = os.path.relpath(path, mount.mountpoint)
    return os.path.normpath(os.path.join(mount.subpath, below))


class Mounts:
    """The mounts of one moment that can be reached: what lies under a later one is left out."""

    def __init__(self, mounts: Sequence[Mount]) -> None:
        self._at = _reachable(mounts)
        self._local: dict[str, tuple[float, bool]] = {}  # by path: until when that is taken for true

    def holding(self, path: str) -> Mount:
        """The mount that holds an absolute path without links."""
        while (mount := self._at.get(path)) is None:
            if path == "/":
                return NOWHERE
            path = path.rpartition("/")[0] or "/"
        return mount

    def below(self, path: str) -> tuple[Mount, ...]:
        """Everything mounted below an absolute path without links, by mount point; what is mounted on those, too."""
        inside = path.rstrip("/") + "/"
        return tuple(self._at[place] for place in sorted(self._at) if place.startswith(inside) and place != "/")

    def follow(self, path: str) -> Held:
        """Where an absolute path leads, name by name, up to the first mount that could make us wait."""
        ahead, links = path.split("/")[::-1], 0
        mount, done = self.holding("/"), ""
        while ahead and mount.filesystem in LOCAL | OF_THE_KERNEL:
            name = ahead.pop()
            if name in {"", "."}:
                continue
            if name == "..":
                done = done.rpartition("/")[0]
                mount = self.holding(done or "/")
                continue
            step = f"{done}/{name}"
            nested = self._at.get(step)
            if nested is not None:  # never a link, and not to be touched before it is known
                mount, done = nested, step
                continue
            target = _target(step) if links <= MOST_LINKS else None
            if target is None:
                done = step
                continue
            links += 1
            if target.startswith("/"):
                mount, done = self.holding("/"), ""
            ahead += target.split("/")[::-1]
        return Held(mount, os.path.normpath("/".join((done, *reversed(ahead)))) if ahead else done or "/")

    def is_local(self, path: str) -> bool:
        """Whether the way to a path, what holds it and everything mounted below it are local."""
        now = time.monotonic()
        until, known = self._local.get(path, (now, False))
        if now < until:
            return known
        held = self.follow(path)
        known = is_local(held.mount.filesystem) and all(is_local(mount.filesystem) for mount in self.below(held.path))
        self._local[path] = now + LINKS_STAY, known
        return known


class MountTable:
    """The kernel's own table, kept open and read again only when the kernel says that it has changed."""

    def __init__(self, path: Path = MOUNTINFO) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._descriptor = -1
        self._changes = select.poll()
        self._mounts = Mounts(())

    def now(self) -> Mounts:
        """The mounts as they are; none where there is no table, so that nothing is taken for local."""
        with self._lock:
            try:
                changed = self._opened() or self._has_changed()
                for _ in range(MOST_READS):
                    if not changed:
                        break
                    self._mounts = Mounts(parse(self._text()))
                    changed = self._has_changed()
            except OSError:
                return Mounts(())
            return self._mounts

    def close(self) -> None:
        """Keep nothing open until it is asked again."""
        with self._lock:
            if self._descriptor >= 0:
                self._changes.unregister(self._descriptor)
                os.close(self._descriptor)
                self._descriptor = -1

    def _opened(self) -> bool:
        """Whether it had to be opened."""
        if self._descriptor >= 0:
            return False
        self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        self._changes.register(self._descriptor, select.POLLPRI | select.POLLERR)
        return True

    def _has_changed(self) -> bool:
        return bool(self._changes.poll(0))

    def _text(self) -> str:
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        blocks = []
        while block := os.read(self._descriptor, BLOCK):
            blocks.append(block)
        return os.fsdecode(b"".join(blocks))


def _mount(line: str) -> Mount | None:
    before, separator, after = line.partition(" - ")
    place, device = before.split(" "), after.split(" ")
    if not separator or len(place) < FIELDS_BEFORE_OPTIONAL or len(device) < FIELDS_AFTER_SEPARATOR:
        return None
    own, parent, _, subpath, mountpoint = place[:5]
    if not (own.isdecimal() and parent.isdecimal()):
        return None
    filesystem, source = (_plain(field) for field in device[:FIELDS_AFTER_SEPARATOR])
    return Mount(filesystem, source, _plain(subpath), _plain(mountpoint), int(own), int(parent))


def _plain(field: str) -> str:
    """Blank, tab, newline, backslash and # are written in octal."""
    return os.fsdecode(_ESCAPED.sub(lambda found: bytes([int(found[1], 8) & 0xFF]), os.fsencode(field)))


def _reachable(mounts: Sequence[Mount]) -> dict[str, Mount]:
    """The mounts by mount point as a path meets them, from the outermost inwards."""
    ids = {mount.id for mount in mounts}
    on: dict[int, dict[str, Mount]] = {}
    for mount in mounts:
        parent = mount.parent if mount.parent in ids and mount.parent != mount.id else _OUTSIDE
        on.setdefault(parent, {})[mount.mountpoint] = mount
    at: dict[str, Mount] = {}
    pending = [_OUTSIDE]
    while pending:
        here = on.get(pending.pop(), {})
        for place, mount in here.items():
            if not _is_covered(place, here):
                at[place] = mount  # over the one that it is mounted on, where that has the same place
                pending.append(mount.id)
    return at


def _is_covered(place: str, by: dict[str, Mount]) -> bool:
    """Whether one of the mounts is nearer to the outside: a path meets that one first."""
    while place != "/":
        place = place.rpartition("/")[0] or "/"
        if place in by:
            return True
    return False


def _target(path: str) -> str | None:
    """Where a link on a local disk leads; None for anything else, and for what is not there."""
    try:
        return os.readlink(path) if stat.S_ISLNK(os.lstat(path).st_mode) else None
    except OSError:
        return None


MOUNTS = MountTable()  # one for the process: it is open for as long as that runs


def mount_of(path: str) -> Mount:
    """The mount that holds a path now; links are followed as far as nobody has to wait for it."""
    return MOUNTS.now().follow(os.path.abspath(path)).mount
