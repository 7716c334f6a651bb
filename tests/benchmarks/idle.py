"""What the running daemon costs while nothing happens: with the kernel's events, and polling each 30 s.

`python tests/benchmarks/idle.py [--files 100000] [--directories 1000] [--seconds 120]`
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from measuring import a_place, make_tree, table, usage, verdict
from running import House, eventually

GOALS = {"events": 0.2, "poll": 2.5}  # % of a core
SETTLED = 5.0  # s: what follows the first looks is over


def idle(place: Path, tree: Path, watch: str, seconds: float) -> tuple[float, int, float]:
    """% of a core, looks within the time, and MiB at its end."""
    place.mkdir()
    with House(place / watch) as home:
        folder = {"path": str(tree), "language": "nl", "existing": "ignore", "settle": "1s", "watch": watch}
        home.settings["folders"].append(folder)
        del home.settings["defaults"]["scan_interval"]  # as it is by itself: 15 min, or 30 s
        process = home.start()

        def at_rest() -> bool:
            time.sleep(1.0)
            said = home.status(tree.name)
            return said["last_scan"] is not None and said["unsettled"] == 0

        eventually(at_rest, "all is seen and settled", patience=900.0)
        time.sleep(SETTLED)
        first, before, began = home.status(tree.name)["last_scan"], usage(process.pid), time.monotonic()
        looks = set()
        while time.monotonic() - began < seconds:
            time.sleep(seconds / 6)
            looks.add(home.status(tree.name)["last_scan"])
        after, took = usage(process.pid), time.monotonic() - began
        home.stop()
    return 100 * (after.cpu - before.cpu) / took, len(looks - {first}), after.resident


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=100_000)
    options.add_argument("--directories", type=int, default=1_000)
    options.add_argument("--seconds", type=float, default=120.0)
    given = options.parse_args()
    rows = []
    with a_place() as place:
        tree = place / "media"
        make_tree(tree, given.files, given.directories)
        for watch, goal in GOALS.items():
            share, looks, resident = idle(place / f"home-{watch}", tree, watch, given.seconds)
            told = verdict(share, goal)
            rows.append((watch, f"{share:.2f}", f"{goal}", told, str(looks), f"{resident:.0f}"))
    table(
        f"The daemon at rest over {given.files:,} files for {given.seconds:.0f} s",
        ("watch", "% of a core", "goal", "", "looks", "MiB"),
        rows,
    )


if __name__ == "__main__":
    sys.exit(main())
