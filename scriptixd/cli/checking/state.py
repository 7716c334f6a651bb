"""The state file: where it lies, who may write it, how much room it has; and the daemon that holds it.

Leaves nothing behind, and never opens the state for writing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scriptixd.cli.checking.findings import Finding, Level
from scriptixd.cli.installation import live_figures, user_named
from scriptixd.cli.opening import reading
from scriptixd.cli.output import size
from scriptixd.config.settings import Settings
from scriptixd.errors import StateError, StateTrouble, Trouble
from scriptixd.jobs.store.database import is_held, is_there
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.mounts import is_local, mount_of

MEMORY: Final = "tmpfs"  # the one local file system that is gone after a restart
LITTLE: Final = 256 * 1024 * 1024  # bytes: a day of speech is some 10 MB of transcript, which stays for 90 days
TOO_LITTLE: Final = 16 * 1024 * 1024  # bytes: one long transcript, and SQLite's log of writing it
GIVE_IT: Final = "give the service's user that directory, or set 'state'"


def state(settings: Settings) -> Iterator[Finding]:
    """The state file, then the daemon."""
    path = settings.state
    filesystem = mount_of(str(path.absolute())).filesystem
    if not is_local(filesystem):
        sentence = f"{path} is on a network share or a foreign file system ({filesystem})"
        yield Finding("state", Level.PROBLEM, sentence, "set 'state' to a local disk")
        return
    try:
        if is_there(path):
            with reading(settings):
                pass
        held = is_held(path)
    except (StateError, StateTrouble) as trouble:
        yield Finding("state", Level.PROBLEM, trouble.what, trouble.hint)
        return
    refusal = _refusal(path)
    yield refusal or _room(path, filesystem)
    if refusal is None:
        yield _daemon(settings, held)


def _refusal(path: Path) -> Finding | None:
    """What keeps it from being written, shown by writing beside it."""
    directory, who = _nearest(path.parent), user_named(os.geteuid())
    try:
        LocalRoot(directory).probe("")
    except Trouble as trouble:
        sentence = f"{who} may not write to {directory}, where {path} belongs: {trouble.what}"
        return Finding("state", Level.PROBLEM, sentence, trouble.hint or GIVE_IT)
    if is_there(path) and not os.access(path, os.W_OK, effective_ids=True):
        return Finding("state", Level.PROBLEM, f"{who} may not write to {path}", GIVE_IT)
    return None


def _room(path: Path, filesystem: str) -> Finding:
    directory = _nearest(path.parent)
    disk = os.statvfs(directory)
    free = disk.f_bavail * disk.f_frsize
    about = f"{path} is on a local disk ({filesystem}) and can be written, with {size(free)} left"
    make_room = f"make room on the disk of {directory}, or set 'state' to another one"
    if free < TOO_LITTLE:
        return Finding("state", Level.PROBLEM, f"{about}: too little to remember what was paid", make_room)
    if disk.f_files and not disk.f_favail:
        return Finding("state", Level.PROBLEM, f"{about}, but no room for another file (inodes)", make_room)
    if filesystem == MEMORY:
        sentence = f"{about}; but that is memory: after a restart of the machine, what was paid is not known any more"
        return Finding("state", Level.WARNING, sentence, "set 'state' to a disk that stays")
    if free < LITTLE:
        return Finding("state", Level.WARNING, f"{about}, which transcripts may fill", make_room)
    return Finding("state", Level.OK, about)


def _daemon(settings: Settings, held: bool) -> Finding:
    if not held:
        return Finding("daemon", Level.OK, "none is running just now")
    if live_figures(settings) is not None:
        return Finding("daemon", Level.OK, "it is running")
    return Finding(
        "daemon",
        Level.WARNING,
        "it has the state file, but has not told anything lately",
        "its log says why: journalctl -u scriptixd; restart it if it does not move",
    )


def _nearest(directory: Path) -> Path:
    """The directory, or what is there of the way to it."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return directory
