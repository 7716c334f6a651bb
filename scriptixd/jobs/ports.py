"""What the pipeline needs of the service, the configuration and the disks, in its own words; others implement it.

Every method of Uploads and Sessions is one HTTP request, classifies what comes back, and never retries. Errors
of all of them: Away, AccountTrouble; `create` also QuotaTrouble, FolderTrouble and FileTrouble.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import Job, Labels, Request, Terms
from scriptixd.jobs.source import Source
from scriptixd.roots.root import Reader, Root


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

    def offset(self, file_id: str) -> int | None:
        """HEAD: how many bytes the server has, or None if it does not know the upload."""

    def send(self, file_id: str, offset: int, body: Body) -> int:
        """PATCH: send the body at `offset`; returns the server's new offset."""

    def discard(self, file_id: str) -> None:
        """DELETE: give an unfinished upload up, where the server offers it."""


class Sessions(Protocol):
    """Scriptix's transcription jobs."""

    def session_of(self, file_id: str) -> str | None:
        """GET /files/<id>: the session of a complete upload; None while it has none (also on 404)."""

    def look(self, session_id: str) -> Answer:
        """GET …/session/<id>/result."""

    def probe(self) -> None:
        """The cheapest authenticated request: returns if the account is in order, else AccountTrouble or Away."""


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


class Gauge(Protocol):
    """Live figures: no facts, only to be shown."""

    def beat(self) -> None:
        """Something moves."""

    def sent(self, job: Job, offset: int) -> None:
        """How far an upload is."""
