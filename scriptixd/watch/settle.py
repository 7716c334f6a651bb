"""Whether a file has stopped changing, by our own clock and over at least two looks.

Pure: a file's own times are never compared with ours, because the server's clock may be wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from scriptixd.jobs.clock import Now
from scriptixd.jobs.source import Look, Source
from scriptixd.roots.root import Stat

LOOKS = 2  # one look tells nothing about change: Windows presets the full size before it copies


@dataclass(frozen=True, slots=True)
class Span:
    """When a directory was listed: what it tells was seen somewhere between the two."""

    began: Now
    ended: Now


def look(previous: Source | None, stat: Stat, span: Span, boot_id: str, window: float) -> tuple[Look, bool]:
    """The look after this one, and whether the file is settled.

    `window` in seconds of CLOCK_BOOTTIME. What was away, has changed, or was looked at within another
    boot starts anew; looks go on over a restart of the daemon, because they were written down. A listing
    that took long makes no file look older than it is: the window runs from the end of the first one to
    the beginning of the last.
    """
    first = Look(boot_id, span.ended.boot, 1)
    if previous is None or not previous.present or not previous.stat.same_content(stat):
        return first, False
    if previous.settled:
        return previous.look, True
    if previous.look.boot_id != boot_id:
        return first, False
    seen = replace(previous.look, looks=min(previous.look.looks + 1, LOOKS))
    return seen, seen.looks >= LOOKS and span.began.boot >= seen.since + window


def due(looked: Look, window: float) -> float:
    """CLOCK_BOOTTIME from which another look can settle what was looked at within this boot."""
    return looked.since + window
