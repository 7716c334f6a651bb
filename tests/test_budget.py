"""The request budget: windows that slide, two lanes that share them, and silence when the service asks for it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptixd.jobs.clock import Now
from scriptixd.jobs.ports import Lane
from scriptixd.jobs.store.database import open_state
from scriptixd.jobs.store.tables import Store
from scriptixd.service.budget import HOUR, LONGEST_SILENCE, WINDOW, Budget

MINUTE = 60.0  # s
UPLOAD, ASK = Lane.UPLOAD, Lane.ASK


def at(boot: float) -> Now:
    return Now(1_700_000_000.0 + boot, boot)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(open_state(tmp_path / "state.db"))
    yield opened
    opened.close()


def test_the_first_requests_are_free_and_the_next_waits_for_the_window() -> None:
    budget = Budget(3)
    assert [budget.take(at(second), UPLOAD) for second in (0.0, 1.0, 2.0)] == [None, None, None]
    assert budget.take(at(3.0), UPLOAD) == WINDOW
    assert budget.ready_at(at(3.0), UPLOAD) == WINDOW


def test_a_request_is_free_exactly_when_ready_at_says_so() -> None:
    budget = Budget(2)
    budget.take(at(0.25), ASK)
    budget.take(at(7.5), ASK)
    ready = budget.ready_at(at(10.0), ASK)
    assert budget.take(at(ready - 0.001), ASK) == ready
    assert budget.take(at(ready), ASK) is None


def test_asking_takes_nothing() -> None:
    budget = Budget(1)
    assert [budget.ready_at(at(5.0), ASK) for _ in range(3)] == [5.0, 5.0, 5.0]
    assert budget.take(at(5.0), ASK) is None


def test_an_hour_is_counted_where_it_is_named() -> None:
    budget = Budget(60, 3)
    assert [budget.take(at(second), ASK) for second in (0.0, 100.0, 200.0)] == [None] * 3
    assert budget.take(at(300.0), ASK) == HOUR
    assert budget.use(at(300.0)).last_hour == 3
    assert budget.take(at(HOUR), ASK) is None


def test_what_is_in_use_says_why_a_request_waits() -> None:
    budget = Budget(2, 3)
    assert [budget.take(at(second), lane) for second, lane in ((0.0, UPLOAD), (1.0, ASK))] == [None, None]
    use = budget.use(at(2.0))
    assert (use.last_minute, use.uploads_last_minute, use.last_hour) == (2, 1, 2)
    assert use.sentence == "the request budget of 2 a minute is used up"
    assert budget.take(at(100.0), ASK) is None
    assert budget.use(at(100.0)).sentence == "the request budget of 3 an hour is used up"
    budget.hold(130.0, at(100.0))
    assert budget.use(at(100.0)).sentence == "the service wants to be asked nothing"


def test_silence_holds_for_everything_and_is_never_shortened() -> None:
    budget = Budget(60)
    budget.hold(100.0, at(0.0))
    budget.hold(40.0, at(0.0))
    assert budget.take(at(99.0), ASK) == 100.0
    assert budget.use(at(99.0)).silent_until == 100.0
    assert budget.take(at(100.0), ASK) is None
    assert budget.use(at(100.0)).silent_until is None


def test_an_absurd_silence_lasts_no_longer_than_an_hour() -> None:
    budget = Budget(60)
    budget.hold(1e12, at(5.0))
    assert budget.take(at(6.0), ASK) == 5.0 + LONGEST_SILENCE


def test_a_smaller_rate_that_the_service_tells_holds_until_it_tells_another() -> None:
    budget = Budget(60)
    budget.learn(2, at(0.0))
    assert [budget.take(at(0.0), ASK) for _ in range(3)] == [None, None, WINDOW]
    assert budget.use(at(0.0)).per_minute == 2
    budget.learn(1000, at(1.0))
    assert budget.use(at(1.0)).per_minute == 60, "never more than is configured"
    assert budget.take(at(1.0), ASK) is None


# the lanes


def test_one_lane_alone_has_all_of_it() -> None:
    for lane in Lane:
        budget = Budget(9)
        assert [budget.take(at(0.0), lane) for _ in range(10)] == [None] * 9 + [WINDOW]


@pytest.mark.parametrize("rate", [3, 6, 10, 60, 120])
def test_when_both_wait_uploads_get_two_thirds(rate: int) -> None:
    budget, granted = Budget(rate), Counter[Lane]()
    boot = 0.0
    while boot < 30 * MINUTE:
        for lane in Lane:
            while budget.take(at(boot), lane) is None:
                granted[lane] += 1
        boot = min(budget.ready_at(at(boot), lane) for lane in Lane)
    assert sum(granted.values()) >= 29 * rate, "and nothing is left lying"
    share = granted[UPLOAD] / sum(granted.values())
    assert abs(share - 2 / 3) <= 0.07


def test_what_one_lane_has_borrowed_goes_to_the_other_as_soon_as_it_waits() -> None:
    budget = Budget(6)
    for second in range(6):
        assert budget.take(at(float(second)), UPLOAD) is None
    assert budget.ready_at(at(6.0), ASK) == WINDOW
    assert budget.ready_at(at(6.0), UPLOAD) > WINDOW
    assert budget.take(at(WINDOW), ASK) is None
    assert budget.take(at(WINDOW + 1), ASK) is None
    assert budget.take(at(WINDOW + 2), UPLOAD) is None


def test_a_lane_that_waits_no_more_leaves_its_share() -> None:
    budget = Budget(3)
    assert [budget.take(at(0.0), ASK), budget.take(at(0.0), UPLOAD), budget.take(at(0.0), UPLOAD)] == [None] * 3
    assert budget.waiting(at(1.0)) is False
    assert budget.ready_at(at(1.0), ASK) == WINDOW
    assert budget.waiting(at(1.0)) is True
    later = WINDOW + 10.0
    assert budget.waiting(at(later)) is False
    assert [budget.take(at(later), UPLOAD) for _ in range(4)] == [None, None, None, later + WINDOW]


Steps = st.lists(st.tuples(st.floats(0.0, 90.0), st.sampled_from(Lane)), max_size=200)


@given(st.integers(1, 8), st.integers(1, 40), Steps)
def test_no_minute_and_no_hour_ever_holds_more_than_its_rate(
    per_minute: int, per_hour: int, steps: list[tuple[float, Lane]]
) -> None:
    budget = Budget(per_minute, per_hour)
    taken: list[float] = []
    boot = 0.0
    for step, lane in steps:
        boot += step / per_minute
        if budget.take(at(boot), lane) is None:
            taken.append(boot)
    for first in taken:
        assert sum(first <= other < first + MINUTE for other in taken) <= per_minute
        assert sum(first <= other < first + 60 * MINUTE for other in taken) <= per_hour


@given(st.integers(1, 5), Steps)
def test_whoever_waits_as_told_is_served(per_minute: int, steps: list[tuple[float, Lane]]) -> None:
    budget = Budget(per_minute)
    boot = 0.0
    for step, lane in steps:
        boot += step / 3
        ready = budget.take(at(boot), lane)
        if ready is not None:
            assert boot < ready <= boot + WINDOW
            boot = ready
            assert budget.take(at(boot), lane) is None


def test_threads_that_ask_together_get_no_more_than_one_alone() -> None:
    budget = Budget(100)
    granted: list[None] = []

    def ask() -> None:
        granted.extend(None for _ in range(100) if budget.take(at(1.0), ASK) is None)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 100


# over a restart


def test_a_restart_forgets_nothing_that_was_asked(store: Store) -> None:
    first = Budget(3, 5, token="abcd1234", journal=store.asked, now=at(0.0))
    assert [first.take(at(second), ASK) for second in (0.0, 1.0, 2.0)] == [None] * 3
    second = Budget(3, 5, token="abcd1234", journal=store.asked, now=at(10.0))
    assert second.take(at(10.0), UPLOAD) == WINDOW
    assert [second.take(at(WINDOW + 5), ASK), second.take(at(WINDOW + 5), ASK)] == [None, None]
    third = Budget(3, 5, token="abcd1234", journal=store.asked, now=at(200.0))
    assert third.take(at(200.0), ASK) == HOUR, "the hour is full"


def test_another_key_has_a_budget_of_its_own(store: Store) -> None:
    Budget(1, token="abcd1234", journal=store.asked, now=at(0.0)).take(at(0.0), ASK)
    assert Budget(1, token="ffff0000", journal=store.asked, now=at(1.0)).take(at(1.0), ASK) is None


def test_a_silence_outlasts_a_restart(store: Store) -> None:
    Budget(9, token="abcd1234", journal=store.asked, now=at(0.0)).hold(500.0, at(0.0))
    assert Budget(9, token="abcd1234", journal=store.asked, now=at(10.0)).take(at(10.0), ASK) == 500.0


def test_the_shares_hold_over_restarts_too(store: Store) -> None:
    rate, granted, boot, started = 12, Counter[Lane](), 0.0, 0.0
    budget = Budget(rate, token="t", journal=store.asked, now=at(0.0))
    while boot < 60 * MINUTE:
        if boot - started > 3.3 * MINUTE:
            budget, started = Budget(rate, token="t", journal=store.asked, now=at(boot)), boot
        for lane in Lane:
            while budget.take(at(boot), lane) is None:
                granted[lane] += 1
        boot = min(budget.ready_at(at(boot), lane) for lane in Lane)
    assert sum(granted.values()) >= 58 * rate
    assert abs(granted[UPLOAD] / sum(granted.values()) - 2 / 3) <= 0.1


@settings(deadline=None)  # each request is a commit on a real disk
@given(st.lists(st.tuples(st.floats(0.0, 40.0), st.booleans()), max_size=40))
def test_whatever_restarts_in_between_no_minute_holds_more(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[float, bool]]
) -> None:
    database = open_state(tmp_path_factory.mktemp("asked") / "state.db")
    journal = Store(database).asked
    budget = Budget(4, token="t", journal=journal, now=at(0.0))
    taken: list[float] = []
    boot = 0.0
    for step, restarts in steps:
        boot += step
        if restarts:
            budget = Budget(4, token="t", journal=journal, now=at(boot))
        if budget.take(at(boot), ASK) is None:
            taken.append(boot)
    database.close()
    for first in taken:
        assert sum(first <= other < first + MINUTE for other in taken) <= 4
