"""The request budget: a window that slides, and silence when the service asks for it."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from scriptixd.jobs.clock import Now
from scriptixd.service.budget import WINDOW, Budget

MINUTE = 60.0  # s


def at(boot: float) -> Now:
    return Now(1_700_000_000.0 + boot, boot)


def test_the_first_requests_are_free_and_the_next_waits_for_the_window() -> None:
    budget = Budget(3)
    assert [budget.take(at(second)) for second in (0.0, 1.0, 2.0)] == [None, None, None]
    assert budget.take(at(3.0)) == WINDOW
    assert budget.ready_at(at(3.0)) == WINDOW


def test_a_request_is_free_exactly_when_ready_at_says_so() -> None:
    budget = Budget(2)
    budget.take(at(0.25))
    budget.take(at(7.5))
    ready = budget.ready_at(at(10.0))
    assert budget.take(at(ready - 0.001)) == ready
    assert budget.take(at(ready)) is None


def test_asking_takes_nothing() -> None:
    budget = Budget(1)
    assert [budget.ready_at(at(5.0)) for _ in range(3)] == [5.0, 5.0, 5.0]
    assert budget.take(at(5.0)) is None


def test_silence_holds_for_everything_and_is_never_shortened() -> None:
    budget = Budget(60)
    budget.hold(100.0)
    budget.hold(40.0)
    assert budget.take(at(99.0)) == 100.0
    assert budget.take(at(100.0)) is None


@given(st.integers(1, 8), st.lists(st.floats(0.0, 90.0), max_size=200))
def test_no_minute_ever_holds_more_than_the_rate(per_minute: int, steps: list[float]) -> None:
    budget = Budget(per_minute)
    taken: list[float] = []
    boot = 0.0
    for step in steps:
        boot += step / per_minute
        if budget.take(at(boot)) is None:
            taken.append(boot)
    for first in taken:
        assert sum(first <= other < first + MINUTE for other in taken) <= per_minute


@given(st.integers(1, 5), st.lists(st.floats(0.0, 30.0), max_size=100))
def test_whoever_waits_as_told_is_served(per_minute: int, steps: list[float]) -> None:
    budget = Budget(per_minute)
    boot = 0.0
    for step in steps:
        boot += step
        ready = budget.take(at(boot))
        if ready is not None:
            assert boot < ready <= boot + WINDOW
            boot = ready
            assert budget.take(at(boot)) is None


def test_threads_that_ask_together_get_no_more_than_one_alone() -> None:
    budget = Budget(100)
    granted: list[None] = []

    def ask() -> None:
        granted.extend(None for _ in range(100) if budget.take(at(1.0)) is None)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 100
