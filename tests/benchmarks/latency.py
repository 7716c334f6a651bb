"""From the last write to the first byte sent, without the settle window; and by polling each second, for comparison.

`python tests/benchmarks/latency.py [--files 20] [--settle 2]`
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import time
from pathlib import Path

from measuring import a_place, table, verdict
from running import House, eventually, tone

GOAL = 0.5  # s with events, for the median and nine in ten


def latencies(place: Path, watch: str, files: int, settle: float) -> list[float]:
    """Seconds beyond the window for each file: one after the other, on a daemon that has nothing else to do."""
    found = []
    with House(place / watch) as home:
        folder = home.folder("media", language="nl", watch=watch, settle=f"{settle}s", outputs=["json"])
        if watch == "events":
            home.settings["folders"][0]["scan_interval"] = "15m"
        home.start()
        eventually(lambda: home.status("media")["last_scan"], "watched")
        for number in range(files):
            time.sleep(random.SystemRandom().uniform(0.5, 1.5))  # at no fixed moment of anybody's interval
            tone(folder / f"{number}.wav", 0.3, 40 + number)
            written = time.time()

            def first_byte(count: int = number) -> float:
                patches = [seen["at"] for seen in home.sandbox.requests() if seen["method"] == "PATCH"]
                return float(patches[count]) if len(patches) > count else 0.0

            found.append(eventually(first_byte, "sent") - written - settle)
        home.stop()
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--files", type=int, default=20)
    options.add_argument("--settle", type=float, default=2.0)
    given = options.parse_args()
    rows = []
    with a_place() as place:
        for watch in ("events", "poll"):
            found = sorted(latencies(place, watch, given.files, given.settle))
            median, most = statistics.median(found), found[int(0.9 * len(found)) - 1]
            goal, told = (f"{GOAL}", verdict(most, GOAL)) if watch == "events" else ("", "")
            rows.append((watch, f"{median:.2f}", f"{most:.2f}", f"{found[-1]:.2f}", goal, told))
    table(
        f"Seconds from the last write to the first byte sent, less the window of {given.settle:.0f} s: "
        f"{given.files} files, one after the other",
        ("watch", "median", "nine in ten", "longest", "goal", ""),
        rows,
    )


if __name__ == "__main__":
    sys.exit(main())
