"""What the benchmarks share: trees of files, processes that are measured from outside, tables.

Each peer runs in a process of its own, so that none pays for another's memory.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its children have used."""

    cpu: float  # s
    resident: float  # MiB, now
    processes: int


def make_tree(place: Path, files: int, directories: int) -> None:
    """Media files of 5,000 bytes that take no room, evenly spread."""
    for directory in range(directories):
        below = place / f"{directory % 100:02}" / f"{directory:05}"
        below.mkdir(parents=True)
        for number in range(files // directories):
            with (below / f"recording {number:04}.wav").open("wb") as file:
                file.truncate(5000)


@contextmanager
def a_place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="scriptixd-benchmark-") as made:
        yield Path(made)


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in task.read_text().split()]
    return found


def usage(pid: int) -> Usage:
    members = family(pid)
    cpu = resident = 0.0
    for one in members:
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        cpu += (int(fields[11]) + int(fields[12])) / TICKS
        resident += memory(one, "VmRSS")
    return Usage(cpu, resident, len(members))


def memory(pid: int | str, kind: str) -> float:
    """MiB: VmRSS is what is resident now, VmHWM the most that ever was."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith(kind))


@dataclass(frozen=True, slots=True)
class Timing:
    """One peer's repeated work: medians of its rounds, and the most memory that it took."""

    seconds: float
    cpu: float
    peak: float  # MiB


def peer(script: str, *arguments: str) -> Timing:
    """Run a peer in a process of its own; it ends with `tell`."""
    done = subprocess.run([sys.executable, script, *arguments], check=True, stdout=subprocess.PIPE, text=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return Timing(statistics.median(told["seconds"]), statistics.median(told["cpu"]), told["peak"])


class Rounds:
    """Times the rounds of a peer, in its process."""

    def __init__(self) -> None:
        self._seconds: list[float] = []
        self._cpu: list[float] = []

    @contextmanager
    def one(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self._seconds.append(time.perf_counter() - wall)
        self._cpu.append(time.process_time() - cpu)

    def tell(self) -> None:
        print(json.dumps({"seconds": self._seconds, "cpu": self._cpu, "peak": memory("self", "VmHWM")}))


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """As Markdown, so that it can be put into the README."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"

    print(f"\n{title}\n")
    print(line(head))
    print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
    for row in rows:
        print(line(row))
    print(flush=True)


def verdict(figure: float, goal: float) -> str:
    return "met" if figure <= goal else "MISSED"
