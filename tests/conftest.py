"""What holds for every test: nothing may be left behind; and the order, in which nobody is left alone at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from itertools import chain, zip_longest
from typing import Any, Final

import pytest
from booted import booted
from xdist.scheduler import LoadScopeScheduling

__all__ = ["booted"]  # a fixture for all

LINGER = 5.0  # s that a thread of a library may take to see that it is over

# What takes longest begins first, or one worker would be left alone with it; what waits for clocks takes turns with
# what keeps a core busy.
WAITING: Final = (
    "test_shares.py",
    "test_pause.py",
    "test_erasing_daemon.py",
    "test_forget.py",
)
WORKING: Final = (
    "test_demo.py",
    "test_daemon.py",
    "test_outages.py",
    "test_sandbox.py",
    "test_crash_points.py",
    "test_machine.py",
    "test_kills.py",
    "test_faults.py",
)


# What is dear to begin is begun once: these are for one worker, one after the other.
TOGETHER: Final[Mapping[str, str]] = {
    "test_systemd.py": "a booted machine",
    "test_set_up.py": "a booted machine",
    "test_whoever.py": "a booted machine",
    "test_reference_server.py": "another's server",
}


class Together(LoadScopeScheduling):
    """Each test for whoever has nothing to do, but for those that belong together: they begin first."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0].rpartition("/")[2]
        return TOGETHER.get(file, nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return Together(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def of(files: tuple[str, ...]) -> list[pytest.Item]:
        return [item for file in files for item in items if item.path.name == file]

    turns = chain.from_iterable(zip_longest(of(WAITING), of(WORKING)))
    first = [item for item in turns if item is not None]
    chosen = set(first)
    items[:] = first + [item for item in items if item not in chosen]


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
