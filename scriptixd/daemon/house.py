"""Every room, built from the settings and connected; each is given only what it needs."""

from __future__ import annotations

import logging
import random
import shlex
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass

from scriptixd.config.settings import Folder, Settings
from scriptixd.daemon.figures import Figures
from scriptixd.daemon.folders import ConfiguredFolders, watched
from scriptixd.daemon.loop import Loop
from scriptixd.daemon.standstills import Standstills
from scriptixd.delivery.adoption import SidecarsBeside
from scriptixd.delivery.room import DeliveryRoom, Due
from scriptixd.errors import ShareTrouble
from scriptixd.jobs.asking import Asking
from scriptixd.jobs.breakers import Breakers
from scriptixd.jobs.claims import Claims
from scriptixd.jobs.clock import read_clock
from scriptixd.jobs.erasing import Erasing
from scriptixd.jobs.events import Event, Held, Postponed, Rejected, StillRunning
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.limits import Limiter
from scriptixd.jobs.pipeline import Pipeline
from scriptixd.jobs.ports import Lane
from scriptixd.jobs.queues import AskQueue, Queue, UploadQueue
from scriptixd.jobs.recognition import Recognition
from scriptixd.jobs.rounds import Rounds
from scriptixd.jobs.sentences import sentence
from scriptixd.jobs.source import CIRCUMSTANCES, Source
from scriptixd.jobs.store import Store
from scriptixd.jobs.timetable import Calendar
from scriptixd.jobs.worker import Worker
from scriptixd.roots.paths import shown
from scriptixd.service.access import Access, AuthHeader
from scriptixd.service.client import Scriptix
from scriptixd.watch.claim import Claim
from scriptixd.watch.completeness import Completeness
from scriptixd.watch.doorbell import Doorbell
from scriptixd.watch.ground import Ground
from scriptixd.watch.hearing import Hearing
from scriptixd.watch.scanner import Scanner

LOG = logging.getLogger("scriptixd.jobs")

SPARE = 1  # for each that works, one that goes on while a disk which may have begun to hang keeps him waiting


@dataclass(frozen=True, slots=True)
class Watcher:
    """One folder's scanner, and the loop that drives it."""

    scanner: Scanner
    loop: Loop

    def nudge(self) -> None:
        """Something has changed that may bring the folder back."""
        self.scanner.nudge()
        self.loop.wake()


@dataclass(frozen=True, slots=True)
class House:
    """What the daemon runs and asks."""

    store: Store
    folders: ConfiguredFolders
    service: Scriptix
    breakers: Breakers
    figures: Figures
    limits: Limiter
    standstills: Standstills
    watchers: tuple[Watcher, ...]
    loops: tuple[Loop, ...]  # all, those of the watchers among them
    wake: Callable[[], None]  # there may be something to send, to ask, or to deliver

    def stopped_uploads(self) -> bool:
        """Whether any upload is still being sent whose job a person has stopped meanwhile."""
        under_way = [upload.job_id for upload in self.figures.uploads()]
        jobs = ((id_, self.store.jobs.get(id_)) for id_ in under_way)
        stopped = [id_ for id_, job in jobs if job is None or job.state is State.DISMISSED]
        for id_ in stopped:
            self.figures.ended(id_)
        return bool(stopped)


def access_of(settings: Settings) -> Access:
    """How the service room is to reach Scriptix."""
    api = settings.api
    if api.key is None:
        raise AssertionError("whoever talks to the service loads its key")
    return Access(
        url=api.url,
        key=api.key.reveal(),
        auth=AuthHeader(api.auth.value),
        timeout_s=api.timeout,
        requests_per_minute=api.requests_per_minute,
        requests_per_hour=api.requests_per_hour,
        secrets=tuple(sorted({secret for folder in settings.folders for secret in folder.secrets})),
    )


def limits_of(settings: Settings, store: Store) -> Limiter:
    """What may be sent, by the configuration and the calendar."""
    of_folders = {folder.name: folder.limits.bounds for folder in settings.folders}
    calendar = Calendar(settings.timezone)
    return Limiter(settings.limits.bounds, of_folders, store.openings, store.pauses, calendar)


def build(settings: Settings, store: Store, stop: threading.Event, failed: Callable[[], None]) -> House:
    """Connect everything; nothing runs yet. `failed` is called for each job that stops for a person."""
    folders, figures, breakers = ConfiguredFolders(settings), Figures(), Breakers()
    service = Scriptix(access_of(settings), read_clock, store.asked)
    chance = random.SystemRandom().random
    deliveries: Claims[Due] = Claims(1, folders.stuck)
    limits = limits_of(settings, store)
    room = DeliveryRoom(store, folders, settings.api.result_units, chance, figures.beat, deliveries)
    lanes: list[Loop] = []

    def wake() -> None:
        for loop in lanes:
            loop.wake()

    watchers = {folder.name: _watcher(folder, store, folders, figures, stop, wake) for folder in settings.folders}

    def window(source: Source) -> float:
        return watchers[source.folder].scanner.window(source.path)

    rounds = Rounds(store, service, service, settings.api.polling)
    pipeline = Pipeline(
        store,
        folders,
        service,
        Asking(store, service, service, rounds, settings.api.deadline),
        Recognition(store, SidecarsBeside(folders), service, service),
        room,
        Completeness(window),
        limits,
        figures,
        stop.is_set,
        read_clock,
        stop.wait,
        settings.api.chunk_size,
    )
    uploads = settings.limits.uploads
    fewer = {folder.name: folder.limits.uploads for folder in settings.folders if folder.limits.uploads is not None}
    claims: dict[Lane, Claims[Job]] = {
        Lane.UPLOAD: Claims(uploads, folders.stuck, fewer),
        Lane.ASK: Claims(1, folders.stuck),
    }

    queues: dict[Lane, Queue] = {
        Lane.UPLOAD: UploadQueue(store, breakers, limits, folders.names, pipeline.held_up),
        Lane.ASK: AskQueue(store),
    }

    def report(job: Job, event: Event) -> None:
        _tell(store, job, event)
        if job.state not in (State.UPLOADING, State.CLOSING):
            figures.ended(job.id)
        if isinstance(event, Rejected):
            failed()

    def worker(lane: Lane) -> Callable[..., float]:
        return Worker(
            lane, queues[lane], store, pipeline, service, service, breakers, service, claims[lane], chance, report
        ).run_once

    lanes += [Loop(f"upload-{number}", worker(Lane.UPLOAD), stop) for number in range(1, uploads + SPARE * uploads + 1)]
    lanes.append(Loop("ask", worker(Lane.ASK), stop))
    lanes.append(Loop("erase", Erasing(store, folders, service, service, breakers, service, chance).run_once, stop))
    lanes += [Loop(f"deliver-{number}", room.run_once, stop) for number in range(1, 1 + SPARE + 1)]
    loops = (*lanes, *(watcher.loop for watcher in watchers.values()))
    for loop in loops:
        figures.listen(loop.name, loop.beat)

    store.database.on_commit = breakers.on_heal = wake
    return House(
        store, folders, service, breakers, figures, limits, Standstills(limits), tuple(watchers.values()), loops, wake
    )


def _watcher(
    folder: Folder,
    store: Store,
    folders: ConfiguredFolders,
    figures: Figures,
    stop: threading.Event,
    wake: Callable[[], None],
) -> Watcher:
    """The scanner looks at the folder itself; everybody else goes through the gate that it opens and shuts."""
    root, gate, about = folders.reached(folder.name), folders.gate(folder.name), watched(folder)
    bell: list[Callable[[], None]] = []
    claim = Claim(root, store.instance(), socket.gethostname(), folders.output(folder))
    gate.doubt = lambda: claim.doubt(read_clock())
    hearing = Hearing(folder.name, about.watch, lambda: Doorbell(str(folder.path), about.filter, bell[0]))
    ground = Ground(folder.name, root, store.sources, about.filter, claim, hearing.deletions_seen)

    def stands(trouble: ShareTrouble | None) -> None:
        opened = gate.closed is not None and trouble is None
        gate.closed = trouble
        if opened:
            wake()  # what waited for it may go on

    scanner = Scanner(about, root, store.sources, ground, hearing, stands=stands, beat=figures.beat, stop=stop.is_set)
    loop = Loop(f"watch {folder.name}", scanner.run_once, stop, vital=False, leave=scanner.leave)
    bell.append(loop.wake)
    return Watcher(scanner, loop)


def _tell(store: Store, job: Job, event: Event) -> None:
    """One line for each transition, the path first; what merely lasts is in the history alone."""
    if isinstance(event, StillRunning) or (isinstance(event, Postponed) and job.failures != 1):
        return
    # One of a crowd asks nobody by itself: the folder does.
    asks = isinstance(event, Held) and event.reason not in CIRCUMSTANCES
    level = logging.WARNING if asks or isinstance(event, Rejected) else logging.INFO
    sources = store.jobs.sources(job.id)
    path = f"{sources[0].folder}/{sources[0].path}" if sources else f"job {job.id}"
    LOG.log(level, "%s: %s%s", shown(path), sentence(event), _way_on(path) if asks else "")


def _way_on(path: str) -> str:
    name = shown(shlex.quote(path))
    return f" (scriptixd approve {name}, or scriptixd dismiss {name})"
