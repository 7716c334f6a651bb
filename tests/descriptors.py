"""Whether a test leaves files open."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from scriptixd.roots.mounts import MOUNTS


@contextmanager
def none_left_open() -> Iterator[None]:
    """What is open afterwards was open before; less may be, where the collector met what an earlier test had left."""
    MOUNTS.now()  # is open for as long as the process runs
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) <= before
