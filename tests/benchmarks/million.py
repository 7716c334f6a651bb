"""What a state file with a million finished jobs costs: its size, the start, the verbs that people type, the upkeep.

`python tests/benchmarks/million.py [--jobs 1000000] [--files 2000] [--seconds 60]`

The files that are still there are on the disk, and a real daemon has seen them; the others were moved away last
month. The transcripts have expired, and so has the history of all but the last year.
"""

from __future__ import annotations

import argparse
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from measuring import MIB, a_place, make_tree, memory, table, usage, verdict
from running import House, eventually

from scriptixd.jobs.job import DocumentType, Request

YEAR = 365 * 86_400.0  # s
SPAN = 3 * YEAR  # s over which the jobs came
GONE = YEAR / 12  # s since those that were moved away are gone
FAILED, HELD = 300, 200  # of all jobs
ROUNDS = 5
SETTLED = 20.0  # s: what follows a start is over
READY_GOAL = 2.0  # s
VERB_GOAL = 0.5  # s above --version

_JOBS = """
CREATE TEMP TABLE told AS
    WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :jobs)
    SELECT n, :now - :span * (:jobs - n + 1) / :jobs AS at,
        CASE WHEN n % (:jobs / :failed) = 7 THEN 'failed' WHEN n % (:jobs / :held) = 9 THEN 'held' ELSE 'ready' END
        AS state FROM numbers;
"""
_FILES = """INSERT INTO sources (folder, directory, name, size, mtime_ns, inode, boot_id, look_since, looks, settled,
        present, existing, ignored, created_at, updated_at, arrived_at)
    SELECT 'media', CAST(printf('archive/%d/%05d', n % 7, n / 100) AS BLOB),
        CAST(printf('recording of day %d.mp4', n) AS BLOB), 1000000 + n, 1700000000000000000 + n, n, 'boot', 0.0, 2, 0,
        0, 0, 0, at, :now - :gone, at FROM told WHERE n > :there;
"""
_REST = """
CREATE TEMP TABLE shared AS SELECT row_number() OVER (ORDER BY id) AS n, id, size, mtime_ns, inode FROM sources;
CREATE UNIQUE INDEX shared_by_number ON shared (n);
INSERT INTO jobs (id, state, folder, request, size, mtime_ns, inode, redo, sha256, media_seconds, file_id, service,
        key_fingerprint, labels, session_id, closing_at, uploaded_at, ready_at, due_at, failures, unanswered, reason,
        hint, held_for, created_at, updated_at, version, took)
    SELECT n, state, 'media', :request, shared.size, shared.mtime_ns, shared.inode, 0,
        iif(state = 'held', NULL, printf('%064x', n * 7919)), 60.0 + n % 3600,
        iif(state = 'ready', printf('%032x', n), NULL), iif(state = 'ready', 'https://api.example.org', NULL),
        iif(state = 'ready', '01234567', NULL),
        iif(state = 'ready', printf('{"filename":"recording of day %d.mp4","folder_id":null,"keep_source":false,'
            || '"metadata":{}}', n), NULL),
        iif(state = 'ready', printf('%026x', n), NULL), iif(state = 'ready', at + 60, NULL),
        iif(state = 'ready', at + 61, NULL), iif(state = 'ready', at + 300, NULL), 0.0, 0, 0.0,
        iif(state = 'failed', 'Scriptix does not take it', ''), '', iif(state = 'held', 'it was there before', ''),
        at, at + 300, 9, iif(state = 'ready', 239.0, NULL)
    FROM told JOIN shared USING (n);
INSERT INTO deliveries (job_id, source_id, state, due_at, failures, reason, hint, created_at, updated_at)
    SELECT n, shared.id, iif(state = 'ready', 'delivered', 'pending'), iif(state = 'ready', 0.0, 1e300), 0, '', '', at,
        at + 301 FROM told JOIN shared USING (n);
INSERT INTO sidecars (delivery_id, folder, path, output, sha256, written_at)
    SELECT deliveries.id, 'media', CAST(directory || printf('/recording of day %d.%s', n, output) AS BLOB), output,
        printf('%064x', n * 104729), at + 301
    FROM told JOIN deliveries ON deliveries.job_id = n JOIN sources ON sources.id = source_id,
        (SELECT 'srt' AS output UNION ALL SELECT 'json') WHERE told.state = 'ready';
INSERT INTO ledger (job_id, day, folder, media_seconds, failed, paid_at)
    SELECT n, date(at, 'unixepoch'), 'media', 60.0 + n % 3600, 0, at + 61 FROM told WHERE state = 'ready';
INSERT INTO openings (job_id, folder, media_seconds, opened_at)
    SELECT n, 'media', 60.0 + n % 3600, at FROM told WHERE at > :now - 62 * 86400;
INSERT INTO history (at, job_id, source_id, event, state, detail)
    SELECT at + after, n, iif(whose, shared.id, NULL), event, chapters.state,
        CASE detail WHEN 'id' THEN printf('%032x', n) WHEN 'hash' THEN printf('%064x', n) ELSE detail END
    FROM told JOIN shared USING (n) CROSS JOIN chapters WHERE at > :now - :year ORDER BY at + after;
"""
_STORY = (
    (0.0, True, "Settled", "found", ""),
    (1.0, False, "UploadOpened", "uploading", "id"),
    (60.0, False, "Closing", "closing", "hash"),
    (61.0, False, "UploadFinished", "uploaded", ""),
    (62.0, False, "SessionKnown", "transcribing", "id"),
    (120.0, False, "StillRunning", "transcribing", "processing"),
    (300.0, False, "ResultReady", "ready", ""),
    (301.0, True, "Delivered", "delivered", "recording.srt, recording.json"),
)


def fill(state: Path, jobs: int, *, there: int = 0, now: float | None = None) -> None:
    """Finish so many jobs, those of the `there` sources that are known already among them."""
    request = Request(language="nl", document_type=DocumentType.CAPTION).key
    values = {
        "jobs": jobs, "there": there, "now": time.time() if now is None else now, "span": SPAN, "year": YEAR,
        "gone": GONE, "failed": min(FAILED, jobs // 10), "held": min(HELD, jobs // 10), "request": request,
    }  # fmt: skip
    with closing(sqlite3.connect(state, isolation_level=None)) as connection:
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -400000")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "CREATE TEMP TABLE chapters (after REAL, whose INTEGER, event TEXT, state TEXT, detail TEXT)"
        )
        connection.executemany("INSERT INTO chapters VALUES (?, ?, ?, ?, ?)", _STORY)
        for statement in (_JOBS + _FILES + _REST).split(";\n"):
            if statement.strip():
                used = {name: value for name, value in values.items() if f":{name}" in statement}
                connection.execute(statement, used)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


class Ready:
    """A socket as systemd has it, to which a daemon says that it is ready."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self.address = str(path)

    def wait(self) -> None:
        while b"READY=1" not in self._socket.recv(4096):
            pass

    def close(self) -> None:
        self._socket.close()


def seen(home: House, folder: str) -> None:
    """Until everything on the disk is known, and the daemon is at rest."""

    def at_rest() -> bool:
        time.sleep(1.0)
        said = home.status(folder)
        return said["last_scan"] is not None and said["unsettled"] == 0

    eventually(at_rest, "all is seen and settled", patience=1800.0)


def started(home: House) -> tuple[subprocess.Popen[bytes], float]:
    """The daemon, and the seconds from its start to READY."""
    path = home.place / "notify"
    path.unlink(missing_ok=True)
    with closing(Ready(path)) as ready:
        began = time.monotonic()
        process = home.start(NOTIFY_SOCKET=ready.address)
        ready.wait()
        return process, time.monotonic() - began


def typed(home: House, *verb: str) -> float:
    """Seconds that a verb takes, as a person types it: the median of some."""
    took = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        home.typed(*verb)
        took.append(time.monotonic() - began)
    return statistics.median(took)


def version() -> float:
    took = []
    for _ in range(ROUNDS):
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "scriptixd", "--version"], check=True, capture_output=True)
        took.append(time.monotonic() - began)
    return statistics.median(took)


def measure(home: House, tree: Path, given: argparse.Namespace) -> Iterator[tuple[str, str, str, str]]:
    """What is measured, the figure, its goal, and whether that is met."""
    home.start()
    seen(home, tree.name)
    home.stop()
    fill(home.state, given.jobs, there=given.files)
    yield "state file", f"{home.state.stat().st_size / MIB:,.0f} MiB", "", ""
    process, ready = started(home)
    yield "start to READY", f"{ready:.2f} s", f"{READY_GOAL} s", verdict(ready, READY_GOAL)
    seen(home, tree.name)
    time.sleep(SETTLED)
    base = version()
    yield "--version", f"{base:.2f} s", "", ""
    one = next(path for path in tree.rglob("*.wav"))
    verbs = (
        ("status",), ("status", "--json"), ("list", "--state", "failed"), ("explain", str(one)), ("report",),
        ("list", "--state", "held", "--json"),
    )  # fmt: skip
    for verb in verbs:
        above = typed(home, *verb) - base
        name = " ".join(word for word in verb if "/" not in word)
        judged = verb[:1] == ("status",) or "failed" in verb
        goal = (f"{VERB_GOAL} s", verdict(above, VERB_GOAL)) if judged else ("", "")
        yield f"{name}, above --version", f"{above:.2f} s", *goal
    before, began = usage(process.pid), time.monotonic()
    time.sleep(given.seconds)
    after, took = usage(process.pid), time.monotonic() - began
    yield "memory at rest", f"{after.resident:.0f} MiB in {after.processes} process(es)", "", ""
    yield (
        "the daemon's own",
        f"{memory(process.pid, 'VmRSS'):.0f} MiB, {memory(process.pid, 'VmHWM'):.0f} at most",
        "",
        "",
    )
    yield "at rest", f"{100 * (after.cpu - before.cpu) / took:.2f} % of a core", "", ""
    home.stop()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--jobs", type=int, default=1_000_000)
    options.add_argument("--files", type=int, default=2_000)
    options.add_argument("--seconds", type=float, default=60.0)
    given = options.parse_args()
    with a_place() as place:
        tree = place / "media"
        make_tree(tree, given.files, max(1, given.files // 100))
        (place / "home").mkdir()
        with House(place / "home") as home:
            home.settings["folders"].append({"path": str(tree), "language": "nl", "existing": "ignore"})
            del home.settings["defaults"]["scan_interval"]  # as it is by itself
            rows = list(measure(home, tree, given))
    table(f"{given.jobs:,} finished jobs, {given.files:,} files", ("what", "measured", "goal", ""), rows)


if __name__ == "__main__":
    main()
