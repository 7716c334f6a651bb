"""What one small file costs in requests, from its appearing to its sidecars: the real daemon, and a real TUS server.

`python tests/benchmarks/journey.py`

The session is known at once, and the result is ready at the first look. A proxy between the two counts.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ending import Doomed
from house import eventually
from measuring import a_place, table, verdict
from nursery import Nursery
from quick import QuickSandbox

GOAL = 5


def main() -> None:
    with a_place() as place, QuickSandbox(place / "server") as server, Nursery() as nursery:
        (place / "home").mkdir()
        with Doomed(place / "home", server, nursery) as home:
            del home.settings["api"]["chunk_size"]  # as it is by itself: the file is one part
            home.start()
            home.record(1)
            eventually(home.written, "its sidecars are there")
            home.until(1)
            home.kill()
            home.assert_whole()
            asked = Counter(str(one.kind) for one in home.network.asked)
    total = asked.total()
    rows = [(kind, str(count), "", "") for kind, count in asked.items()]
    rows.append(("all", str(total), f"≤ {GOAL}", verdict(total, GOAL)))
    table("Requests for one small file, from its appearing to its sidecars", ("", "requests", "goal", ""), rows)


if __name__ == "__main__":
    sys.exit(main())
