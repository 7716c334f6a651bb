"""One reply of the service as it came, and what can be read from any of them: complaint, wait, shape.

Never raises for what a reply holds: everything here is somebody else's text.
"""

from __future__ import annotations

import json
import math
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache

from pydantic_core import from_json

MAX_WAIT = 3600.0  # s: asking once an hour is cheap, and an absurd Retry-After must not silence us for days
MAX_RESET = 32 * 86400.0  # s: a month's quota is the longest window that anybody counts
MAX_QUOTE = 200  # characters of a reply that a sentence may quote
MAX_COMPLAINT = 64 * 1024  # bytes: a longer body is a result or a page, not a complaint
BOM = b"\xef\xbb\xbf"  # no part of JSON, and sent all the same
_ELIDED = "…"
_LONG = 8  # characters: what base64 makes of less may be a part of any word
_SPEECH = "results"  # where a result has what was said
_RATE = ("Limit", "Remaining", "Reset")


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an error reply says, in whichever of the documented shapes, and the fields that it blames."""

    text: str
    code: str = ""
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rate:
    """What a reply tells of the rate that holds; None where it tells nothing that can be believed."""

    limit: int | None
    remaining: int | None
    resets_in: float | None  # s


@dataclass(frozen=True, slots=True)
class Reply:
    """`wall` is when it came, in Unix seconds; `headers` ignore case; `body` is decoded from its transfer only."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    wall: float

    @property
    def is_page(self) -> bool:
        """Whether it is made for a browser: a proxy's or another web server's, never the service's."""
        start = self.body[:512].removeprefix(BOM).lstrip().lower()
        html = "html" in self.headers.get("Content-Type", "").lower()
        return start.startswith((b"<!doctype html", b"<html")) or (html and start.startswith(b"<"))

    @property
    def json(self) -> object:
        """The short body as JSON values, None if it is not JSON."""
        if len(self.body) > MAX_COMPLAINT:
            return None
        try:
            value: object = from_json(self.body.removeprefix(BOM))
        except ValueError:
            return None
        return value

    def complaint(self) -> Complaint:
        """One extractor for every shape of error that the service's documentation shows."""
        value = self.json
        if not isinstance(value, dict):
            text = "" if self.is_page else self.body[:MAX_COMPLAINT].decode("utf-8", "replace")
            return Complaint(text, code=_tus_code(text))
        error = value.get("error")
        inner = error if isinstance(error, dict) else {}
        texts = (
            inner.get("message"),
            *(value.get(name) for name in ("error_description", "message")),
            _validation(value.get("detail")),
            *(error, value.get("error_message"), value.get("err")),
        )
        text = next((text for text in texts if isinstance(text, str) and text.strip()), "")
        codes = (value.get("error_code"), inner.get("code"), value.get("code"), _tus_code(text))
        code = next((code for code in codes if isinstance(code, str) and code), "")
        details = (inner.get("details"), value.get("details"), value.get("detail"))
        return Complaint(text, code, tuple(name for detail in details for name in _fields(detail)))

    def quote(self, secrets: tuple[str, ...] = ()) -> str:
        """The complaint in one short line for a sentence, without the secrets that it may repeat."""
        text = masked(self.complaint().text, secrets)
        line = " ".join(re.sub(r"[^\S ]|[\x00-\x1f\x7f-\x9f]", " ", text).split()).rstrip(".")
        if not line and self.is_page:
            return "a web page"
        return line if len(line) <= MAX_QUOTE else line[: MAX_QUOTE - 1] + _ELIDED

    @property
    def date(self) -> float | None:
        """The service's own clock, in Unix seconds; None where it does not tell."""
        return _date(self.headers.get("Date", ""))

    def retry_after(self) -> float | None:
        """The seconds that the service asks to wait; a date is reckoned from the reply's own Date."""
        header = self.headers.get("Retry-After", "").strip()
        wait = _number(header)
        if wait is None and header:
            then = _date(header)
            wait = None if then is None else then - (self.date or self.wall)
        if wait is None and isinstance(value := self.json, dict):
            error = value.get("error")
            wait = _number(value.get("retry_after") or (isinstance(error, dict) and error.get("retry_after")))
        return None if wait is None else min(max(wait, 0.0), MAX_WAIT)

    def rate(self) -> Rate:
        """X-RateLimit-Limit, -Remaining and -Reset; the last is in Unix seconds, reckoned from the reply's own Date."""
        limit, remaining, reset = (_number(self.headers.get(f"X-RateLimit-{name}")) for name in _RATE)
        if reset is None:
            return Rate(None, None, None)
        # Some servers tell the seconds that are left, as the draft of the IETF has it.
        wait = reset - (self.date or self.wall) if reset > MAX_WAIT else reset
        return Rate(
            int(limit) if limit is not None and limit >= 1 else None,
            int(remaining) if remaining is not None and remaining >= 0 else None,
            wait if 0 <= wait <= MAX_RESET else None,
        )


def masked(text: str, secrets: tuple[str, ...]) -> str:
    """A text without the secrets that it may repeat, as they are, as JSON writes them, or in metadata's base64."""
    for form in _forms(secrets):
        text = text.replace(form, _ELIDED)
    return text


def purged(body: bytes, secrets: tuple[str, ...]) -> bytes:
    """A result as it came; if it repeats a secret, without that, wherever it is not speech.

    What is short may be in it by chance, and stays.
    """
    long = tuple(secret for secret in secrets if len(secret) >= _LONG)
    if not any(form.encode("utf-8", "surrogatepass") in body for form in _forms(long)):
        return body
    return json.dumps(_purged(from_json(body.removeprefix(BOM)), long), ensure_ascii=False).encode()


def _purged(value: object, secrets: tuple[str, ...]) -> object:
    match value:
        case dict():
            return {key: kept if key == _SPEECH else _purged(kept, secrets) for key, kept in value.items()}
        case list():
            return [_purged(kept, secrets) for kept in value]
        case str():
            return masked(value, secrets)
        case _:
            return value


@lru_cache(maxsize=16)
def _forms(secrets: tuple[str, ...]) -> tuple[str, ...]:
    """The longest first, for one may be a part of another."""
    forms = set[str]()
    for secret in filter(None, secrets):
        texts = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
        forms |= texts
        if len(secret) >= _LONG:
            forms |= {_encoded(text, before) for text in texts for before in range(3)}
    return tuple(sorted(forms, key=len, reverse=True))


def _encoded(secret: str, before: int) -> str:
    """What base64 makes of a secret with so many bytes before it, whatever they and those behind it are."""
    data = bytes(before) + secret.encode("utf-8", "surrogateescape")
    return b64encode(data).decode()[-(-before * 8 // 6) : len(data) * 8 // 6]


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _tus_code(text: str) -> str:
    """tusd answers in plain text that begins with its code."""
    match = re.match(r"\s*(ERR_[A-Z_]+)", text)
    return match[1] if match else ""


def _validation(detail: object) -> str | None:
    """`detail` is a text, or a list of findings each with a message."""
    if isinstance(detail, list):
        return "; ".join(str(item["msg"]) for item in detail if isinstance(item, dict) and "msg" in item)
    return detail if isinstance(detail, str) else None


def _fields(detail: object) -> Iterator[str]:
    """The names that details blame: {"field": name}, {name: issue}, or [{"loc": [..., name]}]."""
    if isinstance(detail, dict):
        yield from (str(name) for name in (*detail, detail.get("field", "")))
    elif isinstance(detail, list):
        for item in detail:
            if isinstance(item, dict):
                location = item.get("loc")
                yield from (str(name) for name in (location if isinstance(location, list) else _fields(item)))
