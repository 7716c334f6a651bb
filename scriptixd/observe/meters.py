"""How long uploads and transcriptions took since the daemon was started. In memory only; decides nothing."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from scriptixd.jobs.events import Event, ResultReady, UploadFinished
from scriptixd.jobs.job import Job

# s: a jingle takes seconds; a night's recording on a thin line, or one that waits for its hours, takes days.
BOUNDS: Final = (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0)


@dataclass(frozen=True, slots=True)
class Distribution:
    """How many took up to each of BOUNDS, and behind these how many there were at all; `sum` in seconds."""

    up_to: Sequence[int]
    sum: float


class Durations:
    """Seconds, sorted into BOUNDS. Safe for threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def note(self, seconds: float) -> None:
        """A clock that was set meanwhile must not take anything away from the sum."""
        seconds = max(0.0, seconds)
        with self._guard:
            self._counts[bisect_left(BOUNDS, seconds)] += 1
            self._sum += seconds

    def read(self) -> Distribution:
        with self._guard:
            counts, total = tuple(self._counts), self._sum
        return Distribution([sum(counts[: place + 1]) for place in range(len(counts))], total)


class Meters:
    """What is told of every job."""

    def __init__(self, opened_at: Callable[[int], float | None]) -> None:
        self._opened_at = opened_at  # when the upload of a job was opened, in Unix seconds
        self.uploads = Durations()
        self.transcriptions = Durations()

    def note(self, job: Job, event: Event) -> None:
        """Something has happened to a job, which is as it is afterwards."""
        if isinstance(event, UploadFinished) and job.uploaded_at is not None:
            opened_at = self._opened_at(job.id)
            if opened_at is not None:
                self.uploads.note(job.uploaded_at - opened_at)
        elif isinstance(event, ResultReady) and job.ready_at is not None and job.uploaded_at is not None:
            self.transcriptions.note(job.ready_at - job.uploaded_at if job.took is None else job.took)
