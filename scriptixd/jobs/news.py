"""What people can be told without asking: topics, matters that begin and end, and what a receiver was told.

Pure records. Whether and when something is told is decided elsewhere; no address of a receiver is ever in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Topic(StrEnum):
    """What somebody may want to be told of, by the words of `notify.on`."""

    FAILED = "failed"  # files that stopped for a person
    ACCOUNT = "account"  # Scriptix refuses the key, the address, or what a folder asks for
    QUOTA = "quota"  # the account is used up
    OFFLINE = "offline"  # a folder, or Scriptix itself, cannot be reached
    HELD = "held"  # files, or a folder as a whole, that wait for a yes
    SUMMARY = "summary"  # a day in numbers


class Names(StrEnum):
    """How files are called in what leaves the machine."""

    FULL = "full"
    HASH = "hash"


class Matter(StrEnum):
    """Something that begins, lasts and ends."""

    ACCOUNT = "account"
    OPENING = "opening"  # the key is accepted, and yet no upload can be opened
    SETTINGS = "settings"  # what a folder asks for is refused
    QUOTA = "quota"
    AWAY = "away"  # Scriptix does not answer
    SHARE = "share"  # a folder's disk is not there
    QUESTION = "question"  # a folder as a whole asks something


_TOPICS: Final[Mapping[Matter, Topic]] = MappingProxyType(
    {
        Matter.ACCOUNT: Topic.ACCOUNT,
        Matter.OPENING: Topic.ACCOUNT,
        Matter.SETTINGS: Topic.ACCOUNT,
        Matter.QUOTA: Topic.QUOTA,
        Matter.AWAY: Topic.OFFLINE,
        Matter.SHARE: Topic.OFFLINE,
        Matter.QUESTION: Topic.HELD,
    }
)


@dataclass(frozen=True, slots=True)
class Subject:
    """One matter; `folder` is empty where it is about everything."""

    matter: Matter
    folder: str = ""

    @property
    def topic(self) -> Topic:
        return _TOPICS[self.matter]


@dataclass(frozen=True, slots=True)
class Condition:
    """A matter that holds now."""

    subject: Subject
    sentence: str
    hint: str
    since: float  # Unix seconds


@dataclass(frozen=True, slots=True)
class Stop:
    """One file that waits for a person."""

    folder: str
    path: str
    reason: str
    hint: str


@dataclass(frozen=True, slots=True)
class Stops:
    """The files of one topic that nobody was told of yet, of which a few are named."""

    by_folder: Mapping[str, int]
    first: tuple[Stop, ...]
    through: int  # the last row of history that they are from
    and_more: bool = False  # there are more than were counted

    @property
    def total(self) -> int:
        return sum(self.by_folder.values())


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day in numbers, or all of them that were not told yet; and what there is to do at their end."""

    first: int  # as ordinals of the proleptic Gregorian calendar, both of them
    last: int
    done: int  # files
    media_seconds: float  # of these, as far as it is known
    failed: int
    held: int
    waiting: int
    paid_seconds: float = 0.0  # of media, on that day
    reused: int = 0  # files of these that cost nothing

    @property
    def dates(self) -> str:
        """By the calendar, in ISO 8601."""
        first, last = (date.fromordinal(one).isoformat() for one in (self.first, self.last))
        return last if first == last else f"{first} to {last}"


@dataclass(frozen=True, slots=True)
class Told:
    """What one receiver was told. Times are Unix seconds."""

    news: Mapping[Topic, float] = field(default_factory=dict)  # when of something new, the last time
    ends: Mapping[Topic, float] = field(default_factory=dict)  # when of an end
    open: frozenset[Subject] = frozenset()  # what was told to have begun, and not to have ended
    marks: Mapping[Topic, int] = field(default_factory=dict)  # how far what is counted was told: rows, and days
