"""What an event does to a job: the one table that says what follows, and what is known afterwards.

Pure. What the table does not list raises Unlisted and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

from scriptixd.jobs.events import (
    Adopted,
    Approved,
    ChunkAccepted,
    Closing,
    Dismissed,
    Event,
    Hashed,
    Held,
    LastPartKept,
    Postponed,
    Rejected,
    Resettled,
    ResultListed,
    ResultReady,
    RetryRequested,
    SessionKnown,
    SourceBack,
    SourceChanged,
    SourceGone,
    StillRunning,
    Unlisted,
    UploadFinished,
    UploadLost,
    UploadOpened,
)
from scriptixd.jobs.job import ADOPTED_UPLOAD, Job, State
from scriptixd.roots.root import Stat


class Target(StrEnum):
    """Where an event leads when it is no one state."""

    FURTHEST = "the furthest state whose evidence still holds"
    ASKED = "held if a yes is still missing, else where it was"


TRANSITIONS: Mapping[State, Mapping[type[Event], State | Target]] = MappingProxyType(
    {
        State.FOUND: {
            UploadOpened: State.UPLOADING,
            Hashed: State.FOUND,
            Adopted: State.READY,
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
            LastPartKept: State.UPLOADING,
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
        case Adopted(_, session_id, key_fingerprint, media_seconds):
            return replace(
                fresh,
                file_id=ADOPTED_UPLOAD,
                session_id=session_id,
                key_fingerprint=key_fingerprint,
                media_seconds=media_seconds,
                closing_at=at,
                uploaded_at=at,
                ready_at=at,
                held_for="",
            )
        case Closing(sha256):
            return replace(fresh, sha256=sha256, closing_at=at)
        case LastPartKept():
            return replace(job, closing_at=None)
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
            held_for = held_for if job.state is State.HELD else job.held_for
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
    return replace(without_upload(job), stat=stat, sha256=None, media_seconds=None, cleared="", language=None)


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
