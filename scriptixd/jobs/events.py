"""What can happen to a job, and the one table that says what follows; a delivery's life is in delivering.py.

Pure: takes the time as an argument. What the table does not list raises Unlisted and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

from scriptixd.errors import with_hint
from scriptixd.jobs.job import Job, State
from scriptixd.roots.root import Stat


@dataclass(frozen=True, slots=True)
class UploadOpened:
    """The upload exists at the server; from here on the request is frozen."""

    file_id: str
    service: str
    key_fingerprint: str
    labels: str
    media_seconds: float | None


@dataclass(frozen=True, slots=True)
class Closing:
    """Everything but the last chunk is there; the content's SHA-256 is committed before it is paid for."""

    sha256: str


@dataclass(frozen=True, slots=True)
class Hashed:
    """The content was read before any upload, because one of its size is known already."""

    sha256: str


@dataclass(frozen=True, slots=True)
class ChunkAccepted:
    """The server's offset has moved after failures."""


@dataclass(frozen=True, slots=True)
class UploadFinished:
    """The server has the whole content: it is paid for."""


@dataclass(frozen=True, slots=True)
class SessionKnown:
    """The service named the session that transcribes the upload."""

    session_id: str
    due_at: float


@dataclass(frozen=True, slots=True)
class StillRunning:
    """Asked, and not ready; `unanswered` is what this look adds to the job's unanswered seconds, None resets."""

    due_at: float
    status: str
    unanswered: float | None = None


@dataclass(frozen=True, slots=True)
class ResultReady:
    """The service's answer as it came; stored in the same transaction."""

    body: bytes = field(repr=False)
    media_seconds: float | None
    took: float | None = None  # s from the end of the upload, as far as can be told


@dataclass(frozen=True, slots=True)
class ResultListed:
    """A list of sessions says that the result is there: it is looked at before any other."""

    took: float | None  # s from the end of the upload, by the service's own clock


@dataclass(frozen=True, slots=True)
class UploadLost:
    """Nobody goes on with the upload, and nothing was paid for it. The server is told so, even where it says that
    it does not know the upload: a proxy may have said so in its place.
    """

    reason: str


@dataclass(frozen=True, slots=True)
class SourceChanged:
    """The file is not what the upload was opened for: the upload is given up."""

    reason: str


@dataclass(frozen=True, slots=True)
class Resettled:
    """The source of a job that was not sent yet has settled with other content.

    `held_for`: why that needs a yes, unless one was given for the job, or none was needed.
    """

    stat: Stat
    held_for: str = ""


@dataclass(frozen=True, slots=True)
class SourceGone:
    """The file is in its directory no more."""

    reason: str


@dataclass(frozen=True, slots=True)
class SourceBack:
    """The file is there again, and settled."""

    stat: Stat


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing goes on without a person's yes."""

    reason: str


@dataclass(frozen=True, slots=True)
class Approved:
    """A person's yes."""


@dataclass(frozen=True, slots=True)
class Dismissed:
    """A person's no."""


@dataclass(frozen=True, slots=True)
class Postponed:
    """Not now: tried again at `due_at`."""

    due_at: float
    reason: str
    hint: str = ""
    failed: bool = True  # whether it counts as a failure, for the backoff


@dataclass(frozen=True, slots=True)
class Rejected:
    """It cannot go on by itself: a person decides."""

    reason: str
    hint: str
    voids: bool = False  # the service's own verdict: session and upload are no evidence any more


@dataclass(frozen=True, slots=True)
class RetryRequested:
    """A person's "again"."""


Event = (
    UploadOpened
    | Closing
    | Hashed
    | ChunkAccepted
    | UploadFinished
    | SessionKnown
    | StillRunning
    | ResultListed
    | ResultReady
    | UploadLost
    | SourceChanged
    | Resettled
    | SourceGone
    | SourceBack
    | Held
    | Approved
    | Dismissed
    | Postponed
    | Rejected
    | RetryRequested
)


class Target(StrEnum):
    """Where an event leads when it is no one state."""

    FURTHEST = "the furthest state whose evidence still holds"
    ASKED = "held if a yes is still missing, else where it was"


TRANSITIONS: Mapping[State, Mapping[type[Event], State | Target]] = MappingProxyType(
    {
        State.FOUND: {
            UploadOpened: State.UPLOADING,
            Hashed: State.FOUND,
            Resettled: Target.ASKED,
            SourceGone: State.GONE,
            Held: State.HELD,
            Postponed: State.FOUND,
            Rejected: State.FAILED,
        },
        State.HELD: {
            Approved: State.FOUND,
            Dismissed: State.DISMISSED,
            Resettled: Target.ASKED,
            SourceGone: State.GONE,
        },
        State.UPLOADING: {
            ChunkAccepted: State.UPLOADING,
            Closing: State.CLOSING,
            UploadLost: State.FOUND,
            SourceChanged: State.FOUND,
            SourceGone: State.GONE,
            Postponed: State.UPLOADING,
            Rejected: State.FAILED,
        },
        State.CLOSING: {
            ChunkAccepted: State.CLOSING,
            StillRunning: State.CLOSING,
            UploadFinished: State.UPLOADED,
            SourceChanged: State.FOUND,
            SourceGone: State.GONE,
            Postponed: State.CLOSING,
            Rejected: State.FAILED,
        },
        State.UPLOADED: {
            SessionKnown: State.TRANSCRIBING,
            StillRunning: State.UPLOADED,
            Postponed: State.UPLOADED,
            Rejected: State.FAILED,
        },
        State.TRANSCRIBING: {
            ResultListed: State.TRANSCRIBING,
            ResultReady: State.READY,
            StillRunning: State.TRANSCRIBING,
            Postponed: State.TRANSCRIBING,
            Rejected: State.FAILED,
        },
        State.READY: {},
        State.FAILED: {RetryRequested: Target.FURTHEST, Dismissed: State.DISMISSED},
        State.GONE: {SourceBack: Target.ASKED, RetryRequested: Target.FURTHEST},
        State.DISMISSED: {RetryRequested: Target.FURTHEST},
    }
)


class Unlisted(Exception):
    """An event that the table does not list for this state: our bug; nothing was changed."""

    def __init__(self, state: StrEnum, event: object) -> None:
        super().__init__(f"{type(event).__name__} is not listed for {state}")


def furthest(job: Job) -> State:
    """The furthest state whose evidence still holds, which is where a retry begins."""
    if job.session_id is not None:
        return State.TRANSCRIBING
    if job.uploaded_at is not None:
        return State.UPLOADED
    if job.closing_at is not None:
        return State.CLOSING
    return State.UPLOADING if job.file_id is not None else State.FOUND


def advance(job: Job, event: Event, at: float) -> Job:
    """The job after the event, at Unix time `at`; raises Unlisted for what the table does not list."""
    target = TRANSITIONS[job.state].get(type(event))
    if target is None:
        raise Unlisted(job.state, event)
    after = replace(_evidence(job, event, at), updated_at=at)
    match target:
        case Target.FURTHEST:
            return replace(after, state=furthest(after))
        case Target.ASKED:
            return replace(after, state=State.HELD if after.held_for else furthest(after))
        case _:
            return replace(after, state=target)


def _evidence(job: Job, event: Event, at: float) -> Job:  # noqa: C901, PLR0911, PLR0912 - flat: one case an event
    """What the event adds to, or takes from, what is known of the job."""
    if isinstance(event, Postponed):
        failures = job.failures + event.failed
        return replace(job, due_at=event.due_at, reason=event.reason, hint=event.hint, failures=failures)
    fresh = replace(job, due_at=0.0, failures=0, reason="", hint="")
    match event:
        case UploadOpened():
            return replace(
                fresh,
                file_id=event.file_id,
                service=event.service,
                key_fingerprint=event.key_fingerprint,
                labels=event.labels,
                media_seconds=event.media_seconds,
            )
        case Hashed(sha256):
            return replace(fresh, sha256=sha256)
        case Closing(sha256):
            return replace(fresh, sha256=sha256, closing_at=at)
        case UploadFinished():
            return replace(fresh, uploaded_at=at, unanswered=0.0)
        case SessionKnown(session_id, due_at):
            return replace(fresh, session_id=session_id, due_at=due_at, unanswered=0.0)
        case StillRunning(due_at, status, unanswered):
            if unanswered is None:
                return replace(fresh, due_at=due_at, reason=status, unanswered=0.0, looked_at=at)
            return replace(fresh, due_at=due_at, reason=status, unanswered=job.unanswered + unanswered)
        case ResultListed(took):
            return replace(fresh, took=took)
        case ResultReady(_, media_seconds, took):
            return replace(fresh, ready_at=at, media_seconds=media_seconds or job.media_seconds, took=took)
        case UploadLost(reason) | SourceChanged(reason):
            return replace(without_upload(fresh), reason=reason)
        case SourceGone(reason):  # the server lacks its last part, and has the others when it comes back
            return replace(fresh, closing_at=None, reason=reason)
        case Resettled(stat, held_for):
            held_for = held_for if job.state is State.HELD else ""
            return replace(_with_content(fresh, stat), reason=held_for, held_for=held_for)
        case SourceBack(stat):
            return replace(_with_content(fresh, stat), reason=job.held_for)
        case Held(reason):
            return replace(fresh, reason=reason, held_for=reason)
        case Approved():
            return _cleared(fresh)
        case Rejected(reason, hint, voids):
            evidence = without_upload(fresh) if voids else fresh
            return replace(evidence, reason=reason, hint=hint)
        case ChunkAccepted() | Dismissed() | RetryRequested():
            heard = replace(fresh, unanswered=0.0)
            return _cleared(heard) if isinstance(event, RetryRequested) else heard
        case _:
            assert_never(event)


def _with_content(job: Job, stat: Stat) -> Job:
    """The job with what its source is now; of other content nothing is known, and no doubt about it is cleared."""
    if stat.same_content(job.stat):
        return replace(job, stat=stat)
    return replace(without_upload(job), stat=stat, sha256=None, media_seconds=None, cleared="")


def _cleared(job: Job) -> Job:
    """The job after a person's yes to what it was held for."""
    yes = "\n".join(doubt for doubt in (job.cleared, job.held_for) if doubt)
    return replace(job, held_for="", cleared=yes)


def without_upload(job: Job) -> Job:
    """The job without anything that it has at the service."""
    return replace(
        job,
        file_id=None,
        service=None,
        labels=None,
        session_id=None,
        closing_at=None,
        uploaded_at=None,
        unanswered=0.0,
        looked_at=None,
        took=None,
    )


def detail_of(event: object) -> str:
    """What history keeps of an event: its sentence, never a result."""
    if isinstance(event, Postponed | Rejected) and event.hint:
        return with_hint(event.reason, event.hint)
    for name in ("reason", "status", "session_id", "file_id"):
        value = getattr(event, name, None)
        if value:
            return str(value)
    return ""
