"""The history table: a row for whatever happened, in the transaction of what happened. Never read to decide."""

from __future__ import annotations

import sqlite3

from scriptixd.jobs.store.rows import told


def remember(
    connection: sqlite3.Connection,
    job_id: int | None,
    source_id: int | None,
    event: str,
    state: str,
    detail: str,
    at: float,
    *,
    lasting: bool = False,
) -> None:
    """A history row, in the transaction that is open; what is merely `lasting` is told when it begins.

    A disk that is away for a night, or a service for a weekend, must not fill the one of the state file.
    """
    if lasting:
        last = connection.execute(
            """SELECT event, state, detail FROM history WHERE job_id = ? AND source_id IS ?
            ORDER BY id DESC LIMIT 1""",
            (job_id, source_id),
        ).fetchone()
        if last == (event, state, told(detail)):
            return
    connection.execute(
        "INSERT INTO history (at, job_id, source_id, event, state, detail) VALUES (?, ?, ?, ?, ?, ?)",
        (at, job_id, source_id, event, state, told(detail)),
    )
