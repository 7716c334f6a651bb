"""Asking about many sessions at once: one list tells the state of a hundred, where the service offers it.

For the one thread that asks. A page is one request, and is never asked for where looking at each would cost less.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scriptixd.jobs import pacing
from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import Event, ResultListed, StillRunning
from scriptixd.jobs.job import Job
from scriptixd.jobs.ports import Fetchable, Listed, Page, Polling, Refused, Running, Sessions, Uploads
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.place import Words

LOG = logging.getLogger("scriptixd.service")

WORTH: Final = 3  # sessions that are to be asked about: for fewer, looking at each costs no more
PAGE: Final = 100  # sessions a page
LIST_AGAIN: Final = 3600.0  # s until the list is tried again that was refused, or lacks what is ours
FORCED_AGAIN: Final = 60.0  # s, where the configuration insists on the list
ROUND_LASTS: Final = 60.0  # s: what was found to be due before is asked about anew


class Heard(StrEnum):
    """What came of asking for a page."""

    PAGE = "a page"
    REFUSAL = "a refusal, which shows neither that the account is in order nor that it is not"
    NOTHING = "nothing: none was asked for"


@dataclass(slots=True)
class _Round:
    """One walk through the list, the newest first."""

    begun: float  # s of CLOCK_BOOTTIME
    missing: dict[str, int]  # by session: how many of ours are newer
    offset: int = 0
    met: bool = False  # whether any of ours appeared

    @property
    def is_worth_a_page(self) -> bool:
        """Whether there is a way on that finds more sessions than it takes pages."""
        ahead = sorted(max(0, newer - self.offset) for newer in self.missing.values())
        return any(count > far // PAGE + 1 for count, far in enumerate(ahead, 1))


class Rounds:
    """Walks through the list of sessions, a page at a time. Errors: those of Sessions.listed."""

    def __init__(self, store: Store, uploads: Uploads, sessions: Sessions, polling: Polling) -> None:
        self._store = store
        self._uploads = uploads
        self._sessions = sessions
        self._polling = polling
        self._again = FORCED_AGAIN if polling is Polling.LIST else LIST_AGAIN
        self._off_until = 0.0
        self._told_off = False
        self._alone: dict[str, float] = {}  # by session, looked at by itself until then (seconds of CLOCK_BOOTTIME)
        self._round: _Round | None = None

    def ask(self, job: Job, now: Now) -> Heard:
        """Ask for a page instead of this job's result, where that is not to be looked at by itself."""
        if self._polling is Polling.SINGLE or now.boot < self._off_until or job.due_at == 0.0:
            return Heard.NOTHING
        if job.key_fingerprint != self._uploads.key_fingerprint or self._is_alone(job.session_id or "", now):
            return Heard.NOTHING
        if self._round is None or now.boot - self._round.begun > ROUND_LASTS:
            self._round = self._begun(now)
        if self._round is None:
            return Heard.NOTHING
        page = self._sessions.listed(self._round.offset)
        if page is None:
            self._end(self._round, now, "Scriptix does not offer the list of sessions to this key")
            return Heard.REFUSAL
        self._read(self._round, page, now)
        return Heard.PAGE

    def _begun(self, now: Now) -> _Round | None:
        self._alone = {session: until for session, until in self._alone.items() if until > now.boot}
        due = self._store.waiting.due(now.wall, self._uploads.origin, self._uploads.key_fingerprint)
        missing = {asked.session_id: asked.newer for asked in due if asked.session_id not in self._alone}
        fresh = _Round(now.boot, missing)
        return fresh if len(missing) >= WORTH and fresh.is_worth_a_page else None

    def _read(self, walk: _Round, page: Page, now: Now) -> None:
        """Write down what a page tells of ours, and see whether another is worth it."""
        told = {listed.session_id: listed for listed in page.sessions}
        with self._store.database.transaction():
            for job in self._store.waiting.of_sessions(self._uploads.origin, told.keys()):
                walk.met = True
                event = _event(job, told[job.session_id or ""], now)
                if event is not None:
                    self._store.jobs.apply(job, event, now.wall)
        for session in told:
            walk.missing.pop(session, None)
        walk.offset += len(page.sessions)
        if walk.met and self._told_off:
            self._told_off = False
            LOG.info("the list of sessions tells of ours again: many are asked about at once")
        if page.last or not page.sessions or not walk.is_worth_a_page:
            self._end(walk, now, "" if walk.met else "the list of Scriptix's sessions lacks those that are ours")

    def _end(self, walk: _Round, now: Now, trouble: str) -> None:
        """What was not found is looked at by itself; so is everything for a while, if the list is of no use."""
        self._round = None
        self._alone |= dict.fromkeys(walk.missing, now.boot + self._again)
        if not trouble:
            return
        if self._polling is Polling.AUTO:
            self._off_until = now.boot + self._again
        if not self._told_off:
            self._told_off = True
            LOG.info("%s: each is looked at by itself, and the list is tried again now and then", Words(trouble))

    def _is_alone(self, session_id: str, now: Now) -> bool:
        return self._alone.get(session_id, 0.0) > now.boot


def _event(job: Job, listed: Listed, now: Now) -> Event | None:
    """What the list says of a job, as far as it changes anything."""
    match listed.state:
        case _ if job.due_at == 0.0:
            return None  # it is looked at next in any case
        case Fetchable(took):
            return ResultListed(pacing.took(job, now.wall) if took is None else took)
        case Refused():
            return ResultListed(None)  # the reason is asked for before anybody is told
        case Running(status):
            wait = pacing.next_look(pacing.since(job.uploaded_at, now.wall))
            return StillRunning(now.wall + wait, status) if job.due_at <= now.wall else None
