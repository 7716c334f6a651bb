"""Durations and sizes as people write them: `500ms`, `2h`, `50MiB`; a bare number is seconds or bytes.

Pure; errors are ValueErrors whose text is the end of a sentence that names the setting.
"""

from __future__ import annotations

import re
from decimal import Decimal

SECONDS = {
    "ms": Decimal("0.001"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
    "d": Decimal(86400),
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
LARGEST = 2**63 - 1  # bytes: no file is larger, and the state file keeps signed 64-bit numbers

_QUANTITY = re.compile(r"([0-9]{1,30}(?:\.[0-9]{1,30})?) *([A-Za-z]*)")


def duration(text: str) -> float:
    """Seconds."""
    number, unit = _quantity(text, "a duration such as 500ms, 30s, 5m, 2h or 90d")
    factor = SECONDS.get(unit or "s")
    if factor is None:
        raise ValueError(f"has an unknown unit '{unit}' (durations are in ms, s, m, h or d)")
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


def _quantity(text: str, wanted: str) -> tuple[Decimal, str]:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"must be {wanted}")
    return Decimal(match[1]), match[2]
