"""When to try again and when to look again: every wait of the house, as pure functions.

Numbers are those of the design: a request is the scarce good, and no wait is ever slept in a worker.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from scriptixd.jobs.job import Job

BACKOFF_BASE: Final = 1.0  # s, doubled with each failure
BACKOFF_CAP: Final = 300.0  # s
SESSION_CAP: Final = 60.0  # s between two look-ups of a session that is not there yet
SESSION_PATIENCE: Final = 1800.0  # s of asking after which a job without a session stops for a person
FIRST_LOOK: Final = 0.1  # of the media's length: the service needs 10 to 20 % of it, until we have learned better
LEARNED_FROM: Final = 50  # results, the latest: a service that becomes slower or faster is followed within a day
LEARNED_FROM_MIN: Final = 5  # results: fewer tell nothing
LEARNED_READY: Final = 0.8  # of the results are there at the first look: another look costs a request, waiting none
LEARNED_MIN, LEARNED_MAX = 0.005, 2.0  # of the media's length: what is learned from odd results stays within these
UNDERSTATED: Final = 0.9  # of the wait, where the first look found a result: it may have been there for long
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


def first_look(media_seconds: float | None, size: int, share: float = FIRST_LOOK) -> float:
    """Seconds from the end of the upload to the first look at its result, after that share of its length."""
    if media_seconds is not None:
        return max(FIRST_LOOK_MIN, share * media_seconds)
    # A film holds a hundred times the bytes of speech for every second: no guess waits longer than a look.
    return min(LOOK_CAP, max(FIRST_LOOK_MIN, share * size / BYTES_PER_SECOND))


def learned_share(shares: Sequence[float]) -> float:
    """The share of a recording's length after which most results are there, from what the latest ones took."""
    if len(shares) < LEARNED_FROM_MIN:
        return FIRST_LOOK
    found = sorted(shares)[math.ceil(LEARNED_READY * len(shares)) - 1]
    return min(LEARNED_MAX, max(LEARNED_MIN, found))


def taken(since_upload: float, planned: float, running_until: float | None) -> float:
    """Seconds that a result took, as far as looking tells: it was found at a look that was planned for then.

    A look that came late shows nothing more than one in time; `running_until` is when the last look before found
    the service at work. All are reckoned from the end of the upload.
    """
    found = max(0.0, min(since_upload, planned))
    if running_until is None:
        return UNDERSTATED * found
    return (running_until + max(running_until, found)) / 2


def next_look(since_upload: float) -> float:
    """Seconds until the next look, `since_upload` seconds after the upload."""
    return min(LOOK_CAP, max(FIRST_LOOK_MIN, (LOOK_GROWTH - 1.0) * since_upload))


def since(moment: float | None, wall: float) -> float:
    """Seconds since a moment; where a clock was set back they tell nothing, and must not be waited for."""
    return 0.0 if moment is None else abs(wall - moment)


def took(job: Job, wall: float) -> float | None:
    """Seconds from the end of the upload to a result that was found just now, as far as looking tells."""
    if job.uploaded_at is None:
        return None
    since_upload = since(job.uploaded_at, wall)
    planned = job.due_at - job.uploaded_at if job.due_at else since_upload
    running_until = None if job.looked_at is None else max(0.0, job.looked_at - job.uploaded_at)
    return taken(since_upload, planned, running_until)
