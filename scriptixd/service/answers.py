"""The tolerant reading of what the service says about uploads and sessions.

Its pages disagree about envelopes, words and codes, so nothing is required that a decision does not need.
Never reads words or times: that is for captions.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from scriptixd.errors import Away
from scriptixd.jobs.ports import Answer, Fetchable, Finished, Listed, Page, Refused, Running, Unclear
from scriptixd.service.access import Access, is_segment
from scriptixd.service.reply import BOM, MAX_QUOTE, Reply, masked, purged
from scriptixd.service.trouble import Asked, refusal

SUCCESS = frozenset({"done", "completed", "complete", "finished"})
FAILURE = frozenset({"error", "failed"})
# Only for replies that are not a 200: there, a word counts only if it is one of those seen.
AT_WORK = frozenset(
    {"new", "created", "queued", "uploading", "uploaded", "processing", "running", "started", "pending"}
)
NOTHING = frozenset({"", "null", "none"})  # a null that became a text somewhere
MAX_WORD = 40  # characters of a status: those that are known have ten
MAX_TRANSCRIPT = 512 * 1024 * 1024  # bytes: a day of speech is some 10 MB

REMOVED = frozenset({"removed", "deleted", "erased"})  # in a list: there is nothing to be said of it any more

_NO_LIST = (400, 401, 403, 404, 405, 410, 422)  # not offered, or not to this key: no trouble of the account
_LISTS = ("result", "results", "sessions", "data", "items")
_ERASED = (200, 202, 204, 404, 410)
_NO_SESSION_YET = (202, 204, 400, 404, 405, 409, 410, 422, 425)
_TRANSCRIPT_UNCLEAR = (204, 400, 402, 404, 405, 409, 410, 422)


class _Tolerant(BaseModel):
    model_config = ConfigDict(extra="ignore")


class _Utterance(_Tolerant):
    """Empty on purpose: pydantic then checks that it is an object, and makes no Python objects of its words."""


_Utterances = Annotated[list[_Utterance] | Any, Field(union_mode="left_to_right")]


class _Session(_Tolerant):
    status: Any = None
    done: Any = None
    error: Any = None
    duration: Any = None
    results: _Utterances = None


class _ResultEnvelope(_Session):
    result: Annotated[_Session | Any, Field(union_mode="left_to_right")] = None

    @property
    def session(self) -> _Session:
        return self.result if isinstance(self.result, _Session) else self


class _Upload(_Tolerant):
    session_id: Any = None


class _UploadEnvelope(_Upload):
    result: Annotated[_Upload | Any, Field(union_mode="left_to_right")] = None

    @property
    def upload(self) -> _Upload:
        return self.result if isinstance(self.result, _Upload) else self


def read_session_id(reply: Reply, access: Access) -> str | None:
    """The session that an upload became, None while it has none.

    Away where something else than the service answers: "no session" is evidence, and a proxy's page is none.
    """
    if reply.status in _NO_SESSION_YET:
        return None
    if reply.status != 200:
        raise refusal(reply, Asked.SESSION, access)
    try:
        session_id = _UploadEnvelope.model_validate_json(_text(reply)).upload.session_id
    except ValidationError:
        raise Away(f"{access.origin} answered {Asked.SESSION} with {_what(reply)}") from None
    if session_id is None or isinstance(session_id, bool) or str(session_id).strip().lower() in NOTHING:
        return None
    if not is_segment(str(session_id)):
        raise Away(f"{access.origin} names a session that cannot be one")
    return str(session_id)


def read_result(reply: Reply, access: Access) -> Answer:
    """What is known about a transcript. Success needs all of: 200, JSON, a word of success, no error, a list."""
    if reply.status in (200, 202, 425, *_TRANSCRIPT_UNCLEAR):
        try:
            session = _ResultEnvelope.model_validate_json(_text(reply)).session
        except ValidationError:
            session = None
        if reply.status == 200:
            return Unclear(f"200 with {_what(reply)}") if session is None else _verdict(session, reply, access)
        return _not_yet(session, reply, access)
    raise refusal(reply, Asked.RESULT, access)


def read_page(reply: Reply, access: Access, offset: int) -> Page | None:
    """A part of the list of sessions; None where the service does not offer one that can be read."""
    if reply.status in _NO_LIST or 300 <= reply.status < 400:
        return None
    if reply.status != 200:
        raise refusal(reply, Asked.LIST, access)
    try:
        value: Any = from_json(_text(reply))
    except ValueError:
        return None
    total = value.get("total_results") if isinstance(value, dict) else None
    rows = value
    while isinstance(rows, dict):
        rows = next((rows[name] for name in _LISTS if isinstance(rows.get(name), list | dict)), None)
    if not isinstance(rows, list):
        return None
    # Where no total is told, only an empty page is known to be the last: a server may give less than was asked for.
    last = not rows or (isinstance(total, int) and offset + len(rows) >= total)
    return Page(tuple(_listed(rows, access)), last)


def read_erased(reply: Reply, access: Access) -> str:
    """What was answered, where it means that the session is erased."""
    if reply.status in _ERASED:
        return str(reply.status)
    if reply.status == 400 and any(word in reply.complaint().text.lower() for word in ("already", *REMOVED)):
        return "400, already removed"
    raise refusal(reply, Asked.ERASE, access)


def _listed(rows: list[Any], access: Access) -> Iterator[Listed]:
    for row in rows:
        if not isinstance(row, dict):
            continue
        named = row.get("session_id") or row.get("id")
        status = _word(row.get("status"), access)
        gone = row.get("is_deleted") is True or status in REMOVED
        if isinstance(named, bool) or not isinstance(named, str | int) or gone or not is_segment(str(named)):
            continue
        error = _error_text(row.get("error"), access)
        state: Running | Refused | Fetchable
        if error or status in FAILURE:
            state = Refused(error or f"its status is {status!r}")
        elif status in SUCCESS or row.get("done") is True:
            state = Fetchable(_took(row))
        else:
            state = Running(status or "not done")
        yield Listed(str(named), state)


def _took(row: dict[str, Any]) -> float | None:
    """Seconds from the creation of a session to its end, by the service's own clock."""
    try:
        began, ended = (datetime.fromisoformat(str(row.get(name))) for name in ("created_at", "finished_at"))
        seconds = (ended - began).total_seconds()
    except (ValueError, TypeError, OverflowError):  # no dates, or only one of them with a time zone
        return None
    return seconds if seconds >= 0 else None


def _verdict(session: _Session, reply: Reply, access: Access) -> Answer:
    status = _word(session.status, access)
    error = _error_text(session.error, access)
    if error or status in FAILURE:
        return Refused(error or reply.quote(access.unspeakable) or f"its status is {status!r}")
    if status not in SUCCESS and session.done is not True:
        if not status and session.done is None:
            return Unclear("200 without a status")
        return Running(status or "not done")
    if not isinstance(session.results, list):
        return Unclear(f"{status or 'done'!r} without results")
    return Finished(purged(reply.body, access.unspeakable), _seconds(session.duration))


def _not_yet(session: _Session | None, reply: Reply, access: Access) -> Answer:
    """A status that pages do not explain here: only 202, 425 or a word of work say that it goes on."""
    status = _word(session.status, access) if session is not None else ""
    if status in AT_WORK:
        return Running(status)
    if reply.status in (202, 425):
        return Running(str(reply.status))
    quote = reply.quote(access.unspeakable)
    return Unclear(f"{reply.status}: {quote}" if quote else str(reply.status))


def _text(reply: Reply) -> bytes:
    return reply.body.removeprefix(BOM)


def _what(reply: Reply) -> str:
    return "a web page" if reply.is_page else "something that is not the JSON it should be"


def _word(status: object, access: Access) -> str:
    """A status in lower case, short enough for a sentence; numbers stay what they are, for nobody explains them."""
    if isinstance(status, bool) or not isinstance(status, str | int):
        return ""
    word = masked(str(status), access.unspeakable).strip().lower()[:MAX_WORD]
    return "" if word in NOTHING else word


def _error_text(error: object, access: Access) -> str:
    """A session's error as one line; empty if there is none."""
    if isinstance(error, dict):
        texts = (error.get(name) for name in ("message", "error_description", "detail", "issue", "code"))
        error = next((text for text in texts if text), None) or str(error or "")
    if not error:
        return ""
    line = " ".join("".join(c if c.isprintable() else " " for c in masked(str(error), access.unspeakable)).split())
    return "" if line.lower() in NOTHING else line[:MAX_QUOTE]


def _seconds(duration: object) -> float | None:
    """Some pages give the length as text; zero means that it is not known."""
    if isinstance(duration, bool) or not isinstance(duration, int | float | str):
        return None
    try:
        seconds = float(duration)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None
