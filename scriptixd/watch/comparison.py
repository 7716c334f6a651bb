"""A directory's listing against what is known of it: the differences, and what becomes of what has settled.

Pure: the listing, the known sources and the time are given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from scriptixd.jobs.source import HELD_FOR_EXISTING, HELD_FOR_FLOOD, Admission, Existing, Sighting, Source
from scriptixd.roots.paths import joined
from scriptixd.roots.root import Kind, Listing, Stat
from scriptixd.watch.filters import Filter, is_unknown_kind
from scriptixd.watch.policy import Policy
from scriptixd.watch.settle import Span, due, look
from scriptixd.watch.strangers import MOST, Stranger, is_stranger


@dataclass(frozen=True, slots=True)
class Moment:
    """When a directory was listed, and what goes on in its folder."""

    span: Span
    first_contact: bool
    flooded: bool  # more files have come within an hour than go without a yes
    unread: Collection[str] = ()  # paths that could not be seen until now: they were there before
    learns: bool = True  # another inode of what is known otherwise is written down


@dataclass(frozen=True, slots=True)
class Findings:
    """What one listing tells."""

    sightings: tuple[Sighting, ...]  # of what is there
    missing: tuple[str, ...]  # names that are there no more
    directories: tuple[str, ...]  # to be entered
    unknown: frozenset[str]  # paths of which the disk told nothing: nothing is inferred about them
    files: int
    restless: bool  # something in it is not settled, or not written down
    due: float  # CLOCK_BOOTTIME from which another look can settle something in it; infinite if there is nothing
    strangers: tuple[Stranger, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether there is nothing in it that could be picked up, or entered."""
        return not (self.files or self.directories or self.unknown)


@dataclass(frozen=True, slots=True)
class Judge:
    """One folder's rules, as they are applied to every listing."""

    filter: Filter
    before: Filter | None  # what was picked up by the last complete pass, if that was something else
    policy: Callable[[str], Policy]
    window: float  # s, where the policy names none
    boot_id: str
    marked: Callable[[str, Collection[str]], bool]  # by path, and the names in its directory

    def compare(self, directory: str, listing: Listing, known: Mapping[str, Source], moment: Moment) -> Findings:
        """What has to be written down; a name that the filter refuses counts as not being there."""
        sightings: list[Sighting] = []
        directories: list[str] = []
        unknown: set[str] = set()
        there: set[str] = set()
        names = frozenset(row[0] for row in listing.rows)
        strangers: list[Stranger] = []
        restless, earliest = False, math.inf
        for entry in listing:
            path = joined(directory, entry.name)
            if entry.kind is Kind.DIRECTORY:
                if self.filter.enters(path):
                    directories.append(path)
            elif entry.kind is Kind.FILE and entry.stat is None:
                unknown.add(path)
            elif entry.stat is not None and (reason := self.filter.why_not(path, entry.stat.size)) is not None:
                if is_stranger(entry.name, entry.stat.size) and is_unknown_kind(entry.name, reason):
                    strangers.append(Stranger(path, entry.stat.mtime_ns / 1e9))
            elif entry.stat is not None:
                there.add(entry.name)
                before = known.get(entry.name)
                sighting, settles = self._sighting(path, entry.name, entry.stat, before, moment)
                if sighting is not None and sighting.admission is not None and self.marked(path, names):
                    sighting = replace(sighting, admission=replace(sighting.admission, marked=True))
                earliest = min(earliest, settles)
                if sighting is not None and sighting.look is None and not moment.learns:
                    restless, sighting = True, None
                if sighting is not None:
                    sightings.append(sighting)
        missing = tuple(
            name
            for name, source in known.items()
            if source.present and name not in there and source.path not in unknown
        )
        restless = restless or bool(unknown) or earliest < math.inf
        return Findings(
            tuple(sightings),
            missing,
            tuple(directories),
            frozenset(unknown),
            len(there),
            restless,
            earliest,
            tuple(strangers[:MOST]),
        )

    def _sighting(
        self, path: str, name: str, stat: Stat, previous: Source | None, moment: Moment
    ) -> tuple[Sighting | None, float]:
        """What is to be written down about a file, if anything is, and from when a look can settle it, if any can."""
        policy = self.policy(path)
        window = self.window if policy.settle_window is None else policy.settle_window
        looked, settled = look(previous, stat, moment.span, self.boot_id, window)
        settles = math.inf if settled else due(looked, window)
        unchanged = previous is not None and previous.present and previous.stat.same_content(stat)
        if previous is not None and unchanged and previous.settled == settled and previous.look == looked:
            return (Sighting(name, stat) if previous.stat.inode != stat.inode else None), settles
        existing = self._was_there_before(path, previous, stat, moment.first_contact or path in moment.unread)
        admission = self._admission(policy, existing, moment) if settled else None
        return Sighting(name, stat, looked, existing, admission), settles

    def _admission(self, policy: Policy, existing: bool, moment: Moment) -> Admission:
        if existing and policy.existing is Existing.IGNORE:
            return Admission(policy.request, ignored=True)
        if existing and policy.existing is Existing.HOLD:
            return Admission(policy.request, held_for=HELD_FOR_EXISTING)
        if not existing and moment.flooded:
            return Admission(policy.request, held_for=HELD_FOR_FLOOD)
        return Admission(policy.request)

    def _was_there_before(self, path: str, previous: Source | None, stat: Stat, first_contact: bool) -> bool:
        """Whether the content is what the first contact found, or what only today's settings let in.

        A file that was still growing then belongs to it, and so does one that was merely touched since;
        another size after it had settled is a new recording under an old name.
        """
        if previous is None:
            return first_contact or self._let_in(path, stat)
        if previous.present and not previous.settled:
            return previous.existing
        same = previous.existing and previous.stat.size == stat.size
        return same or (first_contact and not previous.present)

    def _let_in(self, path: str, stat: Stat) -> bool:
        return self.before is not None and self.before.why_not(path, stat.size) is not None
