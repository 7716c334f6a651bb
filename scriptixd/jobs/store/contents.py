"""What is known of contents: which were read, which were paid for, and under which request.

Reads only. Whether content is known is decided by its SHA-256, never by a name, a size or a time alone.
"""

from __future__ import annotations

from scriptixd.jobs.job import Job, Request
from scriptixd.jobs.source import Source
from scriptixd.jobs.store.database import Database
from scriptixd.jobs.store.rows import JOB_COLUMNS, job_from

_PAID = "(closing_at IS NOT NULL OR EXISTS (SELECT 1 FROM ledger WHERE ledger.job_id = jobs.id))"  # or it may have been


class Contents:
    """What other jobs tell about the content of one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def size_known(self, job: Job) -> bool:
        """Whether another job's content has this size and was read: then this one must be read before it is sent."""
        query = "SELECT 1 FROM jobs WHERE size = ? AND id != ? AND redo >= ? AND sha256 IS NOT NULL LIMIT 1"
        with self._database.reading() as connection:
            return connection.execute(query, (job.stat.size, job.id, job.redo)).fetchone() is not None

    def same(self, job: Job) -> Job | None:
        """Another job of this content and request that was paid, or may have been."""
        query = f"""SELECT {JOB_COLUMNS} FROM jobs
            WHERE sha256 = ? AND size = ? AND request = ? AND redo >= ? AND id != ? AND {_PAID}
            ORDER BY closing_at IS NULL, redo DESC, id LIMIT 1"""
        values = (job.sha256, job.stat.size, job.request.key, job.redo, job.id)
        with self._database.reading() as connection:
            row = connection.execute(query, values).fetchone()
        return job_from(row) if row else None

    def has_session(self, size: int, sha256: str, session_id: str) -> bool:
        """Whether this transcription of a content is one that is known."""
        query = "SELECT 1 FROM jobs WHERE size = ? AND sha256 = ? AND session_id = ? LIMIT 1"
        with self._database.reading() as connection:
            return connection.execute(query, (size, sha256, session_id)).fetchone() is not None

    def otherwise(self, job: Job) -> Request | None:
        """The last request in this language, but another one, under which this content was paid, or may have been."""
        query = f"""SELECT request FROM jobs
            WHERE sha256 = ? AND size = ? AND request != ? AND id != ? AND {_PAID}
            AND json_extract(request, '$.language') = ? ORDER BY id DESC LIMIT 1"""
        values = (job.sha256, job.stat.size, job.request.key, job.id, job.request.language)
        with self._database.reading() as connection:
            row = connection.execute(query, values).fetchone()
        return Request.from_key(row[0]) if row else None

    def length_before(self, job: Job, source: Source) -> float | None:
        """The media seconds of what was last paid for as this source, before it had the content of this job."""
        query = """SELECT jobs.media_seconds FROM deliveries JOIN jobs ON jobs.id = deliveries.job_id
            WHERE deliveries.source_id = ? AND jobs.id != ?
            AND EXISTS (SELECT 1 FROM ledger WHERE ledger.job_id = jobs.id) ORDER BY deliveries.id DESC LIMIT 1"""
        with self._database.reading() as connection:
            row = connection.execute(query, (source.id, job.id)).fetchone()
        return row[0] if row else None

    def seconds_come(self, job: Job, since: float) -> float:
        """The media seconds that came to a job's folder since then and were sent without a yes, but for its own."""
        query = """SELECT coalesce(sum(media_seconds), 0.0) FROM jobs
            WHERE folder = ? AND created_at >= ? AND id != ? AND cleared = '' AND EXISTS (SELECT 1 FROM deliveries
                JOIN sources ON sources.id = deliveries.source_id
                WHERE deliveries.job_id = jobs.id AND sources.existing = 0)"""
        with self._database.reading() as connection:
            (seconds,) = connection.execute(query, (job.folder, since, job.id)).fetchone()
        return float(seconds)
