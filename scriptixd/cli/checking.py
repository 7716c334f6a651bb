"""`check`, the doctor: configuration, key, state file, and every folder with how it is watched and why.

Leaves nothing behind: what it writes to try a folder is removed at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from scriptixd.cli.afterwards import missing_programs
from scriptixd.cli.installation import live_figures, owner_of, reading, settings_in, user_named
from scriptixd.cli.obstacles import obstacles
from scriptixd.cli.output import Colour, duration, say_json, say_marked
from scriptixd.cli.receivers import receivers
from scriptixd.config.settings import Folder, Settings
from scriptixd.daemon.folders import watched
from scriptixd.daemon.house import access_of
from scriptixd.errors import StateError, StateTrouble, Trouble, with_hint
from scriptixd.jobs.store.database import is_held
from scriptixd.observe.live import LiveFolder
from scriptixd.roots.mounts import is_local, mount_of
from scriptixd.roots.reaching import FolderRoot
from scriptixd.roots.root import Disk, Root
from scriptixd.service.client import Scriptix
from scriptixd.watch.mode import Choice, Mode, choose_mode, scan_interval, settle_window
from scriptixd.watch.watches import Watches, room, shortage


class Level(StrEnum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


UNHEARD: Final = (
    "`watch: events` is set, but a share's events cannot be heard: set `watch: auto` or `poll`, and a shorter "
    "`scan_interval` if its files are to be found sooner"
)

_COLOURS = {Level.OK: Colour.GREEN, Level.WARNING: Colour.YELLOW, Level.PROBLEM: Colour.RED}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    level: Level
    sentence: str
    hint: str = ""


def check(config: str, *, syntax: bool, notify: bool, as_json: bool) -> int:
    """Print what was found, as it is found; returns the exit code."""
    settings = settings_in(config, with_key=not syntax)  # systemd shows credentials to nobody who reloads
    findings: list[Finding] = []
    for finding in _configuration(settings) if syntax else _everything(settings, notify=notify):
        findings.append(finding)
        if not as_json:
            _tell(finding)
    if as_json:
        say_json([_record(finding) for finding in findings])
    return 1 if any(finding.level is Level.PROBLEM for finding in findings) else 0


def _tell(finding: Finding) -> None:
    say_marked(
        finding.level, _COLOURS[finding.level], f"{finding.subject}: {with_hint(finding.sentence, finding.hint)}"
    )


def _record(finding: Finding) -> dict[str, object]:
    return {
        "subject": finding.subject,
        "level": finding.level.value,
        "sentence": finding.sentence,
        "hint": finding.hint or None,
    }


def _everything(settings: Settings, *, notify: bool) -> Iterator[Finding]:
    yield from _configuration(settings)
    yield from _rights(settings)
    yield _key(settings)
    yield from _state(settings)
    yield from _folders(settings)
    for folder in settings.folders:
        for program, hint in missing_programs(folder):
            yield Finding(folder.name, Level.PROBLEM, f"after_done: {program} is no program that can be run here", hint)
    for receiver, trouble, sentence in receivers(settings.notify, test=notify):
        if trouble is None:
            yield Finding(receiver, Level.OK, sentence)
        else:
            yield Finding(receiver, Level.PROBLEM, trouble.what, trouble.hint)


def _configuration(settings: Settings) -> Iterator[Finding]:
    for warning in settings.warnings:
        yield Finding("configuration", Level.WARNING, warning)
    yield Finding("configuration", Level.OK, f"{settings.path} is valid, with {len(settings.folders)} folder(s)")


def _rights(settings: Settings) -> Iterator[Finding]:
    """Another user than the daemon's may be let in where the daemon is not."""
    owner, us = owner_of(settings.state), os.geteuid()
    if owner is not None and owner[0] != us:
        theirs = user_named(owner[0])
        sentence = f"this looks as {user_named(us)}, but the state file belongs to {theirs}, who may have other rights"
        command = f"systemd-run -qPG -p User={theirs} -p LoadCredential=api-key:KEY_FILE {sys.argv[0]} check"
        hint = f"as {theirs} sees it: {command}"
        yield Finding("user", Level.WARNING, sentence, hint)


def _key(settings: Settings) -> Finding:
    service = Scriptix(access_of(settings))
    try:
        service.probe()
    except Trouble as trouble:
        return Finding("key", Level.PROBLEM, trouble.what, trouble.hint)
    finally:
        service.close()
    return Finding("key", Level.OK, f"{settings.api.url} does not refuse it")


def _state(settings: Settings) -> Iterator[Finding]:
    state = settings.state
    filesystem = mount_of(str(state.absolute())).filesystem
    if not is_local(filesystem):
        sentence = f"{state} is on a network share or a foreign file system ({filesystem})"
        yield Finding("state", Level.PROBLEM, sentence, "set 'state' to a local disk")
        return
    try:
        if state.exists():
            with reading(settings):
                pass
        held = is_held(state)
    except (StateError, StateTrouble) as trouble:
        yield Finding("state", Level.PROBLEM, trouble.what, trouble.hint)
        return
    directory = _nearest(state.parent)
    if not os.access(directory, os.W_OK | os.X_OK, effective_ids=True):
        sentence = f"{user_named(os.geteuid())} may not write to {directory}, where {state} belongs"
        yield Finding("state", Level.PROBLEM, sentence, "give the service's user that directory, or set 'state'")
        return
    yield Finding("state", Level.OK, f"{state} is on a local disk ({filesystem}) and can be written")
    if not held:
        yield Finding("daemon", Level.OK, "none is running just now")
    elif live_figures(settings) is not None:
        yield Finding("daemon", Level.OK, "it is running")
    else:
        yield Finding("daemon", Level.WARNING, "it has the state file, but has not told anything lately")


def _nearest(directory: Path) -> Path:
    """The directory, or what is there of the way to it."""
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return directory


def _folders(settings: Settings) -> Iterator[Finding]:
    """All at the same time: a disk that hangs holds up only what is told of it."""
    known, watches = _directories(settings), room()
    live = live_figures(settings) if is_held(settings.state) else None
    running = {one.name: one for one in live.folders} if live else {}

    def examined(folder: Folder) -> Sequence[Finding]:
        with closing(FolderRoot(folder.path)) as root:
            now = running.get(folder.name)
            found = _folder(folder, root, known.get(folder.name, 1), watches, now if now and now.mode else None)
            told = found.level is Level.PROBLEM  # a disk that cannot be reached is told once
            return [found, *(one for one, away in _obstacles(settings, folder, root, now) if not (told and away))]

    with ThreadPoolExecutor(len(settings.folders)) as pool:
        for findings in pool.map(examined, settings.folders):
            yield from findings


def _obstacles(
    settings: Settings, folder: Folder, root: Root, running: LiveFolder | None
) -> Iterator[tuple[Finding, bool]]:
    """What keeps the folder, or a directory in it, from going on, and whether that is a disk that is not there."""
    with ExitStack() as opened:
        store = None
        with suppress(StateError, StateTrouble):  # which has been told
            store = opened.enter_context(reading(settings)) if settings.state.exists() else None
        for one in obstacles(folder, store, root, running):
            level = Level.WARNING if one.directory else Level.PROBLEM
            yield Finding(folder.name, level, f"asks: {one.sentence}" if one.asks else one.sentence, one.hint), one.away


def _directories(settings: Settings) -> Mapping[str, int]:
    """How many directories of each folder are known to hold recordings, with the folder itself."""
    if not settings.state.exists():
        return {}
    try:
        with reading(settings) as store:
            return {one.name: len({*store.sources.directories(one.name), ""}) for one in settings.folders}
    except (StateError, StateTrouble):
        return {}  # which has been told


def _folder(
    folder: Folder, root: FolderRoot, directories: int, watches: Watches, running: LiveFolder | None
) -> Finding:
    """One line: the disk, the rights, how it is watched and why."""
    who = user_named(os.geteuid())
    try:
        disk = root.disk()
        root.listing("")
    except Trouble as trouble:
        return Finding(folder.name, Level.PROBLEM, trouble.what, trouble.hint)
    place = f"{folder.path} is on {_described(disk)}, readable"
    try:
        to = _where_outputs_go(folder, root)
    except Trouble as trouble:
        return Finding(folder.name, Level.PROBLEM, f"{place} for {who}, but {trouble.what}", trouble.hint)
    about = watched(folder)
    choice = choose_mode(about.watch, disk) if running is None else Choice(Mode(running.mode), running.why)
    how, hint = f"watched by {choice.mode}: {choice.why}", ""
    if choice.mode is Mode.EVENTS:
        left = "any number" if watches.left is None else watches.left
        how += f", with {directories} inotify watch(es) or more, {left} left"
        refusal = shortage(str(folder.path), directories, watches) if running is None else None
        hint = "" if refusal is None else f"too few watches, so it will be polled: {refusal.hint}"
    elif about.watch is Mode.EVENTS and choose_mode(about.watch, disk).mode is Mode.POLL:
        hint = UNHEARD
    interval = duration(scan_interval(about.scan_interval, choice.mode))
    window = duration(settle_window(folder.settle, disk))
    return Finding(
        folder.name,
        Level.WARNING if hint else Level.OK,
        f"{place} and {to} for {who}; {how}; a full look every {interval}, complete after {window} without a change",
        hint,
    )


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
    return f"{disk.identity} (with {nested})" if nested else str(disk.identity)
