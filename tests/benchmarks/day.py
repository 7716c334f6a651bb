"""A simulated day: ten thousand recordings are dropped at once, and a key may make sixty requests a minute.

`python tests/benchmarks/day.py [--jobs 10000] [--minute 60] [--seed 1]`

The clock is the simulation's; workers, queues, budget, breakers and state file (in memory) are the real ones, and
the files are real, with a header that tells how long they play. Only their bytes are a 1024th of what they would be,
and so are the chunks: what counts here is how many of these there are.
"""

from __future__ import annotations

import argparse
import math
import random
import struct
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import table, verdict
from fakes import Call, Service, World, memory_disk

from scriptixd.jobs import pacing
from scriptixd.jobs.job import Labels, Request
from scriptixd.jobs.ports import Answer, Body, Fetchable, Finished, Listed, Page, Polling, Running
from scriptixd.jobs.rounds import PAGE
from scriptixd.jobs.store.asked import Asked
from scriptixd.service.budget import Budget

GOAL = 1.15  # times the requests that no way of asking can do without
SCALE = 1024  # bytes that stand for one
CHUNK = 50 * 1024 * 1024 // SCALE  # bytes
RATE = 1_000_000 // 8 // SCALE  # bytes a second of media: 1 Mbit/s
SHORTEST, LONGEST = 60.0, 3600.0  # s of media
FASTEST, SLOWEST = 0.1, 0.2  # of its length until a result is there
NAIVE = 10.0  # s between two looks of whoever asks for each job again and again
FOLDERS = ("one", "two", "three", "four")
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")  # RIFF, fmt and data, as in every WAV file


@dataclass
class Sent:
    """An upload, and the session that it becomes."""

    size: int
    offset: int = 0
    complete_at: float = 0.0
    ready_at: float = 0.0


class DayService(Service):
    """Scriptix with a clock: counts requests and bytes, and keeps none of these."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.sent: list[Sent] = []
        self.fetched = 0
        self.last_at = 0.0
        self._chance = chance

    def create(self, request: Request, labels: Labels, name: str, size: int) -> str:
        def effect() -> str:
            self.sent.append(Sent(size))
            return str(len(self.sent) - 1)

        return self._ask(Call.CREATE, effect)

    def offset(self, file_id: str, size: int | None = None) -> int | None:
        return self._ask(Call.OFFSET, lambda: self.sent[int(file_id)].offset)

    def send(self, file_id: str, offset: int, body: Body) -> int:
        def effect() -> int:
            upload = self.sent[int(file_id)]
            while piece := body.read(CHUNK):
                upload.offset += len(piece)
            if upload.offset == upload.size:
                upload.complete_at = self.clock().wall
                upload.ready_at = upload.complete_at + seconds_of(upload.size) * self._chance.uniform(FASTEST, SLOWEST)
            return upload.offset

        return self._ask(Call.SEND, effect)

    def session_of(self, file_id: str) -> str | None:
        return self._ask(Call.SESSION_OF, lambda: file_id if self.sent[int(file_id)].complete_at else None)

    def look(self, session_id: str) -> Answer:
        def effect() -> Answer:
            upload = self.sent[int(session_id)]
            if self.clock().wall < upload.ready_at:
                return Running("processing")
            self.fetched += 1
            self.last_at = self.clock().wall
            return Finished(b'{"result": {"status": "done", "results": []}}', seconds_of(upload.size))

        return self._ask(Call.LOOK, effect)

    def listed(self, offset: int) -> Page | None:
        def effect() -> Page | None:
            newest = sorted(
                ((one.complete_at, number) for number, one in enumerate(self.sent) if one.complete_at), reverse=True
            )
            shown = [self._listed(number) for _, number in newest[offset : offset + PAGE]]
            return Page(shown, len(newest) <= offset + PAGE)

        return self._ask(Call.LISTED, effect)

    def _listed(self, number: int) -> Listed:
        upload = self.sent[number]
        ready = self.clock().wall >= upload.ready_at
        return Listed(str(number), Fetchable(upload.ready_at - upload.complete_at) if ready else Running("processing"))


@dataclass(frozen=True)
class Day:
    """What a day came to."""

    jobs: int
    requests: int
    kinds: Counter[Call]
    least: int  # requests that every way of asking needs: a creation, the chunks, a look-up and a result each
    seconds: float  # until the last result
    least_seconds: float  # the same, at the budget's rate without a break
    longest: float  # s that one transcription took

    @property
    def ratio(self) -> float:
        return self.requests / self.least


def seconds_of(size: int) -> float:
    return (size - HEADER.size) / RATE


def drop(place: Path, number: int, seconds: float) -> int:
    """A recording of so many seconds, all silence but for its number; returns its size."""
    length = max(8, int(seconds * RATE))
    header = HEADER.pack(b"RIFF", 36 + length, b"WAVE", b"fmt ", 16, 1, 1, RATE, RATE, 1, 8, b"data", length)
    with place.open("xb") as file:
        file.write(header + number.to_bytes(8, "big"))
        file.truncate(HEADER.size + length)
    return HEADER.size + length


def day(jobs: int, polling: Polling, per_minute: int = 60, seed: int = 1) -> Day:
    """Drop so many recordings, and live until the last has its result."""
    chance = random.Random(seed)
    with TemporaryDirectory(dir=memory_disk()) as place:
        service = DayService(chance)
        world = World(Path(place), folders=FOLDERS, chunk_size=CHUNK, service=service)
        try:
            world.polling = polling
            world.restart()
            journal = Asked(world.store.database)
            service.budget = Budget(per_minute, token=service.key_fingerprint, journal=journal, now=world.now)
            sizes = []
            for number in range(jobs):
                path = world.path(f"{number}.wav", FOLDERS[number % len(FOLDERS)])
                sizes.append(drop(path, number, chance.uniform(SHORTEST, LONGEST)))
            world.settle()
            begun = world.now.wall
            while service.fetched < jobs:
                rest = world.turn()
                if rest > 0:
                    world.pass_time(rest + 1e-6)
            least = sum(3 + math.ceil(size / CHUNK) for size in sizes)
            longest = max(one.ready_at - one.complete_at for one in service.sent)
            requests = service.asked.total()
            return Day(
                jobs, requests, service.asked, least, service.last_at - begun, least * 60.0 / per_minute, longest
            )
        finally:
            world.close()


@contextmanager
def asking_every_ten_seconds() -> Iterator[None]:
    """The same scheduler, for whoever asks for each job again and again."""
    first, following = pacing.first_look, pacing.next_look
    pacing.first_look, pacing.next_look = lambda *_: NAIVE, lambda _: NAIVE
    try:
        yield
    finally:
        pacing.first_look, pacing.next_look = first, following


def row(name: str, found: Day) -> tuple[str, ...]:
    waste = found.kinds[Call.LOOK] - found.jobs + found.kinds[Call.LISTED]
    return (
        name,
        f"{found.requests / found.jobs:.2f}",
        f"{found.ratio:.3f}",
        f"{waste / found.jobs:.2f}",
        f"{found.kinds[Call.LISTED]}",
        f"{found.seconds / 3600:.2f}",
        f"{found.seconds / found.least_seconds:.3f}",
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--jobs", type=int, default=10_000)
    options.add_argument("--minute", type=int, default=60, help="requests that the key may make")
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    began = time.monotonic()
    found = {
        f"polling: {polling}": day(given.jobs, polling, given.minute, given.seed)
        for polling in (Polling.LIST, Polling.SINGLE)
    }
    ours = dict(found)
    with asking_every_ten_seconds():
        found["every 10 s"] = day(given.jobs, Polling.SINGLE, given.minute, given.seed)
    any_day = next(iter(found.values()))
    bound = ("lower bound", f"{any_day.least / any_day.jobs:.2f}", "1.000", "0.00", "0",
             f"{any_day.least_seconds / 3600:.2f}", "1.000")  # fmt: skip
    table(
        f"{given.jobs:,} recordings at once, {given.minute} requests a minute",
        ("", "requests/job", "× bound", "asked in vain/job", "lists", "hours to the last", "× bound"),
        [bound, *(row(name, one) for name, one in found.items())],
    )
    table(
        "Goals",
        ("", "figure", "goal", ""),
        [(name, f"{one.ratio:.3f}", f"{GOAL}", verdict(one.ratio, GOAL)) for name, one in ours.items()],
    )
    print(f"simulated in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    sys.exit(main())
