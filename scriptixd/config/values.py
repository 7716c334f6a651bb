"""How one setting's text becomes its value: the kinds of values that the model is made of.

Pure. Every reader takes what document.py gives and raises ValueError with the end of a sentence;
none of them repeats a value, which may be a secret.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import yaml
from pydantic import BeforeValidator, PlainValidator

from scriptixd.captions.formats import FORMATS
from scriptixd.config import addresses, units
from scriptixd.config.document import Scalar, Value
from scriptixd.config.settings import Secret
from scriptixd.jobs.job import LANGUAGE
from scriptixd.jobs.timetable import DAY, Hours

LONGEST_SUFFIX = 64  # bytes: a name has 255, and something of the recording's is to be left in it
JSON_OUTPUT = "json"  # always among the outputs: written last, it marks the set as complete
WEBHOOK_OPTIONS = frozenset({"webhook_url", "webhook_method", "webhook_headers"})
OUR_METADATA = WEBHOOK_OPTIONS | {
    *("language", "document_type", "filetype", "filename", "punctuation", "keep_source"),
    *("multichannel", "diarization", "folder_id", "document", "session_id"),
}

LANGUAGE_CODE = re.compile(r"[A-Za-z0-9]+(?:[-_][A-Za-z0-9]+)*")
_MODE = re.compile(r"0?[0-7]{3}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110: the name of a header
_METADATA_NAME = re.compile(r"[!-+\--~]+")  # TUS 1.0.0: ASCII without spaces and commas
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")

T = TypeVar("T")
Number = TypeVar("Number", int, float)
Choice = TypeVar("Choice", bound=StrEnum)


def text(value: Value) -> str:
    """Any text, as it is written: `no` and `007` are text, too."""
    if value is None:
        raise ValueError("must be text, and is empty")
    if not isinstance(value, Scalar):
        raise ValueError("must be text, not a list or a mapping")
    if any("\ud800" <= character <= "\udfff" for character in value.text):
        raise ValueError("must be text, and has bytes that are not UTF-8")
    return value.text


def line_of_text(value: Value) -> str:
    """Text that is not empty, without control characters."""
    content = text(value)
    if not content.strip():
        raise ValueError("must not be empty")
    if has_control_characters(content):
        raise ValueError("must not contain control characters or line breaks")
    return content


def has_control_characters(content: str) -> bool:
    return any(character < " " or "\x7f" <= character <= "\x9f" for character in content)


def flag(value: Value) -> bool:
    """What YAML itself reads as a boolean: true, false, yes, no, on, off."""
    if not isinstance(value, Scalar) or value.tag != "bool" or value.text.lower() not in yaml.SafeLoader.bool_values:
        raise ValueError("must be true or false")
    return yaml.SafeLoader.bool_values[value.text.lower()]


def whole(value: Value) -> int:
    content = value.text.strip() if isinstance(value, Scalar) else ""
    if not re.fullmatch(r"[0-9]{1,18}", content):
        raise ValueError("must be a whole number")
    return int(content)


def at_least_one(value: Value) -> int:
    number = whole(value)
    if number < 1:
        raise ValueError("must be at least 1")
    return number


def hours(value: Value) -> float:
    content = value.text.strip() if isinstance(value, Scalar) else ""
    if not re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]{1,6})?", content):
        raise ValueError("must be a number of hours, such as 24 or 1.5")
    return float(content)


def some_hours(value: Value) -> float:
    number = hours(value)
    if number == 0:
        raise ValueError("must be more than 0; scriptixd pause keeps uploads from going on at all")
    return number


def speed(value: Value) -> float:
    """Characters a second."""
    content = value.text.strip() if isinstance(value, Scalar) else ""
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", content) or float(content) <= 0:
        raise ValueError("must be a number above 0, such as 15 or 17.5")
    return float(content)


def note(value: Value) -> str:
    """One line, which may be empty."""
    content = text(value)
    if has_control_characters(content):
        raise ValueError("must be one line of plain text")
    return content


def size(value: Value) -> int:
    return units.size(text(value))


def duration(value: Value) -> float:
    return units.duration(text(value))


def at_least(least: Number, sentence: str, read: Callable[[Value], Number]) -> Callable[[Value], Number]:
    """A reader that refuses what is below `least`, for the reason in the sentence."""

    def reader(value: Value) -> Number:
        result = read(value)
        if result < least:
            raise ValueError(sentence)
        return result

    return reader


def or_auto(read: Callable[[Value], T]) -> Callable[[Value], T | None]:
    """A reader that takes `auto` for None: we choose."""

    def reader(value: Value) -> T | None:
        return None if isinstance(value, Scalar) and value.text == "auto" else read(value)

    return reader


def delete_remote(value: Value) -> float | None:
    """Seconds after delivery, and None for never."""
    if isinstance(value, Scalar) and value.tag == "bool":
        return 0.0 if flag(value) else None
    try:
        return duration(value)
    except ValueError as error:
        raise ValueError("must be true, false, or how long after delivery, such as 30d") from error


def time_zone(value: Value) -> ZoneInfo:
    name = line_of_text(value)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        if not available_timezones():
            raise ValueError(
                "needs the data of the time zones, which are not on this machine: install tzdata"
            ) from error
        raise ValueError("must be a time zone by its name, such as Europe/Amsterdam or UTC") from error


def hours_of_day(value: Value) -> Hours:
    return units.hours_of_day(text(value))


def time_of_day(value: str) -> int:
    minutes = units.time_of_day(value)
    if minutes == DAY:
        raise ValueError("must be written as 00:00, where a day begins")
    return minutes


def rate(value: Value) -> float:
    return units.rate(text(value))


def rates(value: Value) -> Value:
    """One rate is a timetable of one line."""
    if isinstance(value, Scalar):
        rate(value)
        return {"00:00": value}
    if not isinstance(value, dict):
        raise ValueError('must be a rate such as 20MiB/s, or a timetable: {"08:00": 2MiB/s, "19:00": null}')
    return value


def or_empty_mapping(value: Value) -> Value:
    """A name with nothing below it is a mapping without entries."""
    return {} if value is None else value


def or_empty_list(value: Value) -> Value:
    return [] if value is None else value


def choice(kind: type[Choice]) -> Callable[[Value], Choice]:
    def reader(value: Value) -> Choice:
        try:
            return kind(text(value))
        except ValueError as error:
            raise ValueError(f"must be {alternatives(list(kind))}") from error

    return reader


def alternatives(names: list[Any]) -> str:
    *others, last = (str(name) for name in names)
    return f"{', '.join(others)} or {last}" if others else last


def language(value: Value) -> str:
    content = text(value)
    if not LANGUAGE_CODE.fullmatch(content):
        raise ValueError("must be a language code such as nl, en or en-US")
    return content


def path(value: Value) -> Path:
    """A path as it is written; bytes that are not UTF-8 may be there as surrogate escapes."""
    content = value.text if isinstance(value, Scalar) else ""
    if not content:
        raise ValueError("must be a path")
    if "\0" in content:
        raise ValueError("must not contain a zero byte")
    return Path(content)


def output_directory(value: Value) -> str:
    """An absolute path, in the shortest way to write it."""
    content = line_of_text(value)
    if not content.startswith("/"):
        raise ValueError("must be an absolute path, such as /srv/transcripts")
    return "/" + os.path.normpath(content).lstrip("/")


def suffix(value: Value) -> str:
    """What goes into names, after the stem."""
    content = text(value)
    if "/" in content or has_control_characters(content):
        raise ValueError("must not contain a slash, control characters or line breaks")
    if "{" in content.replace(LANGUAGE, "") or "}" in content.replace(LANGUAGE, ""):
        raise ValueError(f"may contain {LANGUAGE}, and no other braces")
    if len(content.encode()) > LONGEST_SUFFIX:
        raise ValueError(f"must not be longer than {LONGEST_SUFFIX} bytes")
    return content


def mode(value: Value) -> int:
    """Permission bits as chmod takes them, in octal whether it is quoted or not; nothing of ours is executed."""
    content = text(value)
    if not _MODE.fullmatch(content):
        raise ValueError("must be a mode as chmod takes it, such as 0640")
    bits = int(content, 8)
    if bits & 0o111:
        raise ValueError("must not make files executable: 0640, not 0750")
    if not bits & 0o400:
        raise ValueError("must let scriptixd read its own files: 0640, not 0040")
    return bits


def pattern(value: Value) -> str:
    content = value.text if isinstance(value, Scalar) else ""
    if not content or "\0" in content:
        raise ValueError("must be a pattern such as '*.mp4'")
    if not {"", ".", ".."}.isdisjoint(content.removeprefix("/").removesuffix("/").split("/")):
        raise ValueError("can match nothing: patterns are about paths below the folder, without '.', '..' or '//'")
    return content


def folder_name(value: Value) -> str:
    content = line_of_text(value)
    if "/" in content or content in {".", ".."}:
        raise ValueError("must not contain a slash, and not be '.' or '..'")
    if content.startswith("-"):
        raise ValueError("must not begin with '-': every verb would take it for an option")
    return content


def secret(value: Value) -> Secret:
    """A key that can travel in a header."""
    if not isinstance(value, Scalar):
        raise ValueError("must be text")
    return Secret(key(value.text))


def key(content: str, what: str = "key") -> str:
    """The key, or whatever else it is, in a text that may end in a line break."""
    content = content.strip()
    if not content:
        raise ValueError("is empty")
    if not all("!" <= character <= "~" for character in content):
        raise ValueError(f"holds no {what}: a {what} is one word of plain characters")
    return content


def receiver(value: Value) -> Secret:
    return Secret(addresses.of_receiver(line_of_text(value)))


def argument(value: Value) -> str:
    """What a program can be given."""
    content = text(value)
    if "\0" in content:
        raise ValueError("must not contain a zero byte")
    return content


def output(value: Value) -> str:
    content = text(value)
    names = (JSON_OUTPUT, *FORMATS)
    if content not in names:
        raise ValueError(f"is no output; outputs are {', '.join(names)}")
    if content in FORMATS and (install := FORMATS[content].lacking):
        raise ValueError(f"needs a library that is not installed: {install}")
    return content


def service_url(value: Value) -> str:
    return addresses.of_service(line_of_text(value))


def webhook_url(value: Value) -> str:
    return addresses.of_webhook(line_of_text(value))


def header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError("is not the name of a header")
    return value


def header_value(value: Value) -> str:
    content = text(value)
    if has_control_characters(content):
        raise ValueError("must not contain control characters or line breaks")
    return content


def metadata_name(value: str) -> str:
    if value in OUR_METADATA:
        raise ValueError("is filled in by scriptixd itself and cannot be set here")
    if not _METADATA_NAME.fullmatch(value):
        raise ValueError("is no name for metadata: plain characters without spaces and commas")
    return value


def options(value: Value) -> str:
    """The options of the document as JSON with sorted keys, equal exactly for equal options."""
    if value is None:
        return "{}"
    if not isinstance(value, dict):
        raise ValueError("must be a mapping of options")
    if WEBHOOK_OPTIONS & value.keys():
        raise ValueError("must not hold webhook options; set 'webhook' beside it, where they are kept secret")
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _plain(value: Value) -> object:
    """JSON's own reading of a value: what it would not take for a number or a boolean is text."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None:
        return None
    if value.tag == "bool":
        return flag(value)
    if value.tag in {"int", "float"} and _JSON_NUMBER.fullmatch(value.text):
        number: object = json.loads(value.text)
        if isinstance(number, float) and not math.isfinite(number):
            raise ValueError("has a number that is too large")
        return number
    return text(value)


Text = Annotated[str, PlainValidator(text)]
Flag = Annotated[bool, PlainValidator(flag)]
Argument = Annotated[str, PlainValidator(argument)]
Pattern = Annotated[str, PlainValidator(pattern)]
Output = Annotated[str, PlainValidator(output)]
PathText = Annotated[Path, PlainValidator(path)]
HeaderName = Annotated[str, BeforeValidator(header_name)]
HeaderValue = Annotated[str, PlainValidator(header_value)]
TimeOfDay = Annotated[int, PlainValidator(time_of_day)]
Rate = Annotated[float, PlainValidator(rate)]
MetadataName = Annotated[str, BeforeValidator(metadata_name)]
