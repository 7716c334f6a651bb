"""Each folder: its disk, who may read and write, how it is watched and why; and what all of them take together.

Leaves nothing behind: what it writes to try a folder is removed at once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import Final

from scriptixd.cli.checking.findings import Finding, Level, meanwhile
from scriptixd.cli.checking.state import MEMORY
from scriptixd.cli.installation import live_figures, user_named
from scriptixd.cli.obstacles import obstacles
from scriptixd.cli.opening import reading
from scriptixd.cli.output import duration
from scriptixd.config.settings import Folder, Settings
from scriptixd.daemon.folders import watched
from scriptixd.errors import FileTrouble, ShareTrouble, StateError, StateTrouble, Trouble
from scriptixd.jobs.store.database import is_held, is_there
from scriptixd.observe.live import LiveFolder
from scriptixd.roots.paths import joined, shown
from scriptixd.roots.reaching import FolderRoot
from scriptixd.roots.root import Disk, Kind, Root
from scriptixd.watch.filters import Filter
from scriptixd.watch.mode import Choice, Mode, choose_mode, scan_interval, settle_window
from scriptixd.watch.watches import Watches, instances, room, shortage

UNHEARD: Final = (
    "`watch: events` is set, but a share's events cannot be heard: set `watch: auto` or `poll`, and a shorter "
    "`scan_interval` if its files are to be found sooner"
)
COUNTED_FOR: Final = 10.0  # s: some hundred thousand directories; of more, it is enough to know that there are more


@dataclass(frozen=True, slots=True)
class Count:
    """How many directories there are below a folder that could hold recordings, with the folder itself."""

    directories: int
    at_least: bool = False  # counting took too long

    def __str__(self) -> str:
        return f"{self.directories}{' or more' if self.at_least else ''}"


@dataclass(frozen=True, slots=True)
class Examined:
    """One folder, as it was found."""

    folder: Folder
    findings: Sequence[Finding]
    disk: Disk | None  # None: it cannot be reached
    wanted: Count | None = None  # inotify watches that it would take, and nobody has taken for it yet

    @property
    def is_reached(self) -> bool:
        return all(finding.level is not Level.PROBLEM for finding in self.findings[:1])


def folders(settings: Settings, watches: Watches) -> Iterator[Examined]:
    """All at the same time: a disk that hangs holds up only what is told of it."""
    live = live_figures(settings) if _is_held(settings) else None
    running = {one.name: one for one in live.folders} if live else {}

    def examined(folder: Folder) -> Examined:
        with closing(FolderRoot(folder.path)) as root:
            now = running.get(folder.name)
            look = _folder(folder, root, watches, now if now and now.mode else None)
            (told,) = look.findings
            red = told.level is Level.PROBLEM  # a disk that cannot be reached is told once
            more = [one for one, away in _obstacles(settings, folder, root, now) if not (red and away)]
            return Examined(folder, [told, *more], look.disk, look.wanted)

    with ThreadPoolExecutor(len(settings.folders)) as pool:
        looks = [pool.submit(examined, folder) for folder in settings.folders]
        with meanwhile(lambda: f"{sum(look.done() for look in looks)} of {len(looks)} folders looked at"):
            wait(looks)
        for look in looks:
            yield look.result()


def together(looks: Collection[Examined], watches: Watches, holders: Watches) -> Iterator[Finding]:
    """What is to be said of all folders at once: what they take of inotify, whose disk is memory, what stays there."""
    wanting = [look.wanted for look in looks if look.wanted is not None]
    if wanting:
        yield _inotify(wanting, watches, holders)
    gone = [shown(look.folder.name) for look in looks if look.disk and look.disk.identity.filesystem == MEMORY]
    if gone:
        sentence = f"{', '.join(gone)}: on {MEMORY}, which is empty after a restart of the machine"
        yield Finding("memory", Level.WARNING, sentence, "move what is to stay to a disk")
    kept = [shown(look.folder.name) for look in looks if _keeps(look.folder)]
    if kept:
        sentence = f"{', '.join(kept)}: transcripts stay at Scriptix, without a term"
        hint = "set delete_remote: 30d, or true, for these folders or in defaults, unless they are to stay"
        yield Finding("delete_remote", Level.WARNING, sentence, hint)
    else:
        yield Finding("delete_remote", Level.OK, "transcripts of every folder are erased at Scriptix after their term")


def inotify_now() -> tuple[Watches, Watches]:
    """What is left of watches, and of their instances."""
    return room(), instances()


def _inotify(wanting: Sequence[Count], watches: Watches, holders: Watches) -> Finding:
    needed = sum(count.directories for count in wanting)
    more = " or more" if any(count.at_least for count in wanting) else ""
    sentence = (
        f"{needed}{more} watch(es) are needed and {_left(watches)} are left; "
        f"{len(wanting)} instance(s) are needed and {_left(holders)} are left"
    )
    short = [
        f"{one.setting}={one.used + 2 * count}"  # twice: folders grow
        for one, count in ((watches, needed), (holders, len(wanting)))
        if one.left is not None and one.left < count
    ]
    if not short:
        return Finding("inotify", Level.OK, sentence)
    told = f"{sentence}: folders that get none are polled, and their files found later"
    keep = "write the same into /etc/sysctl.d/scriptixd.conf to keep it"
    return Finding("inotify", Level.WARNING, told, f"sudo sysctl -w {' '.join(short)}, and {keep}")


def _left(watches: Watches) -> str:
    return "any number" if watches.left is None else str(watches.left)


def _keeps(folder: Folder) -> bool:
    """Whether the transcript of any file could stay at Scriptix for ever."""
    own = [folder.erase_after] if folder.request is not None else []
    return any(term is None for term in (*own, *(rule.erase_after for rule in folder.rules)))


def _is_held(settings: Settings) -> bool:
    with suppress(StateError):  # which has been told
        return is_held(settings.state)
    return False


def _obstacles(
    settings: Settings, folder: Folder, root: Root, running: LiveFolder | None
) -> Iterator[tuple[Finding, bool]]:
    """What keeps the folder, or a directory in it, from going on, and whether that is a disk that is not there."""
    with ExitStack() as opened:
        store = None
        with suppress(StateError, StateTrouble):  # which has been told
            store = opened.enter_context(reading(settings)) if is_there(settings.state) else None
        for one in obstacles(folder, store, root, running):
            level = Level.WARNING if one.directory else Level.PROBLEM
            yield Finding(folder.name, level, f"asks: {one.sentence}" if one.asks else one.sentence, one.hint), one.away


def _folder(folder: Folder, root: FolderRoot, watches: Watches, running: LiveFolder | None) -> Examined:
    """One line: the disk, the rights, how it is watched and why."""
    who = user_named(os.geteuid())
    try:
        disk = root.disk()
        root.listing("")
    except Trouble as trouble:
        return Examined(folder, [Finding(folder.name, Level.PROBLEM, trouble.what, trouble.hint)], None)
    place = f"{folder.path} is on {_described(disk)}, readable"
    try:
        to = _where_outputs_go(folder, root)
    except Trouble as trouble:
        sentence = f"{place} for {who}, but {trouble.what}"
        return Examined(folder, [Finding(folder.name, Level.PROBLEM, sentence, trouble.hint)], disk)
    about = watched(folder)
    choice = choose_mode(about.watch, disk) if running is None else Choice(Mode(running.mode), running.why)
    how, hint, wanted = f"watched by {choice.mode}: {choice.why}", "", None
    if choice.mode is Mode.EVENTS:
        count = _directories(root, about.filter)
        how += f", with {count} inotify watch(es), {_left(watches)} left"
        if running is None:
            wanted = count
            refusal = shortage(str(folder.path), count.directories, watches)
            hint = "" if refusal is None else f"too few watches, so it will be polled: {refusal.hint}"
    elif about.watch is Mode.EVENTS and choose_mode(about.watch, disk).mode is Mode.POLL:
        hint = UNHEARD
    interval = duration(scan_interval(about.scan_interval, choice.mode))
    window = duration(settle_window(folder.settle, disk))
    level = Level.WARNING if hint else Level.OK
    sentence = (
        f"{place} and {to} for {who}; {how}; a full look every {interval}, complete after {window} without a change"
    )
    return Examined(folder, [Finding(folder.name, level, sentence, hint)], disk, wanted)


def _directories(root: Root, filter_: Filter) -> Count:
    """The directories that would be watched, one by one as the scanner enters them."""
    count, pending, deadline = 0, [""], time.monotonic() + COUNTED_FOR
    while pending:
        if time.monotonic() > deadline:
            return Count(count + len(pending), at_least=True)
        directory = pending.pop()
        count += 1
        try:
            names = [name for name, kind, *_ in root.listing(directory).rows if kind is Kind.DIRECTORY]
        except FileTrouble:  # it is gone, or closed to us: then nobody watches it either
            count -= 1
            continue
        except ShareTrouble:
            return Count(count, at_least=True)
        pending += [below for name in names if filter_.enters(below := joined(directory, name))]
    return Count(count)


def _where_outputs_go(folder: Folder, root: FolderRoot) -> str:
    """Show that the sidecars can be written, there and as they are to be, and say where."""
    every = dict.fromkeys(
        (one.directory, one.access) for one in (folder.output, *(rule.output for rule in folder.rules))
    )
    for directory, access in every:
        if directory is None:
            root.probe("", access)
        else:
            with closing(FolderRoot(directory)) as outputs:
                outputs.probe("", access)
    elsewhere = ", ".join(folder.output_directories)
    beside = any(directory is None for directory, _ in every)
    return " and ".join(filter(None, ("writable" * beside, elsewhere and f"{elsewhere} writable")))


def _described(disk: Disk) -> str:
    nested = ", ".join(f"{one.identity} at {one.directory}" for one in disk.nested)
    mounted = f"{disk.identity}, mounted at {disk.mountpoint}"
    return f"{mounted} (with {nested})" if nested else mounted
