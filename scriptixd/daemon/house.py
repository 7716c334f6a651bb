"""Every room, built from the settings and connected; each is given only what it needs."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from scriptixd.config.settings import Folder, Settings
from scriptixd.daemon.figures import Figures
from scriptixd.daemon.folders import ConfiguredFolders, filter_of, watched
from scriptixd.daemon.loop import Loop
from scriptixd.delivery.room import DeliveryRoom
from scriptixd.jobs.breakers import Breakers
from scriptixd.jobs.events import Event, Postponed, Rejected, StillRunning
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.pipeline import Pipeline
from scriptixd.jobs.sentences import sentence
from scriptixd.jobs.store import Store
from scriptixd.jobs.worker import Claims, Lane, Worker
from scriptixd.roots.paths import shown
from scriptixd.service.access import Access, AuthHeader
from scriptixd.service.client import Scriptix
from scriptixd.watch.doorbell import Doorbell
from scriptixd.watch.scanner import Scanner

LOG = logging.getLogger("scriptixd.jobs")


@dataclass(frozen=True, slots=True)
class House:
    """What the daemon runs and asks."""

    store: Store
    folders: ConfiguredFolders
    service: Scriptix
    breakers: Breakers
    figures: Figures
    scanners: tuple[Scanner, ...]
    loops: tuple[Loop, ...]


def access_of(settings: Settings) -> Access:
    """How the service room is to reach Scriptix."""
    api = settings.api
    if api.key is None:
        raise AssertionError("whoever talks to the service loads its key")
    return Access(api.url, api.key.reveal(), AuthHeader(api.auth.value), api.timeout, api.requests_per_minute)


def build(settings: Settings, store: Store, stop: threading.Event, failed: Callable[[], None]) -> House:
    """Connect everything; nothing runs yet. `failed` is called for each job that stops for a person."""
    folders, figures, breakers = ConfiguredFolders(settings), Figures(), Breakers()
    service = Scriptix(access_of(settings))
    chance = random.SystemRandom().random
    room = DeliveryRoom(store, folders, settings.api.result_units, chance, figures.beat)
    pipeline = Pipeline(
        store, folders, service, service, room, figures, stop.is_set, settings.api.chunk_size, settings.api.deadline
    )
    claims = {lane: Claims() for lane in Lane}

    def report(job: Job, event: Event) -> None:
        _tell(store, job, event)
        if job.state not in (State.UPLOADING, State.CLOSING):
            figures.ended(job.id)
        if isinstance(event, Rejected):
            failed()

    def worker(lane: Lane) -> Callable[..., float]:
        names = tuple(folders.names())
        return Worker(lane, store, pipeline, service, breakers, service, claims[lane], names, chance, report).run_once

    lanes = [Loop(f"upload-{number}", worker(Lane.UPLOAD), stop) for number in range(1, settings.limits.uploads + 1)]
    lanes.append(Loop("ask", worker(Lane.ASK), stop))
    lanes.append(Loop("deliver", room.run_once, stop))
    watchers = [_watcher(folder, store, folders, figures, stop) for folder in settings.folders]
    loops = (*lanes, *(loop for _, loop in watchers))
    for loop in loops:
        figures.listen(loop.name, loop.beat)

    def wake() -> None:
        for loop in lanes:
            loop.wake()

    store.database.on_commit = wake
    return House(store, folders, service, breakers, figures, tuple(scanner for scanner, _ in watchers), loops)


def _watcher(
    folder: Folder, store: Store, folders: ConfiguredFolders, figures: Figures, stop: threading.Event
) -> tuple[Scanner, Loop]:
    root = folders.root(folder.name)
    if root is None:
        raise AssertionError("a configured folder has a root")
    bell: list[Callable[[], None]] = []
    scanner = Scanner(
        watched(folder),
        root,
        store.sources,
        folders.request_in(folder.name),
        lambda: Doorbell(str(folder.path), filter_of(folder), bell[0]),
        beat=figures.beat,
        stop=stop.is_set,
    )
    loop = Loop(f"watch {folder.name}", scanner.run_once, stop, vital=False)
    bell.append(loop.wake)
    return scanner, loop


def _tell(store: Store, job: Job, event: Event) -> None:
    """One line for each transition, the path first; what merely lasts is in the history alone."""
    if isinstance(event, StillRunning) or (isinstance(event, Postponed) and job.failures != 1):
        return
    level = logging.WARNING if isinstance(event, Rejected) else logging.INFO
    sources = store.jobs.sources(job.id)
    path = f"{sources[0].folder}/{sources[0].path}" if sources else f"job {job.id}"
    LOG.log(level, "%s: %s", shown(path), sentence(event))
