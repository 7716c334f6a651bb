"""Tells the receivers of `notify`: asks what is new, has it decided what is told, has it sent, and remembers it.

A receiver that cannot be reached holds up nobody: not a job, not another receiver for longer than one message may
take, and never the daemon's end. `run_once(now)` returns when it wants to be called again.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from scriptixd.config.settings import Notify
from scriptixd.daemon.days import days_after, told_through, yesterday
from scriptixd.daemon.matters import Matters
from scriptixd.errors import Away, ReceiverTrouble, StateTrouble, Stopped, Trouble
from scriptixd.jobs import pacing
from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import State
from scriptixd.jobs.news import Condition, Day, Stops, Told, Topic
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.timetable import Calendar
from scriptixd.observe import messages
from scriptixd.observe.bulletin import Bulletin, Decision, Facts, Item, Word, decide, may_be_told
from scriptixd.observe.courier import Courier, fingerprint, masked
from scriptixd.roots.place import Words

LOG = logging.getLogger("scriptixd.notify")

LOOK: Final = 5.0  # s between two looks: a fraction of what is gathered anyway
SAVED_EVERY: Final = 10_000  # rows of history in which nothing was new: so many are read in a moment after a restart
REFUSED_REST: Final = 3600.0  # s: what refuses a message is mended by somebody, at one of the two ends
COUNTED: Final[Mapping[Topic, State]] = {Topic.FAILED: State.FAILED, Topic.HELD: State.HELD}


@dataclass(slots=True)
class _Receiver:
    """One address, and how far it is."""

    label: str  # which one it is, with nothing of it
    url: str = field(repr=False)
    key: str  # its fingerprint
    told: Told = Told()  # noqa: RUF009 - frozen
    gathering: Mapping[Item, float] = field(default_factory=dict)
    unsaved: bool = False  # what it was told is not written down yet
    pending: bool = False  # something is gathered, or was not taken
    failures: int = 0
    ready_at: float = 0.0  # s of CLOCK_BOOTTIME


class Telling:
    """The loop that tells."""

    def __init__(
        self,
        notify: Notify,
        store: Store,
        matters: Matters,
        courier: Courier,
        calendar: Calendar,
        chance: Callable[[], float],
    ) -> None:
        self._on = notify.on
        self._names = notify.names
        self._store = store
        self._matters = matters
        self._courier = courier
        self._calendar = calendar
        self._chance = chance
        self._host = socket.gethostname()
        self._receivers = [
            _Receiver(f"notify.urls[{index}] ({masked(url.reveal())})", url.reveal(), fingerprint(url.reveal()))
            for index, url in enumerate(notify.urls)
        ]
        self._day: Day | None = None
        self._begun = self._hurry = self._finished = False

    def run_once(self, now: Now) -> float:
        """Whatever is to be told now; returns when to look again, in seconds of CLOCK_BOOTTIME."""
        hurry = self._hurry
        if not self._begun:
            self.begin(now)
        conditions = self._matters.look(now)
        for receiver in self._receivers:
            if receiver.ready_at <= now.boot:
                self._tell(receiver, conditions, now, hurry=hurry)
        self._finished = hurry and not any(one.pending and not one.failures for one in self._receivers)
        return now.boot + LOOK

    def finish(self) -> bool:
        """For a run that ends by itself: from now on nobody gathers. Whether all was told that can be told now."""
        self._hurry = True
        return self._finished

    def begin(self, now: Now) -> None:
        """What there was before a receiver was configured, or a topic chosen, is nothing new to it."""
        self._begun = True
        newest, last = self._store.tidings.newest(), yesterday(self._calendar, now)
        for receiver in self._receivers:
            told = self._store.tidings.told(receiver.key)
            marks = {topic: told.marks.get(topic, newest) for topic in COUNTED}
            marks |= {Topic.SUMMARY: told_through(told.marks.get(Topic.SUMMARY), last)}
            marks = {topic: mark for topic, mark in marks.items() if topic in self._on}
            receiver.told = replace(
                told, marks=marks, open=frozenset(one for one in told.open if one.topic in self._on)
            )
            self._store.tidings.save(receiver.key, receiver.told, now.wall)

    def _tell(self, receiver: _Receiver, conditions: Sequence[Condition], now: Now, *, hurry: bool) -> None:
        try:
            self._save(receiver, now)  # nothing is told before it is known what was
            decision = self._decision(receiver, conditions, now, hurry=hurry)
            receiver.pending = decision.bulletin is not None or bool(_allowed(receiver.told, decision, now))
            if decision.bulletin is not None:
                self._send(receiver, decision.bulletin)
                receiver.pending = False
                self._recovered(receiver)
            receiver.gathering = decision.gathering
            receiver.unsaved = receiver.unsaved or decision.told != receiver.told
            receiver.told = decision.told
            self._save(receiver, now)
        except StateTrouble:
            raise
        except Stopped:
            return
        except Trouble as trouble:
            self._failed(receiver, trouble, now)
        except Exception:
            LOG.exception("%s: telling ran into a bug of scriptixd", Words(receiver.label))
            receiver.failures += 1
            receiver.ready_at = now.boot + REFUSED_REST

    def _decision(self, receiver: _Receiver, conditions: Sequence[Condition], now: Now, *, hurry: bool) -> Decision:
        stops, day = dict(self._stops(receiver, now)), self._days_to_tell(receiver, now)
        told = receiver.told
        facts = Facts(
            conditions=conditions,
            over={one for one in told.open if self._matters.is_over(one)},
            dropped={one for one in told.open if self._matters.is_dropped(one)},
            stops=stops,
            day=day,
        )
        return decide(told, facts, self._on, receiver.gathering, now, hurry=hurry)

    def _stops(self, receiver: _Receiver, now: Now) -> Iterable[tuple[Topic, Stops]]:
        newest = self._store.tidings.newest()
        for topic, state in COUNTED.items():
            mark = receiver.told.marks.get(topic)
            if mark is not None and mark > newest:  # the newest rows were forgotten: their numbers are given again
                mark = newest
                receiver.told = replace(receiver.told, marks={**receiver.told.marks, topic: mark})
                receiver.unsaved = True
            if mark in (None, newest) or not may_be_told(receiver.told, (topic, Word.NEWS), now.wall):
                continue
            stops = self._store.tidings.stopped(state, mark, newest, messages.NAMED)
            if stops.total:
                yield topic, stops
            else:
                receiver.told = replace(receiver.told, marks={**receiver.told.marks, topic: newest})
                receiver.unsaved = receiver.unsaved or newest // SAVED_EVERY > mark // SAVED_EVERY

    def _days_to_tell(self, receiver: _Receiver, now: Now) -> Day | None:
        """Up to yesterday, but for what was told, or was there before anybody wanted to know."""
        if Topic.SUMMARY not in receiver.told.marks:
            return None
        last = yesterday(self._calendar, now)
        mark = told_through(receiver.told.marks[Topic.SUMMARY], last)
        receiver.told = replace(receiver.told, marks={**receiver.told.marks, Topic.SUMMARY: mark})
        if last <= mark:
            return None
        if self._day is None or (self._day.first, self._day.last) != (mark + 1, last):
            self._day = days_after(self._store, self._calendar, mark, now)
        return self._day

    def _save(self, receiver: _Receiver, now: Now) -> None:
        if receiver.unsaved:
            self._store.tidings.save(receiver.key, receiver.told, now.wall)
            receiver.unsaved = False

    def _send(self, receiver: _Receiver, bulletin: Bulletin) -> None:
        self._courier.send(receiver.url, messages.title(bulletin, self._host), messages.body(bulletin, self._names))

    def _failed(self, receiver: _Receiver, trouble: Trouble, now: Now) -> None:
        if receiver.failures == 0:
            LOG.warning("%s is told nothing just now, and is tried again: %s", Words(receiver.label), trouble)
        refused = REFUSED_REST if isinstance(trouble, ReceiverTrouble) else 0.0
        wait = pacing.backoff(receiver.failures, None, self._chance()) if isinstance(trouble, Away) else 0.0
        receiver.failures += 1
        receiver.ready_at = now.boot + max(refused, wait)

    def _recovered(self, receiver: _Receiver) -> None:
        if receiver.failures:
            LOG.info("%s is told again", Words(receiver.label))
        receiver.failures = 0


def _allowed(told: Told, decision: Decision, now: Now) -> Collection[Item]:
    """What is gathered, and may be told as soon as it is: what has to rest is for another run."""
    return [item for item in decision.gathering if may_be_told(told, item, now.wall)]
