"""Whether the daemon grows: thousands of recordings through one process, as fast as they go; months for an office.

`python tests/benchmarks/soak.py [--jobs 20000] [--batch 500]`

The real daemon, a real TUS server whose results are ready at once, and files that come in batches. What the first tenth
takes is no growth: caches fill, and the allocator finds its size.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
import wave
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from house import House, SandboxHere, eventually
from measuring import a_place, memory, table, verdict
from quick import QuickSandbox

GOAL: Final = 10.0  # MiB above what it took after the first tenth
ROWS: Final = 10


class Quick(SandboxHere):
    """The quick server, where a house has its sandbox."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._server = QuickSandbox(directory)

    def start(self) -> None:
        self._server.__enter__()
        self.listens_at(self._server.url)

    def stop(self) -> None:
        self._server.__exit__(None, None, None)


def record(folder: Path, first: int, count: int) -> None:
    """So many recordings, each with a content and a size of its own: equal sizes would wait for each other."""
    for number in range(first, first + count):
        path = folder / f"{number // 1000:03}" / f"{number:06}.wav"
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        with wave.open(str(part), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(8000)
            file.writeframes(os.urandom(2 * (1000 + number)))
        part.rename(path)


def run(place: Path, jobs: int, batch: int) -> tuple[list[tuple[str, ...]], float]:
    """A row at each tenth, and the growth from the first to the last, in MiB."""
    rows: list[tuple[str, ...]] = []
    with House(place, Quick(place / "server")) as home:
        home.typed_start = True
        folder = home.folder("media", language="nl")
        home.settings["defaults"] |= {"settle": "0s", "ask_above": None}
        home.settings["limits"] = {"uploads": 4}
        daemon = home.start()
        began, base = time.monotonic(), 0.0
        for first in range(0, jobs, batch):
            record(folder, first, batch)
            eventually(lambda want=first + batch: done(home) >= want, "the batch is done", 600.0)
            number = first + batch
            if number % (jobs // ROWS) == 0:
                gc.collect()
                now = memory(daemon.pid, "VmRSS")
                base = base or now
                threads, files = (len(os.listdir(f"/proc/{daemon.pid}/{what}")) for what in ("task", "fd"))
                state = home.state.stat().st_size / number
                rate = number / (time.monotonic() - began)
                rows.append((
                    f"{number:,}", f"{now:.1f}", f"{now - base:+.1f}", str(threads), str(files), f"{state:,.0f}",
                    f"{rate:.1f}",
                ))  # fmt: skip
        grown = memory(daemon.pid, "VmRSS") - base
        home.stop()
        home.log.unlink()
    return rows, grown


def done(home: House) -> int:
    folders = home.status("media")
    return int(folders["counts"].get("done", 0))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--jobs", type=int, default=20_000)
    options.add_argument("--batch", type=int, default=500)
    given = options.parse_args()
    with a_place() as place:
        rows, grown = run(place, given.jobs, given.batch)
    headings = ("jobs", "MiB", "growth", "threads", "open files", "bytes of state a job", "jobs/s")
    table(f"{given.jobs:,} jobs through one process", headings, rows)
    print(f"Growth {grown:+.1f} MiB, goal {GOAL} MiB: {verdict(grown, GOAL)}")


if __name__ == "__main__":
    main()
