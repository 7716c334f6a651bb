"""`backup`: a copy of the state file, beside a running daemon or without one. Changes nothing but the copy."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from scriptixd.cli.installation import settings_in
from scriptixd.cli.opening import reading
from scriptixd.cli.output import say, size
from scriptixd.errors import StateTrouble
from scriptixd.jobs.store.copies import checked_copy
from scriptixd.jobs.store.database import is_there

ATTEMPTS: Final = 3  # a daemon that starts in this moment begins to write what is read as it lies there


def backup(config: str, file: str) -> None:
    """Raises TargetTrouble if the copy cannot be made, StateError if there is nothing to copy or it is not ours to."""
    settings, target = settings_in(config), Path(os.path.abspath(file))
    for _ in range(ATTEMPTS):
        before = _marks(settings.state)
        with reading(settings) as store, store.database.reading() as connection:
            checked_copy(connection, target)
        if before[0] or before == _marks(settings.state):
            break
        target.unlink()
    else:
        raise StateTrouble(f"the state file {settings.state} does not stay as it is", "ask again")
    say(f"{target}: {size(target.stat().st_size)}, checked")


def _marks(state: Path) -> tuple[bool, int, int, int]:
    """Whether somebody writes to a state file through a log, which a reader follows; else how it lies there."""
    if not is_there(state):
        return False, 0, 0, 0
    log = state.with_name(state.name + "-wal").exists()
    try:
        found = state.stat()
    except OSError:
        return log, 0, 0, 0
    return log, found.st_ino, found.st_size, found.st_mtime_ns
