"""The history table: a row for whatever happened, in the transaction of what happened. Never read to decide."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from typing import Final

from scriptixd.jobs.source import Happening
from scriptixd.jobs.store.rows import join, told

# What moved a job that nobody has to be asked about; of a crowd that waits for a yes, its folder tells.
_HAPPENED: Final = """SELECT sources.folder, sources.directory, sources.name, history.job_id, event, detail FROM history
    JOIN jobs ON jobs.id = history.job_id
    JOIN sources ON sources.id = coalesce(history.source_id, (SELECT source_id FROM deliveries
        WHERE job_id = jobs.id AND deliveries.state != 'dropped' ORDER BY deliveries.id LIMIT 1))
    WHERE history.id > ? AND event IN ('Settled', 'Resettled', 'Renamed', 'SourceChanged', 'SourceGone', 'SourceBack')
    AND jobs.state IN ('found', 'uploading', 'closing', 'uploaded', 'transcribing', 'gone') ORDER BY history.id"""


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


def latest(connection: sqlite3.Connection) -> int:
    """The id of its last row, 0 where there is none."""
    (id_,) = connection.execute("SELECT coalesce(max(id), 0) FROM history").fetchone()
    return int(id_)


def happened(connection: sqlite3.Connection, after: int) -> Sequence[Happening]:
    """What a look has come to for jobs since the row of this id."""
    return [
        Happening(folder, join(os.fsdecode(directory), os.fsdecode(name)), job_id, event, detail)
        for folder, directory, name, job_id, event, detail in connection.execute(_HAPPENED, (after,))
    ]
