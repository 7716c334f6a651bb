"""What holds for every test: nothing may be left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

LINGER = 5.0  # s that a thread of a library may take to see that it is over


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + LINGER
    while True:
        left = [thread.name for thread in threading.enumerate() if thread not in before and thread.is_alive()]
        if not left:
            return
        assert time.monotonic() < deadline, f"threads are left: {left}"
        time.sleep(0.02)
