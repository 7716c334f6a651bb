"""What is kept no longer than it is wanted: so much of it in one transaction that nobody waits for it.

What tells that content was paid for is kept for ever: its hash, its request, its session and the ledger.
"""

from __future__ import annotations

from scriptixd.jobs.job import ACTIVE, State
from scriptixd.jobs.store.database import Database

AT_ONCE = 500  # rows in one transaction, some hundredths of a second
PAGES_AT_ONCE = 1024  # 4 MiB, likewise
ROOM = 4096  # pages that are kept for what comes: 16 MiB, or an eighth of a large file

# What still waits to be delivered to a file that is there waits for as long as it takes.
_RESULTS = """DELETE FROM results WHERE job_id IN (SELECT job_id FROM results WHERE stored_at < ?
    AND NOT EXISTS (SELECT 1 FROM deliveries JOIN sources ON sources.id = deliveries.source_id
        WHERE deliveries.job_id = results.job_id AND deliveries.state = 'pending' AND sources.present = 1) LIMIT ?)"""
# Rows come in the order of time, whatever the clock said: what was written before an old one is as old.
_HISTORY = "DELETE FROM history WHERE id <= ? AND id IN (SELECT id FROM history ORDER BY id LIMIT ?)"
_OLD = "SELECT max(id) FROM (SELECT id, at FROM history ORDER BY id LIMIT ?) WHERE at < ?"
_OLD_BEHIND = "SELECT min(id) FROM history WHERE at < ?"  # reads all of it
_CLOCK_WAS_AHEAD = """SELECT (SELECT at FROM history ORDER BY id LIMIT 1)
    > (SELECT at FROM history ORDER BY id DESC LIMIT 1)"""
_REQUESTS = "DELETE FROM requests WHERE id IN (SELECT id FROM requests ORDER BY id LIMIT ?) AND applied_at < ?"
_OPENINGS = "DELETE FROM openings WHERE id IN (SELECT id FROM openings WHERE opened_at < ? LIMIT ?)"
_LONG_GONE = f"""SELECT id FROM sources WHERE present = 0 AND updated_at < ? AND NOT EXISTS (
    SELECT 1 FROM deliveries JOIN jobs ON jobs.id = deliveries.job_id
    WHERE deliveries.source_id = sources.id AND deliveries.state != 'dropped'
    AND jobs.state IN ({", ".join(f"'{state}'" for state in (*ACTIVE, State.HELD))})) LIMIT ?"""


class Expiry:
    """Each method returns how much it has removed, or given back, which is nothing when it is done."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def results(self, before: float) -> int:
        """Transcripts that were stored before then, and have been delivered wherever their files are."""
        with self._database.transaction() as connection:
            return connection.execute(_RESULTS, (before, AT_ONCE)).rowcount

    def history(self, before: float) -> int:
        """What has happened before then."""
        with self._database.reading() as connection:
            (last,) = connection.execute(_OLD, (AT_ONCE, before)).fetchone()
            if last is None and connection.execute(_CLOCK_WAS_AHEAD).fetchone() == (1,):
                (last,) = connection.execute(_OLD_BEHIND, (before,)).fetchone()
        if last is None:
            return 0
        with self._database.transaction() as connection:
            return connection.execute(_HISTORY, (last, AT_ONCE)).rowcount

    def requests(self, before: float) -> int:
        """What people asked, and was done, before then."""
        with self._database.transaction() as connection:
            return connection.execute(_REQUESTS, (AT_ONCE, before)).rowcount

    def openings(self, before: float) -> int:
        """Uploads that no limit counts any more."""
        with self._database.transaction() as connection:
            return connection.execute(_OPENINGS, (before, AT_ONCE)).rowcount

    def names(self, before: float) -> int:
        """Files that are not there since then: their names, with all that tells of them."""
        with self._database.transaction() as connection:
            gone = [(source,) for (source,) in connection.execute(_LONG_GONE, (before, AT_ONCE)).fetchall()]
            shares = "SELECT id FROM deliveries WHERE source_id = ?"
            connection.executemany(f"DELETE FROM sidecars WHERE delivery_id IN ({shares})", gone)
            jobs = {
                job
                for source in gone
                for (job,) in connection.execute("SELECT job_id FROM deliveries WHERE source_id = ?", source).fetchall()
            }
            connection.executemany("DELETE FROM deliveries WHERE source_id = ?", gone)
            connection.executemany("DELETE FROM history WHERE source_id = ?", gone)
            connection.executemany("DELETE FROM sources WHERE id = ?", gone)
            connection.executemany(
                """UPDATE jobs SET labels = NULL, reason = '', hint = '' WHERE id = ?
                AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.job_id = jobs.id)""",
                [(job,) for job in jobs],
            )
        return len(gone)

    def space(self) -> int:
        """Bytes of the file that nothing needs any more, but for some that are soon needed again, go to its disk."""
        with self._database.transaction() as connection:
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
            wanted = min(PAGES_AT_ONCE, free - max(ROOM, pages // 8))
            if wanted <= 0:
                return 0
            connection.execute(f"PRAGMA incremental_vacuum({wanted})").fetchall()
            (left,) = connection.execute("PRAGMA page_count").fetchone()
        return int((pages - left) * size)
