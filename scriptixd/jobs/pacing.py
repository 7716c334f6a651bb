"""When to try again and when to look again: every wait of the house, as pure functions.

Numbers are those of the design: a request is the scarce good, and no wait is ever slept in a worker.
"""

from __future__ import annotations

from typing import Final

BACKOFF_BASE: Final = 1.0  # s, doubled with each failure
BACKOFF_CAP: Final = 300.0  # s
SESSION_CAP: Final = 60.0  # s between two look-ups of a session that is not there yet
SESSION_PATIENCE: Final = 1800.0  # s of asking after which a job without a session stops for a person
FIRST_LOOK: Final = 0.1  # of the media's length: the service needs 10 to 20 % of it
FIRST_LOOK_MIN: Final = 1.0  # s
BYTES_PER_SECOND: Final = 16_000  # of media whose length cannot be read: 128 kbit/s
LOOK_GROWTH: Final = 1.25  # each look at this times the time since the upload
LOOK_CAP: Final = 300.0  # s


def backoff(failures: int, retry_after: float | None, chance: float) -> float:
    """Seconds to wait after a failure; what the other side asked for wins.

    `failures` counts those before this one, `chance` is uniform in [0, 1): full jitter. "At once" is granted
    to a first failure alone: a file that fails each time would keep all others from their turn.
    """
    if retry_after is not None and (retry_after >= BACKOFF_BASE or failures == 0):
        return max(0.0, retry_after)
    return chance * min(BACKOFF_CAP, BACKOFF_BASE * 2.0 ** min(failures, 20))


def session_wait(waited: float) -> float:
    """Seconds until the session is asked for again, after `waited` seconds of asking: 1, 2, 4 … 60."""
    return min(SESSION_CAP, waited + 1.0)


def first_look(media_seconds: float | None, size: int) -> float:
    """Seconds from the end of the upload to the first look at its result."""
    if media_seconds is not None:
        return max(FIRST_LOOK_MIN, FIRST_LOOK * media_seconds)
    # A film holds a hundred times the bytes of speech for every second: no guess waits longer than a look.
    return min(LOOK_CAP, max(FIRST_LOOK_MIN, FIRST_LOOK * size / BYTES_PER_SECOND))


def next_look(since_upload: float) -> float:
    """Seconds until the next look, `since_upload` seconds after the upload."""
    return min(LOOK_CAP, max(FIRST_LOOK_MIN, (LOOK_GROWTH - 1.0) * since_upload))
