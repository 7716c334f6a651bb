"""The daemon's life: starts the loops, minds them, applies what verbs ask, tells systemd, and stops within seconds.

Signals only set a flag. A loop that dies ends the process: systemd starts a whole one again.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import Final

from scriptixd import __version__
from scriptixd.config.load import load
from scriptixd.config.settings import Settings
from scriptixd.daemon.house import House, build
from scriptixd.daemon.journal import tell_decided
from scriptixd.daemon.loop import Loop, awake, is_still, standing_still
from scriptixd.daemon.reloading import Reloading
from scriptixd.daemon.standstills import pause_of
from scriptixd.daemon.summary import summary
from scriptixd.daemon.upkeep import Upkeep
from scriptixd.errors import ConfigurationError, StartError, StateTrouble, with_hint
from scriptixd.jobs import pacing
from scriptixd.jobs.breakers import Pause
from scriptixd.jobs.clock import Now, read_clock
from scriptixd.jobs.store.database import open_state
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.verbs import AT_ONCE, apply_some_requests
from scriptixd.observe.live import Live, LiveFile, LiveFolder, LivePause, LiveRequests, LiveRestless, live_path
from scriptixd.observe.systemd import Systemd
from scriptixd.roots.mounts import MOUNTS
from scriptixd.roots.paths import shown
from scriptixd.roots.place import Place, Words
from scriptixd.service.budget import Use
from scriptixd.watch.report import ScanReport

LOG = logging.getLogger("scriptixd.daemon")

TICK: Final = 0.5  # s between two looks at signals, requests and loops
LIVE_EVERY: Final = 1.0  # s
READY_AFTER: Final = 10.0  # s at the latest, however long a first scan takes
STOP_WITHIN: Final = 4.0  # s for all loops together: systemd and people are promised 5; of these …
WAKE_WITHIN: Final = 1.0  # s for those that wait for a disk, and are called back from it
CLOCKS_APART: Final = 60.0  # s of drift between wall and boot time that is a clock being set


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a progress display may show."""

    live: Live
    counts: Mapping[tuple[str, str], int]


class Daemon:
    """One run of the daemon; `run` returns the exit code."""

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._systemd = Systemd(environment)
        self._stop = threading.Event()
        self._asked_to_stop = self._asked_to_reload = False
        self._failed = 0
        self._ready = False
        self._live_file = LiveFile(live_path(settings.state))
        self._figures_written = True
        self._still: Sequence[str] = ()  # what did not move at the last look
        self._told_at = self._alive_at = 0.0
        self._started = read_clock()
        self._drift = self._started.wall - self._started.boot
        self._mounts = MOUNTS.now()
        self._stuck: Collection[str] = frozenset()
        self._told: Live | None = None
        self._minded_at = awake()
        self._upkeep = Upkeep(settings.state)

    def run(self, *, once: bool = False, show: Callable[[Snapshot], None] | None = None) -> int:
        """Work until SIGTERM or SIGINT; with `once`, until nothing is left that goes on by itself.

        Raises StartError (StateError, StateHeld) if nothing could be started.
        """
        for warning in self._settings.warnings:
            LOG.warning("%s", Words(warning))
        handled = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        before = {number: signal.signal(number, self._on_signal) for number in handled}
        try:
            with closing(Store(open_state(self._settings.state))) as store, ExitStack() as opened:
                store.jobs.clamp(self._started.wall + pacing.BACKOFF_CAP)
                self._leave_removed_folders(store)
                house = build(self._settings, store, self._stop, self._count_failure)
                self._reloading = Reloading(house)
                self._reload_loop = Loop("reload", self._reloading.run_once, self._stop, vital=False)
                house.add(self._reload_loop)
                self._open_window(house, opened)
                if once:
                    house.retention.begin_at_once()
                return self._live(house, once, show)
        finally:
            self._systemd.close()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _open_window(self, house: House, opened: ExitStack) -> None:
        """A loop that answers over HTTP, if that is wanted."""
        if self._settings.http is None:
            return
        from scriptixd.daemon.window import Window  # noqa: PLC0415 - what it needs is an extra

        still = partial(self._standing_still, house)
        window = Window(self._settings.http, house, lambda: self._told, still)
        opened.callback(window.close)
        house.add(Loop("http", window.run_once, self._stop))

    def _leave_removed_folders(self, store: Store) -> None:
        configured = {folder.name for folder in self._settings.folders}
        for folder in store.sources.folders():
            if folder not in configured:
                count = store.sources.leave(folder, self._started.wall)
                LOG.warning("%s is not configured any more: %d file(s) in it are left alone", Place(folder), count)

    def _live(self, house: House, once: bool, show: Callable[[Snapshot], None] | None) -> int:
        state = house.store.database.path
        LOG.info("scriptixd %s watches %d folder(s), state in %s", Words(__version__), len(house.tower.watchers), state)
        for loop in house.loops:
            loop.start()
        try:
            return self._mind(house, once, show)
        finally:
            self._systemd.stopping()
            self._end(house)

    def _mind(self, house: House, once: bool, show: Callable[[Snapshot], None] | None) -> int:
        pause, blocked, applied = threading.Event(), False, 0
        while not self._asked_to_stop:
            now = read_clock()
            self._minded_at = awake()
            for loop in house.loops:
                if loop.failure is not None:
                    return _died(loop.name, loop.failure)
            try:
                applied = self._serve(house, now)
                if now.boot - self._told_at >= LIVE_EVERY:
                    self._told_at = now.boot
                    house.store.database.check()
                    live = self._tell(house, now)
                    if show is not None:
                        show(Snapshot(live, house.store.views.counts()))
                if once and (code := self._verdict(house)) is not None and house.last_words():
                    return code
                if blocked:
                    LOG.info("the state file can be written again")
                blocked = False
            except StateTrouble as trouble:
                if not blocked:
                    LOG.error("%s", trouble)
                blocked, applied = True, 0
            self._notify(house, now)
            pause.wait(0.0 if applied == AT_ONCE else TICK)
        return 1 if once else 0  # `--once` did not get to its end

    def _notify(self, house: House, now: Now) -> None:
        """READY once, WATCHDOG for as long as everything moves."""
        if not self._ready and self._is_ready(house, now):
            self._ready = True
            self._systemd.ready(summary(house))
        interval = self._systemd.watchdog_interval
        if interval is not None and now.boot - self._alive_at >= interval and self._all_moving(house):
            self._alive_at = now.boot
            self._systemd.alive()

    def _serve(self, house: House, now: Now) -> int:
        """What verbs asked, and a clock that was set; returns how many requests were applied."""
        applied = apply_some_requests(house.store, house.folders.request_of, now, partial(tell_decided, house.store))
        mounts, self._mounts = self._mounts, MOUNTS.now()
        if applied or mounts is not self._mounts:
            for watcher in house.tower.watchers.values():
                watcher.nudge()
        if applied:
            stopped = house.stopped_uploads()
            if house.limits.look_again() or stopped:
                house.service.interrupt_uploads()  # also one that waits for the service to take what it has
            house.wake()
        if self._asked_to_reload:
            self._asked_to_reload = False
            self._reload(house)
        self._upkeep.run_once(now)
        stuck, self._stuck = self._stuck, house.folders.stuck()
        if stuck != self._stuck:
            house.wake()  # whoever is to go on in place of those that wait
        if abs(now.wall - now.boot - self._drift) > CLOCKS_APART:
            self._drift = now.wall - now.boot
            moved = house.store.jobs.clamp(now.wall + pacing.BACKOFF_CAP)
            house.store.erasures.take_up(now.wall)
            house.store.errands.take_up(now.wall)
            LOG.warning("the clock was set: %d wait(s) were shortened", moved)
        return applied

    def _reload(self, house: House) -> None:
        """Go by the configuration as it is now; one that is refused changes nothing."""
        self._systemd.reloading(time.monotonic_ns() // 1000)
        try:
            settings = load(self._settings.path, os.environ, with_key=True)
        except StartError as refused:
            for problem in refused.problems if isinstance(refused, ConfigurationError) else (str(refused),):
                LOG.error("%s", Words(problem))
            LOG.error("the configuration is refused, and the settings of before go on")
        else:
            for warning in settings.warnings:
                LOG.warning("%s", Words(warning))
            told = list(self._reloading.apply(settings).lines())
            for line in told or ["the configuration was read again, and nothing in it has changed"]:
                LOG.info("%s", Words(line))
            self._reload_loop.wake()
        self._systemd.ready(summary(house))

    def _tell(self, house: House, now: Now) -> Live:
        live = Live(
            pid=os.getpid(),
            version=__version__,
            started_at=self._started.wall,
            written_at=now.wall,
            folders=tuple(map(_folder, house.tower.views())),
            uploads=house.figures.uploads(),
            pauses=(
                *(
                    LivePause(paused.pause, paused.whom, paused.trouble.what, paused.trouble.hint)
                    for paused in house.breakers.view()
                ),
                *(pause_of(halt) for halt in house.standstills.look(now)),
            ),
            requests=_requests(house.service.use(now), now),
            accepted=house.breakers.is_disproved(Pause.ACCOUNT, ""),
            damage=house.soundness.fault,
        )
        self._told = live
        try:
            self._live_file.tell(live)
        except OSError as error:
            if self._figures_written:
                LOG.error("the figures for `scriptixd status` cannot be written: %s", error)
            self._figures_written = False
        else:
            if not self._figures_written:
                LOG.info("the figures for `scriptixd status` are written again")
            self._figures_written = True
        if self._ready:
            self._systemd.status(summary(house))
        return live

    def _is_ready(self, house: House, now: Now) -> bool:
        """Every root was scanned or judged OFFLINE; after a while a first scan goes on behind it."""
        return all(view.judged for view in house.tower.views()) or now.boot - self._started.boot >= READY_AFTER

    def _all_moving(self, house: House) -> bool:
        stuck = self._standing_still(house)
        if stuck and stuck != self._still:
            LOG.error("no sign of life from: %s", Words(", ".join(stuck)))
        elif self._still and not stuck:
            LOG.info("every loop moves again")
        self._still = stuck
        return not stuck

    def _standing_still(self, house: House) -> Sequence[str]:
        """What has not moved lately and should have, by name: what systemd and /healthz are told goes by this."""
        stuck = standing_still(house.loops)
        return [*stuck, "the daemon itself"] if is_still(self._minded_at) else stuck

    def _verdict(self, house: House) -> int | None:
        """The exit code of `--once`, when nothing is left that goes on by itself; None while there is."""
        if any(paused.pause not in (Pause.AWAY, Pause.SHARE) for paused in house.breakers.view()):
            return 1
        views = house.tower.views()
        offline = {view.name for view in views if view.offline is not None}
        paused = house.limits.paused()
        if not all(view.judged for view in views) or house.store.views.active(without=offline, paused=paused):
            return None
        at = read_clock().wall
        if house.store.erasures.pressing(at) or house.store.errands.pressing(at, house.folders.names()):
            return None
        waits = bool(paused) and house.store.views.active(without=offline)
        return 1 if self._failed or offline or waits else 0

    def _count_failure(self) -> None:
        self._failed += 1

    def _on_signal(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP:
            self._asked_to_reload = True
        else:
            self._asked_to_stop = True

    def _end(self, house: House) -> None:
        """Everything stops: sockets that a thread waits on are closed, and whoever hangs is left behind."""
        self._stop.set()
        house.service.close()
        for loop in house.loops:
            loop.wake()
        until = read_clock().boot
        late = _joined(house.loops, until + STOP_WITHIN - WAKE_WITHIN)
        house.folders.close()
        late = _joined(late, until + STOP_WITHIN)
        for watcher in house.tower.watchers.values():
            watcher.scanner.close()
        if late:
            LOG.warning("left behind, in the middle of something that does not end: %s", Words(_names(late)))


def _joined(loops: Sequence[Loop], deadline: float) -> Sequence[Loop]:
    """Wait for the loops to end; returns those that have not."""
    return [loop for loop in loops if not loop.join(max(0.0, deadline - read_clock().boot))]


def _names(loops: Sequence[Loop]) -> str:
    return ", ".join(shown(loop.name) for loop in loops)


def _died(loop: str, failure: BaseException) -> int:
    """A loop has ended before its time: so does the process, with what a restart can make of it."""
    if isinstance(failure, StartError):
        LOG.error("%s", failure)
        return failure.exit_code
    LOG.critical("%s died of a bug of scriptixd", Words(loop), exc_info=failure)
    return 70  # EX_SOFTWARE of sysexits.h: systemd starts us again


def _requests(use: Use, now: Now) -> LiveRequests:
    silent_until = None if use.silent_until is None else now.wall + use.silent_until - now.boot
    return LiveRequests(
        use.last_minute, use.uploads_last_minute, use.per_minute, use.last_hour, use.per_hour, silent_until
    )


def _folder(view: ScanReport) -> LiveFolder:
    offline = view.offline
    return LiveFolder(
        name=view.name,
        mode=view.choice.mode if view.choice else "",
        why=view.choice.why if view.choice else "",
        offline=with_hint(offline.reason, offline.hint) if offline else "",
        last_scan=view.last_full_scan,
        problems=view.problems,
        offline_since=offline.since if offline else None,
        hung=offline is not None and offline.hung,
        asks=offline.reason if offline and offline.asks else "",
        restless=tuple(LiveRestless(one.path, one.since) for one in view.restless),
    )
