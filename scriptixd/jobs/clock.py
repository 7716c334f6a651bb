"""Now, as two clocks read together: one that people set, and one that only goes on.

Deciding takes a Now and never reads a clock itself.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Now:
    """`wall` in Unix seconds for what is stored and shown, `boot` in seconds of CLOCK_BOOTTIME for waiting."""

    wall: float
    boot: float


def read_clock() -> Now:
    """Both clocks, now. CLOCK_BOOTTIME goes on while the machine sleeps."""
    return Now(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME))


def local_day(wall: float) -> str:
    """The calendar day of a Unix time where this machine is, as ISO 8601: what limits and bills count by."""
    return time.strftime("%Y-%m-%d", time.localtime(wall))


@cache
def boot_id() -> str:
    """The kernel's name for this boot: CLOCK_BOOTTIME values compare only within one (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
