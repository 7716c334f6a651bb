"""Which jobs the service has to be asked about, and what is known of how long it takes. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from scriptixd.jobs.job import Job, State
from scriptixd.jobs.pacing import LEARNED_FROM
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.rows import JOB_COLUMNS, job_from

# One look into the index for each folder: a thousand jobs in one of them cost no more than one.
_FOLDERS: Final = """WITH RECURSIVE found (folder) AS (
    SELECT (SELECT min(folder) FROM jobs WHERE state = '{state}')
    UNION ALL SELECT (SELECT min(folder) FROM jobs WHERE state = '{state}' AND folder > found.folder) FROM found
        WHERE found.folder IS NOT NULL)
    SELECT folder FROM found WHERE folder IS NOT NULL"""
# The ledger loses no row, so that what lies between two ids is how many were paid since.
_DUE: Final = """SELECT session_id, (SELECT coalesce(max(id), 0) FROM ledger)
        - coalesce((SELECT max(id) FROM ledger WHERE job_id = jobs.id), 0)
    FROM jobs WHERE state = 'transcribing' AND due_at > 0 AND due_at <= ? AND service = ? AND key_fingerprint = ?"""


@dataclass(frozen=True, slots=True)
class Asked:
    """A session that has to be asked about, and how many of ours were begun after it."""

    session_id: str
    newer: int


class Waiting:
    """Questions to the jobs table about what waits for an answer of the service."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def folders(self) -> Sequence[str]:
        """Those with uploads that are complete and have no result yet, whether or not they are configured."""
        found: set[str] = set()
        with self._database.reading() as connection:
            for state in (State.UPLOADED, State.TRANSCRIBING):
                found |= {folder for (folder,) in connection.execute(_FOLDERS.format(state=state))}
        return sorted(found)

    def due(self, at: float, service: str, key_fingerprint: str) -> Sequence[Asked]:
        """The sessions to be asked about now that this key began, but for those whose result is known to be there."""
        with self._database.reading() as connection:
            return [Asked(*row) for row in connection.execute(_DUE, (at, service, key_fingerprint))]

    def of_sessions(self, service: str, session_ids: Collection[str]) -> Sequence[Job]:
        """The jobs that wait for the results of these sessions."""
        query = f"""SELECT {JOB_COLUMNS} FROM jobs WHERE state = 'transcribing' AND service = ?
            AND session_id IN ({", ".join("?" for _ in session_ids)})"""
        with self._database.reading() as connection:
            return [job_from(row) for row in connection.execute(query, (service, *session_ids))]

    def shares(self, service: str) -> Sequence[float]:
        """What share of its own length each of the latest results took."""
        query = """SELECT took / media_seconds FROM jobs WHERE service = ? AND took IS NOT NULL AND media_seconds > 0
            ORDER BY ready_at DESC LIMIT ?"""
        with self._database.reading() as connection:
            return [float(share) for (share,) in connection.execute(query, (service, LEARNED_FROM))]
