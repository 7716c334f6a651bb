"""Live figures: what moves too often for the state file. Written beside it at most once a second, replaced whole.

No facts: nobody decides anything by them, and a reader who finds none says so.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

STALE = 5.0  # s after which the writer must be gone
AT_REST = 3.0  # s between two writings of the same


@dataclass(frozen=True, slots=True)
class LiveRestless:
    """A file that never stops growing."""

    path: str  # below its folder
    since: float  # Unix seconds


@dataclass(frozen=True, slots=True)
class LiveFolder:
    """One folder as its scanner sees it."""

    name: str
    mode: str  # "events" or "poll"; empty while the disk was never reached
    why: str
    offline: str  # a sentence; empty while the disk is there
    last_scan: float | None  # Unix seconds
    problems: tuple[str, ...]
    offline_since: float | None = None  # Unix seconds
    hung: bool = False  # it is offline because its disk does not answer at all
    asks: str = ""  # the question whose yes brings it back; empty where time, or nobody, does
    restless: tuple[LiveRestless, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveUpload:
    """One upload on its way."""

    job_id: int
    offset: int
    size: int
    bytes_per_second: float  # 0 while it stands still
    still_since: float | None = None  # Unix seconds; None while it moves


@dataclass(frozen=True, slots=True)
class LivePause:
    """Something that holds up more than one job."""

    what: str  # account, quota, away, folder, share; or what lets no upload go on: pause, and the names of limits
    folder: str  # its name; empty where everything is held up
    sentence: str
    hint: str
    until: float | None = None  # Unix seconds; None where that is not known


@dataclass(frozen=True, slots=True)
class LiveRequests:
    """How much of the request budget is in use."""

    last_minute: int
    uploads_last_minute: int  # of these, since the daemon was started; the others ask
    per_minute: int  # as the service has it, where it told of less than is configured
    last_hour: int | None  # None where the configuration names no hour
    per_hour: int | None
    silent_until: float | None  # Unix seconds until which the service wants nothing to be asked


@dataclass(frozen=True, slots=True)
class Live:
    """The daemon at one moment."""

    pid: int
    version: str
    started_at: float
    written_at: float
    folders: tuple[LiveFolder, ...] = ()
    uploads: tuple[LiveUpload, ...] = ()
    pauses: tuple[LivePause, ...] = ()
    requests: LiveRequests | None = None
    damage: str = ""  # what is wrong with the state file; empty if nothing was found
    accepted: bool = False  # a request since the start has shown that the key is; a pause may tell otherwise by now


def live_path(state: Path) -> Path:
    return state.with_name(state.name + ".live.json")


class LiveFile:
    """The small file that is replaced whole, by the daemon alone. Needs no fsync: a lost one is soon made anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: Live | None = None

    def tell(self, live: Live) -> None:
        """Write it, if it is new, or if the last word is so old that the daemon might seem gone. Raises OSError."""
        last, self._last = self._last, None
        if last is None or not _says_the_same(live, last):
            self._write(live)
            last = live
        self._last = last

    def _write(self, live: Live) -> None:
        descriptor, name = tempfile.mkstemp(prefix=self._path.name, suffix=".tmp", dir=self._path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o640)
                json.dump(asdict(live), file)
            os.replace(name, self._path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(name)
            raise


def _says_the_same(live: Live, last: Live) -> bool:
    same = replace(live, written_at=last.written_at) == last
    return same and abs(live.written_at - last.written_at) < AT_REST


def read_live(path: Path, now: float) -> Live | None:
    """The figures of a daemon that is running now, or None."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        live = Live(
            **{
                **found,
                "folders": tuple(_folder(one) for one in found["folders"]),
                "uploads": tuple(LiveUpload(**one) for one in found["uploads"]),
                "pauses": tuple(LivePause(**one) for one in found["pauses"]),
                "requests": LiveRequests(**found["requests"]) if found["requests"] else None,
            }
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None  # another version's, half of none, or none at all
    return live if is_fresh(live, now) else None


def is_fresh(live: Live, now: float) -> bool:
    """Whether whoever has told these figures still tells."""
    return 0 <= now - live.written_at + 1.0 <= STALE + 1.0


def _folder(found: dict[str, Any]) -> LiveFolder:
    restless = tuple(LiveRestless(**one) for one in found["restless"])
    return LiveFolder(**{**found, "problems": tuple(found["problems"]), "restless": restless})
