"""What is still to be erased at the service, as `explain` and `status` tell it. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from scriptixd.cli.output import iso, moment
from scriptixd.errors import with_hint
from scriptixd.jobs.store.erasures import Backlog, Erasure, Remnant

_NAMES: Final[Mapping[Remnant, str]] = {
    Remnant.SESSION: "its transcription",
    Remnant.UPLOAD: "its unfinished upload",
}


def sentence(erasure: Erasure, now: float) -> str:
    """What becomes of one remnant, and when."""
    if erasure.reason:
        again = f"; tried again at {moment(erasure.due_at, now)}" if erasure.due_at > now else ""
        return f"{_NAMES[erasure.kind]} waits to be erased: {with_hint(erasure.reason, erasure.hint)}{again}"
    when = f"at {moment(erasure.due_at, now)}" if erasure.due_at > now else "next"
    return f"{_NAMES[erasure.kind]} is erased {when}"


def record(erasure: Erasure) -> dict[str, object]:
    """The same for programs."""
    return {
        "kind": erasure.kind.value,
        "id": erasure.remote_id,
        "due_at": iso(erasure.due_at),
        "error": erasure.reason or None,
        "hint": erasure.hint or None,
    }


def sum_record(backlog: Backlog) -> dict[str, object]:
    return {
        "planned": backlog.planned,
        "waiting": backlog.waiting,
        "error": backlog.reason or None,
        "hint": backlog.hint or None,
    }
