"""A directory's listing against what is known of it: the differences, and what becomes of what has settled.

Pure: the listing, the known sources and the time are given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import Request
from scriptixd.jobs.source import Admission, Existing, Sighting, Source
from scriptixd.roots.paths import joined
from scriptixd.roots.root import Entry, Kind, Stat
from scriptixd.watch.filters import Filter
from scriptixd.watch.settle import look

HELD_FOR_EXISTING = "was there before this folder was first watched"


@dataclass(frozen=True, slots=True)
class Moment:
    """When a directory was listed, and whether that was the first contact with it."""

    now: Now
    first_contact: bool


@dataclass(frozen=True, slots=True)
class Findings:
    """What one listing tells."""

    sightings: tuple[Sighting, ...]
    directories: tuple[str, ...]  # to be entered
    unknown: frozenset[str]  # paths of which the disk told nothing: nothing is inferred about them
    files: int

    @property
    def loses(self) -> bool:
        return any(sighting.stat is None for sighting in self.sightings)


@dataclass(frozen=True, slots=True)
class Judge:
    """One folder's rules, as they are applied to every listing."""

    filter: Filter
    existing: Existing
    window: float  # s
    boot_id: str
    request_for: Callable[[str], Request]

    def compare(
        self, directory: str, entries: Sequence[Entry], known: Mapping[str, Source], moment: Moment
    ) -> Findings:
        """What has to be written down; a name that the filter refuses counts as not being there."""
        sightings: list[Sighting] = []
        directories: list[str] = []
        unknown: set[str] = set()
        there: set[str] = set()
        for entry in entries:
            path = joined(directory, entry.name)
            if entry.kind is Kind.DIRECTORY:
                if self.filter.enters(path):
                    directories.append(path)
            elif entry.kind is Kind.FILE and entry.stat is None:
                unknown.add(path)
            elif entry.stat is not None and self.filter.why_not(path, entry.stat.size) is None:
                there.add(entry.name)
                sighting = self._sighting(path, entry.name, entry.stat, known.get(entry.name), moment)
                if sighting is not None:
                    sightings.append(sighting)
        for name, source in known.items():
            if source.present and name not in there and source.path not in unknown:
                sightings.append(Sighting(name, None))
        return Findings(tuple(sightings), tuple(directories), frozenset(unknown), len(there))

    def _sighting(self, path: str, name: str, stat: Stat, previous: Source | None, moment: Moment) -> Sighting | None:
        looked, settled = look(previous, stat, moment.now, self.boot_id, self.window)
        unchanged = previous is not None and previous.present and previous.stat.same_content(stat)
        if previous is not None and unchanged and previous.settled == settled and previous.look == looked:
            return None
        existing = _was_there_before(previous, stat, moment.first_contact)
        admission = self._admission(path, existing) if settled else None
        return Sighting(name, stat, looked, existing, admission)

    def _admission(self, path: str, existing: bool) -> Admission:
        request = self.request_for(path)
        if not existing or self.existing is Existing.PROCESS:
            return Admission(request)
        if self.existing is Existing.IGNORE:
            return Admission(request, ignored=True)
        return Admission(request, held_for=HELD_FOR_EXISTING)


def _was_there_before(previous: Source | None, stat: Stat, first_contact: bool) -> bool:
    """Whether the content is what the first contact found.

    A file that was still growing then belongs to it, and so does one that was merely touched since;
    another size after it had settled is a new recording under an old name.
    """
    if previous is None:
        return first_contact
    if previous.present and not previous.settled:
        return previous.existing
    same = previous.existing and previous.stat.size == stat.size
    return same or (first_contact and not previous.present)
