"""What needs a person, a line each: for monitoring that asks `status --fail`. Pure.

Only what nothing but a person ends. A limit, a service that is away, a file that is tried again: these end by
themselves; and what a person has paused is as it was wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scriptixd.errors import with_hint
from scriptixd.jobs.breakers import Pause
from scriptixd.jobs.job import State
from scriptixd.observe.standing import Place, Standing
from scriptixd.observe.telling import MEND, of_daemon
from scriptixd.observe.wording import moment
from scriptixd.roots.paths import typed


class About(StrEnum):
    """What it is that needs somebody."""

    DAEMON = "daemon"
    STATE = "state"
    ACCOUNT = "account"
    QUOTA = "quota"
    FOLDER = "folder"
    FAILED = "failed"
    HELD = "held"


@dataclass(frozen=True, slots=True)
class Need:
    """One reason to look; `folder` is empty where it concerns all of them."""

    about: About
    folder: str
    sentence: str
    hint: str

    def __str__(self) -> str:
        whom = f"{self.about} {self.folder}" if self.folder else str(self.about)
        return f"{whom}: {with_hint(self.sentence, self.hint)}"


_OF_PAUSES: Final[Mapping[str, About]] = {
    Pause.ACCOUNT: About.ACCOUNT, Pause.QUOTA: About.QUOTA, Pause.FOLDER: About.FOLDER,
}  # fmt: skip


def needs(standing: Standing, ways_on: Mapping[str, str], now: float) -> Sequence[Need]:
    """All of them; `ways_on`: by folder that asks, what to look at before the yes, and the yes."""
    return list(_needs(standing, ways_on, now))


def _needs(standing: Standing, ways_on: Mapping[str, str], now: float) -> Iterator[Need]:
    if standing.live is None:
        log = "its log tells why: journalctl -u scriptixd" if standing.held else ""
        yield Need(About.DAEMON, "", of_daemon(standing, now).text, log)
    if standing.live is not None and standing.live.damage:
        yield Need(About.STATE, "", f"the state file is damaged: {standing.live.damage}", MEND)
    for pause in standing.pauses:
        if pause.what in _OF_PAUSES:
            yield Need(_OF_PAUSES[pause.what], pause.folder, pause.sentence, pause.hint)
    for place in standing.places:
        yield from _of_place(standing, place, ways_on, now)


def _of_place(standing: Standing, place: Place, ways_on: Mapping[str, str], now: float) -> Iterator[Need]:
    live, asked = standing.watched.get(place.name), standing.facts.questions.get(place.name)
    if asked is not None:
        yield Need(About.FOLDER, place.name, f"it asks: {asked.sentence}", ways_on.get(place.name, ""))
    elif live is not None and live.offline:
        since = f" since {moment(live.offline_since, now)}" if live.offline_since else ""
        yield Need(About.FOLDER, place.name, f"{'hung' if live.hung else 'offline'}{since}: {live.offline}", "")
    name, counts = typed(place.name), standing.facts.counts
    if failed := counts.get((place.name, State.FAILED)):
        hint = f"scriptixd list --state failed --folder {name} tells why; then scriptixd retry {name}, or dismiss"
        yield Need(About.FAILED, place.name, f"{failed} file(s) have failed", hint)
    if held := counts.get((place.name, State.HELD)):
        hint = f"scriptixd approve {name}, or scriptixd dismiss {name}"
        yield Need(About.HELD, place.name, f"{held} file(s) wait for a yes", hint)
