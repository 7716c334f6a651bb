"""Decides what a receiver is told, and when: one message for all that is new, and no second one for what goes on.

Pure: takes what holds now, what the receiver was told, and the time. Sends nothing and reads no clock.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from scriptixd.jobs.clock import Now
from scriptixd.jobs.news import Condition, Day, Stops, Subject, Told, Topic

GATHERING: Final = 30.0  # s from the first of something new to its message: what comes with it is in it
REST: Final = 3600.0  # s between two messages about new things of one topic, and between two about ends
OFFLINE_AFTER: Final = 300.0  # s: a share that is away for a moment, or a service, is nobody's concern


class Word(StrEnum):
    """What is new of a topic."""

    NEWS = "news"
    END = "end"


Item = tuple[Topic, Word]


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a receiver might have to be told just now."""

    conditions: Sequence[Condition] = ()
    over: Collection[Subject] = ()  # of what was told: what certainly does not hold any more
    dropped: Collection[Subject] = ()  # of what was told: what nobody watches any more
    stops: Mapping[Topic, Stops] = field(default_factory=dict)
    day: Day | None = None  # that has ended, and was not told


@dataclass(frozen=True, slots=True)
class Bulletin:
    """One message."""

    begun: Sequence[Condition]
    ended: Sequence[Subject]
    stops: Mapping[Topic, Stops]
    day: Day | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be told now, if anything; what the receiver will then have been told; and what is gathered for later.

    `gathering`: since when, in seconds of CLOCK_BOOTTIME.
    """

    bulletin: Bulletin | None
    told: Told
    gathering: Mapping[Item, float]


def decide(
    told: Told, facts: Facts, on: Collection[Topic], gathering: Mapping[Item, float], now: Now, *, hurry: bool = False
) -> Decision:
    """What one receiver is told; `hurry`: nobody gathers any more, for we are about to end."""
    begun = [one for one in facts.conditions if one.subject not in told.open and one.subject.topic in on]
    begun = [one for one in begun if one.subject.topic is not Topic.OFFLINE or now.wall - one.since >= OFFLINE_AFTER]
    ended = sorted((one for one in told.open if one in facts.over), key=lambda one: (one.topic, one.folder))
    stops = {topic: some for topic, some in facts.stops.items() if topic in on and some.total}
    pending = {
        *((one.subject.topic, Word.NEWS) for one in begun),
        *((topic, Word.NEWS) for topic in stops),
        *((one.topic, Word.END) for one in ended),
    }
    since = {item: gathering.get(item, now.boot) for item in pending}
    free = {item for item in pending if may_be_told(told, item, now.wall)}
    day = facts.day if Topic.SUMMARY in on else None
    forgetting = replace(told, open=frozenset(one for one in told.open if one not in facts.dropped))
    due = any(hurry or now.boot - since[item] >= GATHERING for item in free)
    if not due and day is None:
        return Decision(None, forgetting, since)
    said = free if due else set()  # whoever is told one thing is told whatever he may be told
    bulletin = Bulletin(
        begun=[one for one in begun if (one.subject.topic, Word.NEWS) in said],
        ended=[one for one in ended if (one.topic, Word.END) in said],
        stops={topic: some for topic, some in stops.items() if (topic, Word.NEWS) in said},
        day=day,
    )
    after = _after(forgetting, bulletin, said, now.wall)
    return Decision(bulletin, after, {item: at for item, at in since.items() if item not in said})


def may_be_told(told: Told, item: Item, wall: float) -> bool:
    """Whether a receiver was left in peace about it for long enough; a clock that was set back is no reason to wait."""
    topic, word = item
    at = (told.news if word is Word.NEWS else told.ends).get(topic)
    return at is None or not 0.0 <= wall - at < REST


def _after(told: Told, bulletin: Bulletin, said: Collection[Item], wall: float) -> Told:
    marks = {topic: some.through for topic, some in bulletin.stops.items()}
    if bulletin.day is not None:
        marks[Topic.SUMMARY] = bulletin.day.last
    begun = {one.subject for one in bulletin.begun}
    return Told(
        news={**told.news, **{topic: wall for topic, word in said if word is Word.NEWS}},
        ends={**told.ends, **{topic: wall for topic, word in said if word is Word.END}},
        open=(told.open - set(bulletin.ended)) | begun,
        marks={**told.marks, **marks},
    )
