"""Every wait, as numbers."""

from __future__ import annotations

import pytest

from scriptixd.jobs import pacing


def test_backoff_doubles_with_full_jitter_up_to_five_minutes() -> None:
    assert [pacing.backoff(failures, None, 1.0) for failures in range(5)] == [1, 2, 4, 8, 16]
    assert pacing.backoff(9, None, 1.0) == pacing.backoff(10_000, None, 1.0) == 300
    assert pacing.backoff(4, None, 0.0) == 0
    assert pacing.backoff(4, None, 0.5) == 8


def test_what_the_other_side_asked_for_wins_and_is_never_negative() -> None:
    assert pacing.backoff(0, 3600.0, 0.1) == 3600
    assert pacing.backoff(0, 0.0, 1.0) == 0
    assert pacing.backoff(0, -5.0, 1.0) == 0


def test_at_once_is_granted_to_a_first_failure_alone() -> None:
    assert pacing.backoff(1, 0.0, 1.0) == pacing.backoff(1, None, 1.0) == 2
    assert pacing.backoff(9, 0.1, 1.0) == 300


def test_a_session_is_asked_for_after_one_two_four_seconds_up_to_a_minute() -> None:
    waited, waits = 0.0, []
    for _ in range(9):
        waits.append(pacing.session_wait(waited))
        waited += waits[-1]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize(
    ("seconds", "size", "wait"),
    [
        (7200.0, 1, 720.0),  # a known length is believed, however long
        (None, 10**10, 300.0),  # a guess by the size is not
        (600.0, 1, 60.0),
        (3.0, 10**9, 1.0),  # a known length goes before the size
        (None, 16_000 * 600, 60.0),
        (None, 0, 1.0),
    ],
)
def test_the_first_look_comes_after_a_tenth_of_the_length(seconds: float | None, size: int, wait: float) -> None:
    assert pacing.first_look(seconds, size) == wait


def test_the_first_look_follows_the_share_that_was_learned() -> None:
    assert pacing.first_look(600.0, 1, 0.15) == 90
    assert pacing.first_look(None, 16_000 * 600, 0.15) == 90


@pytest.mark.parametrize(
    ("shares", "share"),
    [
        ([], 0.1),
        ([0.5] * 4, 0.1),  # too few to tell anything
        ([0.15] * 5, 0.15),
        ([0.1, 0.11, 0.12, 0.13, 0.14, 0.15, 0.16, 0.17, 0.18, 9.0], 0.17),  # four in five were there by then
        ([0.0] * 9, 0.005),
        ([70.0] * 9, 2.0),
    ],
)
def test_most_results_are_there_at_the_share_that_is_learned(shares: list[float], share: float) -> None:
    assert pacing.learned_share(shares) == share


def test_what_a_result_took_lies_between_the_last_look_in_vain_and_the_one_that_found_it() -> None:
    assert pacing.taken(since_upload=120.0, planned=120.0, running_until=100.0) == 110
    assert pacing.taken(since_upload=9000.0, planned=120.0, running_until=100.0) == 110, "it was looked at late"
    assert pacing.taken(since_upload=100.0, planned=100.0, running_until=None) == 90, "it may have been there before"
    assert pacing.taken(since_upload=90_000.0, planned=100.0, running_until=None) == 90
    assert pacing.taken(since_upload=50.0, planned=-7.0, running_until=None) == 0
    assert pacing.taken(since_upload=5.0, planned=5.0, running_until=60.0) == 60, "a clock was set back"


def test_an_estimate_that_is_too_late_falls_and_one_that_is_too_early_rises() -> None:
    share = 0.8
    for _ in range(40):
        share = pacing.learned_share([pacing.taken(share * 600, share * 600, None) / 600] * 50)
    assert share < 0.1
    found = pacing.taken(0.15 * 600, 0.15 * 600, share * 600) / 600
    assert pacing.learned_share([found] * 50) > share


def test_looks_come_at_one_and_a_quarter_of_the_time_before_and_at_most_five_minutes_apart() -> None:
    since = 10.0
    for _ in range(5):
        assert since + pacing.next_look(since) == pytest.approx(1.25 * since)
        since += pacing.next_look(since)
    assert pacing.next_look(100_000.0) == 300
    assert pacing.next_look(0.0) == pacing.next_look(-1e9) == 1  # a clock that was set back asks no faster
