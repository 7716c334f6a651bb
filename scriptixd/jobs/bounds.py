"""What a configuration lets be sent, and what stands still because of it: records, without a decision."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scriptixd.jobs.ports import Standstill
from scriptixd.jobs.timetable import Hours, Rates

ALL: Final = ""  # instead of a folder's name: all of them together


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one folder, or all of them together, may send; None is anything."""

    bandwidth: Rates | None = None
    upload_hours: Hours | None = None
    files_per_day: int | None = None
    hours_per_day: float | None = None  # of media
    hours_per_month: float | None = None

    @property
    def counts(self) -> bool:
        """Whether it matters what was sent before."""
        return any(most is not None for most in (self.files_per_day, self.hours_per_day, self.hours_per_month))


class Limit(StrEnum):
    """What makes uploads stand still; a setting's own name, but for the first."""

    PAUSE = "pause"
    UPLOAD_HOURS = "upload_hours"
    FILES_PER_DAY = "files_per_day"
    HOURS_PER_DAY = "hours_per_day"
    HOURS_PER_MONTH = "hours_per_month"


HOLDING_BACK: Final = frozenset({Limit.PAUSE, Limit.UPLOAD_HOURS})  # also what is begun; the others keep new ones


@dataclass(frozen=True, slots=True)
class Halt:
    """One thing that stands still: a folder, or ALL."""

    folder: str
    limit: Limit
    standstill: Standstill
