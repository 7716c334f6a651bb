"""`--canary`: a small file put into each folder, and how long it takes until it is seen.

Its name is one that scriptixd keeps for itself, so nobody uploads it; it is removed whatever happens, and what a
power cut leaves of it is swept with other temporaries.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Final

from scriptixd.cli.checking.findings import Finding, Level, meanwhile
from scriptixd.cli.checking.folders import Examined
from scriptixd.cli.output import duration
from scriptixd.config.settings import Folder
from scriptixd.daemon.folders import watched
from scriptixd.errors import AdministratorHeals, ShareTrouble, TargetTrouble, Trouble
from scriptixd.roots.paths import shown
from scriptixd.roots.reaching import FolderRoot
from scriptixd.roots.root import TEMPORARY_PREFIX, TEMPORARY_SUFFIX, Disk
from scriptixd.watch.doorbell import Doorbell
from scriptixd.watch.filters import Filter
from scriptixd.watch.mode import Mode, choose_mode, scan_interval

PATIENCE: Final = 20.0  # s: shares show a new name within some seconds, a local disk within a hundredth of one
GLANCE: Final = 0.2  # s between two looks at the folder
TEXT: Final = b"scriptixd check --canary has put this here, and removes it again.\n"
ENDS: Final = (signal.SIGTERM, signal.SIGHUP)  # which would end us before we have cleaned up


@dataclass(frozen=True, slots=True)
class _OnlyIt(Filter):
    """Hears of one name, which everybody else ignores."""

    name: str = ""

    def why_not(self, path: str, size: int | None) -> str | None:  # noqa: ARG002  # as every filter is asked
        return None if path == self.name else "it is not the canary"


class _Ear:
    """When it was heard of; also woken by the end of all waiting."""

    def __init__(self) -> None:
        self.at: float | None = None
        self.woken = threading.Event()

    def hear(self) -> None:
        self.at = self.at or time.monotonic()
        self.woken.set()


def canaries(looks: Collection[Examined]) -> Iterator[Finding]:
    """One finding for each folder that can be reached; a folder that is red already has been told of."""
    able = [(look.folder, look.disk) for look in looks if look.disk is not None and look.is_reached]
    if not able:
        return
    stop, ears = threading.Event(), [_Ear() for _ in able]

    def end() -> None:
        stop.set()
        for ear in ears:
            ear.woken.set()

    with _ended_gently(), ExitStack() as over:
        pool = over.enter_context(ThreadPoolExecutor(len(able)))
        over.callback(end)  # first of all, whatever interrupts us
        flights = [
            pool.submit(_flight, folder, disk, ear, stop) for (folder, disk), ear in zip(able, ears, strict=True)
        ]
        with meanwhile(lambda: f"{sum(one.done() for one in flights)} of {len(flights)} canaries seen"):
            wait(flights)
        findings = [one.result() for one in flights]
    yield from findings


def _flight(folder: Folder, disk: Disk, ear: _Ear, stop: threading.Event) -> Finding:
    subject = f"canary in {folder.name}"
    name = f"{TEMPORARY_PREFIX}canary-{os.urandom(8).hex()}{TEMPORARY_SUFFIX}"
    about = watched(folder)
    mode = choose_mode(about.watch, disk).mode
    with ExitStack() as over:
        root = over.enter_context(closing(FolderRoot(folder.path)))
        deaf = ""
        if mode is Mode.EVENTS:
            try:
                bell = Doorbell(str(folder.path), _OnlyIt(name=name), ear.hear)
                over.callback(bell.stop)
            except (AdministratorHeals, ShareTrouble) as refusal:
                deaf = str(refusal)
        try:
            begun = time.monotonic()
            with _put(root, name):
                listed = _listed_after(root, name, begun, stop)
                if mode is Mode.EVENTS and not deaf:
                    ear.woken.wait(max(begun + PATIENCE - time.monotonic(), 0.0))
        except Trouble as trouble:
            return Finding(subject, Level.WARNING, trouble.what, trouble.hint)
    heard = None if ear.at is None else ear.at - begun
    interval = duration(scan_interval(about.scan_interval, mode))
    return _seen(subject, mode, heard, listed, deaf, interval)


def _seen(subject: str, mode: Mode, heard: float | None, listed: float | None, deaf: str, interval: str) -> Finding:
    limit = duration(PATIENCE)
    if listed is None:
        sentence = f"what was written just now is not in the folder's listing after {limit}"
        return Finding(subject, Level.PROBLEM, sentence, "look at how it is mounted: this machine reads what is old")
    scan = f"by a look at the folder after {listed:.2f} s; a full look comes every {interval}"
    if mode is Mode.POLL:
        return Finding(subject, Level.OK, f"seen {scan}, for it is polled")
    if heard is None:
        sentence = f"{deaf or f'no event told of it within {limit}'}; seen {scan}"
        return Finding(subject, Level.WARNING, sentence, "set watch: poll, or a shorter scan_interval")
    return Finding(subject, Level.OK, f"seen by an event after {heard:.2f} s, and {scan}")


def _listed_after(root: FolderRoot, name: str, begun: float, stop: threading.Event) -> float | None:
    """Seconds until the folder's listing has the name; None if it never had."""
    while True:
        names = {row[0] for row in root.listing("").rows}
        seconds = time.monotonic() - begun
        if name in names:
            return seconds
        if seconds > PATIENCE or stop.wait(GLANCE):
            return None


@contextmanager
def _put(root: FolderRoot, name: str) -> Iterator[None]:
    """The file, for as long as it is needed."""
    root.write(name, TEXT, None)
    try:
        yield
    finally:
        try:
            root.remove(name, hashlib.sha256(TEXT).hexdigest())
        except Trouble as trouble:
            what = f"{shown(os.path.join(root.path, name))} was left there: {trouble.what}"
            raise TargetTrouble(what, "remove it when its disk can be written again") from trouble


@contextmanager
def _ended_gently() -> Iterator[None]:
    """Whatever asks us to end is Ctrl-C, so that what was put somewhere is removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.default_int_handler) for number in ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
