"""What a sidecar holds: the service's reply as it came with what we know of it, or its captions. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from scriptixd import __version__
from scriptixd.captions.manner import Manner, Units
from scriptixd.captions.result import read_result
from scriptixd.captions.writing import Spoken, formatted
from scriptixd.delivery.names import WHOLE_SET_MARK
from scriptixd.errors import FileTrouble
from scriptixd.jobs.job import Job
from scriptixd.jobs.source import Source

KEY = "scriptixd"  # the one key that we add to the service's reply


def render(output: str, reply: bytes, job: Job, source: Source, units: Units, manner: Manner) -> bytes | None:
    """The bytes of one sidecar; None where there is nothing to write: no speech, no captions.

    Raises FileTrouble for a reply that is no result.
    """
    if output == WHOLE_SET_MARK:
        return _json(reply, job, source)
    manner = manner.of(job.request.language)
    return formatted(output, Spoken(read_result(reply, units), source.name, manner.style), manner.writing)


def _json(reply: bytes, job: Job, source: Source) -> bytes:
    """The reply byte for byte, with one key more before its last brace."""
    text = reply.removeprefix(b"\xef\xbb\xbf").strip()
    if not (text.startswith(b"{") and text.endswith(b"}")):
        what = f"the stored result of {source.name} is no JSON object"
        raise FileTrouble(what, "scriptixd redo FILE pays for a new one")
    ours = json.dumps({KEY: _about(job, source)}, ensure_ascii=True, indent=1)[2:]
    comma = b"" if text[1:-1].strip() == b"" else b",\n"
    return text[:-1].rstrip() + comma + ours.encode("ascii") + b"\n"


def _about(job: Job, source: Source) -> dict[str, object]:
    """Who made the set, from what, under which request: enough to know the content again without a state file."""
    return {
        "version": __version__,
        "source": {"name": source.name, "size": job.stat.size, "sha256": job.sha256},
        "request": json.loads(job.request.key),
        "labels": json.loads(job.labels) if job.labels else {},
        "session_id": job.session_id,
        "key_fingerprint": job.key_fingerprint,
        "times": {"found": _iso(job.created_at), "uploaded": _iso(job.uploaded_at), "ready": _iso(job.ready_at)},
    }


def _iso(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
