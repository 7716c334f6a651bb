"""Weeks of trouble at Scriptix, in moments: everything is done afterwards, and nobody had to do anything.

The real workers, queues, budget, breakers and state file; only the service and the clock are ours.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fakes import Call, Service, World, memory_disk, refused_key

from scriptixd.errors import Away, QuotaTrouble, Trouble
from scriptixd.jobs.breakers import ACCOUNT_PROBE_CAP, AWAY_CAP, QUOTA_PROBE_CAP
from scriptixd.jobs.events import Event, Rejected
from scriptixd.jobs.job import State
from scriptixd.service.budget import Budget

DAY = 86_400.0  # s
UNDER_WAY = 40
DROPPED = 400
PER_MINUTE = 600  # requests
STATES = (State.UPLOADING, State.CLOSING, State.UPLOADED, State.TRANSCRIBING)


@pytest.fixture
def world(caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    caplog.set_level(logging.INFO, "scriptixd.service")
    with TemporaryDirectory(dir=memory_disk()) as place:
        made = World(Path(place), folders=("one", "two", "three"), service=Service(looks=3))
        made.service.budget = Budget(PER_MINUTE)
        yield made
        made.close()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "scriptixd.service"]


def drop(world: World, prefix: str, count: int) -> None:
    """Files in all folders, each of a size of its own, of one to three chunks."""
    folders = list(world.folders.requests)
    for number in range(count):
        world.put(
            f"{prefix}{number}.wav", f"{prefix}{number}".encode().ljust(10 + number % 45, b"."), folders[number % 3]
        )
    world.settle()


def under_way(world: World) -> list[int]:
    """Forty jobs, ten of them in each of the states that an outage may find."""
    drop(world, "early", UNDER_WAY)
    for number, job in enumerate(world.jobs()):
        world.step_until(job, STATES[number % len(STATES)])
        world.pass_time(1.0)
    return [job.id for job in world.jobs()]


def live(world: World, seconds: float) -> None:
    until = world.now.wall + seconds
    while world.now.wall < until:
        rest = world.turn()
        world.pass_time(min(rest, until - world.now.wall) if rest > 0 else 0.0)


def states(world: World, ids: list[int] | None = None) -> Counter[State]:
    return Counter(job.state for job in world.jobs() if ids is None or job.id in ids)


def stopped(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, Rejected)]


def test_two_weeks_without_quota_hold_up_new_uploads_alone(world: World, caplog: pytest.LogCaptureFixture) -> None:
    early = under_way(world)
    opened = world.service.asked[Call.CREATE]
    world.service.refusing[Call.CREATE] = QuotaTrouble("the account is used up (402)", "book more hours")
    drop(world, "late", DROPPED)
    live(world, 2 * 3600)
    assert states(world, early) == {State.READY: UNDER_WAY}, "what is under way is finished during the outage"
    live(world, 14 * DAY)
    assert states(world) == {State.READY: UNDER_WAY, State.FOUND: DROPPED}
    probes = world.service.asked[Call.CREATE] - opened
    assert probes <= 14 * DAY / QUOTA_PROBE_CAP + 10
    assert len(told(caplog)) == 1
    del world.service.refusing[Call.CREATE]
    world.drive(10_000)
    assert states(world) == {State.READY: UNDER_WAY + DROPPED}
    assert set(world.service.paid.values()) == {1}
    assert ["used up" in told(caplog)[0], "accepted again" in told(caplog)[1]] == [True, True]
    assert len(told(caplog)) == 2
    assert stopped(world.reported) == []


@pytest.mark.parametrize(
    ("trouble", "days", "cap"),
    [(refused_key(), 2, ACCOUNT_PROBE_CAP), (Away("https://api.example.org cannot be reached"), 2, AWAY_CAP)],
    ids=["a key that is refused", "a service that is away"],
)
def test_days_without_the_service_are_waited_out_with_a_probe_now_and_then(
    world: World, caplog: pytest.LogCaptureFixture, trouble: Trouble, days: int, cap: float
) -> None:
    under_way(world)
    world.service.refused = trouble
    drop(world, "late", DROPPED)
    asked = world.service.asked.total()
    live(world, days * DAY)
    assert world.service.asked.total() - asked <= days * DAY / cap + 20
    assert told(caplog) == [str(trouble)]
    assert State.FAILED not in states(world)
    assert all(job.unanswered == 0 for job in world.jobs()), "an outage is no silence about a job"
    world.service.refused = None
    world.drive(10_000)
    assert states(world) == {State.READY: UNDER_WAY + DROPPED}
    assert set(world.service.paid.values()) == {1}
    assert len(told(caplog)) == 2
    assert "again" in told(caplog)[1]
    assert stopped(world.reported) == []


def test_a_restart_in_the_middle_of_an_outage_finds_out_anew_and_tells_it_once_more(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    under_way(world)
    world.service.refused = Away("https://api.example.org cannot be reached")
    live(world, DAY)
    world.restart()
    live(world, DAY)
    world.service.refused = None
    world.drive(10_000)
    assert states(world) == {State.READY: UNDER_WAY}
    assert len(told(caplog)) == 3


def test_jobs_of_another_key_stop_for_a_person_and_all_others_go_on(world: World) -> None:
    early = under_way(world)
    old, world.service.key_fingerprint = world.service.key_fingerprint, "fedcba98"
    foreign = {upload.file_id for upload in world.service.uploads.values()}
    world.service.foreign = foreign
    asked = Counter(world.service.asked)
    drop(world, "late", 20)
    world.drive(10_000)
    now = states(world, early)
    assert now == {State.READY: 10, State.FAILED: 30}, "uploads that were not closing have begun anew"
    for job in world.jobs():
        if job.state is State.FAILED:
            assert (f"fingerprint {old}" in job.reason, "set that key again" in job.hint) == (True, True)
    assert states(world) == {State.READY: 30, State.FAILED: 30}
    calls = (Call.LOOK, Call.SESSION_OF, Call.OFFSET)
    assert sum((world.service.asked - asked)[call] for call in calls) <= 30 + 10 + 30 * 6
    failed = [job.id for job in world.jobs() if job.state is State.FAILED]
    world.service.key_fingerprint, world.service.foreign = old, set()
    completed = world.service.completed
    world.retry(failed)
    world.drive(10_000)
    assert states(world) == {State.READY: 60}
    assert world.service.completed - completed == 10, "only what was not complete yet is paid for now"
    assert set(world.service.paid.values()) == {1}
