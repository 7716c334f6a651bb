"""What pauses more than one job: the account, the quota, a folder's settings or disk, the service being away.

In memory only: after a restart the first request finds out anew. Each pause is told once when it
begins and once when it ends; when its wait is over one alone tries, and the others wait for what comes of it.
Every decision takes `now` (seconds of CLOCK_BOOTTIME).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from scriptixd.errors import AccountTrouble, Away, FolderTrouble, QuotaTrouble, ShareTrouble, Trouble
from scriptixd.roots.place import Place, Words

LOG = logging.getLogger("scriptixd.service")

ACCOUNT_PROBE: Final = 60.0  # s to the first probe of a refused account, growing to …
ACCOUNT_PROBE_CAP: Final = 300.0  # s
QUOTA_PROBE: Final = 60.0  # s to the first upload that is tried again, growing to …
QUOTA_PROBE_CAP: Final = 3600.0  # s
FOLDER_PROBE: Final = 3600.0  # s: a changed configuration heals it, and what applies that says so
AWAY_AFTER: Final = 3  # failures in a row, over all jobs, before everything waits as one
AWAY_CAP: Final = 60.0  # s
SHARE_PROBE: Final = 1.0  # s to the next file that is tried, growing to …
SHARE_PROBE_CAP: Final = 60.0  # s: a thousand files that wait for one disk must not all ask for it
LEASE: Final = 120.0  # s that others wait for whoever tries: longer than any request that moves nothing


class Pause(StrEnum):
    ACCOUNT = "account"
    QUOTA = "quota"
    AWAY = "away"
    FOLDER = "folder"
    SHARE = "share"


_Key = tuple[Pause, str]
OPENING: Final = "opening uploads"
_OPENING: Final = (Pause.ACCOUNT, OPENING)  # the key is accepted, and yet no upload can be opened


@dataclass(frozen=True, slots=True)
class Paused:
    """A pause as it is shown: `whom` is a folder's name, or empty for everything."""

    pause: Pause
    whom: str
    trouble: Trouble


@dataclass(frozen=True, slots=True)
class Breaker:
    """One pause: why, and until when nobody asks (seconds of CLOCK_BOOTTIME)."""

    trouble: Trouble
    until: float
    wait: float  # s, the next one is longer
    trial: Trial | None = None  # whoever tries whether it has ended
    leased: float = 0.0  # until when (seconds of CLOCK_BOOTTIME) the others wait for him


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """The right to make a request now; for the pauses whose wait is over, nobody else has it."""

    pauses: Sequence[_Key]


class Breakers:
    """The pauses that hold now; used by every lane."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._open: dict[_Key, Breaker] = {}
        self._aways = 0
        self._shown: set[_Key] = set()  # what a request since the start has shown not to hold
        self.on_heal: Callable[[], None] = lambda: None  # whoever waited for a pause to end may go on

    def ready_at(self, uploading: bool, folder: str | None = None) -> float:
        """From when on a request may be made; 0.0 = now. `uploading`: one that opens a new upload."""
        with self._guard:
            held = [self._open[pause] for pause in _pauses(uploading, folder) if pause in self._open]
            return max((max(breaker.until, breaker.leased) for breaker in held), default=0.0)

    def enter(self, uploading: bool, folder: str | None, now: float) -> Trial | None:
        """Take the right to make a request, and give it back by `leave`; None while it has to wait."""
        with self._guard:
            held = [pause for pause in _pauses(uploading, folder) if pause in self._open]
            if any(max(self._open[pause].until, self._open[pause].leased) > now for pause in held):
                return None
            trial = Trial(held)
            for pause in held:
                self._open[pause] = replace(self._open[pause], trial=trial, leased=now + LEASE)
            return trial

    def leave(self, trial: Trial) -> None:
        """Whatever this trial has not shown is for others to try."""
        with self._guard:
            for pause in trial.pauses:
                breaker = self._open.get(pause)
                if breaker is not None and breaker.trial is trial:
                    self._open[pause] = replace(breaker, trial=None, leased=0.0)

    def account_refused(self) -> bool:
        """Whether the account has to be probed before anything else is asked."""
        with self._guard:
            return (Pause.ACCOUNT, "") in self._open

    def trip(self, trouble: Trouble, folder: str, now: float, *, key_accepted: bool = False) -> None:
        """A request failed: pause what its kind of trouble pauses.

        `key_accepted`: the account was found in order all the same, so only the opening of uploads is refused,
        and nothing but an opened upload shows that this has ended.
        """
        if isinstance(trouble, AccountTrouble | QuotaTrouble | FolderTrouble):
            self._answered()
        match trouble:
            case AccountTrouble() if key_accepted:
                self._pause(_OPENING, trouble, ACCOUNT_PROBE, ACCOUNT_PROBE_CAP, now)
            case AccountTrouble():
                self._pause((Pause.ACCOUNT, ""), trouble, ACCOUNT_PROBE, ACCOUNT_PROBE_CAP, now)
            case QuotaTrouble():
                self._pause((Pause.QUOTA, ""), trouble, QUOTA_PROBE, QUOTA_PROBE_CAP, now)
            case FolderTrouble():
                self._pause((Pause.FOLDER, folder), trouble, FOLDER_PROBE, FOLDER_PROBE, now)
            case ShareTrouble():
                self._pause((Pause.SHARE, folder), trouble, SHARE_PROBE, SHARE_PROBE_CAP, now)
            case Away():
                with self._guard:
                    self._aways += 1
                    all_away = self._aways >= AWAY_AFTER
                if all_away:
                    self._pause((Pause.AWAY, ""), trouble, trouble.retry_after or 1.0, AWAY_CAP, now)

    def heal(self, *, opened: bool, folder: str) -> None:
        """A request succeeded; `opened`: it opened a new upload for this folder."""
        with self._guard:
            self._aways = 0
            healed = [(Pause.ACCOUNT, ""), (Pause.AWAY, "")]
            if opened:
                healed += [(Pause.QUOTA, ""), _OPENING, (Pause.FOLDER, folder), (Pause.SHARE, folder)]
            ended = [pause for pause in healed if self._open.pop(pause, None)]
            self._shown.update(healed)
        for pause, name in ended:
            whom = Place(name) if pause in (Pause.FOLDER, Pause.SHARE) else Words(name or "work with Scriptix")
            LOG.info("%s goes on: %s", whom, Words(_ENDED[pause]))
        if ended:
            self.on_heal()

    def _answered(self) -> None:
        """A refusal is an answer, too: whoever gives it is not away."""
        with self._guard:
            self._aways = 0
            ended = self._open.pop((Pause.AWAY, ""), None)
            self._shown.add((Pause.AWAY, ""))
        if ended:
            LOG.info("%s", Words(_ENDED[Pause.AWAY]))
            self.on_heal()

    def forget(self, folders: Collection[str]) -> None:
        """These go by other settings, or are folders no more: what they have met until now says nothing of them."""
        with self._guard:
            self._open = {pause: breaker for pause, breaker in self._open.items() if not _is_of(pause, folders)}
            self._shown = {pause for pause in self._shown if not _is_of(pause, folders)}

    def view(self) -> Sequence[Paused]:
        """What is paused, and why."""
        with self._guard:
            return [
                Paused(pause, whom if pause in (Pause.FOLDER, Pause.SHARE) else "", breaker.trouble)
                for (pause, whom), breaker in self._open.items()
            ]

    def holding(self) -> Mapping[tuple[Pause, str], Trouble]:
        """What is paused, and why; the refused opening of uploads is another pause than a refused account."""
        with self._guard:
            return {key: breaker.trouble for key, breaker in self._open.items()}

    def is_disproved(self, pause: Pause, whom: str) -> bool:
        """Whether a request since the start has shown that it does not hold: after a start, nobody knows at first."""
        with self._guard:
            return (pause, whom) in self._shown and (pause, whom) not in self._open

    def _pause(self, pause: _Key, trouble: Trouble, first: float, cap: float, now: float) -> None:
        with self._guard:
            before = self._open.get(pause)
            until = now + (trouble.retry_after or 0.0)
            if before is not None and now < before.until:  # it was under way when the pause began
                self._open[pause] = replace(before, until=max(before.until, until))
                return
            wait = first if before is None else min(cap, before.wait * 2)
            self._open[pause] = Breaker(trouble, max(now + wait, until), wait)
        if before is None:
            level = logging.WARNING if pause[0] in (Pause.AWAY, Pause.SHARE) else logging.ERROR
            if pause[0] in (Pause.FOLDER, Pause.SHARE):
                LOG.log(level, "%s: %s", Place(pause[1]), trouble)
            else:
                LOG.log(level, "%s%s", Words(f"{pause[1]}: " if pause[1] else ""), trouble)


def _is_of(key: _Key, folders: Collection[str]) -> bool:
    pause, whom = key
    return pause in (Pause.FOLDER, Pause.SHARE) and whom in folders


def _pauses(uploading: bool, folder: str | None) -> Sequence[_Key]:
    """What a request could have to wait for."""
    pauses: list[_Key] = [(Pause.ACCOUNT, ""), (Pause.AWAY, "")]
    if uploading:
        pauses += [(Pause.QUOTA, ""), _OPENING]
    if folder is not None:
        pauses += [(Pause.FOLDER, folder), (Pause.SHARE, folder)]
    return pauses


_ENDED: Final[Mapping[Pause, str]] = {
    Pause.ACCOUNT: "the account is accepted again",
    Pause.QUOTA: "new uploads are accepted again",
    Pause.AWAY: "Scriptix answers again",
    Pause.FOLDER: "its settings are accepted again",
    Pause.SHARE: "its files can be read again",
}
