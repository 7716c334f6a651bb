"""Live figures while they move: how far uploads are and how fast. No facts, and nothing is decided by them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from scriptixd.jobs.clock import Now, read_clock
from scriptixd.jobs.job import Job
from scriptixd.observe.live import LiveUpload

SPEED_OVER: Final = 10.0  # s over which a speed is averaged
STILL_AFTER: Final = 5.0  # s without a byte: a chunk's reply takes less, a disk that hangs takes for ever
FORGET_AFTER: Final = 3600.0  # s without a byte: it waits for something that `status` tells elsewhere


@dataclass(slots=True)
class _Upload:
    size: int
    marks: deque[tuple[float, int]] = field(default_factory=deque)  # s of CLOCK_BOOTTIME, offset
    moved_at: float = 0.0  # Unix seconds of the last mark


class Figures:
    """The pipeline's gauge. `beats` maps a thread's name to what shows that it moves."""

    def __init__(self, clock: Callable[[], Now] = read_clock) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._uploads: dict[int, _Upload] = {}
        self._beats: dict[str, Callable[[], None]] = {}

    def listen(self, thread: str, beat: Callable[[], None]) -> None:
        """Whom to tell when something moves in a thread."""
        self._beats[thread] = beat

    def beat(self) -> None:
        """Something moves in this thread."""
        told = self._beats.get(threading.current_thread().name)
        if told is not None:
            told()

    def sent(self, job: Job, offset: int) -> None:
        """How far an upload is, in bytes."""
        self.beat()
        clock = self._clock()
        now = clock.boot
        with self._guard:
            upload = self._uploads.setdefault(job.id, _Upload(job.stat.size))
            upload.marks.append((now, offset))
            upload.moved_at = clock.wall
            while now - upload.marks[0][0] > SPEED_OVER and len(upload.marks) > 1:
                upload.marks.popleft()

    def ended(self, job_id: int) -> None:
        """The upload is not on its way any more."""
        with self._guard:
            self._uploads.pop(job_id, None)

    def uploads(self) -> tuple[LiveUpload, ...]:
        """The uploads on their way, also those that stand still."""
        now = self._clock().boot
        with self._guard:
            under_way = {id_: one for id_, one in self._uploads.items() if now - one.marks[-1][0] < FORGET_AFTER}
            self._uploads = under_way
            return tuple(_live(job_id, upload, now) for job_id, upload in under_way.items())


def _live(job_id: int, upload: _Upload, now: float) -> LiveUpload:
    (since, first), (until, last) = upload.marks[0], upload.marks[-1]
    if now - until >= STILL_AFTER:
        return LiveUpload(job_id, last, upload.size, 0.0, upload.moved_at)
    speed = (last - first) / (until - since) if until > since else 0.0
    return LiveUpload(job_id, last, upload.size, max(0.0, speed))
