"""What a configuration becomes: frozen records that each room is given its part of.

Pure; says nothing about YAML. Secrets show themselves only when they are asked to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from zoneinfo import ZoneInfo

from scriptixd.captions.manner import Manner, Units
from scriptixd.errors import FileTrouble
from scriptixd.jobs.bounds import ALL, Bounds
from scriptixd.jobs.job import AfterDone, Labels, OutputPlace, Request, Terms
from scriptixd.jobs.news import Names, Topic
from scriptixd.jobs.ports import Polling
from scriptixd.jobs.source import Existing
from scriptixd.roots.globs import matches
from scriptixd.roots.paths import shown


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


class WatchMode(StrEnum):
    """How a folder's changes are noticed."""

    AUTO = "auto"
    EVENTS = "events"
    POLL = "poll"


class Changed(StrEnum):
    """What becomes of new bytes with the same media length, as a tag editor leaves them."""

    HOLD = "hold"
    PROCESS = "process"


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
    requests_per_hour: int | None
    chunk_size: int  # bytes
    timeout: float  # s
    polling: Polling
    deadline: float  # s
    result_units: Units


@dataclass(frozen=True, slots=True)
class Limits:
    """What all folders share."""

    uploads: int  # at the same time
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class FolderLimits:
    """What one folder has of it."""

    uploads: int | None  # at the same time; None: as many as all folders together
    bounds: Bounds


@dataclass(frozen=True, slots=True)
class AskAbove:
    """How much may come within an hour without a person's yes; None: any amount."""

    files: int | None
    hours: float | None  # of media


class Newline(StrEnum):
    """How lines of SRT end."""

    LF = "lf"
    CRLF = "crlf"


@dataclass(frozen=True, slots=True)
class PathSettings:
    """What holds for one path: the settings of the first rule that matches it, else the folder's own."""

    rule: str | None  # the pattern of the rule; None: the folder's own settings
    include: tuple[str, ...] | None  # None: the known audio and video extensions
    exclude: tuple[str, ...]  # besides the litter that is always ignored
    settle: float | None  # s; None: fitting the disk
    min_size: int  # bytes
    max_size: int  # bytes
    existing: Existing
    changed: Changed
    outputs: tuple[str, ...]  # in the order of writing, the JSON last
    output: OutputPlace
    manner: Manner
    request: Request
    labels: Labels = field(repr=False)  # of any file: `filename` is filled in for each
    filename: FilenamePolicy
    erase_after: float | None  # s after delivery until it is erased at the service; None: it is kept there
    after_done: AfterDone | None = None


@dataclass(frozen=True, slots=True)
class Folder:
    """One watched root, and what is asked for the files in it; `at` tells what holds for one of them."""

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
    ask_above: AskAbove
    changed: Changed
    outputs: tuple[str, ...]  # in the order of writing, the JSON last
    output: OutputPlace
    manner: Manner
    request: Request | None  # None: what is asked is told by rules alone
    lacks: str  # the name of the required setting that only the rules have; empty if there is a request
    labels: Labels = field(repr=False)  # of any file: `filename` is filled in for each
    filename: FilenamePolicy
    erase_after: float | None  # s after delivery until it is erased at the service; None: it is kept there
    limits: FolderLimits
    problem_note: bool = False  # a file at its root tells people what waits
    contact: str = ""  # whom they ask
    rules: tuple[PathSettings, ...] = ()  # the first that matches holds
    after_done: AfterDone | None = None

    @property
    def secrets(self) -> frozenset[str]:
        """What no sentence may hold, of the webhooks of the folder and of its rules."""
        webhooks = (labels.webhook for labels in (self.labels, *(rule.labels for rule in self.rules)))
        return frozenset(secret for webhook in webhooks if webhook is not None for secret in webhook.secrets)

    @property
    def output_directories(self) -> tuple[str, ...]:
        """The absolute paths of the directories that sidecars go to, where that is not beside their sources."""
        every = (self.output.directory, *(rule.output.directory for rule in self.rules))
        return tuple(dict.fromkeys(directory for directory in every if directory is not None))

    def at(self, path: str) -> PathSettings | None:
        """What holds for a path relative to the folder; None if it asks for nothing, and is not picked up."""
        for rule in self.rules:
            if rule.rule is not None and matches(rule.rule, path):
                return rule
        if self.request is None:
            return None
        return PathSettings(
            rule=None,
            include=self.include,
            exclude=self.exclude,
            settle=self.settle,
            min_size=self.min_size,
            max_size=self.max_size,
            existing=self.existing,
            changed=self.changed,
            outputs=self.outputs,
            request=self.request,
            labels=self.labels,
            filename=self.filename,
            erase_after=self.erase_after,
            output=self.output,
            manner=self.manner,
            after_done=self.after_done,
        )

    def holding(self, path: str) -> PathSettings:
        """What holds for a path; raises FileTrouble if no rule matches it, and only rules say what is asked."""
        here = self.at(path)
        if here is None:
            raise FileTrouble(
                f"no rule matches {shown(path)}, and the folder has no {self.lacks} of its own",
                f"add a rule for it, or set '{self.lacks}' in the folder, then: scriptixd retry FILE",
            )
        return here

    def terms(self, path: str) -> Terms:
        """What the jobs of one file go by; raises FileTrouble as `holding` does."""
        here = self.holding(path)
        name = path.rpartition("/")[2] if here.filename is FilenamePolicy.SEND else None
        labels = replace(here.labels, filename=name)
        return Terms(
            request=here.request,
            labels=labels,
            outputs=here.outputs,
            max_size=here.max_size,
            changed_holds=here.changed is Changed.HOLD,
            hours_unasked=self.ask_above.hours,
            erase_after=here.erase_after,
            output=here.output,
            manner=here.manner,
            after_done=here.after_done,
        )


@dataclass(frozen=True, slots=True)
class Keep:
    """How long what is stored here stays, in seconds; None: for ever."""

    results: float | None
    history: float | None


@dataclass(frozen=True, slots=True)
class Notify:
    """Who is told without asking, and of what."""

    urls: tuple[Secret, ...]
    on: frozenset[Topic]
    names: Names


@dataclass(frozen=True, slots=True)
class Http:
    """What is served over HTTP: metrics, health, and a page for people."""

    host: str  # an IP address
    port: int
    token: Secret | None  # that requests have to carry; None where none is needed, or it was not asked for
    page: bool


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration; `warnings` are sentences with the file and the line in front."""

    api: Api
    state: Path
    keep: Keep
    timezone: ZoneInfo | None  # None: the system's
    folders: tuple[Folder, ...]
    limits: Limits
    warnings: tuple[str, ...]
    path: Path  # of the configuration itself
    notify: Notify | None = None
    http: Http | None = None  # None: nothing is served
    names_in_logs: Names = Names.FULL

    @property
    def bounds(self) -> Mapping[str, Bounds]:
        """What may be sent, by folder and for ALL."""
        return {ALL: self.limits.bounds, **{folder.name: folder.limits.bounds for folder in self.folders}}
