"""Which matters hold now, as the breakers and the scanners see them, and which certainly hold no more.

After a start neither knows at first: what was told before to have begun has ended only when that was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from scriptixd.jobs.breakers import OPENING, Breakers, Pause
from scriptixd.jobs.clock import Now
from scriptixd.jobs.news import Condition, Matter, Subject
from scriptixd.watch.report import ScanReport

_OF_PAUSES: Final[Mapping[Pause, Matter]] = MappingProxyType(
    {
        Pause.ACCOUNT: Matter.ACCOUNT,
        Pause.QUOTA: Matter.QUOTA,
        Pause.AWAY: Matter.AWAY,
        Pause.FOLDER: Matter.SETTINGS,
        Pause.SHARE: Matter.SHARE,
    }
)
_PAUSES: Final[Mapping[Matter, tuple[Pause, str]]] = MappingProxyType(
    {
        Matter.ACCOUNT: (Pause.ACCOUNT, ""),
        Matter.OPENING: (Pause.ACCOUNT, OPENING),
        Matter.QUOTA: (Pause.QUOTA, ""),
        Matter.AWAY: (Pause.AWAY, ""),
    }
)


class Matters:
    """What begins, lasts and ends."""

    def __init__(self, breakers: Breakers, views: Callable[[], Sequence[ScanReport]]) -> None:
        self._breakers = breakers
        self._views = views
        self._holding: Mapping[Subject, Condition] = {}
        self._reports: Mapping[str, ScanReport] = {}

    def look(self, now: Now) -> Sequence[Condition]:
        """All that holds now."""
        self._reports = {view.name: view for view in self._views()}
        before = self._holding
        found = [*self._paused(before, now), *self._offline()]
        self._holding = {one.subject: one for one in found}  # of a share, what its scanner says comes last, and stays
        return tuple(self._holding.values())

    def is_over(self, subject: Subject) -> bool:
        """Whether it was seen to have ended, at the last look."""
        if subject in self._holding or self.is_dropped(subject):
            return False
        if subject.matter in (Matter.SHARE, Matter.QUESTION):
            view = self._reports[subject.folder]
            return view.offline is None and view.last_full_scan is not None
        if subject.matter is Matter.SETTINGS:
            return self._breakers.is_disproved(Pause.FOLDER, subject.folder)
        return self._breakers.is_disproved(*_PAUSES[subject.matter])

    def is_dropped(self, subject: Subject) -> bool:
        """Whether its folder is not configured any more."""
        return subject.folder != "" and subject.folder not in self._reports

    def _paused(self, before: Mapping[Subject, Condition], now: Now) -> Iterator[Condition]:
        for (pause, whom), trouble in self._breakers.holding().items():
            opening = (pause, whom) == _PAUSES[Matter.OPENING]
            subject = Subject(Matter.OPENING) if opening else Subject(_OF_PAUSES[pause], whom)
            known = before.get(subject)
            yield Condition(subject, trouble.what, trouble.hint, known.since if known else now.wall)

    def _offline(self) -> Iterator[Condition]:
        for view in self._reports.values():
            if view.offline is not None:
                matter = Matter.QUESTION if view.offline.asks else Matter.SHARE
                yield Condition(Subject(matter, view.name), view.offline.reason, view.offline.hint, view.offline.since)
