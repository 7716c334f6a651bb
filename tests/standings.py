"""What each source is at, by its newest delivery and its job, and how many are: what the triggers should keep."""

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


_COUNTED: Final = """WITH
    counted AS (SELECT folder, standing, count(*) AS number FROM sources GROUP BY folder, standing),
    kept AS (SELECT folder, standing, number FROM tallies WHERE number != 0)
    SELECT 'kept', * FROM (SELECT * FROM kept EXCEPT SELECT * FROM counted)
    UNION ALL SELECT 'counted', * FROM (SELECT * FROM counted EXCEPT SELECT * FROM kept)"""


def wrong_standings(connection: sqlite3.Connection) -> list[tuple[int, str, str]]:
    """Source, what the state file says that it is at, and what it is at."""
    return connection.execute(_WRONG).fetchall()


def wrong_tallies(connection: sqlite3.Connection) -> list[tuple[str, str, str, int]]:
    """Numbers that the state file keeps of its sources, and those that counting finds, where they are not the same."""
    return connection.execute(_COUNTED).fetchall()
