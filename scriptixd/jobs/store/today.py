"""What has come to its end since a moment of today. Reads only, and only what has happened since."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from scriptixd.jobs.store.database import Database

# Rows of history come in the order of time: going back from the last one, the first that is older ends the day.
_DONE: Final = """SELECT sources.folder, count(DISTINCT history.source_id) FROM history
    JOIN sources ON sources.id = history.source_id
    WHERE history.id > coalesce((SELECT id FROM history WHERE at < ? ORDER BY id DESC LIMIT 1), 0)
    AND history.event = 'Delivered' GROUP BY sources.folder"""


class Today:
    """Questions to the history table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def done(self, since: float) -> Mapping[str, int]:
        """How many files got their sidecars since then (Unix seconds), by folder."""
        with self._database.reading() as connection:
            return dict(connection.execute(_DONE, (since,)).fetchall())
