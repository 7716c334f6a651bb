"""What the configuration says about one file that is picked up, as far as the scanner has to know it.

Pure. Which of a folder's settings hold for a path is decided where the configuration is known.
"""

from __future__ import annotations

from dataclasses import dataclass

from scriptixd.jobs.job import Request
from scriptixd.jobs.source import Existing


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds for one path: what it asks of the service, and when it counts as complete and as new."""

    request: Request
    existing: Existing
    settle_window: float | None  # s; None is `auto`, what fits the disk
