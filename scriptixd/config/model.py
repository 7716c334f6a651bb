"""The shape of the configuration: every setting that exists, its kind of value and its default.

A setting is listed here only when it works: what is accepted is honoured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainValidator, model_validator

from scriptixd.captions.result import Units
from scriptixd.config import values
from scriptixd.config.settings import Auth, FilenamePolicy, Polling, Secret, WatchMode, WebhookMethod
from scriptixd.config.values import Flag, HeaderName, HeaderValue, MetadataName, Output, PathText, Pattern, Text
from scriptixd.jobs.job import DocumentType
from scriptixd.jobs.source import Existing

SMALLEST_CHUNK = 2**10  # bytes: below it the headers outweigh what is sent
SHORTEST_TIMEOUT = 0.1  # s: no network answers reliably faster
SHORTEST_SCAN = 0.1  # s: a scanner that never rests helps nobody


class Block(BaseModel):
    """A mapping of settings; nothing under its name means that all have their defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

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
    chunk_size: Annotated[
        int, PlainValidator(values.at_least(SMALLEST_CHUNK, "must be at least 1KiB", values.size))
    ] = 50 * 2**20
    timeout: Annotated[
        float, PlainValidator(values.at_least(SHORTEST_TIMEOUT, "must be at least 100ms", values.duration))
    ] = 60.0
    polling: Annotated[Polling, PlainValidator(values.polling)] = Polling.AUTO
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


class FolderDefaults(Block):
    """Any setting of a folder but its path and name."""

    language: Annotated[str | None, PlainValidator(values.language)] = None  # required, here or in the folder
    document_type: Annotated[DocumentType | None, PlainValidator(values.choice(DocumentType))] = None  # likewise
    scriptix: ScriptixBlock = ScriptixBlock()
    recursive: Flag = True
    include: tuple[Pattern, ...] | None = None
    exclude: Annotated[tuple[Pattern, ...], BeforeValidator(values.or_empty_list)] = ()
    watch: Annotated[WatchMode, PlainValidator(values.choice(WatchMode))] = WatchMode.AUTO
    scan_interval: Annotated[
        float | None,
        PlainValidator(
            values.or_auto(values.at_least(SHORTEST_SCAN, "must be auto, or at least 100ms", values.duration))
        ),
    ] = None
    settle: Annotated[float | None, PlainValidator(values.or_auto(values.duration))] = None
    min_size: Annotated[int, PlainValidator(values.size)] = 2**10
    max_size: Annotated[int, PlainValidator(values.at_least(1, "must be at least 1 byte", values.size))] = 10 * 10**9
    existing: Annotated[Existing, PlainValidator(values.choice(Existing))] = Existing.HOLD
    outputs: tuple[Output, ...] | None = None


class FolderBlock(FolderDefaults):
    path: Annotated[Path | None, PlainValidator(values.path)] = None  # required
    name: Annotated[str | None, PlainValidator(values.folder_name)] = None


class LimitsBlock(Block):
    uploads: Annotated[int, PlainValidator(values.at_least_one)] = 2


class ConfigurationFile(Block):
    api: ApiBlock = ApiBlock()
    state: PathText | None = None
    defaults: FolderDefaults = FolderDefaults()
    folders: Annotated[tuple[FolderBlock, ...], BeforeValidator(values.or_empty_list)] = ()
    limits: LimitsBlock = LimitsBlock()
