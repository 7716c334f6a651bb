"""One reply of the service as it came, and what can be read from any of them: complaint, wait, shape.

Never raises for what a reply holds: everything here is somebody else's text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from pydantic_core import from_json

MAX_WAIT = 3600.0  # s: asking once an hour is cheap, and an absurd Retry-After must not silence us for days
MAX_QUOTE = 200  # characters of a reply that a sentence may quote
MAX_COMPLAINT = 64 * 1024  # bytes: a longer body is a result or a page, not a complaint
BOM = b"\xef\xbb\xbf"  # no part of JSON, and sent all the same
_ELIDED = "…"


@dataclass(frozen=True, slots=True)
class Complaint:
    """What an error reply says, in whichever of the documented shapes, and the fields that it blames."""

    text: str
    code: str = ""
    fields: tuple[str, ...] = ()


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
            text = "" if self.is_page else self.body[: 4 * MAX_QUOTE].decode("utf-8", "replace")
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
        text = self.complaint().text
        for secret in sorted(filter(None, secrets), key=len, reverse=True):
            text = text.replace(secret, _ELIDED)
        line = " ".join(re.sub(r"[^\S ]|[\x00-\x1f\x7f-\x9f]", " ", text).split()).rstrip(".")
        if not line and self.is_page:
            return "a web page"
        return line if len(line) <= MAX_QUOTE else line[: MAX_QUOTE - 1] + _ELIDED

    def retry_after(self) -> float | None:
        """The seconds that the service asks to wait; a date is reckoned from the reply's own Date."""
        header = self.headers.get("Retry-After", "").strip()
        wait = _number(header)
        if wait is None and header:
            then = _date(header)
            wait = None if then is None else then - (_date(self.headers.get("Date", "")) or self.wall)
        if wait is None and isinstance(value := self.json, dict):
            error = value.get("error")
            wait = _number(value.get("retry_after") or (isinstance(error, dict) and error.get("retry_after")))
        return None if wait is None else min(max(wait, 0.0), MAX_WAIT)


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
