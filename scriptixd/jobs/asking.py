"""What follows an upload: its session, its result, and when the service is asked for either.

Sends nothing. What the service does not answer about in good time stops for a person, and is not paid again.
"""

from __future__ import annotations

from enum import StrEnum

from scriptixd.jobs import pacing
from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import Event, Rejected, ResultReady, SessionKnown, StillRunning, UploadFinished
from scriptixd.jobs.job import Job
from scriptixd.jobs.ports import Finished, Refused, Running, Sessions, Unclear, Uploads
from scriptixd.jobs.rounds import Heard, Rounds
from scriptixd.jobs.store.tables import Store

UNDECIDABLE = (
    "the last part was sent, and Scriptix neither knows the upload any more nor names a transcription for it: "
    "it may have been paid for"
)
LOOK = "look in Scriptix's dashboard what became of it: "


class Progress(StrEnum):
    """What a step came to that is not worth a save."""

    ANSWERED = "the service answered as it should, and the job goes on"
    NONE = "nothing was learned"


class Asking:
    """The steps that only ask. Errors: Away, AccountTrouble."""

    def __init__(self, store: Store, uploads: Uploads, sessions: Sessions, rounds: Rounds, deadline: float) -> None:
        self._store = store
        self._uploads = uploads
        self._sessions = sessions
        self._rounds = rounds
        self._deadline = deadline

    def unknown(self, job: Job, now: Now) -> Event:
        """The last part of an upload that nobody knows may have arrived: only a session, named late, shows it."""
        if self._sessions.session_of(known(job.file_id)) is not None:
            return UploadFinished()
        if foreign := estranged(job, self._uploads.key_fingerprint):
            return foreign
        if job.unanswered >= pacing.SESSION_PATIENCE:
            return Rejected(UNDECIDABLE, LOOK + "if it arrived, scriptixd retry FILE; if not, scriptixd redo FILE")
        wait = pacing.session_wait(job.unanswered)
        return StillRunning(
            now.wall + wait, "Scriptix does not know the upload any more, and names no transcription", wait
        )

    def uploaded(self, job: Job, now: Now) -> Event:
        """Ask for the session that an upload has become."""
        if job.service != self._uploads.origin:
            return elsewhere(job, self._uploads.origin)
        session_id = self._sessions.session_of(known(job.file_id))
        if session_id is not None:
            share = pacing.learned_share(self._store.waiting.shares(self._uploads.origin))
            wait = pacing.first_look(job.media_seconds, job.stat.size, share) - _since_upload(job, now)
            return SessionKnown(session_id, now.wall + max(0.0, wait))
        if foreign := estranged(job, self._uploads.key_fingerprint):
            return foreign
        if job.unanswered >= pacing.SESSION_PATIENCE:
            return Rejected(
                "Scriptix has the whole file, and has named no transcription for it for half an hour",
                LOOK + "once it is there, scriptixd retry FILE",
            )
        wait = pacing.session_wait(job.unanswered)
        return StillRunning(now.wall + wait, "waits for its transcription to be named", wait)

    def transcribing(self, job: Job, now: Now) -> Event | Progress:
        """Look at the result, or at the list that tells of many."""
        if job.service != self._uploads.origin:
            return elsewhere(job, self._uploads.origin)
        heard = self._rounds.ask(job, now)
        if heard is not Heard.NOTHING:
            return Progress.ANSWERED if heard is Heard.PAGE else Progress.NONE
        wait = pacing.next_look(_since_upload(job, now))
        match self._sessions.look(known(job.session_id)):
            case Finished(body, seconds):
                return ResultReady(body, seconds, pacing.took(job, now.wall) if job.took is None else job.took)
            case Running(status):
                return StillRunning(now.wall + wait, status)
            case Refused(reason):
                return Rejected(
                    f"Scriptix could not transcribe it: {reason}",
                    "listen to the file; scriptixd retry FILE sends and pays for it again",
                    voids=True,
                )
            case Unclear() if foreign := estranged(job, self._uploads.key_fingerprint):
                return foreign
            case Unclear(what) if job.unanswered >= self._deadline:
                return Rejected(
                    f"Scriptix was asked for {self._deadline / 3600:g} h and gave no answer about it: {what}",
                    LOOK + "once it is done, scriptixd retry FILE",
                )
            case Unclear(what):
                return StillRunning(now.wall + wait, what, wait)


def estranged(job: Job, key_fingerprint: str) -> Rejected | None:
    """Why a job that may be paid stops, if another key sent it: only that one is told what became of it."""
    if job.key_fingerprint in (None, key_fingerprint):
        return None
    return Rejected(
        f"it was sent with another key (fingerprint {job.key_fingerprint}), and today's ({key_fingerprint}) "
        "is told nothing about it",
        "set that key again, then: scriptixd retry FILE; or pay again: scriptixd redo FILE",
    )


def elsewhere(job: Job, origin: str) -> Rejected:
    """Why a job that may be paid stops, if it was sent to another host: the key goes to nobody but today's."""
    return Rejected(
        f"it was sent to {job.service}, and api.url is now {origin}",
        f"set api.url to {job.service} again, then: scriptixd retry FILE; or pay again here: scriptixd redo FILE",
    )


def known(value: str | None) -> str:
    """What the state of a job guarantees, as the table's CHECKs do."""
    if value is None:
        raise AssertionError("the state file lacks what the job's state guarantees")
    return value


def _since_upload(job: Job, now: Now) -> float:
    return pacing.since(job.uploaded_at, now.wall)
