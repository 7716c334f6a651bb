"""How things stand: what `status` prints and the page shows, gathered in one place.

Facts come from the state file, figures that move from the daemon; it works without either. Reads only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from scriptixd.jobs.bounds import Bounds
from scriptixd.jobs.breakers import Pause
from scriptixd.jobs.clock import local_day
from scriptixd.jobs.job import State
from scriptixd.jobs.source import Question
from scriptixd.jobs.store.erasures import NOTHING, Backlog
from scriptixd.jobs.store.errands import NONE_UNRUN, Unrun
from scriptixd.jobs.store.glance import Glance
from scriptixd.jobs.store.views import DELIVERING, DONE, SETTLING, STATES, SourceView
from scriptixd.jobs.timetable import Calendar
from scriptixd.observe.allowances import Allowance, allowances
from scriptixd.observe.live import Live, LiveFolder, LivePause, LiveUpload
from scriptixd.observe.waiting import AT_MOST
from scriptixd.roots.paths import joined

# What people call them, and what that is made of; the rest of the states is told by its own name.
GROUPS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "waiting": (SETTLING, State.FOUND),
        "held": (State.HELD,),
        "uploading": (State.UPLOADING, State.CLOSING),
        "transcribing": (State.UPLOADED, State.TRANSCRIBING),
        "delivering": (DELIVERING,),
        "done": (DONE,),
        "failed": (State.FAILED,),
    }
)
# They wait for nobody's decision: what has failed among them is tried again by itself.
_TRIED_AGAIN: Final = (DELIVERING, State.FOUND, *GROUPS["uploading"])


@dataclass(frozen=True, slots=True)
class Place:
    """A configured folder."""

    name: str
    path: str  # absolute


@dataclass(frozen=True, slots=True)
class Facts:
    """What the state file knows."""

    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)  # sources, by folder and state
    under_way: Mapping[int, Sequence[SourceView]] = field(default_factory=dict)  # what is being uploaded, by its job
    problems: Sequence[SourceView] = ()  # the latest first
    paid: tuple[int, float] = (0, 0.0)  # today: uploads, and their known media seconds
    questions: Mapping[str, Question] = field(default_factory=dict)  # by folder: what it as a whole waits for a yes to
    erasures: Backlog = NOTHING  # what is still to be erased at Scriptix
    errands: Unrun = NONE_UNRUN  # the commands that are still to follow deliveries
    twins: Sequence[tuple[SourceView, str]] = ()  # files that wait for another one, and for which
    done_today: Mapping[str, int] = field(default_factory=dict)  # files that got their sidecars, by folder
    allowances: Sequence[Allowance] = ()  # what limits leave


NO_FACTS: Final = Facts()
NO_BOUNDS: Final[Mapping[str, Bounds]] = MappingProxyType({})
LOCAL: Final = Calendar()


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload on its way, with the file that it is of."""

    path: str  # absolute
    folder: str
    figures: LiveUpload
    others: Sequence[str] = ()  # further files of the same content: they get its transcript as well

    @property
    def seconds_left(self) -> float | None:
        speed = self.figures.bytes_per_second
        return (self.figures.size - self.figures.offset) / speed if speed > 0 else None


class Account(StrEnum):
    """How we stand with Scriptix, as far as the last requests tell."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    QUOTA = "quota"  # the key is accepted, and no new upload is
    AWAY = "away"
    UNKNOWN = "unknown"  # no daemon runs, or it has not asked anything yet


_AGAINST: Final[Mapping[str, Account]] = {
    Pause.ACCOUNT: Account.REFUSED, Pause.QUOTA: Account.QUOTA, Pause.AWAY: Account.AWAY,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that there is to be told."""

    places: Sequence[Place]
    held: bool  # a daemon has the state file
    live: Live | None
    pauses: Sequence[LivePause] = ()
    facts: Facts = NO_FACTS

    @property
    def uploads(self) -> Sequence[Upload]:
        known = self.facts.under_way
        moving = [(known[one.job_id], one) for one in (self.live.uploads if self.live else ()) if one.job_id in known]
        return [
            Upload(self.located(first), first.folder, one, [self.located(view) for view in others])
            for (first, *others), one in moving
        ]

    @property
    def account(self) -> Account:
        """The worst that is known."""
        known = [_AGAINST[pause.what] for pause in self.pauses if pause.what in _AGAINST]
        if known:
            return min(known, key=list(_AGAINST.values()).index)
        return Account.ACCEPTED if self.live is not None and self.live.accepted else Account.UNKNOWN

    @property
    def watched(self) -> Mapping[str, LiveFolder]:
        """The folders as their scanners see them, by name."""
        return {folder.name: folder for folder in self.live.folders} if self.live else {}

    def located(self, view: SourceView) -> str:
        """Where a file is today."""
        return located(self.places, view.folder, view.path)


def facts_in(known: Glance, now: float, bounds: Mapping[str, Bounds] = NO_BOUNDS, calendar: Calendar = LOCAL) -> Facts:
    """Everything that the state file knows, and how much of these limits is used, by folder and for ALL.

    StateError or StateTrouble where it cannot be read.
    """
    views = known.views
    of_state = views.of_states((State.FAILED, State.HELD, *_TRIED_AGAIN))
    problems = [*of_state[State.FAILED], *of_state[State.HELD]]
    problems += [view for state in _TRIED_AGAIN for view in of_state[state] if view.reason and view.attempts]
    return Facts(
        counts=views.counts(),
        under_way=_by_job([view for state in GROUPS["uploading"] for view in of_state[state]]),
        problems=sorted(problems, key=lambda view: view.updated_at, reverse=True),
        paid=views.paid(local_day(now)),
        questions=known.disks.questions(),
        erasures=known.erasures.backlog(),
        errands=known.errands.unrun(),
        twins=views.twins(now, AT_MOST + 1),
        done_today=known.today.done(calendar.day(now).start),
        allowances=allowances(known.openings, bounds, calendar, now),
    )


def _by_job(views: Sequence[SourceView]) -> Mapping[int, Sequence[SourceView]]:
    """The files of each job: those that are there before others, and the one that it began with first."""
    files: dict[int, list[SourceView]] = {}
    for view in sorted(views, key=lambda view: (not view.present, view.delivery_id or 0)):
        if view.job_id is not None:
            files.setdefault(view.job_id, []).append(view)
    return files


def by_state(counts: Mapping[tuple[str, str], int], folder: str | None = None) -> dict[str, int]:
    """How many sources are in each state, of one folder or of all; states without any are left out."""
    sums = {
        state: sum(n for (name, at), n in counts.items() if at == state and folder in (None, name)) for state in STATES
    }
    return {state: number for state, number in sums.items() if number}


def in_groups(counts: Mapping[str, int]) -> Mapping[str, int]:
    """The same as people call them: every group, also an empty one, and behind them the rest that there is."""
    grouped = {state for states in GROUPS.values() for state in states}
    sums = {name: sum(counts.get(state, 0) for state in states) for name, states in GROUPS.items()}
    return sums | {state: number for state, number in counts.items() if state not in grouped}


def located(places: Sequence[Place], folder: str, path: str) -> str:
    """Where a path of a folder is today; as it is, if it is absolute; FOLDER/PATH of one that is not configured."""
    root = next((one.path for one in places if one.name == folder), folder)
    return path if path.startswith("/") else joined(root.rstrip("/"), path)
