"""What a state file with a million finished jobs costs: its size, the start, the verbs that people type, the upkeep.

`python tests/benchmarks/million.py [--jobs 1000000] [--files 100000]`

The files that are still there are on the disk, and a real daemon has seen them; the others were moved away last
month. The transcripts have expired, and so has the history of all but the last year.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
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
        connection.execute("CREATE TEMP TABLE chapters (after REAL, whose INTEGER, event TEXT, state TEXT, detail TEXT)")
        connection.executemany("INSERT INTO chapters VALUES (?, ?, ?, ?, ?)", _STORY)
        for statement in (_JOBS + _FILES + _REST).split(";\n"):
            if statement.strip():
                used = {name: value for name, value in values.items() if f":{name}" in statement}
                connection.execute(statement, used)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
