"""Runs the command that a folder wants after each delivery: at least once, one at a time, never a job's matter.

What is to be run is in the errands table until it has run; a stop in the middle leaves it there. `run_once(now)`
returns when it wants to be called again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

from scriptixd.errors import FileTrouble, StateTrouble, Stopped
from scriptixd.jobs import pacing
from scriptixd.jobs.clock import Now
from scriptixd.jobs.commands import Command, Ended, How, passed_on, run
from scriptixd.jobs.job import AfterDone, Job, Sidecar, Terms
from scriptixd.jobs.store.errands import Errand
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.paths import shown
from scriptixd.roots.place import Place, Words, figures

LOG = logging.getLogger("scriptixd.afterwards")

IDLE: Final = 3600.0  # s: whoever plans an errand wakes us
PATIENCE: Final = 86_400.0  # s of failing after which an errand is given up
BY_HAND: Final = "run it by hand for this file, once what it was is mended"
NOT_CONFIGURED: Final = "its folder is not configured any more"
NO_COMMAND: Final = "today's configuration has no after_done for it"
NO_SIDECARS: Final = "other files are in the place of its sidecars by now"


class Places(Protocol):
    """What today's configuration says of folders, and where they are."""

    def every(self) -> Collection[str]:
        """All that are configured."""

    def names(self) -> Collection[str]:
        """Those whose files may be touched now."""

    def terms(self, folder: str, path: str) -> Terms:
        """The settings that hold for a path; FileTrouble where nothing is said of it, Stopped of its folder."""

    def place(self, folder: str) -> str:
        """The absolute path of a folder, or of a directory for outputs, which goes by it."""


def wait_after(errand: Errand, at: float, chance: float) -> float | None:
    """Seconds until an errand that has just failed is tried again; None if it is given up."""
    begun = at if errand.failing_since is None else errand.failing_since
    return None if at - begun >= PATIENCE else pacing.backoff(errand.failures, None, chance)


def leave(store: Store, folder: str, now: Now) -> None:
    """Give up what is still to be run for a folder that is not configured any more, and say so."""
    if count := store.errands.leave(folder, NOT_CONFIGURED, now.wall):
        LOG.warning("%s is not configured any more: %d command(s) are not run", Place(folder), count)


class Afterwards:
    """The loop that runs commands."""

    def __init__(
        self,
        store: Store,
        folders: Places,
        chance: Callable[[], float],
        stop: Callable[[], bool],
        beat: Callable[[], None],
        clock: Callable[[], Now],
    ) -> None:
        self._store = store
        self._folders = folders
        self._chance = chance
        self._stop = stop
        self._beat = beat
        self._clock = clock
        self._begun = False
        self._owed: tuple[Errand, Ended] | None = None  # what came of a command, until it is written down
        self._turns: dict[str, int] = {}  # when each folder had its last turn: none waits for another's whole backlog

    def run_once(self, now: Now) -> float:
        """One run of one command; returns when the next one is wanted, in seconds of CLOCK_BOOTTIME."""
        if not self._begun:
            self._begin(now)
            self._begun = True
        self._settle()
        folders = self._folders.names()
        due = self._store.errands.due(now.wall, folders)
        if not due:
            at = self._store.errands.next_due(now.wall, folders)
            return now.boot + (IDLE if at is None else min(IDLE, at - now.wall))
        errand = min(due, key=lambda one: self._turns.get(one.folder, 0))
        self._turns[errand.folder] = max(self._turns.values(), default=0) + 1
        self._serve(errand, now)
        return now.boot

    def _begin(self, now: Now) -> None:
        for folder in set(self._store.errands.folders()) - set(self._folders.every()):
            leave(self._store, folder, now)
        self._store.errands.take_up(now.wall)

    def _serve(self, errand: Errand, now: Now) -> None:
        try:
            command, why_not = self._command(errand)
            if command is None:
                self._store.errands.drop(errand, why_not, now.wall)
                return
            ended = run(command, self._stop, self._beat)
        except (Stopped, StateTrouble):
            raise
        except Exception:
            LOG.exception(
                "%s: the command after it ran into a bug of scriptixd", _place(errand), extra=figures(errand.job_id)
            )
            ended = Ended(How.FAILED, "ran into a bug of scriptixd, whose log has the details", "")
        self._owed = errand, ended
        self._settle()

    def _settle(self) -> None:
        """Write down what came of the last command: while that cannot be, neither it nor another one is run."""
        if self._owed is None:
            return
        errand, ended = self._owed
        match ended.how:
            case How.DONE:
                self._store.errands.done(errand, shown(ended.last_line), self._clock().wall)
                LOG.info(
                    "%s: the command after it has run%s", _place(errand), _quoted(ended), extra=figures(errand.job_id)
                )
            case How.FAILED:
                self._after_failure(errand, ended)
            case How.STOPPED:  # it runs again at the next start
                LOG.info(
                    "%s: the command after it was stopped, and runs again at the next start",
                    _place(errand),
                    extra=figures(errand.job_id),
                )
        self._owed = None

    def _command(self, errand: Errand) -> tuple[Command | None, str]:
        """What is to be run; or None, and why nothing is."""
        try:
            wanted = self._folders.terms(errand.folder, errand.path).after_done
        except FileTrouble:
            wanted = None
        if wanted is None:
            return None, NO_COMMAND
        job = self._store.jobs.get(errand.job_id)
        sidecars = [one for one in self._store.deliveries.sidecars(errand.delivery_id) if one.written_at is not None]
        if job is None or not sidecars:
            return None, NO_SIDECARS
        return self._filled(wanted, errand, job, sidecars), ""

    def _filled(self, wanted: AfterDone, errand: Errand, job: Job, sidecars: Sequence[Sidecar]) -> Command:
        paths = {one.output: os.path.join(self._folders.place(one.folder), one.path) for one in sidecars}
        environment = passed_on() | {
            "SCRIPTIXD_SOURCE": os.path.join(self._folders.place(errand.folder), errand.path),
            "SCRIPTIXD_FOLDER": errand.folder,
            "SCRIPTIXD_LANGUAGE": job.request.language,
            "SCRIPTIXD_SHA256": job.sha256 or "",
            **{f"SCRIPTIXD_{output.upper()}": path for output, path in paths.items()},
        }
        return Command((*wanted.command, *paths.values()), wanted.timeout, environment)

    def _after_failure(self, errand: Errand, ended: Ended) -> None:
        at = self._clock().wall
        reason = f"it {ended.sentence}{_quoted(ended)}"
        wait = wait_after(errand, at, self._chance())
        if wait is None:
            self._store.errands.give_up(errand, reason, at)
            LOG.warning(
                "%s: the command after it was given up after a day: %s (%s)",
                _place(errand),
                reason,
                Words(BY_HAND),
                extra=figures(errand.job_id),
            )
            return
        if errand.failures == 0:
            LOG.warning(
                "%s: the command after it has failed, and is tried again: %s",
                _place(errand),
                reason,
                extra=figures(errand.job_id),
            )
        self._store.errands.postpone(errand, at + wait, reason, at)


def _quoted(ended: Ended) -> str:
    return f": {shown(ended.last_line)}" if ended.last_line else ""


def _place(errand: Errand) -> Place:
    return Place(errand.folder, errand.path)
