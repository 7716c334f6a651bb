"""The line that systemctl shows of the daemon, to everybody on the machine: no file is named in it, nor quoted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from scriptixd.daemon.house import House
from scriptixd.jobs.breakers import Pause

_PAUSED: Final[Mapping[Pause, str]] = MappingProxyType(
    {
        Pause.ACCOUNT: "Scriptix refuses the account",
        Pause.QUOTA: "the quota is used up",
        Pause.AWAY: "Scriptix cannot be reached",
        Pause.FOLDER: "its settings are refused",
        Pause.SHARE: "its files cannot be read",
    }
)


def summary(house: House) -> str:
    """How things stand; why, status and the log tell."""
    return "; ".join(_parts(house))


def _parts(house: House) -> Iterator[str]:
    views = house.tower.views()
    offline = [view.name for view in views if view.offline is not None]
    first = sum(view.last_full_scan is None and view.offline is None for view in views)
    yield f"{len(views)} folder(s)"
    if first:
        yield f"first scan of {first}"
    if offline:
        yield f"offline: {', '.join(offline)}"
    moving = sum(upload.still_since is None for upload in house.figures.uploads())
    if moving:
        yield f"{moving} upload(s)"
    for paused in house.breakers.view():
        yield f"{paused.whom}: {_PAUSED[paused.pause]}" if paused.whom else _PAUSED[paused.pause]
    yield from (halt.standstill.reason for halt in house.standstills.last())
