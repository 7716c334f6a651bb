"""What each source is at, worked out from its newest delivery and its job, as the triggers of the state file should."""

from __future__ import annotations

import sqlite3
from typing import Final

_WRONG: Final = """SELECT sources.id, sources.standing, CASE
        WHEN sources.present = 1 AND sources.settled = 0 THEN 'settling'
        WHEN jobs.id IS NULL AND sources.present = 0 THEN 'missing'
        WHEN jobs.id IS NULL THEN 'ignored'
        WHEN jobs.state != 'ready' THEN jobs.state
        WHEN sources.present = 0 THEN 'missing'
        WHEN deliveries.state = 'delivered' THEN 'done'
        ELSE 'delivering' END AS expected
    FROM sources
    LEFT JOIN deliveries ON deliveries.id = (SELECT max(id) FROM deliveries AS share
        WHERE share.source_id = sources.id AND share.state != 'dropped')
    LEFT JOIN jobs ON jobs.id = deliveries.job_id
    WHERE sources.standing IS NOT expected"""


def wrong_standings(connection: sqlite3.Connection) -> list[tuple[int, str, str]]:
    """Source, what the state file says that it is at, and what it is at."""
    return connection.execute(_WRONG).fetchall()
