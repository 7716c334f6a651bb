"""Paths as people write them, and where they lead as far as that can be told without waiting.

Looks at local disks alone: a share that is gone would hang whoever asks it, so its mount point is where looking ends.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scriptixd.roots.mounts import MOUNTINFO, is_local, parse

MOST_LINKS = 40  # as the kernel does: more are a circle


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path leads: without links, as far as they could be followed."""

    path: str
    directory: bool | None = None  # None: not there, not readable, or on a share that was not asked
    identity: tuple[int, int] | None = None  # device and inode: equal where one directory has two mounts


def absolute(path: Path, near: Path, environment: Mapping[str, str]) -> Path:
    """A path with its `~`, relative ones from the directory `near`. ValueError if nobody's home is meant."""
    first, *rest = path.parts or ("",)
    if first == "~" and environment.get("HOME"):
        return Path(environment["HOME"], *rest)
    try:
        return near / path.expanduser()
    except RuntimeError as error:
        raise ValueError("names a home directory that is not known") from error


def shares(table: Path = MOUNTINFO) -> frozenset[str]:
    """Every mount point of a file system that others may serve: looking at it may wait for ever."""
    try:
        text = os.fsdecode(table.read_bytes())
    except OSError:  # without /proc no mount is known, and links are followed as everybody does
        return frozenset()
    return frozenset(mount.mountpoint for mount in parse(text) if not is_local(mount.filesystem))


def lead(path: Path, untouchable: frozenset[str]) -> Place:
    """Follow a path's links without looking at what is under the mount points named."""
    done, ahead, links = "/", os.fspath(path).split("/")[::-1], 0
    while ahead:
        part = ahead.pop()
        if part in {"", "."}:
            continue
        step = os.path.normpath(os.path.join(done, part))
        beyond = os.path.normpath("/".join((step, *reversed(ahead))))
        if step in untouchable:
            return Place(beyond)
        try:
            kind = os.lstat(step).st_mode
            target = os.readlink(step) if stat.S_ISLNK(kind) else None
        except NotADirectoryError:
            return Place(beyond, directory=False)
        except OSError:
            return Place(beyond)
        if target is None:
            done = step
            continue
        links += 1
        if links > MOST_LINKS:
            return Place(beyond, directory=False)
        done = "/" if target.startswith("/") else done
        ahead += target.split("/")[::-1]
    return _what_is_at(done)


def _what_is_at(path: str) -> Place:
    try:
        found = os.lstat(path)
    except OSError:
        return Place(path)
    return Place(path, stat.S_ISDIR(found.st_mode), (found.st_dev, found.st_ino))
