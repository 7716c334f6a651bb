"""Picks a job that is due, has one step made, and turns trouble into what follows from it.

`run_once(now)` never waits: it says when it wants to be called again. Which jobs are being worked on
lives here, in memory, and nowhere else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

from scriptixd.errors import (
    AccountTrouble,
    Away,
    FolderTrouble,
    NameTaken,
    PersonHeals,
    QuotaTrouble,
    ShareTrouble,
    StateTrouble,
    Stopped,
    TargetTrouble,
    Trouble,
)
from scriptixd.jobs import pacing
from scriptixd.jobs.breakers import Breakers
from scriptixd.jobs.claims import Claims
from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import (
    ChunkAccepted,
    Event,
    Postponed,
    Rejected,
    ResultReady,
    SessionKnown,
    StillRunning,
    UploadFinished,
    UploadLost,
    UploadOpened,
)
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.pipeline import Pipeline, Step
from scriptixd.jobs.ports import Sessions
from scriptixd.jobs.store import Store

LOG = logging.getLogger("scriptixd.jobs")

IDLE: Final = 3600.0  # s: whoever has nothing to do is woken by whoever makes work
BUG_TRIES: Final = 5  # a job that runs into a bug of ours is tried so often, then stops for a person


class Lane(StrEnum):
    """Two kinds of work that must not wait for each other."""

    UPLOAD = "upload"
    ASK = "ask"


_STATES: Final = {
    Lane.UPLOAD: (State.CLOSING, State.UPLOADING, State.FOUND),  # what is begun is finished first
    Lane.ASK: (State.UPLOADED, State.TRANSCRIBING),
}
# These show that the service answered as it should.
_ANSWERED = (UploadOpened, UploadLost, ChunkAccepted, UploadFinished, SessionKnown, StillRunning, ResultReady)


class Budget(Protocol):
    """How many requests the service allows."""

    def ready_at(self, now: Now) -> float:
        """When the next request may be made, in seconds of CLOCK_BOOTTIME."""


class Worker:
    """One of the threads of a lane. `folders` tells those whose disk may be read now: what is there is sent."""

    def __init__(
        self,
        lane: Lane,
        store: Store,
        pipeline: Pipeline,
        sessions: Sessions,
        breakers: Breakers,
        budget: Budget,
        claims: Claims[Job],
        folders: Callable[[], Sequence[str]],
        chance: Callable[[], float],
        report: Callable[[Job, Event], None],
    ) -> None:
        self._lane = lane
        self._store = store
        self._pipeline = pipeline
        self._sessions = sessions
        self._breakers = breakers
        self._budget = budget
        self._claims = claims
        self._folders = folders
        self._chance = chance
        self._report = report

    def run_once(self, now: Now) -> float:
        """One step of one job; returns when the next one is wanted, in seconds of CLOCK_BOOTTIME."""
        wait = max(self._breakers.ready_at(uploading=False), self._budget.ready_at(now))
        if wait > now.boot:
            return wait
        if self._breakers.account_refused():
            return self._probe(now)
        with self._claims.take(lambda claimed, turns: self._pick(claimed, turns, now), _takes_turn) as job:
            if job is None:
                return self._later(now)
            self._step(job, now)
        return now.boot

    def _pick(self, claimed: Collection[int], turns: Mapping[str, int], now: Now) -> Job | None:
        if self._lane is Lane.ASK:
            asked = [self._store.jobs.due(state, now.wall, None, claimed) for state in _STATES[Lane.ASK]]
            return min((job for job in asked if job), key=lambda job: job.due_at, default=None)
        open_ones = self._folders()
        waiting = self._pipeline.waiting_for_others(open_ones)
        # Also of a folder that was removed: what the service has may be all of it.
        closing = self._store.jobs.due(State.CLOSING, now.wall, None, {*claimed, *waiting})
        if closing is not None:
            return closing
        folders = sorted(open_ones, key=lambda folder: turns.get(folder, 0))
        for folder in folders:
            if job := self._store.jobs.due(State.UPLOADING, now.wall, folder, claimed):
                return job
        for folder in folders:
            if self._breakers.ready_at(uploading=True, folder=folder) > now.boot:
                continue
            if job := self._store.jobs.due(State.FOUND, now.wall, folder, claimed):
                return job
        return None

    def _step(self, job: Job, now: Now) -> None:
        try:
            step = self._pipeline.step(job, now)
        except Stopped:
            return
        except StateTrouble:
            raise
        except Trouble as trouble:
            step = self._after_trouble(job, trouble, now)
        except Exception:
            LOG.exception("job %d ran into a bug of scriptixd", job.id)
            step = self._applied(job, self._after_bug(job, now), now)
        else:
            sent = step.event is None and job.state is not State.FOUND
            if sent or isinstance(step.event, _ANSWERED):
                self._breakers.heal(opened=isinstance(step.event, UploadOpened), folder=job.folder)
        if step.event is not None:
            self._report(step.job, step.event)

    def _after_trouble(self, job: Job, trouble: Trouble, now: Now) -> Step:
        wait = pacing.backoff(job.failures, trouble.retry_after, self._chance())
        event: Event
        match trouble:
            case AccountTrouble():
                in_order = self._account_in_order()
                if in_order and job.file_id is not None:
                    event = Rejected(
                        f"Scriptix refuses the key for this job alone: {trouble.what}",
                        "another key sent it: set that one again, then scriptixd retry; or pay again: scriptixd redo",
                    )
                else:
                    self._breakers.trip(trouble, job.folder, now.boot, key_accepted=in_order)
                    event = Postponed(now.wall, trouble.what, trouble.hint, failed=False)
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
        except Trouble:
            return False
        return True

    def _probe(self, now: Now) -> float:
        try:
            self._sessions.probe()
        except Stopped:
            return now.boot
        except Trouble as trouble:
            self._breakers.trip(trouble, "", now.boot)
            return max(now.boot + 1.0, self._breakers.ready_at(uploading=False))
        self._breakers.heal(opened=False, folder="")
        return now.boot

    def _later(self, now: Now) -> float:
        """When the next job of this lane is due, as far as is known now."""
        due = self._store.jobs.next_due(_STATES[self._lane], now.wall)
        waits = [IDLE] if due is None else [IDLE, due - now.wall]
        pauses = [self._breakers.ready_at(uploading=True, folder=folder) - now.boot for folder in self._folders()]
        return now.boot + max(0.0, min(waits + [pause for pause in pauses if pause > 0]))


def _takes_turn(job: Job) -> bool:
    """What is begun goes on in any case; fairness between folders is about what is begun next."""
    return job.state is State.FOUND
