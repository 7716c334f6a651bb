"""Whether a state file is as SQLite left it: every page, row and index of it is read, on a connection of its own.

Changes nothing, and keeps nobody from writing meanwhile.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

STEPS: Final = 10_000  # of SQLite's machine between two questions whether to stop: some milliseconds


def first_fault(path: Path, stop: Callable[[], bool]) -> str | None:
    """What is wrong with it, empty if nothing is; None if it was stopped, or could not be read just now."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            connection.set_progress_handler(stop, STEPS)
            tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            for table in tables:  # one after the other, so that it can be stopped between them at the latest
                (said,) = connection.execute(f"PRAGMA quick_check('{table}')").fetchone()
                if said != "ok":
                    return f"{table}: {said}"
                if stop():
                    return None
    except sqlite3.OperationalError:  # interrupted, or somebody is in the way
        return None
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""
