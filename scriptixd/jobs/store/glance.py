"""What is asked of the state file to tell how things stand.

Loads nothing of what moves a job: verbs that only look have told what they know in the time that takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scriptixd.jobs.store.database import Database, open_for_reading
from scriptixd.jobs.store.disks import Disks
from scriptixd.jobs.store.erasures import Erasures
from scriptixd.jobs.store.errands import Errands
from scriptixd.jobs.store.limits import Openings, Pauses
from scriptixd.jobs.store.today import Today
from scriptixd.jobs.store.views import Views


class Glance:
    """Some of the tables. They are opened for reading: what would write fails."""

    def __init__(self, database: Database) -> None:
        self.views = Views(database)
        self.disks = Disks(database)
        self.erasures = Erasures(database)
        self.errands = Errands(database)
        self.openings = Openings(database)
        self.pauses = Pauses(database)
        self.today = Today(database)


@contextmanager
def glance_at(path: Path) -> Iterator[Glance]:
    """The state file for a look. StateError, StateTrouble."""
    database = open_for_reading(path)
    try:
        yield Glance(database)
    finally:
        database.close()
