"""Which file system holds a path, as the kernel's table of mounts tells it.

Reads /proc/self/mountinfo (proc_pid_mountinfo(5)) and nothing else; never touches the mounts themselves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
FIELDS_BEFORE_OPTIONAL = 6  # id, parent, device, root, mount point, mount options; then optional ones up to a "-"
FIELDS_AFTER_SEPARATOR = 2  # type and source; the super options behind them are of no interest

# What the kernel tells us about changes made on these is everything: nobody else can write to them.
LOCAL = frozenset({"btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs"})

_ESCAPED = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One mounted file system: its type, where it comes from, which part of it is seen, and where."""

    filesystem: str
    source: str
    subpath: str  # the part of the file system that is mounted, "/" for all of it
    mountpoint: str
    id: int = 0
    parent: int = 0


def is_local(filesystem: str) -> bool:
    """Whether only this machine can write to it; a type that nobody knows is not."""
    return filesystem in LOCAL


def parse(text: str) -> tuple[Mount, ...]:
    """Every mount of a mountinfo table, in its order; lines that are none are left out."""
    return tuple(mount for line in text.splitlines() if (mount := _mount(line)) is not None)


def holding(path: str, mounts: Sequence[Mount]) -> Mount:
    """The mount that holds an absolute path without links, found as the kernel finds it.

    From the topmost mount inwards: of the mounts on one mount, the path meets the one nearest to it
    first, and what lies under a later mount is out of reach although the table still names it.
    """
    ids = {mount.id for mount in mounts}
    here = Mount("unknown", "unknown", "/", "/", id=-1, parent=-1)
    tops = [mount for mount in mounts if mount.parent not in ids or mount.parent == mount.id]
    inner = _nearest(path, [mount for mount in tops if _is_within(path, mount.mountpoint)])
    while inner is not None:
        here = inner
        on_it = [mount for mount in mounts if mount.parent == here.id != mount.id]
        inner = _nearest(path, on_it)
    return here


def mount_of(path: str) -> Mount:
    """The mount that holds a path now; links are followed."""
    table = os.fsdecode(MOUNTINFO.read_bytes())
    return holding(os.path.realpath(path), parse(table))


def path_within(mount: Mount, path: str) -> str:
    """Where an absolute path without links lies inside the mounted file system itself."""
    below = os.path.relpath(path, mount.mountpoint)
    return os.path.normpath(os.path.join(mount.subpath, below))


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


def _nearest(path: str, mounts: Sequence[Mount]) -> Mount | None:
    within = [mount for mount in mounts if _is_within(path, mount.mountpoint)]
    return min(within, key=lambda mount: len(mount.mountpoint), default=None)


def _is_within(path: str, mountpoint: str) -> bool:
    return mountpoint in ("/", path) or path.startswith(mountpoint + "/")
