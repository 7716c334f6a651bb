"""Every writing system call of a daemon, hundreds of moments, and power cuts: each an end in the middle of something,
after which everything has to be done, whole, and paid once, as the server counts it.

    python tests/benchmarks/exhaustive.py                            # all of it: some ten minutes on two cores
    python tests/benchmarks/exhaustive.py --moments 20 --calls 20 --cuts 5

Needs strace and, for the power cuts, root and a loop device. Exits 1 if anything was lost, torn or paid twice.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import re
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ending import (
    WRITING,
    Blow,
    Doomed,
    LoopDisk,
    cut_power_at_random,
    kill_at_random,
    strike,
    threads_of,
    traced,
)
from fakes import memory_disk
from house import eventually
from nursery import Nursery
from quick import QuickSandbox

KILLS_OF_A_HOUSE: Final = 10
CUTS_OF_A_DISK: Final = 5
FILES: Final = 2  # recordings of a journey in which every call is counted

kept = ExitStack()  # what a worker process keeps for all its tasks


@dataclass(frozen=True)
class Ends:
    """What came of some of them: how often the daemon ended where it was to, and what was wrong afterwards."""

    made: int
    struck: int
    wrong: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=300, help="kills at random moments")
    parser.add_argument("--calls", type=int, default=None, help="so many of the writing calls, chosen by chance")
    parser.add_argument("--cuts", type=int, default=30, help="power cuts")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1), help="how many at once")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    options = parser.parse_args()
    print(f"--seed {options.seed}\n")
    chance = random.Random(options.seed)
    began = time.monotonic()

    def seeds(count: int, each: int) -> list[tuple[int, int]]:
        return [(chance.randrange(2**32), min(each, count - at)) for at in range(0, count, each)]

    with ProcessPoolExecutor(options.jobs, mp_context=get_context("spawn"), initializer=_open_shop) as pool:
        starting, working = pool.submit(_calls_of_a_start).result(), pool.submit(_calls_of_the_work).result()
        if options.calls is not None:
            starting, working = (
                chance.sample(them, min(len(them), options.calls // 2)) for them in (starting, working)
            )
        rows: list[tuple[str, Iterator[Ends]]] = [
            ("kill -9 at random moments", pool.map(_moments, seeds(options.moments, KILLS_OF_A_HOUSE))),
            ("kill before a writing call of the start", pool.map(_blow, starting)),
            ("kill before a writing call of the work", pool.map(_blow, working)),
        ]
        if LoopDisk.missing():
            print(f"no power cuts: {LoopDisk.missing()}\n")
        else:
            rows.append(("power cut at random moments", pool.map(_cuts, seeds(options.cuts, CUTS_OF_A_DISK))))
        return _table(rows, began)


def _table(rows: Sequence[tuple[str, Iterator[Ends]]], began: float) -> int:
    wrong: list[str] = []
    print("| what ended it | so often | ended there | went wrong afterwards |")
    print("|-----------------------------------------|------|------|------|", flush=True)
    for name, results in rows:
        ends = list(results)
        wrong += [one.wrong for one in ends if one.wrong]
        made, struck = sum(one.made for one in ends), sum(one.struck for one in ends)
        print(f"| {name:<39} | {made:>4} | {struck:>4} | {sum(bool(one.wrong) for one in ends):>4} |", flush=True)
    print(f"\n{time.monotonic() - began:.0f} s")
    for text in wrong:
        print(f"\n{text}")
    print(f"\n{len(wrong)} times something was lost, torn or paid twice." if wrong else "\n" + GOOD)
    return 1 if wrong else 0


GOOD: Final = "Nothing was lost, nothing was torn, nothing was paid twice."


# In the worker processes


def _open_shop() -> None:
    """One server and one nursery for all that this process will do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    place = Path(kept.enter_context(tempfile.TemporaryDirectory(dir=memory_disk())))
    kept.place = place  # type: ignore[attr-defined]
    kept.server = kept.enter_context(QuickSandbox(place / "server"))  # type: ignore[attr-defined]
    kept.nursery = kept.enter_context(Nursery())  # type: ignore[attr-defined]
    Finalize(None, kept.close, exitpriority=10)  # before the end waits for the server's thread


@contextmanager
def _house() -> Iterator[Doomed]:
    with (
        tempfile.TemporaryDirectory(dir=kept.place) as home,  # type: ignore[attr-defined]
        Doomed(Path(home), kept.server, kept.nursery) as house,  # type: ignore[attr-defined]
    ):
        yield house


def _tried(name: str, made: int, attempt: Callable[[], int]) -> Ends:
    said = io.StringIO()
    try:
        with redirect_stdout(said):
            struck = attempt()
    except Exception:  # noqa: BLE001 - whatever it is, it is told, and the others go on
        return Ends(made, 0, f"{name}\n{traceback.format_exc()}\n{said.getvalue()[-4000:]}")
    return Ends(made, struck)


def _moments(task: tuple[int, int]) -> Ends:
    seed, count = task

    def attempt() -> int:
        chance = random.Random(seed)
        with _house() as house:
            for number in range(count):
                if number % 2 == 0:
                    house.record(1)
                print(kill_at_random(house, chance))
            house.finish()
        return count

    return _tried(f"kills at random moments, seed {seed}", count, attempt)


def _blow(blow: Blow) -> Ends:
    def attempt() -> int:
        with _house() as house:
            if blow.thread is None:
                house.record(FILES)
            struck = strike(house, blow, 0 if blow.thread is None else FILES)
            house.finish()
        return int(struck)

    return _tried(str(blow), 1, attempt)


def _cuts(task: tuple[int, int]) -> Ends:
    seed, count = task

    def attempt() -> int:
        chance = random.Random(seed)
        with (
            tempfile.TemporaryDirectory() as place,
            LoopDisk(Path(place) / "image", Path(place) / "disk") as disk,
            _house() as house,
        ):
            house.lives_on(disk.place)
            for _ in range(count):
                house.record(2)
                print(cut_power_at_random(house, disk, chance))
            house.finish()
        return count

    return _tried(f"power cuts at random moments, seed {seed}", count, attempt)


def _calls_of_a_start() -> list[Blow]:
    """Before a daemon is at work, its main thread makes them; afterwards these are whichever thread's come first."""
    with redirect_stdout(io.StringIO()), _house() as house:
        calls = house.place / "calls"
        with traced(house, calls=calls) as daemon:
            eventually(house.starts, "it is at work")
            daemon.kill()
            daemon.wait(30)
        house.daemon = None
        made = _counted(calls.read_text())
    most: Counter[str] = Counter()
    for (_, call), count in made.items():
        most[call] = max(most[call], count)
    return [Blow(call, nth) for call, count in sorted(most.items()) for nth in range(1, count + 1)]


def _calls_of_the_work() -> list[Blow]:
    """What each thread calls from the moment that a recording appears to the end of a stop in good order."""
    with redirect_stdout(io.StringIO()), _house() as house:
        calls = house.place / "calls"
        with traced(house, calls=calls) as daemon:
            eventually(house.starts, "it is at work")
            threads = threads_of(daemon.pid)
            before = _counted(calls.read_text())
            house.record(FILES)
            eventually(lambda: house.written() and set(house.states().values()) == {"done"}, "all is done")
            daemon.terminate()
            daemon.wait(30)
        house.daemon = None
        made = _counted(calls.read_text())
        made.subtract(before)
    return [
        Blow(call, nth, thread=threads.index(thread))
        for (thread, call), count in sorted(made.items())
        if thread in threads
        for nth in range(1, count + 1)
    ]


def _counted(said: str) -> Counter[tuple[int, str]]:
    """How often each thread has made each call; its file has a line for each, and begins with the thread."""
    found = re.findall(r"^(\d+) +(\w+)\(", said, re.MULTILINE)
    return Counter((int(thread), call) for thread, call in found if call in WRITING)


if __name__ == "__main__":
    sys.exit(main())
