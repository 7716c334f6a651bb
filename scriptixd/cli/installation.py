"""What a verb works on: the configuration it was given, the state file beside it, the daemon if one runs.

Reading creates nothing. Writing is done as the user whom the state file belongs to, or not at all.
"""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Sequence
from pathlib import Path

from scriptixd.config.load import load
from scriptixd.config.settings import Settings
from scriptixd.errors import StateError
from scriptixd.jobs.bounds import Limit
from scriptixd.jobs.limits import paused
from scriptixd.jobs.store.limits import Pauses
from scriptixd.observe.live import Live, LivePause, live_path, read_live


def settings_in(config: str, *, with_key: bool = False, lenient: bool = True) -> Settings:
    """Raises ConfigurationError with every problem; the key is read only for a verb that talks to the service.

    For any other, a secret that is not there as the daemon has it is in nobody's way, if it is `lenient`.
    """
    settings = load(Path(config), os.environ, with_key=with_key, lenient=lenient and not with_key)
    if settings.timezone is not None:  # what is counted by the day, and every time that is told, goes by it
        os.environ["TZ"] = settings.timezone.key
        time.tzset()
    return settings


def live_figures(settings: Settings) -> Live | None:
    """What the running daemon tells about itself every second."""
    return read_live(live_path(settings.state), time.time())


def pauses(kept: Pauses | None, live: Live | None) -> Sequence[LivePause]:
    """What is paused: as the running daemon tells it, and without one what a person has paused."""
    if live is not None or kept is None:
        return live.pauses if live else ()
    held = {whose: paused(whose) for whose in kept.paused()}
    return [LivePause(Limit.PAUSE, whose, one.reason, one.hint, one.until) for whose, one in held.items()]


def owner_of(state: Path) -> tuple[int, int] | None:
    """User and group of the state file; None where it is not there."""
    try:
        found = state.stat()
    except OSError:
        return None
    return found.st_uid, found.st_gid


def become_owner(state: Path) -> None:
    """Go on as the state file's user, if we are root and it is not: the daemon must be able to use what we write.

    There is no way back, for nobody needs one. Raises StateError if the file may not be written.
    """
    owner = owner_of(state)
    if owner is None:
        return
    user, group = owner
    if os.geteuid() == 0 and user != 0:
        os.setgroups(_groups_of(user, group))
        os.setegid(group)
        os.seteuid(user)
    if not os.access(state, os.W_OK, effective_ids=True):
        if os.geteuid() == user:
            raise StateError(
                f"the state file {state} cannot be written by the user {user_named(user)}, whom it belongs to",
                "mount its disk writable, and let that user enter its directory and write it",
            )
        raise StateError(
            f"the state file {state} belongs to the user {user_named(user)}, and you are {user_named(os.geteuid())}",
            f"ask as that user: sudo -u {user_named(user)} scriptixd …",
        )


def _groups_of(user: int, group: int) -> Sequence[int]:
    """All groups that a user is in: folders may be open to one of them alone."""
    try:
        return os.getgrouplist(pwd.getpwuid(user).pw_name, group)
    except KeyError:
        return [group]


def user_named(number: int) -> str:
    """A user as an administrator writes it."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"#{number}"
