"""The shape of the configuration: every setting that exists, its kind of value and its default.

A setting is listed here only when it works: what is accepted is honoured.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, model_validator

from scriptixd.captions.layout import Profile
from scriptixd.captions.manner import Units, Writing
from scriptixd.captions.style import SpeakerLabels
from scriptixd.config import listening, values
from scriptixd.config.settings import Auth, Changed, FilenamePolicy, Newline, Secret, WatchMode, WebhookMethod
from scriptixd.config.values import (
    Argument,
    Flag,
    HeaderName,
    HeaderValue,
    MetadataName,
    Output,
    PathText,
    Pattern,
    Rate,
    Text,
    TimeOfDay,
)
from scriptixd.jobs.job import DocumentType
from scriptixd.jobs.news import Names, Topic
from scriptixd.jobs.ports import Polling
from scriptixd.jobs.source import Existing
from scriptixd.jobs.timetable import Hours

SMALLEST_CHUNK = 2**10  # bytes: below it the headers outweigh what is sent
SHORTEST_TIMEOUT = 0.1  # s: no network answers reliably faster
DAY = 86_400.0  # s
SHORTEST_RUN = 1.0  # s: a program needs a while to start
SHORTEST_SCAN = 0.1  # s: a scanner that never rests helps nobody


class Block(BaseModel):
    """A mapping of settings; nothing under its name means that all have their defaults.

    Only the outermost one is built into a validator, which takes longer than to use it: where a block is a default, it
    is constructed without one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True)

    elsewhere: ClassVar[Mapping[str, str]] = {}  # settings that exist, but not here: the sentence why
    formerly: ClassVar[Mapping[str, str | None]] = {}  # former names, each with today's; None: is no setting any more

    @model_validator(mode="before")
    @classmethod
    def _empty(cls, data: Any) -> Any:
        return {} if data is None else data


class ApiBlock(Block):
    url: Annotated[str, PlainValidator(values.service_url)] = "https://api.scriptix.io/api/v3"
    key_file: PathText | None = None
    key: Annotated[Secret, PlainValidator(values.secret)] | None = None
    auth: Annotated[Auth, PlainValidator(values.choice(Auth))] = Auth.KEY_HEADER
    requests_per_minute: Annotated[int, PlainValidator(values.at_least_one)] = 60
    requests_per_hour: Annotated[int, PlainValidator(values.at_least_one)] | None = None
    chunk_size: Annotated[
        int, PlainValidator(values.at_least(SMALLEST_CHUNK, "must be at least 1KiB", values.size))
    ] = 50 * 2**20
    timeout: Annotated[
        float, PlainValidator(values.at_least(SHORTEST_TIMEOUT, "must be at least 100ms", values.duration))
    ] = 60.0
    polling: Annotated[Polling, PlainValidator(values.choice(Polling))] = Polling.AUTO
    deadline: Annotated[float, PlainValidator(values.at_least(1.0, "must be at least 1s", values.duration))] = 86400.0
    result_units: Annotated[Units, PlainValidator(values.choice(Units))] = Units.AUTO


class WebhookBlock(Block):
    url: Annotated[str | None, PlainValidator(values.webhook_url)] = None  # required once the block is there
    method: Annotated[WebhookMethod, PlainValidator(values.choice(WebhookMethod))] = WebhookMethod.POST
    headers: Annotated[dict[HeaderName, HeaderValue], BeforeValidator(values.or_empty_mapping)] = {}


class ScriptixBlock(Block):
    """What only the service understands."""

    punctuation: Flag = True
    multichannel: Flag = False
    diarization: Flag | None = None
    keep_source: Flag = False
    folder_id: Annotated[int, PlainValidator(values.whole)] | None = None
    filename: Annotated[FilenamePolicy, PlainValidator(values.choice(FilenamePolicy))] = FilenamePolicy.SEND
    document: Annotated[str, PlainValidator(values.options)] = "{}"
    webhook: WebhookBlock | None = None
    metadata: Annotated[dict[MetadataName, Text], BeforeValidator(values.or_empty_mapping)] = {}


class AskAboveBlock(Block):
    files: Annotated[int, PlainValidator(values.whole)] | None = 200
    hours: Annotated[float, PlainValidator(values.hours)] | None = 24.0


class BoundsBlock(Block):
    """What one folder, or all of them together, may send."""

    bandwidth: Annotated[dict[TimeOfDay, Rate | None], BeforeValidator(values.rates)] | None = None
    upload_hours: Annotated[Hours, PlainValidator(values.hours_of_day)] | None = None
    files_per_day: Annotated[int, PlainValidator(values.at_least_one)] | None = None
    hours_per_day: Annotated[float, PlainValidator(values.some_hours)] | None = None
    hours_per_month: Annotated[float, PlainValidator(values.some_hours)] | None = None


class FolderLimitsBlock(BoundsBlock):
    uploads: Annotated[int, PlainValidator(values.at_least_one)] | None = None


class OutputBlock(Block):
    """Where sidecars go, what they are called, and whose they are."""

    directory: Annotated[str, PlainValidator(values.output_directory)] | None = None
    suffix: Annotated[str, PlainValidator(values.suffix)] = ""
    mode: Annotated[int, PlainValidator(values.mode)] | None = None
    group: Annotated[str, PlainValidator(values.line_of_text)] | None = None


class CaptionsBlock(Block):
    """How captions are made and written; a number that is not set is the profile's."""

    profile: Annotated[Profile, PlainValidator(values.choice(Profile))] = Profile.NETFLIX
    max_chars: Annotated[int, PlainValidator(values.at_least_one)] | None = None
    max_lines: Annotated[int, PlainValidator(values.at_least_one)] | None = None
    min_duration: Annotated[float, PlainValidator(values.duration)] | None = None
    max_duration: Annotated[float, PlainValidator(values.duration)] | None = None
    chars_per_second: Annotated[float, PlainValidator(values.speed)] | None = None
    gap: Annotated[float, PlainValidator(values.duration)] | None = None
    chain: Annotated[float, PlainValidator(values.duration)] | None = None
    speaker_labels: Annotated[SpeakerLabels, PlainValidator(values.choice(SpeakerLabels))] = SpeakerLabels.NEVER
    srt_bom: Flag = False
    srt_newline: Annotated[Newline, PlainValidator(values.choice(Newline))] = Newline.LF
    vtt_note: Annotated[str, PlainValidator(values.note)] = Writing().vtt_note


class AfterDoneBlock(Block):
    """What is run when a file's sidecars are there."""

    command: tuple[Argument, ...] | None = None  # required once the block is there
    timeout: Annotated[float, PlainValidator(values.at_least(SHORTEST_RUN, "must be at least 1s", values.duration))] = (
        60.0
    )


class PathBlock(Block):
    """What may differ from path to path."""

    language: Annotated[str | None, PlainValidator(values.language)] = None  # required: here, in defaults or by rules
    document_type: Annotated[DocumentType | None, PlainValidator(values.choice(DocumentType))] = None  # likewise
    scriptix: ScriptixBlock = ScriptixBlock.model_construct()
    include: tuple[Pattern, ...] | None = None
    exclude: Annotated[tuple[Pattern, ...], BeforeValidator(values.or_empty_list)] = ()
    settle: Annotated[float | None, PlainValidator(values.or_auto(values.duration))] = None
    min_size: Annotated[int, PlainValidator(values.size)] = 2**10
    max_size: Annotated[int, PlainValidator(values.at_least(1, "must be at least 1 byte", values.size))] = 10 * 10**9
    existing: Annotated[Existing, PlainValidator(values.choice(Existing))] = Existing.HOLD
    changed: Annotated[Changed, PlainValidator(values.choice(Changed))] = Changed.HOLD
    outputs: tuple[Output, ...] | None = None
    output: OutputBlock = OutputBlock.model_construct()
    captions: CaptionsBlock = CaptionsBlock.model_construct()
    delete_remote: Annotated[float | None, PlainValidator(values.delete_remote)] = None
    after_done: AfterDoneBlock | None = None


class RuleBlock(PathBlock):
    elsewhere: ClassVar[Mapping[str, str]] = {
        "path": "belongs to the folder: a rule is about files in it, and 'match' says which",
        "name": "belongs to the folder: a rule is about files in it, and 'match' says which",
        "recursive": "belongs to the folder as a whole: rules are about files, and not about which directories "
        "are entered; 'exclude' can leave files out",
        "watch": "belongs to the folder as a whole, which is watched in one way",
        "scan_interval": "belongs to the folder as a whole, which is looked at in one go",
        "ask_above": "belongs to the folder as a whole, whose files are counted together",
        "limits": "belongs to the folder as a whole, whose uploads share them",
        "problem_note": "belongs to the folder as a whole, which has one",
        "contact": "belongs to the folder as a whole, whose note tells it",
        "rules": "belongs to the folder: a rule has no rules of its own",
    }

    match: Annotated[str | None, PlainValidator(values.pattern)] = None  # required


class FolderDefaults(PathBlock):
    """Any setting of a folder but its path and name."""

    recursive: Flag = True
    watch: Annotated[WatchMode, PlainValidator(values.choice(WatchMode))] = WatchMode.AUTO
    scan_interval: Annotated[
        float | None,
        PlainValidator(
            values.or_auto(values.at_least(SHORTEST_SCAN, "must be auto, or at least 100ms", values.duration))
        ),
    ] = None
    ask_above: AskAboveBlock | None = AskAboveBlock.model_construct()
    limits: FolderLimitsBlock = FolderLimitsBlock.model_construct()
    problem_note: Flag = False
    contact: Annotated[str, PlainValidator(values.note)] = ""
    rules: Annotated[tuple[RuleBlock, ...], BeforeValidator(values.or_empty_list)] = ()


class FolderBlock(FolderDefaults):
    path: Annotated[Path | None, PlainValidator(values.path)] = None  # required
    name: Annotated[str | None, PlainValidator(values.folder_name)] = None


class LimitsBlock(BoundsBlock):
    uploads: Annotated[int, PlainValidator(values.at_least_one)] = 2


class NotifyBlock(Block):
    """Who is told without asking."""

    urls: Annotated[
        tuple[Annotated[Secret, PlainValidator(values.receiver)], ...], BeforeValidator(values.or_empty_list)
    ] = ()  # required once the block is there
    on: tuple[Annotated[Topic, PlainValidator(values.choice(Topic))], ...] = tuple(
        topic for topic in Topic if topic is not Topic.SUMMARY
    )
    names: Annotated[Names, PlainValidator(values.choice(Names))] = Names.FULL


class HttpBlock(Block):
    """Metrics, health and a page, for who reaches the address."""

    listen: Annotated[tuple[str, int] | None, PlainValidator(listening.listen)] = (
        None  # required once the block is there
    )
    token_file: PathText | None = None
    token: Annotated[Secret, PlainValidator(listening.token)] | None = None
    page: Flag = True


class ConfigurationFile(Block):
    api: ApiBlock = ApiBlock.model_construct()
    state: PathText | None = None
    keep_results: Annotated[float, PlainValidator(values.duration)] | None = 90 * DAY
    keep_history: Annotated[float, PlainValidator(values.duration)] | None = 365 * DAY
    timezone: Annotated[ZoneInfo, PlainValidator(values.time_zone)] | None = None
    names_in_logs: Annotated[Names, PlainValidator(values.choice(Names))] = Names.FULL
    defaults: FolderDefaults = FolderDefaults.model_construct()
    folders: Annotated[tuple[FolderBlock, ...], BeforeValidator(values.or_empty_list)] = ()
    limits: LimitsBlock = LimitsBlock.model_construct()
    notify: NotifyBlock | None = None
    http: Annotated[HttpBlock | None, BeforeValidator(listening.address_or_block)] = None
