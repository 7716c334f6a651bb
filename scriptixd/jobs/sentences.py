"""What happened, in words: the one place that puts events into sentences, for the log and for `explain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from scriptixd.jobs.delivering import DeliveryEvent
from scriptixd.jobs.events import Event, detail_of

_SENTENCES: Final[Mapping[str, str]] = {
    "Settled": "was found complete",
    "RequestFollowed": "follows a changed configuration",
    "SameContent": "has content that is known already, and shares its transcript: nothing is sent",
    "Renamed": "has another name",
    "Missing": "is not in its directory any more",
    "UploadOpened": "upload begun",
    "Hashed": "was read, because another file has its size",
    "Adopted": "has its transcript beside it, which is adopted: nothing is sent",
    "ChunkAccepted": "upload goes on",
    "LastPartKept": "the last part was not sent: it waits like any other",
    "Closing": "the last part is sent",
    "UploadFinished": "upload complete: paid for",
    "SessionKnown": "is being transcribed",
    "StillRunning": "was asked for, and is not ready",
    "ResultListed": "transcript is there, and is fetched next",
    "ResultReady": "transcript received",
    "UploadLost": "upload lost, begins anew",
    "SourceChanged": "has changed while it was sent: the upload was given up",
    "Resettled": "was found complete with other content",
    "SourceGone": "is gone",
    "SourceBack": "is back",
    "Held": "waits for a yes",
    "Approved": "was approved",
    "Dismissed": "was dismissed",
    "Postponed": "waits",
    "Rejected": "stopped",
    "RetryRequested": "is tried again",
    "RedoRequested": "a person wants it transcribed again, and paid for again",
    "RenderRequested": "a person wants its sidecars made anew",
    "Delivered": "sidecars written",
    "Unwanted": "gets no sidecars of this transcript",
    "Erased": "Scriptix was told to erase it",
    "ErasurePostponed": "waits to be erased at Scriptix",
    "Kept": "stays at Scriptix",
    "ErrandDone": "the command after it has run",
    "ErrandPostponed": "the command after it has failed, and is tried again",
    "ErrandGivenUp": "the command after it has failed for a day, and was given up",
    "ErrandDropped": "the command after it is not run",
    "Forgotten": "was forgotten: its transcript, its names and its story were erased",
}


def sentence(event: Event | DeliveryEvent) -> str:
    """An event as it happens."""
    return told(type(event).__name__, detail_of(event))


def told(event: str, detail: str) -> str:
    """An event as history remembers it, by its name."""
    words = _SENTENCES.get(event, event)
    return f"{words}: {detail}" if detail else words
