"""What a configuration becomes: frozen records that each room is given its part of.

Pure; says nothing about YAML. Secrets show themselves only when they are asked to.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from scriptixd.captions.result import Units
from scriptixd.jobs.job import Labels, Request, Terms
from scriptixd.jobs.source import Existing


class Secret:
    """A text that no message, log line or traceback shows by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


class Auth(StrEnum):
    """Which header carries the key."""

    KEY_HEADER = "x-zoom-s2t-key"
    BEARER = "bearer"


class Polling(StrEnum):
    """How results are asked for; `auto` looks at each session by itself, as `single` does."""

    AUTO = "auto"
    SINGLE = "single"


class WatchMode(StrEnum):
    """How a folder's changes are noticed."""

    AUTO = "auto"
    EVENTS = "events"
    POLL = "poll"


class FilenamePolicy(StrEnum):
    """Whether the service learns the names of files."""

    SEND = "send"
    HIDE = "hide"


class WebhookMethod(StrEnum):
    POST = "POST"
    PUT = "PUT"


@dataclass(frozen=True, slots=True)
class Api:
    """How to reach the service."""

    url: str  # without a slash at its end
    key: Secret | None  # None where it was not asked for
    auth: Auth
    requests_per_minute: int
    chunk_size: int  # bytes
    timeout: float  # s
    polling: Polling
    deadline: float  # s
    result_units: Units


@dataclass(frozen=True, slots=True)
class Limits:
    """What all folders share."""

    uploads: int  # at the same time


@dataclass(frozen=True, slots=True)
class Folder:
    """One watched root, and what is asked for the files in it."""

    name: str
    path: Path  # absolute; links in it are not resolved
    recursive: bool
    include: tuple[str, ...] | None  # None: the known audio and video extensions
    exclude: tuple[str, ...]  # besides the litter that is always ignored
    watch: WatchMode
    scan_interval: float | None  # s; None: fitting the disk
    settle: float | None  # s; None: fitting the disk
    min_size: int  # bytes
    max_size: int  # bytes
    existing: Existing
    outputs: tuple[str, ...]  # in the order of writing, the JSON last
    request: Request
    labels: Labels = field(repr=False)  # of any file: `filename` is filled in for each
    filename: FilenamePolicy

    def terms(self, path: str) -> Terms:
        """What holds for one file, by its path relative to the folder."""
        name = path.rpartition("/")[2] if self.filename is FilenamePolicy.SEND else None
        return Terms(self.request, replace(self.labels, filename=name), self.outputs, self.max_size)


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration; `warnings` are sentences with the file and the line in front."""

    api: Api
    state: Path
    folders: tuple[Folder, ...]
    limits: Limits
    warnings: tuple[str, ...]
    path: Path  # of the configuration itself
