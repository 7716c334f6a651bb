"""How a root is watched, and why: decided by its file systems unless the configuration says it.

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from scriptixd.roots.mounts import is_local
from scriptixd.roots.paths import shown
from scriptixd.roots.root import Disk


class Mode(StrEnum):
    EVENTS = "events"  # the kernel rings, a timer looks now and then
    POLL = "poll"  # only the timer looks


SETTLE_LOCAL = 10.0  # s: copies on one machine pause for seconds at most
SETTLE_REMOTE = 60.0  # s: NFS and SMB clients may show an old size and mtime for that long
SCAN_WITH_EVENTS = 15 * 60.0  # s: what the doorbell misses waits no longer than this
SCAN_POLLING = 30.0  # s


@dataclass(frozen=True, slots=True)
class Choice:
    mode: Mode
    why: str


def choose_mode(configured: Mode | None, disk: Disk) -> Choice:
    """`configured` None is `auto`: events only where nobody but this machine can write.

    On a share there are none, whatever is configured: asking the kernel for them may hang with it.
    """
    if configured is Mode.POLL or (configured is not None and disk.foreign is None and not disk.beyond):
        return Choice(configured, "the configuration says so")
    if disk.foreign is None and disk.beyond:
        return Choice(Mode.POLL, "the way to it leads through a share, which may hang")
    if disk.foreign is None:
        return Choice(Mode.EVENTS, f"{disk.identity.filesystem} is a local file system")
    return Choice(Mode.POLL, f"{_foreign(disk)} may be written by others, of which the kernel tells nothing")


def settle_window(configured: float | None, disk: Disk) -> float:
    """Seconds for which a file must not change before it is complete."""
    if configured is not None:
        return configured
    return SETTLE_LOCAL if disk.foreign is None else SETTLE_REMOTE


def scan_interval(configured: float | None, mode: Mode) -> float:
    """Seconds between two full looks."""
    if configured is not None:
        return configured
    return SCAN_WITH_EVENTS if mode is Mode.EVENTS else SCAN_POLLING


def _foreign(disk: Disk) -> str:
    """Which of its file systems is not ours alone, in words."""
    if not is_local(disk.identity.filesystem):
        return disk.identity.filesystem
    nested = next(one for one in disk.nested if not is_local(one.identity.filesystem))
    return f"{nested.identity.filesystem}, mounted at {shown(nested.directory)} in it,"
