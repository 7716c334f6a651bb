"""What a status tells about one folder. Pure records; the scanner replaces them whole."""

from __future__ import annotations

from dataclasses import dataclass

from scriptixd.jobs.source import Restless
from scriptixd.watch.mode import Choice
from scriptixd.watch.strangers import Stranger


@dataclass(frozen=True, slots=True)
class Offline:
    """Why a folder cannot be looked at, and since when (Unix seconds)."""

    reason: str
    hint: str
    since: float
    hung: bool = False  # its disk does not answer at all
    asks: bool = False  # a person's yes to its question brings it back


@dataclass(frozen=True, slots=True)
class ScanReport:
    """How one folder is doing."""

    name: str
    offline: Offline | None = None
    choice: Choice | None = None  # None until the root was reached for the first time
    last_full_scan: float | None = None  # Unix seconds
    files: int = 0  # that were picked up by the last full scan
    unsettled: int = 0
    problems: tuple[str, ...] = ()  # directories that could not be read, are not mounted, or wait for a yes
    restless: tuple[Restless, ...] = ()  # files that have not stopped changing for long, the longest first
    strangers: tuple[Stranger, ...] = ()  # of the last full scan

    @property
    def judged(self) -> bool:
        """Whether it was looked at as a whole, or found out of reach."""
        return self.last_full_scan is not None or self.offline is not None
