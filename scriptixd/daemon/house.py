"""Every room, built from the settings and connected; each is given only what it needs."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from scriptixd.config.settings import Settings
from scriptixd.daemon.days import Days
from scriptixd.daemon.figures import Figures
from scriptixd.daemon.folders import ConfiguredFolders
from scriptixd.daemon.journal import tell, tell_happening
from scriptixd.daemon.loop import Loop
from scriptixd.daemon.matters import Matters
from scriptixd.daemon.noticing import Noticing, Standing
from scriptixd.daemon.outputs import guard_outputs
from scriptixd.daemon.soundness import Soundness
from scriptixd.daemon.standstills import Standstills
from scriptixd.daemon.telling import Telling
from scriptixd.daemon.watchers import Watcher, Watchtower
from scriptixd.delivery.adoption import SidecarsBeside
from scriptixd.delivery.notice import NoticeBoard
from scriptixd.delivery.room import DeliveryRoom, Due
from scriptixd.jobs.afterwards import Afterwards
from scriptixd.jobs.asking import Asking
from scriptixd.jobs.breakers import Breakers
from scriptixd.jobs.claims import Claims
from scriptixd.jobs.clock import Now, read_clock
from scriptixd.jobs.erasing import Erasing
from scriptixd.jobs.events import Event, Rejected
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.limits import Limiter
from scriptixd.jobs.pipeline import Pipeline
from scriptixd.jobs.ports import Lane
from scriptixd.jobs.queues import AskQueue, Queue, UploadQueue
from scriptixd.jobs.recognition import Recognition
from scriptixd.jobs.retention import Retention
from scriptixd.jobs.rounds import Rounds
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.timetable import Calendar
from scriptixd.jobs.worker import Worker
from scriptixd.observe.courier import Courier, fingerprint
from scriptixd.observe.meters import Meters
from scriptixd.service.access import Access, AuthHeader
from scriptixd.service.client import Scriptix
from scriptixd.watch.completeness import Completeness

SPARE = 1  # for each that works, one that goes on while a disk which may have begun to hang keeps him waiting


class Staff:
    """The loops that upload, as many as may do so at once and their spares; more are taken on when more may."""

    def __init__(
        self, claims: Claims[Job], upload: Callable[[], Callable[[Now], float]], stop: threading.Event
    ) -> None:
        self._claims = claims
        self._upload = upload
        self._stop = stop
        self.loops: list[Loop] = []

    def adopt(self, settings: Settings) -> Sequence[Loop]:
        """So many uploads at once from now on; returns the loops that are new, and not started yet."""
        uploads = settings.limits.uploads
        fewer = {folder.name: folder.limits.uploads for folder in settings.folders if folder.limits.uploads is not None}
        self._claims.adopt(uploads, fewer)
        numbers = range(len(self.loops) + 1, uploads + SPARE * uploads + 1)
        new = [Loop(f"upload-{number}", self._upload(), self._stop) for number in numbers]
        self.loops += new
        return new


@dataclass(slots=True)
class House:
    """What the daemon runs and asks."""

    settings: Settings  # that it goes by
    store: Store
    folders: ConfiguredFolders
    service: Scriptix
    breakers: Breakers
    figures: Figures
    limits: Limiter
    standstills: Standstills
    meters: Meters
    retention: Retention
    noticing: Noticing
    soundness: Soundness
    tower: Watchtower
    staff: Staff
    lanes: Sequence[Loop]  # those that a commit may give work to, but for the staff
    chores: list[Loop]  # those that go by the clock
    last_words: Callable[[], bool]  # before a run ends by itself: whether everybody was told what is to be told
    leaving: list[Watcher] = field(default_factory=list)  # told to end, and perhaps not over yet

    @property
    def loops(self) -> Sequence[Loop]:
        """All of them."""
        watching = [one.loop for one in (*self.tower.watchers.values(), *self.leaving)]
        return (*self.staff.loops, *self.lanes, *self.chores, *watching)

    def wake(self) -> None:
        """There may be something to send, to ask, or to deliver."""
        for loop in (*self.staff.loops, *self.lanes):
            loop.wake()

    def add(self, loop: Loop) -> None:
        """One more that goes by the clock; it is not started."""
        self.figures.listen(loop.name, loop.beat)
        self.chores.append(loop)

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
    guard_outputs(folders, store)
    service = Scriptix(access_of(settings), read_clock, store.asked)
    limits = limits_of(settings, store)
    standstills, meters = Standstills(limits), Meters(store.openings.opened_at)
    built: list[House] = []  # whom they wake, once it stands

    def wake() -> None:
        for house in built:
            house.wake()

    tower = Watchtower(store, folders, figures, stop, wake)
    for folder in settings.folders:
        tower.put(folder)

    def report(job: Job, event: Event) -> None:
        tell(store, job, event)
        meters.note(job, event)
        if job.state not in (State.UPLOADING, State.CLOSING):
            figures.ended(job.id)
        if isinstance(event, Rejected):
            failed()

    store.sources.on_happening = tell_happening
    desk = _Desk(settings, tower, service, breakers, limits, report)
    standing = Standing(folders.names, tower.view, breakers.view, standstills.last)
    noticing = Noticing(store, NoticeBoard(store.notices, folders), settings.folders, standing)
    retention = Retention(store, settings.keep.results, settings.keep.history)
    soundness = Soundness(settings.state, stop.is_set)
    matters = Matters(breakers, tower.views)
    told, last_words = _telling(settings, store, matters, figures, stop)
    chores = [
        Loop("retention", retention.run_once, stop),
        Loop("notices", noticing.run_once, stop, vital=False),
        Loop("days", Days(store, Calendar(settings.timezone)).run_once, stop),
        Loop("soundness", soundness.run_once, stop, vital=False),
        *told,
    ]
    staff, lanes = desk.staff(), desk.lanes()
    staff.adopt(settings)
    house = House(
        settings, store, folders, service, breakers, figures, limits, standstills, meters, retention, noticing,
        soundness, tower, staff, lanes, chores, last_words,
    )  # fmt: skip
    for loop in house.loops:
        figures.listen(loop.name, loop.beat)
    built.append(house)
    store.database.on_commit = breakers.on_heal = wake
    return house


class _Desk:
    """Where jobs are worked on: by those who upload, ask, erase and deliver, and who run what comes after."""

    def __init__(
        self,
        settings: Settings,
        tower: Watchtower,
        service: Scriptix,
        breakers: Breakers,
        limits: Limiter,
        report: Callable[[Job, Event], None],
    ) -> None:
        store, folders, figures, stop = tower.store, tower.folders, tower.figures, tower.stop
        self._tower = tower
        self._service = service
        self._breakers = breakers
        self._limits = limits
        self._report = report
        self._chance = random.SystemRandom().random
        api = settings.api
        recognition = Recognition(store, SidecarsBeside(folders, store), service, service)
        claims: Claims[Due] = Claims(1, folders.stuck)
        self._room = DeliveryRoom(
            store, folders, api.result_units, self._chance, figures.beat, claims, recognition.kept_elsewhere
        )
        self._pipeline = Pipeline(
            store,
            folders,
            service,
            Asking(store, service, service, Rounds(store, service, service, api.polling), api.deadline),
            recognition,
            self._room,
            Completeness(tower.window),
            limits,
            figures,
            stop.is_set,
            read_clock,
            stop.wait,
            api.chunk_size,
        )

    def staff(self) -> Staff:
        """Nobody yet."""
        tower = self._tower
        claims: Claims[Job] = Claims(0, tower.folders.stuck)
        queue = UploadQueue(tower.store, self._breakers, self._limits, tower.folders.names, self._pipeline.held_up)
        return Staff(claims, lambda: self._worker(Lane.UPLOAD, queue, claims), tower.stop)

    def lanes(self) -> Sequence[Loop]:
        """Those whom a commit may give work to, but for the staff."""
        store, folders, figures, stop = self._tower.store, self._tower.folders, self._tower.figures, self._tower.stop
        ask = self._worker(Lane.ASK, AskQueue(store), Claims(1, folders.stuck))
        service = self._service
        erase = Erasing(store, folders, service, service, self._breakers, service, self._chance)
        afterwards = Afterwards(store, folders, self._chance, stop.is_set, figures.beat, read_clock)
        return (
            Loop("ask", ask, stop),
            Loop("erase", erase.run_once, stop),
            *(Loop(f"deliver-{number}", self._room.run_once, stop) for number in range(1, 1 + SPARE + 1)),
            Loop("afterwards", afterwards.run_once, stop),
        )

    def _worker(self, lane: Lane, queue: Queue, claims: Claims[Job]) -> Callable[[Now], float]:
        service, store = self._service, self._tower.store
        worker = Worker(
            lane, queue, store, self._pipeline, service, service, self._breakers, service, claims, self._chance,
            self._report,
        )  # fmt: skip
        return worker.run_once


def _telling(
    settings: Settings, store: Store, matters: Matters, figures: Figures, stop: threading.Event
) -> tuple[Sequence[Loop], Callable[[], bool]]:
    """The loop that tells, where somebody is to be told; and what it is asked before a run ends by itself."""
    notify = settings.notify
    store.tidings.keep([fingerprint(url.reveal()) for url in notify.urls] if notify is not None else ())
    if notify is None:
        return (), lambda: True
    courier = Courier(stop.is_set, figures.beat)
    telling = Telling(notify, store, matters, courier, Calendar(settings.timezone), random.SystemRandom().random)
    telling.begin(read_clock())  # before anything can be new
    loop = Loop("tell", telling.run_once, stop)

    def last_words() -> bool:
        if telling.finish():
            return True
        loop.wake()
        return False

    return (loop,), last_words
