"""Whose turn it is: which job of a lane is worked on next, and when there will be one if there is none now.

Looks, and changes nothing. Round robin between folders, and the oldest first within one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Protocol

from scriptixd.jobs.breakers import Breakers
from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.ports import Limits
from scriptixd.jobs.store.tables import Store

IDLE: Final = 3600.0  # s: whoever has nothing to do is woken by whoever makes work

_UPLOAD: Final = (State.CLOSING, State.UPLOADING, State.FOUND)  # what is begun is finished first
_ASK: Final = (State.UPLOADED, State.TRANSCRIBING)


class Queue(Protocol):
    """The jobs of one lane."""

    def pick(self, claimed: Collection[int], turns: Mapping[str, int], full: Collection[str], now: Now) -> Job | None:
        """The next job that is due, but for those that are claimed or of a folder of which enough are.

        `turns` has for each folder that had one when that was: the greater, the later.
        """

    def takes_turn(self, job: Job) -> bool:
        """Whether working on it is its folder's turn."""

    def later(self, now: Now) -> float:
        """When the next one is due, as far as is known now, in seconds of CLOCK_BOOTTIME."""


class HeldUp(Protocol):
    """Those of what is begun that have to wait for a disk, or may not be fed."""

    def __call__(self, readable: Collection[str], fed: Callable[[str], bool], /) -> Collection[int]: ...


class UploadQueue:
    """What is to be sent. `folders` tells those whose disk may be read now: what is there is sent."""

    def __init__(
        self,
        store: Store,
        breakers: Breakers,
        limits: Limits,
        folders: Callable[[], Sequence[str]],
        held_up: HeldUp,
    ) -> None:
        self._store = store
        self._breakers = breakers
        self._limits = limits
        self._folders = folders
        self._held_up = held_up

    def pick(self, claimed: Collection[int], turns: Mapping[str, int], full: Collection[str], now: Now) -> Job | None:
        readable = self._folders()
        waiting = self._held_up(readable, lambda folder: self._limits.feeding(folder, now) is None)
        # Also of a folder that was removed: what the service has may be all of it.
        closing = self._store.jobs.due(State.CLOSING, now.wall, None, {*claimed, *waiting}, full)
        if closing is not None:
            return closing
        folders = sorted((name for name in readable if name not in full), key=lambda name: turns.get(name, 0))
        for folder in folders:
            job = self._store.jobs.due(State.UPLOADING, now.wall, folder, claimed)
            if job is not None and self._limits.feeding(folder, now) is None:
                return job
        for folder in folders:
            if self._breakers.ready_at(uploading=True, folder=folder) > now.boot:
                continue
            job = self._store.jobs.due(State.FOUND, now.wall, folder, claimed)
            if job is not None and self._limits.opening(folder, now) is None:
                return job
        return None

    def takes_turn(self, job: Job) -> bool:
        """What is begun goes on in any case; fairness between folders is about what is begun next."""
        return job.state is State.FOUND

    def later(self, now: Now) -> float:
        due = self._store.jobs.next_due(_UPLOAD, now.wall)
        waits = [IDLE] if due is None else [IDLE, due - now.wall]
        for folder in self._folders():
            waits.append(self._breakers.ready_at(uploading=True, folder=folder) - now.boot)
            standstills = (self._limits.feeding(folder, now), self._limits.opening(folder, now))
            waits += [one.until - now.wall for one in standstills if one is not None and one.until is not None]
        return now.boot + min(wait for wait in waits if wait > 0)


class AskQueue:
    """What is to be asked for: every answer is a turn."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def pick(self, claimed: Collection[int], turns: Mapping[str, int], full: Collection[str], now: Now) -> Job | None:
        folders = (name for name in self._store.waiting.folders() if name not in full)
        for folder in sorted(folders, key=lambda name: turns.get(name, 0)):
            asked = [self._store.jobs.due(state, now.wall, folder, claimed) for state in _ASK]
            if any(asked):
                return min((job for job in asked if job), key=lambda job: job.due_at)
        return None

    def takes_turn(self, _job: Job) -> bool:
        return True

    def later(self, now: Now) -> float:
        due = self._store.jobs.next_due(_ASK, now.wall)
        return now.boot + (IDLE if due is None else min(IDLE, due - now.wall))
