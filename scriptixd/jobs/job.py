"""A job: one content under one request, paid at most once; and what today's configuration says of a path.

Pure records: no clock, no file, no database. What moves a job is in events.py and transitions.py.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from scriptixd.captions.manner import Manner
from scriptixd.roots.root import LIKE_ITS_DIRECTORY, FileAccess, Stat


class DocumentType(StrEnum):
    CAPTION = "caption"  # subtitles
    DOCUMENT = "document"  # a transcript to read


@dataclass(frozen=True, slots=True)
class Request:
    """What the service is asked; content × request is what costs money. None is not sent."""

    language: str
    document_type: DocumentType
    punctuation: bool = True
    multichannel: bool = False
    diarization: bool | None = None
    document: str = "{}"  # options of the document as JSON with sorted keys

    @property
    def key(self) -> str:
        """The whole request as one text, equal exactly for equal requests."""
        return _key(self)

    def unlike(self, other: Request) -> str:
        """A sentence for what is asked now, of a content that was transcribed under another request."""
        ours, theirs = asdict(self), asdict(other)
        differing = [f"{name} {ours[name]}, not {theirs[name]}" for name in ours if ours[name] != theirs[name]]
        return "its content was transcribed before, and today's settings ask for " + ", ".join(differing)

    @staticmethod
    @lru_cache(maxsize=64)  # of thousands of files, most ask for the same
    def from_key(key: str) -> Request:
        fields = json.loads(key)
        return Request(**{**fields, "document_type": DocumentType(fields["document_type"])})


@lru_cache(maxsize=64)  # written with each save of a job
def _key(request: Request) -> str:
    return json.dumps(asdict(request), sort_keys=True, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where the service calls when a transcript is ready; its headers are secrets."""

    url: str
    method: str = "POST"
    headers: tuple[str, ...] = field(default=(), repr=False)  # "Name: value"

    @property
    def secrets(self) -> tuple[str, ...]:
        """What a reply may repeat of it, whole or in part, and no sentence may."""
        place = urlsplit(self.url)
        parts = (place.path.strip("/"), place.query, *(value for _, value in parse_qsl(place.query)))
        values = [header.partition(":")[2].strip() for header in self.headers]
        tokens = (value.rpartition(" ")[2] for value in values)  # without the scheme: Bearer, Basic
        return tuple(dict.fromkeys((self.url, *parts, *self.headers, *values, *tokens)))


@dataclass(frozen=True, slots=True)
class Labels:
    """What travels along without changing the transcript."""

    filename: str | None  # None: hidden, a neutral name with the right extension is sent
    keep_source: bool = False
    folder_id: int | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    webhook: Webhook | None = None

    def public(self) -> dict[str, object]:
        """What may be written down: everything but the webhook, whose headers are secrets."""
        return {
            "filename": self.filename,
            "keep_source": self.keep_source,
            "folder_id": self.folder_id,
            "metadata": dict(self.metadata),
        }


LANGUAGE: Final = "{language}"  # in the suffix of names: what players call the language


@dataclass(frozen=True, slots=True)
class OutputPlace:
    """Where a file's sidecars go, what their names get, and who may do what with them."""

    directory: str | None = None  # absolute: the folder's tree is mirrored in it; None: beside the source
    suffix: str = ""  # after the stem
    access: FileAccess = LIKE_ITS_DIRECTORY


@dataclass(frozen=True, slots=True)
class AfterDone:
    """The command that is run when a file's sidecars are there; its arguments may hold secrets."""

    command: tuple[str, ...] = field(repr=False)
    timeout: float  # s


@dataclass(frozen=True, slots=True)
class Terms:
    """What today's configuration says about one path."""

    request: Request
    labels: Labels
    outputs: tuple[str, ...]  # names of formats, in the order of writing
    max_size: int  # bytes
    changed_holds: bool = False  # new content that plays exactly as long as what was paid before waits for a yes
    hours_unasked: float | None = None  # of media that may come to its folder within an hour without a yes
    erase_after: float | None = None  # s after delivery until it is erased at the service; None: it is kept there
    output: OutputPlace = OutputPlace()
    manner: Manner = Manner()  # noqa: RUF009 - frozen
    after_done: AfterDone | None = None


class State(StrEnum):
    FOUND = "found"
    HELD = "held"
    UPLOADING = "uploading"
    CLOSING = "closing"
    UPLOADED = "uploaded"
    TRANSCRIBING = "transcribing"
    READY = "ready"
    FAILED = "failed"
    GONE = "gone"
    DISMISSED = "dismissed"


ACTIVE = (State.FOUND, State.UPLOADING, State.CLOSING, State.UPLOADED, State.TRANSCRIBING)


ADOPTED_UPLOAD: Final = ""  # the upload of a transcript that was found: nothing is known of it

# Unix seconds: a delivery is due when its result is there, and until then it is not even looked at.
NO_RESULT_YET: Final = 1e15


class DeliveryState(StrEnum):
    PENDING = "pending"
    DELIVERED = "delivered"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Job:
    """One content under one request, and all that is known of it. Times are Unix seconds."""

    id: int
    state: State
    folder: str  # the folder whose source caused it: fairness between folders goes by this
    request: Request
    stat: Stat  # of the source, when its content settled
    redo: int = 0  # how many times a person asked to pay again on purpose
    sha256: str | None = None  # of the source, 64 hex digits
    media_seconds: float | None = None
    file_id: str | None = None  # of the TUS upload: the last segment of its Location
    service: str | None = None  # scheme and host where the upload was opened
    key_fingerprint: str | None = None  # of the key that opened it, 8 hex digits of its SHA-256
    labels: str | None = None  # what travelled along, as JSON, once the upload was opened
    session_id: str | None = None
    closing_at: float | None = None  # from here on the content may have been paid for
    uploaded_at: float | None = None
    ready_at: float | None = None
    due_at: float = 0.0
    failures: int = 0  # since the last progress
    unanswered: float = 0.0  # s in which the service was asked and gave no proper answer
    reason: str = ""
    hint: str = ""
    held_for: str = ""  # why a person's yes is needed; empty once it was given
    created_at: float = 0.0
    updated_at: float = 0.0
    version: int = 0  # counts saves: who holds an older one does not know what happened since
    cleared: str = ""  # the doubts about this content that a person has said yes to, a line each
    looked_at: float | None = None  # the last look that found it still at work
    took: float | None = None  # s from the end of the upload to the result, as far as can be told
    language: str | None = None  # what `redo` asked for, instead of the folder's

    def asks(self, today: Request) -> Request:
        """What is asked for by today's configuration, and by whoever said otherwise of this content."""
        return today if self.language is None else replace(today, language=self.language)

    def is_cleared(self, doubt: str) -> bool:
        """Whether a person has said yes to just this doubt."""
        return doubt in self.cleared.split("\n")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One source's share of a job: which sidecars it gets, done or not."""

    id: int
    job_id: int
    source_id: int
    state: DeliveryState
    due_at: float = 0.0
    failures: int = 0
    reason: str = ""
    hint: str = ""
    wishes: str | None = None  # while it is made anew: what is wanted this once, as Wishes.text has it


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A file that we wrote, or are about to write: `sha256` is committed before the rename."""

    id: int
    delivery_id: int
    folder: str  # where it lies: a folder's name, or the absolute path of a directory for outputs
    path: str
    output: str
    sha256: str
    replaces: str | None  # the hash of our own file that has the name until this one is written
    written_at: float | None
    former: bool = False  # of an earlier rendering: it is taken away when this one is done, unless somebody edited it
