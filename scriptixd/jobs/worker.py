"""Picks a job that is due, has one step made, and turns trouble into what follows from it.

`run_once(now)` never waits: it says when it wants to be called again. Which jobs are being worked on
lives in memory, and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Final

from scriptixd.errors import (
    AccountTrouble,
    Away,
    FolderTrouble,
    NameTaken,
    OverBudget,
    PersonHeals,
    QuotaTrouble,
    ShareTrouble,
    StateTrouble,
    Stopped,
    TargetTrouble,
    Trouble,
)
from scriptixd.jobs import pacing
from scriptixd.jobs.asking import estranged
from scriptixd.jobs.breakers import Breakers, Trial
from scriptixd.jobs.claims import Claims
from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import Event, Postponed, Rejected, UploadOpened
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.pipeline import Pipeline, Step
from scriptixd.jobs.ports import Allowance, Lane, Sessions, Uploads
from scriptixd.jobs.queues import Queue
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.place import Place, figures

LOG = logging.getLogger("scriptixd.jobs")

BUG_TRIES: Final = 5  # a job that runs into a bug of ours is tried so often, then stops for a person
ALONE_TRIES: Final = 12  # one that today's key sent and is refused: for ten minutes and more, and twice in a row
SOON: Final = 1.0  # s at least between two askings where nothing tells when a request may be made


class Worker:
    """One of the threads of a lane."""

    def __init__(
        self,
        lane: Lane,
        queue: Queue,
        store: Store,
        pipeline: Pipeline,
        uploads: Uploads,
        sessions: Sessions,
        breakers: Breakers,
        allowance: Allowance,
        claims: Claims[Job],
        chance: Callable[[], float],
        report: Callable[[Job, Event], None],
    ) -> None:
        self._lane = lane
        self._queue = queue
        self._store = store
        self._pipeline = pipeline
        self._uploads = uploads
        self._sessions = sessions
        self._breakers = breakers
        self._allowance = allowance
        self._claims = claims
        self._chance = chance
        self._report = report

    def run_once(self, now: Now) -> float:
        """One step of one job; returns when the next one is wanted, in seconds of CLOCK_BOOTTIME."""
        wait = self._breakers.ready_at(uploading=False)
        if wait > now.boot:
            return wait
        if self._breakers.account_refused():
            return self._probe(now)
        trials: list[Trial] = []
        waits: list[float] = []

        def pick(claimed: Collection[int], turns: Mapping[str, int]) -> Job | None:
            job = self._queue.pick(claimed, turns, self._claims.full(), now)
            if job is None:
                return None
            ready = self._allowance.ready_at(now, self._lane)
            trial = self._entered(job, now) if ready <= now.boot else None
            if trial is None:  # somebody else was faster, and may be trying whether a pause has ended
                waits.append(max(ready, self._breakers.ready_at(*_effect(job))))
                return None
            trials.append(trial)
            return job

        with self._claims.take(pick, self._queue.takes_turn) as job:
            if job is None:
                return max(now.boot, *waits) if waits else self._queue.later(now)
            try:
                return self._step(job, now)
            finally:
                self._breakers.leave(trials[0])

    def _entered(self, job: Job, now: Now) -> Trial | None:
        return self._breakers.enter(*_effect(job), now.boot)

    def _step(self, job: Job, now: Now) -> float:
        """Have it made; returns when the next one is wanted."""
        try:
            step = self._made(job, now)
        except Stopped:
            return now.boot
        except OverBudget as over:  # nothing was asked: everything is as it was
            return now.boot + max(SOON, over.retry_after or 0.0)
        if step.answered:
            self._breakers.heal(opened=isinstance(step.event, UploadOpened), folder=job.folder)
        if step.event is not None:
            self._report(step.job, step.event)
        return now.boot

    def _made(self, job: Job, now: Now) -> Step:
        try:
            return self._pipeline.step(job, now)
        except (Stopped, OverBudget, StateTrouble):
            raise
        except Trouble as trouble:
            return self._after_trouble(job, trouble, now)
        except Exception:
            LOG.exception("%s: job %d ran into a bug of scriptixd", Place(job.folder), job.id, extra=figures(job.id))
            return self._applied(job, self._after_bug(job, now), now)

    def _after_trouble(self, job: Job, trouble: Trouble, now: Now) -> Step:
        wait = pacing.backoff(job.failures, trouble.retry_after, self._chance())
        event: Event
        match trouble:
            case AccountTrouble():
                in_order = self._account_in_order()
                if in_order and job.file_id is not None:
                    event = self._refused_alone(job, trouble, now.wall + wait)
                else:
                    self._breakers.trip(trouble, job.folder, now.boot, key_accepted=in_order)
                    event = Postponed(now.wall, trouble.what, trouble.hint, failed=False)
            case FolderTrouble() if job.language is not None:  # nothing that its folder asks for
                event = Rejected(trouble.what, f"scriptixd redo --language asked for {job.language}: ask for another")
            case QuotaTrouble() | FolderTrouble() if job.state is State.FOUND:
                self._breakers.trip(trouble, job.folder, now.boot)
                event = Postponed(now.wall, trouble.what, trouble.hint, failed=False)
            case NameTaken():
                event = Rejected(trouble.what, trouble.hint)
            case Away() | ShareTrouble() | TargetTrouble() | QuotaTrouble() | FolderTrouble():
                self._breakers.trip(trouble, job.folder, now.boot)
                event = Postponed(now.wall + wait, trouble.what, trouble.hint)
            case PersonHeals():
                event = Rejected(trouble.what, trouble.hint)
            case _:
                raise trouble
        return self._applied(job, event, now)

    def _refused_alone(self, job: Job, trouble: Trouble, again_at: float) -> Event:
        """The account is in order and this job's resource is refused: of another key, or by whatever stands between."""
        if foreign := estranged(job, self._uploads.key_fingerprint):
            return foreign
        what = f"Scriptix refuses the key for this job alone: {trouble.what}"
        if job.reason == what and job.failures + 1 >= ALONE_TRIES:
            return Rejected(
                what,
                "look in Scriptix's dashboard who may see it, then: scriptixd retry FILE; "
                "or pay again: scriptixd redo FILE",
            )
        return Postponed(again_at, what, trouble.hint)

    def _after_bug(self, job: Job, now: Now) -> Event:
        if job.failures + 1 >= BUG_TRIES:
            return Rejected("scriptixd ran into a bug of its own with this file", "its log has the details")
        wait = pacing.backoff(job.failures, None, self._chance())
        return Postponed(
            now.wall + wait, "scriptixd ran into a bug of its own with this file", "its log has the details"
        )

    def _applied(self, job: Job, event: Event, now: Now) -> Step:
        after = self._store.jobs.apply(job, event, now.wall)
        return Step(after or job, event if after else None)

    def _account_in_order(self) -> bool:
        """Whether the account is accepted, when one job's own resource was refused."""
        try:
            self._sessions.probe()
        except OverBudget:
            raise
        except Trouble:
            return False
        return True

    def _probe(self, now: Now) -> float:
        """Whether a refused account is accepted again: one asks, and the others wait for what he hears."""
        ready = self._allowance.ready_at(now, self._lane)
        if ready > now.boot:
            return ready
        trial = self._breakers.enter(uploading=False, folder=None, now=now.boot)
        if trial is None:
            return max(now.boot, self._breakers.ready_at(uploading=False))
        try:
            self._sessions.probe()
        except Stopped:
            return now.boot
        except OverBudget as over:
            return now.boot + max(SOON, over.retry_after or 0.0)
        except Trouble as trouble:
            self._breakers.trip(trouble, "", now.boot)
            return max(now.boot + SOON, self._breakers.ready_at(uploading=False))
        finally:
            self._breakers.leave(trial)
        self._breakers.heal(opened=False, folder="")
        return now.boot


def _effect(job: Job) -> tuple[bool, str | None]:
    """Whether its next step may open an upload, and of which folder that has to be fit."""
    return (True, job.folder) if job.state is State.FOUND else (False, None)
