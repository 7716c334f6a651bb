"""What can happen to a job; what follows from it is in transitions.py, and a delivery's life in delivering.py.

Pure records.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from scriptixd.errors import with_hint
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
class LastPartKept:
    """Nobody was given the end of the content since it was committed: for certain, nothing was paid."""


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
class Adopted:
    """A transcript of just this content, under just this request, lies beside it: nothing is sent."""

    body: bytes = field(repr=False)
    session_id: str
    key_fingerprint: str | None  # of the key that paid for it, as it says
    media_seconds: float | None


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
    | LastPartKept
    | Hashed
    | Adopted
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


class Unlisted(Exception):
    """An event that the table does not list for this state: our bug; nothing was changed."""

    def __init__(self, state: StrEnum, event: object) -> None:
        super().__init__(f"{type(event).__name__} is not listed for {state}")


def detail_of(event: object) -> str:
    """What history keeps of an event: its sentence, never a result."""
    if isinstance(event, Postponed | Rejected) and event.hint:
        return with_hint(event.reason, event.hint)
    for name in ("reason", "status", "session_id", "file_id"):
        value = getattr(event, name, None)
        if value:
            return str(value)
    return ""
