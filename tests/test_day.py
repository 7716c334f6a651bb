"""A small simulated day, so that nobody makes the scheduler ask for more than it must: ratios, never times."""

from __future__ import annotations

import pytest
from benchmarks.day import GOAL, day
from fakes import Call

from scriptixd.jobs.ports import Polling

JOBS = 120


@pytest.mark.parametrize("polling", [Polling.LIST, Polling.AUTO, Polling.SINGLE])
def test_a_day_takes_hardly_more_requests_than_no_way_of_asking_can_do_without(polling: Polling) -> None:
    found = day(JOBS, polling, seed=2)
    assert found.ratio <= GOAL
    assert found.kinds[Call.CREATE] == found.kinds[Call.SESSION_OF] == JOBS
    assert found.seconds <= GOAL * found.least_seconds + found.longest
    assert (found.kinds[Call.LISTED] == 0) == (polling is Polling.SINGLE)
