"""Live figures while they move: how far uploads are and how fast. No facts, and nothing is decided by them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from scriptixd.jobs.job import Job
from scriptixd.observe.live import LiveUpload

SPEED_OVER: Final = 10.0  # s over which a speed is averaged
FORGET_AFTER: Final = 30.0  # s without a byte: the upload has ended or waits


@dataclass(slots=True)
class _Upload:
    size: int
    marks: deque[tuple[float, int]] = field(default_factory=deque)  # monotonic s, offset


class Figures:
    """The pipeline's gauge. `beats` maps a thread's name to what shows that it moves."""

    def __init__(self) -> None:
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
        now = time.monotonic()
        with self._guard:
            upload = self._uploads.setdefault(job.id, _Upload(job.stat.size))
            upload.marks.append((now, offset))
            while now - upload.marks[0][0] > SPEED_OVER and len(upload.marks) > 1:
                upload.marks.popleft()

    def ended(self, job_id: int) -> None:
        """The upload is not on its way any more."""
        with self._guard:
            self._uploads.pop(job_id, None)

    def uploads(self) -> tuple[LiveUpload, ...]:
        """The uploads that move."""
        now = time.monotonic()
        with self._guard:
            moving = {id_: one for id_, one in self._uploads.items() if now - one.marks[-1][0] < FORGET_AFTER}
            self._uploads = moving
            return tuple(_live(job_id, upload) for job_id, upload in moving.items())


def _live(job_id: int, upload: _Upload) -> LiveUpload:
    (since, first), (until, last) = upload.marks[0], upload.marks[-1]
    speed = (last - first) / (until - since) if until > since else 0.0
    return LiveUpload(job_id, last, upload.size, max(0.0, speed))
