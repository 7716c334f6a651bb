"""Whether a file has stopped changing, by our own clock and over at least two looks.

Pure: a file's own times are never compared with ours, because the server's clock may be wrong.
"""

from __future__ import annotations

from dataclasses import replace

from scriptixd.jobs.clock import Now
from scriptixd.jobs.source import Look, Source
from scriptixd.roots.root import Stat

LOOKS = 2  # one look tells nothing about change: Windows presets the full size before it copies


def look(previous: Source | None, stat: Stat, now: Now, boot_id: str, window: float) -> tuple[Look, bool]:
    """The look after this one, and whether the file is settled.

    `window` in seconds of CLOCK_BOOTTIME. What was away, has changed, or was looked at within another
    boot starts anew; looks go on over a restart of the daemon, because they were written down.
    """
    first = Look(boot_id, now.boot, 1)
    if previous is None or not previous.present or not previous.stat.same_content(stat):
        return first, False
    if previous.settled:
        return previous.look, True
    if previous.look.boot_id != boot_id:
        return first, False
    seen = replace(previous.look, looks=min(previous.look.looks + 1, LOOKS))
    return seen, seen.looks >= LOOKS and now.boot >= seen.since + window


def due(source: Source, boot_id: str, window: float) -> float:
    """CLOCK_BOOTTIME from which a look at an unsettled source can settle it; 0 is at once."""
    return source.look.since + window if source.look.boot_id == boot_id else 0.0
