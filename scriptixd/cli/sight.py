"""How things stand at one moment, as far as a verb can find out: from the state file, and from the daemon if one runs.

Reads only, and asks no disk but that of the state file: a folder that hangs keeps nobody from looking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scriptixd.cli.finding import places_of
from scriptixd.cli.installation import live_figures, pauses
from scriptixd.config.settings import Settings
from scriptixd.daemon.approving import way_on
from scriptixd.jobs.clock import read_clock
from scriptixd.jobs.store.database import is_held, is_there
from scriptixd.jobs.store.glance import glance_at
from scriptixd.jobs.timetable import Calendar
from scriptixd.observe.live import LivePause
from scriptixd.observe.needs import Need, needs
from scriptixd.observe.standing import NO_FACTS, Facts, Standing, facts_in


@dataclass(frozen=True, slots=True)
class Known:
    """What the state file knows; it may be dear to find out."""

    facts: Facts = NO_FACTS
    paused: Sequence[LivePause] = ()  # what a person has paused


@dataclass(frozen=True, slots=True)
class Sight:
    """What is shown. `now` in Unix seconds."""

    standing: Standing
    now: float
    ways_on: Mapping[str, str] = field(default_factory=dict)  # by folder that asks: what to look at, and the yes
    remarks: Sequence[str] = ()  # on the looking itself

    @property
    def needs(self) -> Sequence[Need]:
        return needs(self.standing, self.ways_on, self.now)


def look(settings: Settings) -> Sight:
    """Everything anew. StateError, StateTrouble."""
    return sight(settings, known(settings))


def known(settings: Settings) -> Known:
    """What is in the state file now. StateError, StateTrouble."""
    if not is_there(settings.state):
        return Known()
    with glance_at(settings.state) as glance:
        facts = facts_in(glance, read_clock().wall, settings.bounds, Calendar(settings.timezone))
        return Known(facts, pauses(glance.pauses, None))


def sight(settings: Settings, found: Known, remarks: Sequence[str] = ()) -> Sight:
    """That, with what the daemon tells at this moment."""
    held = is_held(settings.state)
    live = live_figures(settings) if held else None
    standing = Standing(places_of(settings), held, live, live.pauses if live else found.paused, found.facts)
    ways = {name: way_on(name, question) for name, question in found.facts.questions.items()}
    if not held and not is_there(settings.state):
        remarks = [*remarks, f"there is no state file {settings.state} yet"]
    return Sight(standing, read_clock().wall, ways, remarks)
