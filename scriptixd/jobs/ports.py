"""What the pipeline needs of the service, in its own words; the service room implements it.

Every method is one HTTP request, classifies what comes back, and never retries. Errors of all of them:
Away, AccountTrouble; `create` also QuotaTrouble, FolderTrouble and FileTrouble.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from scriptixd.jobs.job import Labels, Request


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
