"""The tolerant reading of what the service says about uploads and sessions.

Its pages disagree about envelopes, words and codes, so nothing is required that a decision does not need.
Never reads words or times: that is for captions.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from scriptixd.errors import Away
from scriptixd.jobs.ports import Answer, Finished, Refused, Running, Unclear
from scriptixd.service.access import Access, is_segment
from scriptixd.service.reply import BOM, MAX_QUOTE, Reply
from scriptixd.service.trouble import Asked, refusal

SUCCESS = frozenset({"done", "completed", "complete", "finished"})
FAILURE = frozenset({"error", "failed"})
# Only for replies that are not a 200: there, a word counts only if it is one of those seen.
AT_WORK = frozenset(
    {"new", "created", "queued", "uploading", "uploaded", "processing", "running", "started", "pending"}
)
NOTHING = frozenset({"", "null", "none"})  # a null that became a text somewhere
MAX_TRANSCRIPT = 512 * 1024 * 1024  # bytes: a day of speech is some 10 MB

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
            return Unclear(f"200 with {_what(reply)}") if session is None else _verdict(session, reply)
        return _not_yet(session, reply, access)
    raise refusal(reply, Asked.RESULT, access)


def _verdict(session: _Session, reply: Reply) -> Answer:
    status = _word(session.status)
    error = _error_text(session.error)
    if error or status in FAILURE:
        return Refused(error or reply.quote() or f"its status is {status!r}")
    if status not in SUCCESS and session.done is not True:
        if not status and session.done is None:
            return Unclear("200 without a status")
        return Running(status or "not done")
    if not isinstance(session.results, list):
        return Unclear(f"{status or 'done'!r} without results")
    return Finished(reply.body, _seconds(session.duration))


def _not_yet(session: _Session | None, reply: Reply, access: Access) -> Answer:
    """A status that pages do not explain here: only 202, 425 or a word of work say that it goes on."""
    status = _word(session.status) if session is not None else ""
    if status in AT_WORK:
        return Running(status)
    if reply.status in (202, 425):
        return Running(str(reply.status))
    quote = reply.quote((access.key,))
    return Unclear(f"{reply.status}: {quote}" if quote else str(reply.status))


def _text(reply: Reply) -> bytes:
    return reply.body.removeprefix(BOM)


def _what(reply: Reply) -> str:
    return "a web page" if reply.is_page else "something that is not the JSON it should be"


def _word(status: object) -> str:
    """A status in lower case; numbers stay what they are, for nobody explains them."""
    if isinstance(status, bool) or not isinstance(status, str | int):
        return ""
    word = str(status).strip().lower()
    return "" if word in NOTHING else word


def _error_text(error: object) -> str:
    """A session's error as one line; empty if there is none."""
    if isinstance(error, dict):
        texts = (error.get(name) for name in ("message", "error_description", "detail", "issue", "code"))
        error = next((text for text in texts if text), None) or str(error or "")
    if not error:
        return ""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())
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
