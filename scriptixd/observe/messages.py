"""Puts a bulletin into words: a title that says it all, and a body that says what to do.

Pure. With `names: hash` no file's name is in it, nor any sentence that may quote one: a service may repeat what it
was sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from scriptixd.errors import with_hint
from scriptixd.jobs.news import Condition, Day, Matter, Names, Stop, Stops, Subject, Topic
from scriptixd.observe.bulletin import Bulletin
from scriptixd.roots.paths import shown
from scriptixd.roots.place import Place

NAMED: Final = 5  # files, or folders, that are told by name; of the others, how many
TOLD: Final = 20  # matters in one message; of the others, how many
HOUR: Final = 3600.0  # s

_WHAT_TO_DO: Final[Mapping[Topic, str]] = MappingProxyType(
    {
        Topic.FAILED: "scriptixd list --state failed shows them with their reasons; scriptixd retry --failed tries "
        "them again, once what it was is mended",
        Topic.HELD: "scriptixd plan says how much it is; scriptixd approve sends it, and scriptixd dismiss does not",
    }
)
_COUNTED: Final[Mapping[Topic, str]] = MappingProxyType({Topic.FAILED: "failed", Topic.HELD: "wait for a yes"})
# Where sentences may quote a name: what has begun, without them.
_BEGUN: Final[Mapping[Matter, str]] = MappingProxyType(
    {
        Matter.ACCOUNT: "Scriptix refuses the key, or the address",
        Matter.OPENING: "Scriptix lets no upload be opened",
        Matter.SETTINGS: "Scriptix refuses what this folder asks for: its language or its document type",
        Matter.QUOTA: "the account is used up",
        Matter.AWAY: "it does not answer",
        Matter.SHARE: "it cannot be reached",
        Matter.QUESTION: "it asks for a yes",
    }
)
_ENDED: Final[Mapping[Matter, str]] = MappingProxyType(
    {
        Matter.ACCOUNT: "works again",
        Matter.OPENING: "uploads can be opened again",
        Matter.SETTINGS: "its settings are accepted again",
        Matter.QUOTA: "new uploads are accepted again",
        Matter.AWAY: "answers again",
        Matter.SHARE: "can be reached again",
        Matter.QUESTION: "asks nothing any more",
    }
)
STATUS: Final = "scriptixd status tells why"


def title(bulletin: Bulletin, host: str) -> str:
    """One line."""
    parts = [f"{_count(some)} {_COUNTED[topic]}" for topic, some in bulletin.stops.items()]
    parts += _sums([_name(one.subject) for one in bulletin.begun], "in trouble")
    parts += _sums([_name(one) for one in bulletin.ended], "in order again")
    if bulletin.day is not None:
        parts.append(f"{bulletin.day.done} file(s) done, {bulletin.day.dates}")
    return f"scriptixd on {shown(host)}: {'; '.join(parts)}"


def body(bulletin: Bulletin, names: Names) -> str:
    """A paragraph for each matter, all of plain text."""
    paragraphs = _some([_begun(one, names) for one in bulletin.begun])
    paragraphs += _some([f"{_name(one)}: {_ENDED[one.matter]}" for one in bulletin.ended])
    paragraphs += ["\n".join(_stops(topic, some, names)) for topic, some in bulletin.stops.items()]
    if bulletin.day is not None:
        paragraphs.append(_day(bulletin.day))
    return "\n\n".join(paragraphs)


def _sums(names: Sequence[str], what: str) -> Iterator[str]:
    if len(names) > NAMED:
        yield f"{len(names)} {what}"
    elif names:
        yield f"{', '.join(names)} {what}"


def _some(paragraphs: list[str]) -> list[str]:
    """As many as anybody reads: when a server is gone, so are the hundred shares on it."""
    left = len(paragraphs) - TOLD
    return [*paragraphs[:TOLD], f"and {left} more: scriptixd status"] if left > 0 else paragraphs


def _name(subject: Subject) -> str:
    """Whom it is about."""
    if subject.folder:
        return shown(subject.folder)
    return "Scriptix" if subject.matter is Matter.AWAY else str(subject.topic)


def _begun(condition: Condition, names: Names) -> str:
    if names is Names.HASH:
        return f"{_name(condition.subject)}: {_BEGUN[condition.subject.matter]} ({STATUS})"
    return f"{_name(condition.subject)}: {shown(with_hint(condition.sentence, condition.hint))}"


def _stops(topic: Topic, stops: Stops, names: Names) -> Iterator[str]:
    largest = sorted(stops.by_folder.items(), key=lambda one: (-one[1], one[0]))
    parts = [f"{count} in {shown(folder)}" for folder, count in largest[:NAMED]]
    if len(largest) > NAMED:
        parts.append(f"and in {len(largest) - NAMED} more folder(s)")
    yield f"{_count(stops)} {_COUNTED[topic]}: {', '.join(parts)}"
    yield from (f"- {_stop(one, names)}" for one in stops.first[:NAMED])
    left = stops.total - len(stops.first[:NAMED])
    if left:
        yield f"- and {left}{' and more' if stops.and_more else ''} other(s)"
    yield _WHAT_TO_DO[topic]


def _stop(stop: Stop, names: Names) -> str:
    place = Place(stop.folder, stop.path)
    if names is Names.HASH:
        return place.veiled
    path = f"{stop.folder}/{stop.path}" if stop.path else stop.folder
    return shown(f"{path}: {with_hint(stop.reason, stop.hint)}" if stop.reason else path)


def _count(stops: Stops) -> str:
    return f"{'more than ' if stops.and_more else ''}{stops.total} file(s)"


def _day(day: Day) -> str:
    """What was done on it, and what there is to do now."""
    done = f"{day.dates}: {day.done} file(s) done, {day.media_seconds / HOUR:.1f} hour(s) of media"
    return f"{done}. Now: {day.failed} failed, {day.held} held, {day.waiting} waiting"
