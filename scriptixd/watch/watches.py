"""How many directories the kernel lets us watch with inotify, and the sentence for those who need more.

Counts what it may see in /proc, where a hardened service may see little; never adds a watch itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scriptixd.errors import AdministratorHeals
from scriptixd.roots.paths import shown

PROC: Final = Path("/proc")
# The same number outside of containers; inside of one either may be the lower one.
SETTINGS: Final = {
    "fs.inotify.max_user_watches": PROC / "sys/fs/inotify/max_user_watches",
    "user.max_inotify_watches": PROC / "sys/user/max_inotify_watches",
}
SETTINGS_OF_INSTANCES: Final = {
    "fs.inotify.max_user_instances": PROC / "sys/fs/inotify/max_user_instances",
    "user.max_inotify_instances": PROC / "sys/user/max_inotify_instances",
}
INSTANCE: Final = "anon_inode:inotify"  # what a descriptor of inotify leads to
WATCH: Final = b"inotify wd:"  # how a line of fdinfo begins, one for each watch; proc(5)


@dataclass(frozen=True, slots=True)
class Watches:
    """What all programs of this user may have together, None where that is hidden, and what they have now.

    Of watches, or of the instances that hold them.
    """

    limit: int | None
    used: int
    setting: str = "fs.inotify.max_user_watches"  # whose limit it is

    @property
    def left(self) -> int | None:
        return None if self.limit is None else max(self.limit - self.used, 0)


def room() -> Watches:
    """The lowest limit there is, and the watches in use as far as they can be seen."""
    return _left_of(SETTINGS, lambda process: sum(map(_watches_in, _instances_of(process))))


def instances() -> Watches:
    """The same for inotify instances, of which every folder that is watched by events takes one."""
    return _left_of(SETTINGS_OF_INSTANCES, lambda process: sum(1 for _ in _instances_of(process)))


def shortage(place: str, needed: int, watches: Watches) -> AdministratorHeals | None:
    """The refusal, if a folder needs more watches, one for each directory, than are left; None where it may do."""
    if watches.left is None or needed <= watches.left:
        return None
    what = (
        f"{shown(place)} needs {needed} inotify watches or more, one for each directory, and {watches.left} are left: "
        f"{watches.used} of {watches.limit} are in use"
    )
    return AdministratorHeals(what, f"raise {watches.setting}")


def _left_of(settings: Mapping[str, Path], used_by: Callable[[Path], int]) -> Watches:
    limits = {name: limit for name, path in settings.items() if (limit := _number(path)) is not None}
    if not limits:
        return Watches(None, 0)
    setting = min(limits, key=limits.__getitem__)
    return Watches(limits[setting], sum(map(used_by, _own_processes())), setting)


def _number(path: Path) -> int | None:
    with suppress(OSError, ValueError):
        return int(path.read_text())
    return None


def _own_processes() -> list[Path]:
    """Limits are a user's, so other users' processes do not count."""
    own = []
    for process in PROC.iterdir():
        with suppress(OSError):  # it has ended meanwhile
            if process.name.isdecimal() and process.stat().st_uid == os.geteuid():
                own.append(process)
    return own


def _instances_of(process: Path) -> Iterator[Path]:
    """What tells of each inotify instance of a process."""
    try:
        descriptors = os.listdir(process / "fd")
    except OSError:  # it has ended, or may not be looked into
        return
    for descriptor in descriptors:
        with suppress(OSError):
            if os.readlink(process / "fd" / descriptor) == INSTANCE:
                yield process / "fdinfo" / descriptor


def _watches_in(instance: Path) -> int:
    with suppress(OSError):
        return sum(line.startswith(WATCH) for line in instance.read_bytes().splitlines())
    return 0
