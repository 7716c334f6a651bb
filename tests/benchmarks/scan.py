"""A look at a tree in which nothing has changed: ours, the bare calls that any look needs, and watchdog's poller.

`python tests/benchmarks/scan.py [--files 100000] [--directories 1000] [--rounds 5] [--no-daemon]`
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from pathlib import Path

from measuring import Rounds, Timing, a_place, make_tree, peer, table, usage, verdict

GOAL = 1.5  # times the bare calls
MEMORY_GOALS = {100_000: 80.0, 1_000_000: 120.0}  # MiB of the whole daemon, by files


def bare(tree: Path, rounds: int) -> None:
    """os.scandir and a stat of every file, and nothing kept."""

    def walk(path: str) -> None:
        with os.scandir(path) as found:
            for one in found:
                if one.is_dir(follow_symlinks=False):
                    walk(one.path)
                else:
                    one.stat(follow_symlinks=False)

    walk(str(tree))
    timed = Rounds()
    for _ in range(rounds):
        with timed.one():
            walk(str(tree))
    timed.tell()


def watchdog(tree: Path, rounds: int) -> None:
    """What the thread of its PollingObserver does each time: a snapshot, and the difference to the last one."""
    from watchdog.observers.api import EventQueue, ObservedWatch
    from watchdog.observers.polling import PollingEmitter

    emitter = PollingEmitter(EventQueue(), ObservedWatch(str(tree), recursive=True), timeout=0.0)
    emitter.on_thread_start()
    timed = Rounds()
    for _ in range(rounds):
        with timed.one():
            emitter.queue_events(0.0)
    timed.tell()


def ours(tree: Path, rounds: int) -> None:
    """The scanner as the daemon builds it, with its doorbell, its claim and a real state file."""
    import socket

    from scriptixd.jobs.clock import Now, read_clock
    from scriptixd.jobs.job import DocumentType, Request
    from scriptixd.jobs.source import Existing
    from scriptixd.jobs.store.database import open_state
    from scriptixd.jobs.store.tables import Store
    from scriptixd.roots.reaching import FolderRoot
    from scriptixd.watch.claim import Claim
    from scriptixd.watch.doorbell import Doorbell
    from scriptixd.watch.ground import Ground
    from scriptixd.watch.hearing import Hearing
    from scriptixd.watch.policy import Policy
    from scriptixd.watch.scanner import Scanner, Watched

    policy = Policy(Request("nl", DocumentType.CAPTION), Existing.IGNORE, 1.0)
    watched = Watched("media", lambda _path: policy, windows=(1.0,))
    store = Store(open_state(tree.parent / "state.db"))
    root = FolderRoot(tree)
    now = read_clock()
    claim = Claim(root, store.instance(), socket.gethostname())
    hearing = Hearing("media", None, lambda: Doorbell(str(tree), watched.filter, lambda: None))
    ground = Ground("media", root, store.sources, watched.filter, claim, hearing.deletions_seen)
    scanner = Scanner(
        watched, root, store.sources, ground, hearing,
        stands=lambda _trouble: None, beat=lambda: None, stop=lambda: False, clock=lambda: now,
    )  # fmt: skip
    timed = Rounds()
    for number in range(rounds + 4):  # seen, settled, and remembered as such, before it counts
        now = Now(now.wall + 2000, now.boot + 2000)
        if number < 4:
            scanner.run_once(now)
            continue
        with timed.one():
            scanner.run_once(now)
    view = scanner.view
    if view.unsettled or not view.files or view.offline is not None:
        raise SystemExit(f"this is no look at a tree at rest: {view}")
    scanner.leave()  # the daemon is to watch it next
    scanner.close()
    root.close()
    store.close()
    timed.tell()


def daemon(place: Path, tree: Path, rescans: int) -> float:
    """MiB that the running daemon and its children take after some looks."""
    from running import House, eventually

    with House(place / "house") as home:
        home.settings["folders"].append(
            {"path": str(tree), "language": "nl", "existing": "ignore", "scan_interval": "5s", "settle": "1s"}
        )
        process = home.start()
        looks: set[str | None] = set()

        def looked_often() -> bool:
            time.sleep(1.0)
            try:
                looks.add(home.status(tree.name)["last_scan"])
            except (ValueError, StopIteration):
                return False
            return len(looks - {None}) > rescans

        eventually(looked_often, "several looks", patience=900.0)
        resident = usage(process.pid).resident
        home.stop()
    return resident


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=100_000)
    options.add_argument("--directories", type=int, default=1_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--no-daemon", action="store_true")
    options.add_argument("--peer", choices=["bare", "ours", "watchdog"], help=argparse.SUPPRESS)
    options.add_argument("--tree", type=Path, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.peer:
        {"bare": bare, "ours": ours, "watchdog": watchdog}[given.peer](given.tree, given.rounds)
        return
    with a_place() as place:
        tree = place / "media"
        make_tree(tree, given.files, given.directories)
        order = ["bare", "ours", "watchdog"]
        random.SystemRandom().shuffle(order)  # nobody always has the warmer cache
        found: dict[str, Timing] = {}
        for name in order:
            found[name] = peer(__file__, "--peer", name, "--tree", str(tree), "--rounds", str(given.rounds))
        floor = found["bare"].seconds
        names = {"bare": "os.scandir and stat", "ours": "scriptixd", "watchdog": "watchdog PollingObserver"}
        table(
            f"A look at {given.files:,} files in {given.directories:,} directories, nothing changed",
            ("", "seconds", "× bare", "CPU seconds", "peak MiB"),
            [
                (told, f"{it.seconds:.2f}", f"{it.seconds / floor:.2f}", f"{it.cpu:.2f}", f"{it.peak:.0f}")
                for name, told in names.items()
                for it in (found[name],)
            ],
        )
        ratio = found["ours"].seconds / floor
        rows = [("scan, × bare", f"{ratio:.2f}", f"{GOAL}", verdict(ratio, GOAL))]
        if not given.no_daemon:
            resident = daemon(place, tree, 3)
            goal = MEMORY_GOALS.get(given.files)
            rows.append(
                ("whole daemon, MiB", f"{resident:.0f}", f"{goal:.0f}", verdict(resident, goal))
                if goal
                else ("whole daemon, MiB", f"{resident:.0f}", "", "")
            )
        table("Goals", ("", "figure", "goal", ""), rows)


if __name__ == "__main__":
    sys.exit(main())
