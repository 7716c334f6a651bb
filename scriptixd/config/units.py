"""Durations, sizes, rates and hours as people write them: `500ms`, `50MiB`, `2MiB/s`, `19:00-07:00`.

A bare number is seconds or bytes.

Pure; errors are ValueErrors whose text is the end of a sentence that names the setting.
"""

from __future__ import annotations

import re
from decimal import Decimal

from scriptixd.jobs.timetable import DAY, Hours

SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
    "y": Decimal(365 * 86400),
}
BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
LONGEST = 3650 * 86400  # s, ten years: what is longer is a slip, and timers overflow far above it
SLOWEST = 2**10  # bytes/s: slower than this a recording takes days, and connections are given up on the way
LARGEST = 2**63 - 1  # bytes: no file is larger, and the state file keeps signed 64-bit numbers

_TIME = re.compile(r"([0-9]{2}):([0-5][0-9])")
_QUANTITY = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?) *([A-Za-z]*)")


def duration(text: str) -> float:
    """Seconds."""
    number, unit = _quantity(text, "a duration such as 500ms, 30s, 5m, 2h or 90d")
    factor = SECONDS.get(unit or "s")
    if factor is None:
        raise ValueError(f"has an unknown unit '{unit}' (durations are in ms, s, m, h, d or y)")
    seconds = number * factor
    if seconds > LONGEST:
        raise ValueError("is longer than ten years")
    return float(seconds)


def size(text: str) -> int:
    """Bytes, a whole number; capitals do not matter, `k` is 1000 and `Ki` is 1024."""
    number, unit = _quantity(text, "a size such as 500, 50MiB or 10GB")
    factor = BYTES.get(unit.lower() or "b")
    if factor is None:
        raise ValueError(f"has an unknown unit '{unit}' (sizes are in B, kB, MB, GB, TB, KiB, MiB, GiB or TiB)")
    count = number * factor
    if count > LARGEST:
        raise ValueError("is larger than any file")
    if factor == 1 and count % 1:
        raise ValueError("must be a whole number of bytes")
    return int(count)


def rate(text: str) -> float:
    """Bytes per second."""
    amount, slash, second = text.strip().partition("/")
    if not slash or second.strip() != "s":
        raise ValueError("must be a rate such as 500KiB/s or 20MiB/s, or null for as fast as it goes")
    bytes_per_second = size(amount)
    if bytes_per_second < SLOWEST:
        raise ValueError("must be at least 1KiB/s; upload_hours and scriptixd pause keep uploads from going on at all")
    return float(bytes_per_second)


def time_of_day(text: str) -> int:
    """Minutes since 00:00; 24:00 is the end of a day."""
    match = _TIME.fullmatch(text)
    minutes = int(match[1]) * 60 + int(match[2]) if match else DAY + 1
    if minutes > DAY:
        raise ValueError("must be a time of the day such as 07:00 or 19:30")
    return minutes


def hours_of_day(text: str) -> Hours:
    """One or several pairs of times."""
    pairs = []
    for pair in text.split(","):
        begin, dash, end = pair.strip().partition("-")
        if not dash:
            raise ValueError("must be hours such as '19:00-07:00', or several: '12:00-13:00, 19:00-07:00'")
        pairs.append((time_of_day(begin.strip()), time_of_day(end.strip())))
    for begin_at, end_at in pairs:
        if begin_at in (end_at, DAY):
            raise ValueError("must begin before 24:00, and not end when it begins")
    return Hours(", ".join(pair.strip() for pair in text.split(",")), tuple(pairs))


def _quantity(text: str, wanted: str) -> tuple[Decimal, str]:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"must be {wanted}")
    return Decimal(match[1]), match[2]
