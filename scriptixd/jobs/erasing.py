"""Erases at the service what is planned to be erased: one request a step, behind everybody who asks or uploads.

Never asks with another key than the one that a remnant belongs to: the service knows nothing of a stranger's, and
says the same of what is erased. `run_once(now)` never waits: it says when it wants to be called again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from scriptixd.errors import AccountTrouble, Away, FileTrouble, OverBudget, StateTrouble, Stopped, Trouble
from scriptixd.jobs import pacing
from scriptixd.jobs.breakers import Breakers
from scriptixd.jobs.clock import Now
from scriptixd.jobs.ports import Allowance, Folders, Lane, Sessions, Uploads
from scriptixd.jobs.store.erasures import Erasure, Remnant
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.place import Figures, Place, Words, figures

LOG = logging.getLogger("scriptixd.erasing")

IDLE: Final = 3600.0  # s: whoever plans an erasure wakes us
REST: Final = 5.0  # s until it is seen again whether anybody else waits for requests
PATIENCE: Final = 3600.0  # s after which an erasure takes its turn, however many others wait
DAY: Final = 86_400.0  # s between two looks at what only a person can bring about
STRIKES: Final = 2  # failures of one erasure that count for the service being away: it takes more than one that fails
STUBBORN: Final = 12  # failures in a row, an hour's worth of them, after which it is tried once in …
STUBBORN_REST: Final = 3600.0  # s

DASHBOARD: Final = "or erase it in Scriptix's dashboard"
KEPT: Final = "delete_remote is off"
NOT_NAMED: Final = "its transcription is not named yet"
UNNAMED, UNFINISHED = "", "\0"  # no session has such an id


class Erasing:
    """The loop that erases."""

    def __init__(
        self,
        store: Store,
        folders: Folders,
        uploads: Uploads,
        sessions: Sessions,
        breakers: Breakers,
        allowance: Allowance,
        chance: Callable[[], float],
    ) -> None:
        self._store = store
        self._folders = folders
        self._uploads = uploads
        self._sessions = sessions
        self._breakers = breakers
        self._allowance = allowance
        self._chance = chance
        self._begun = False

    def run_once(self, now: Now) -> float:
        """One step of one erasure; returns when the next one is wanted, in seconds of CLOCK_BOOTTIME."""
        if not self._begun:
            self._store.erasures.take_up(now.wall)
            self._begun = True
        ours = (self._uploads.origin, self._uploads.key_fingerprint)
        erasure = self._store.erasures.due(now.wall, *ours) or self._store.erasures.estranged(now.wall, *ours)
        if erasure is None:
            due = self._store.erasures.next_due(now.wall)
            return now.boot + (IDLE if due is None else min(IDLE, due - now.wall))
        if self._is_settled(erasure, now):
            return now.boot
        wait = self._wait(erasure, now)
        if wait > now.boot:
            return wait
        if erasure.ordered and erasure.kind is Remnant.UPLOAD and self._may_be_whole(erasure):
            return self._look_for_session(erasure, now)
        return self._erase(erasure, now)

    def _look_for_session(self, erasure: Erasure, now: Now) -> float:
        """Of an upload that may be whole, a transcription is what is to go, once the service has named one."""
        waited = pacing.since(erasure.since, now.wall)
        if waited >= pacing.SESSION_PATIENCE:
            return self._erase(erasure, now)
        heard = self._asked(erasure, lambda: self._session_of(erasure), now)
        if heard == UNFINISHED:
            return self._erase(erasure, now)
        if heard == UNNAMED:
            self._postpone(erasure, Trouble(NOT_NAMED), pacing.session_wait(waited), now, failed=False)
        elif isinstance(heard, str):
            self._store.erasures.named(erasure, heard, now.wall)
        return self._rest(heard, now)

    def _session_of(self, erasure: Erasure) -> str:
        """What an upload has become: UNFINISHED, a session that is UNNAMED yet, or its id."""
        job = self._store.jobs.get(erasure.job_id)
        offset = self._uploads.offset(erasure.remote_id)
        if job is not None and offset is not None and offset < job.stat.size:
            return UNFINISHED
        return self._sessions.session_of(erasure.remote_id) or UNNAMED

    def _is_settled(self, erasure: Erasure, now: Now) -> bool:
        """Whether there is nothing to ask now: by today's settings, or because it is not ours to erase."""
        due_at = self._due_by_settings(erasure)
        if due_at is None:
            self._store.erasures.keep(erasure, KEPT, now.wall)
        elif due_at > now.wall:
            self._store.erasures.put_off(erasure, due_at)
        elif (obstacle := self._obstacle(erasure)) is not None:
            self._postpone(erasure, obstacle, DAY, now, failed=False)
        else:
            return False
        return True

    def _due_by_settings(self, erasure: Erasure) -> float | None:
        """When it may be erased by today's configuration, None if never; as planned where nothing is configured."""
        if erasure.ordered or (erasure.kind is Remnant.UPLOAD and not self._may_be_whole(erasure)):
            return erasure.due_at
        waits = []
        for folder, path in self._store.erasures.places(erasure):
            if self._folders.root(folder) is not None:
                try:
                    waits.append(self._folders.terms(folder, path).erase_after)
                except FileTrouble:  # nothing is said of this path any more
                    continue
        if not waits:
            return erasure.due_at
        return min((erasure.since + wait for wait in waits if wait is not None), default=None)

    def _may_be_whole(self, erasure: Erasure) -> bool:
        """Whether an upload may have become a session that nobody has heard of yet."""
        job = self._store.jobs.get(erasure.job_id)
        return job is not None and job.file_id == erasure.remote_id and job.closing_at is not None

    def _obstacle(self, erasure: Erasure) -> Trouble | None:
        """Why nothing that we could ask would erase it."""
        origin, key = self._uploads.origin, self._uploads.key_fingerprint
        if erasure.service != origin:
            what = f"it is at {erasure.service}, and api.url is now {origin}"
            return Trouble(what, f"set api.url to {erasure.service} again, {DASHBOARD}")
        if erasure.key_fingerprint != key:
            what = f"it belongs to another key ({erasure.key_fingerprint}) than today's ({key})"
            return Trouble(what, f"set that key again, {DASHBOARD}")
        return None

    def _wait(self, erasure: Erasure, now: Now) -> float:
        """When it may be asked for: asking and uploading come first, for an hour."""
        paused = self._breakers.ready_at(uploading=False)
        if paused > now.boot:
            return paused
        patient = now.wall - erasure.due_at <= PATIENCE
        if self._breakers.account_refused() or (patient and self._allowance.waiting(now)):
            return now.boot + REST
        return self._allowance.ready_at(now, Lane.ASK)

    def _erase(self, erasure: Erasure, now: Now) -> float:
        with self._store.database.transaction():
            if not self._store.erasures.stands(erasure):
                return now.boot
            self._store.jobs.let_go(erasure.job_id, erasure.remote_id, now.wall)
        answer = self._asked(erasure, lambda: self._answer(erasure), now)
        if isinstance(answer, str):
            place = self._place(erasure)
            self._store.erasures.done(erasure, answer, now.wall)
            said = Words(f"Scriptix was told to erase its {erasure.kind}, and answered {answer}")
            LOG.info("%s: %s", place, said, extra=_figures(erasure))
        return self._rest(answer, now)

    @staticmethod
    def _rest(heard: str | float | None, now: Now) -> float:
        """When the next step is wanted, after one that heard something, nothing, or is to wait so many seconds."""
        return now.boot + (heard if isinstance(heard, float) else 0.0)

    def _asked(self, erasure: Erasure, ask: Callable[[], str], now: Now) -> str | float | None:
        """What the service answers; None where it is postponed, or the seconds until anybody may ask again."""
        try:
            answer = ask()
        except Stopped:
            return None
        except OverBudget as busy:
            return busy.retry_after or pacing.BACKOFF_BASE
        except StateTrouble:
            raise
        except Trouble as trouble:
            self._after_trouble(erasure, trouble, now)
        except Exception:
            said = Words(f"the erasing of its {erasure.kind} ran into a bug of scriptixd")
            LOG.exception("%s: %s", self._place(erasure), said, extra=_figures(erasure))
            bug = Trouble("scriptixd ran into a bug of its own with it", "its log has the details")
            self._postpone(erasure, bug, DAY, now)
        else:
            self._breakers.heal(opened=False, folder="")
            return answer
        return None

    def _answer(self, erasure: Erasure) -> str:
        match erasure.kind:
            case Remnant.SESSION:
                return self._sessions.erase(erasure.remote_id)
            case Remnant.UPLOAD:
                return self._uploads.discard(erasure.remote_id)

    def _after_trouble(self, erasure: Erasure, trouble: Trouble, now: Now) -> None:
        match trouble:
            case AccountTrouble() if self._account_in_order():
                refused = Trouble(f"Scriptix refuses to erase it: {trouble.what}", DASHBOARD.removeprefix("or "))
                self._postpone(erasure, refused, DAY, now)
            case AccountTrouble():
                self._breakers.trip(trouble, "", now.boot)
                self._postpone(erasure, trouble, 0.0, now, failed=False)
            case Away():
                if erasure.failures < STRIKES:
                    self._breakers.trip(trouble, "", now.boot)
                stubborn = STUBBORN_REST if erasure.failures >= STUBBORN else 0.0
                wait = pacing.backoff(erasure.failures, trouble.retry_after, self._chance())
                self._postpone(erasure, trouble, max(stubborn, wait), now)
            case _:
                self._postpone(erasure, trouble, DAY, now)

    def _account_in_order(self) -> bool:
        """Whether the account is accepted, when one erasure was refused."""
        try:
            self._sessions.probe()
        except Trouble:
            return False
        return True

    def _place(self, erasure: Erasure) -> Place | Words:
        """The file that it is of, as far as one is known: what was forgotten has no name any more."""
        places = self._store.erasures.places(erasure)
        return Place(*places[0]) if places else Words("a forgotten file")

    def _postpone(self, erasure: Erasure, trouble: Trouble, wait: float, now: Now, *, failed: bool = True) -> None:
        """It is never given up: it waits, and says why."""
        if erasure.reason != trouble.what and wait >= DAY:
            said = Words(f"its {erasure.kind} at Scriptix waits to be erased")
            LOG.warning("%s: %s: %s", self._place(erasure), said, trouble, extra=_figures(erasure))
        self._store.erasures.postpone(erasure, now.wall + wait, trouble.what, trouble.hint, now.wall, failed=failed)


def _figures(erasure: Erasure) -> Mapping[str, Figures]:
    is_session = erasure.kind is Remnant.SESSION
    session, upload = (erasure.remote_id, None) if is_session else (None, erasure.remote_id)
    return figures(erasure.job_id, session, upload)
