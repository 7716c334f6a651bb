"""What the pipeline needs of the service, the configuration and the disks, in its own words; others implement it.

Every method of Uploads and Sessions is one HTTP request, classifies what comes back, and never retries. Errors
of all of them: Away, AccountTrouble; `create` also QuotaTrouble, FolderTrouble and FileTrouble.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import Job, Labels, Request, Terms
from scriptixd.jobs.source import Source
from scriptixd.roots.root import Reader, Root


class Lane(StrEnum):
    """Two kinds of work that must not wait for each other: uploads, and asking with all that follows it."""

    UPLOAD = "upload"
    ASK = "ask"


class Polling(StrEnum):
    """How the results of many jobs are asked for."""

    AUTO = "auto"  # by the list of sessions, where the service offers it
    LIST = "list"  # by the list, also where it failed before
    SINGLE = "single"  # one by one


class Body(Protocol):
    """The bytes of one PATCH, read as they are sent; an exception raised in `read` ends the request."""

    def __len__(self) -> int: ...

    def read(self, count: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Running:
    """The service says that it is queued or at work."""

    status: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """No proper answer about this session: not found yet, or nothing that can be read."""

    what: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The service's verdict: it will not become a transcript."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The reply as it came, and the media's length in seconds if the service told it."""

    body: bytes = field(repr=False)
    media_seconds: float | None


Answer = Running | Unclear | Refused | Finished


@dataclass(frozen=True, slots=True)
class Fetchable:
    """The service says that the result is there; its own clock tells how long it took, in seconds, if it does."""

    took: float | None


@dataclass(frozen=True, slots=True)
class Listed:
    """One session, as a list of them tells it."""

    session_id: str
    state: Running | Refused | Fetchable


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the list, the newest sessions first; `last` if nothing comes after it."""

    sessions: Sequence[Listed]
    last: bool


class Uploads(Protocol):
    """TUS 1.0.0 against the configured service."""

    @property
    def origin(self) -> str:
        """Scheme and host that the key goes to, as `https://api.scriptix.io`."""

    @property
    def key_fingerprint(self) -> str:
        """The first 8 hex digits of the key's SHA-256."""

    def create(self, request: Request, labels: Labels, name: str, size: int) -> str:
        """POST: open an upload of `size` bytes for the source `name`; returns its file id."""

    def offset(self, file_id: str, size: int | None = None) -> int | None:
        """HEAD: how many bytes the server has of an upload of `size` bytes, or None if it does not know the upload."""

    def send(self, file_id: str, offset: int, body: Body) -> int:
        """PATCH: send the body at `offset`; returns the server's new offset."""

    def discard(self, file_id: str) -> str:
        """DELETE: give an unfinished upload up; what was answered, where that means that it is gone or never ends.

        Not offered (405, 501), unknown (404, 410): nothing is left to be done either way.
        """


class Sessions(Protocol):
    """Scriptix's transcription jobs."""

    def session_of(self, file_id: str) -> str | None:
        """GET /files/<id>: the session of a complete upload; None while it has none (also on 404)."""

    def look(self, session_id: str) -> Answer:
        """GET …/session/<id>/result."""

    def listed(self, offset: int) -> Page | None:
        """GET /session: a hundred sessions of this key; None where the service does not offer that to it."""

    def erase(self, session_id: str) -> str:
        """DELETE …/session/<id>: what was answered, as `200`, where that means that it is erased."""

    def probe(self) -> None:
        """The cheapest authenticated request: returns if the account is in order, else AccountTrouble or Away."""


class Allowance(Protocol):
    """How many requests the service allows."""

    def ready_at(self, now: Now, lane: Lane) -> float:
        """When a request of this lane may be made, in seconds of CLOCK_BOOTTIME.

        Whoever asks counts as waiting for it until then: ask only with something to do.
        """

    def waiting(self, now: Now) -> bool:
        """Whether any lane waits for a request just now; who asks only this does not. Erasing lets them go first."""


class Journal(Protocol):
    """When the service was asked, as far back as an hour, over restarts. Times are seconds of CLOCK_BOOTTIME.

    What was noted in an earlier boot comes back as if it had been made in this one, by the wall clock's difference.
    """

    def asked(self, token: str, now: Now) -> Sequence[float]:
        """When requests were made with the key of this fingerprint, ascending."""

    def note(self, token: str, now: Now) -> None:
        """A request is about to be made."""

    def silence(self, token: str, now: Now) -> float | None:
        """Until when the service asked for silence, if it did and that lasts."""

    def note_silence(self, token: str, until: float, now: Now) -> None:
        """The service asked for silence."""


@dataclass(frozen=True, slots=True)
class Standstill:
    """Why nothing is sent just now, and when it goes on by itself: Unix seconds, None if a person has to say so."""

    reason: str
    hint: str
    until: float | None


class Limits(Protocol):
    """What the configuration, the calendar and people allow; each answer is None where nothing speaks against it."""

    def opening(self, folder: str, now: Now) -> Standstill | None:
        """Whether an upload may be opened for this folder."""

    def feeding(self, folder: str, now: Now) -> Standstill | None:
        """Whether an upload of this folder that is open may go on."""

    def admits(self, job: Job, folder: str, seconds: float | None, now: Now) -> Standstill | None:
        """Whether this job, which plays so long as far as is known, may be opened today."""

    def wait(self, folder: str, count: int) -> float:
        """Account for `count` bytes that are about to be sent; seconds to wait before them."""


@dataclass(frozen=True, slots=True)
class Complete:
    """Nothing speaks against it: whole, as far as can be told."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: somebody writes to it, or it may still become whole. Asked again after `seconds`."""

    seconds: float
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Doubt:
    """It contradicts itself, and waiting has not helped: a person's yes is needed. The same file, the same reason."""

    reason: str


Opinion = Complete | Wait | Doubt


class Examiner(Protocol):
    """Whether a settled file is whole."""

    def opinion(self, source: Source, reader: Reader, now: Now) -> Opinion:
        """A second opinion on an open file, before anything is paid for it; the reader's own errors pass through."""


class Folders(Protocol):
    """What today's configuration says, and the way to a folder's files."""

    def names(self) -> Collection[str]:
        """The configured folders whose disk may be read now."""

    def root(self, folder: str) -> Root | None:
        """The folder's disk, which may refuse to be read now, or None for a folder that is not configured."""

    def picks_up(self, source: Source) -> bool:
        """Whether today's configuration would pick it up; never one in a folder that is not configured."""

    def terms(self, folder: str, path: str) -> Terms:
        """The settings that hold for a path of a configured folder."""


class Desk(Protocol):
    """Where sidecars will be written."""

    def probe(self, source: Source, outputs: tuple[str, ...]) -> None:
        """Show, before a cent is spent, that the sidecars could be written. TargetTrouble or NameTaken if not."""


@dataclass(frozen=True, slots=True)
class Lying:
    """What a JSON sidecar says of itself: of which content it is the transcript, under which request."""

    size: int  # bytes of the source
    sha256: str  # of the source, 64 hex digits
    request: Request
    body: bytes = field(repr=False)  # the service's reply
    session_id: str
    key_fingerprint: str | None
    seconds: float | None  # of media


class Beside(Protocol):
    """The transcripts that lie where a source's sidecars would be."""

    def transcripts(self, source: Source) -> Sequence[Lying]:
        """Those that can be read, the likeliest first; none where the folder is not configured. ShareTrouble."""


class Gauge(Protocol):
    """Live figures: no facts, only to be shown."""

    def beat(self) -> None:
        """Something moves."""

    def sent(self, job: Job, offset: int) -> None:
        """How far an upload is."""
