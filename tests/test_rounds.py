"""Asking about many sessions at once: what a list tells, when it is worth a request, and when it is of no use."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import BROKEN, Call, Service, World

from scriptixd.errors import Away
from scriptixd.jobs.events import StillRunning
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.ports import Answer, Polling, Unclear
from scriptixd.jobs.rounds import FORCED_AGAIN, LIST_AGAIN, PAGE


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    caplog.set_level(logging.INFO, "scriptixd.service")
    made = World(tmp_path, folders=("one", "two"), chunk_size=10**6, service=Service(looks=2))
    yield made
    made.close()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "scriptixd.service"]


def transcribing(world: World, count: int, prefix: str = "", content: bytes = b"") -> list[Job]:
    """So many jobs that are asked about, and are due."""
    before = {job.id for job in world.jobs()}
    for number in range(count):
        world.put(f"{prefix}{number}.wav", content + f"{prefix}{number}".encode() * (number + 3), "one")
    world.scan("one")
    jobs = [job for job in world.jobs() if job.id not in before]
    found = [world.step_until(job, State.TRANSCRIBING) for job in jobs]
    world.pass_time(10)
    return found


def polls(world: World, polling: Polling) -> None:
    world.polling = polling
    world.restart()


def asked(world: World, call: Call) -> int:
    return world.service.asked[call]


def test_three_sessions_are_asked_about_at_once_and_each_result_is_fetched_with_one_look(world: World) -> None:
    jobs = transcribing(world, 12)
    world.drive()
    assert {job.state for job in world.jobs()} == {State.READY}
    assert asked(world, Call.LOOK) == len(jobs), "nobody is looked at in vain"
    assert asked(world, Call.LISTED) == 3


def test_fewer_are_looked_at_one_by_one(world: World) -> None:
    transcribing(world, 2)
    world.drive()
    assert asked(world, Call.LISTED) == 0


def test_single_asks_for_no_list(world: World) -> None:
    polls(world, Polling.SINGLE)
    transcribing(world, 12)
    world.drive()
    assert asked(world, Call.LISTED) == 0
    assert asked(world, Call.LOOK) == 3 * 12


def test_what_is_still_running_is_due_again_as_after_a_look_of_its_own(world: World) -> None:
    jobs = transcribing(world, 3)
    world.asker.run_once(world.now)
    for job in jobs:
        after = world.store.jobs.get(job.id)
        assert after is not None
        assert after.due_at == pytest.approx(world.now.wall + 0.25 * 10)
        assert (after.looked_at, after.reason) == (world.now.wall, "processing")


def test_a_list_tells_also_of_those_that_are_not_due_yet(world: World) -> None:
    late = transcribing(world, 1, "late")[0]
    current = world.store.jobs.get(late.id)
    assert current is not None
    world.store.jobs.apply(current, StillRunning(world.now.wall + 250, "processing"), world.now.wall)
    world.service.looks = 0
    transcribing(world, 3)
    for _ in range(8):
        world.asker.run_once(world.now)
    assert {job.state for job in world.jobs()} == {State.READY}
    assert (asked(world, Call.LISTED), asked(world, Call.LOOK)) == (1, 4)


def test_what_is_listed_as_failed_is_told_in_the_words_of_its_own_result(world: World) -> None:
    transcribing(world, 3, content=BROKEN)
    world.drive()
    assert {(job.state, job.reason) for job in world.jobs()} == {
        (State.FAILED, "Scriptix could not transcribe it: this is no media")
    }


def test_a_list_that_is_refused_says_nothing_about_the_account(world: World) -> None:
    transcribing(world, 6)
    world.service.lists = False
    assert world.pipeline.step(world.jobs()[0], world.now).answered is False
    assert asked(world, Call.LISTED) == 1


def test_a_result_that_is_listed_after_a_weekend_teaches_no_weekend(world: World) -> None:
    jobs = transcribing(world, 3)
    planned = {job.id: job.due_at - (job.uploaded_at or 0.0) for job in jobs}
    world.service.looks = 0
    world.pass_time(200_000)
    world.drive()
    assert asked(world, Call.LISTED) == 1
    assert all(0 < (job.took or 0.0) <= planned[job.id] for job in world.jobs())


def test_the_list_is_walked_through_until_all_are_found_and_no_further(world: World) -> None:
    world.service.looks = 1
    jobs = transcribing(world, 4, "old")
    world.service.sessions |= {f"a stranger's {n}": next(iter(world.service.sessions.values())) for n in range(150)}
    transcribing(world, PAGE + 20, "new")
    before = asked(world, Call.LISTED)
    for _ in range(3):
        world.asker.run_once(world.now)
    assert asked(world, Call.LISTED) - before == 3
    assert jobs[0].state is State.TRANSCRIBING
    world.drive(2000)
    assert {job.state for job in world.jobs()} == {State.READY}


def test_a_few_that_lie_far_behind_are_looked_at_by_themselves(world: World) -> None:
    world.service.looks = 0
    old = transcribing(world, 2, "old")
    world.service.looks = 10**6
    for job in old:
        world.service.looked[job.session_id or ""] = -(10**6)
    new = transcribing(world, 3 * PAGE, "new")
    for job in new[:-3]:
        current = world.store.jobs.get(job.id)
        assert current is not None
        world.store.jobs.apply(current, StillRunning(world.now.wall + 250, "processing"), world.now.wall)
    for _ in range(3):
        world.asker.run_once(world.now)
    assert (asked(world, Call.LISTED), asked(world, Call.LOOK)) == (1, 2)


@pytest.mark.parametrize("reason", ["refused", "ours are not in it"])
def test_without_a_list_of_use_each_is_looked_at_and_the_list_is_tried_again_after_an_hour(
    world: World, caplog: pytest.LogCaptureFixture, reason: str
) -> None:
    if reason == "refused":
        world.service.lists = False
    world.service.looks = 4
    transcribing(world, 6)
    if reason != "refused":
        world.service.unlisted = set(world.service.sessions)
    world.drive()
    assert asked(world, Call.LISTED) == 1
    assert len(told(caplog)) == 1
    assert "looked at by itself" in told(caplog)[0]
    world.pass_time(LIST_AGAIN)
    transcribing(world, 6, "again")
    if reason != "refused":
        world.service.unlisted = set(world.service.sessions)
    world.drive()
    assert asked(world, Call.LISTED) == 2
    assert len(told(caplog)) == 1, "it is known already"
    world.pass_time(LIST_AGAIN)
    world.service.lists, world.service.unlisted = True, set()
    transcribing(world, 6, "healed")
    world.drive()
    assert asked(world, Call.LISTED) > 2
    assert len(told(caplog)) == 2
    assert "again" in told(caplog)[1]
    assert {job.state for job in world.jobs()} == {State.READY}


def test_where_the_configuration_insists_the_list_is_tried_for_every_new_one(world: World) -> None:
    polls(world, Polling.LIST)
    world.service.lists = False
    transcribing(world, 4)
    world.drive()
    first = asked(world, Call.LISTED)
    assert first >= 1
    transcribing(world, 4, "again")
    world.drive()
    assert asked(world, Call.LISTED) > first
    assert {job.state for job in world.jobs()} == {State.READY}
    assert FORCED_AGAIN < LIST_AGAIN


def test_a_session_that_the_list_lacks_is_looked_at_by_itself(world: World) -> None:
    jobs = transcribing(world, 6)
    lacking = jobs[0].session_id or ""
    world.service.unlisted = {lacking}
    world.drive()
    assert {job.state for job in world.jobs()} == {State.READY}
    assert world.service.looked[lacking] == 3
    assert asked(world, Call.LOOK) == 5 + 3


def test_jobs_of_another_key_are_none_that_the_list_could_tell_of(world: World) -> None:
    transcribing(world, 6)
    world.service.key_fingerprint = "fedcba98"
    world.drive()
    assert asked(world, Call.LISTED) == 0


def test_trouble_with_a_page_is_waited_out_like_any_other(world: World) -> None:
    transcribing(world, 6)
    world.service.fail(Call.LISTED, Away("503"), times=5)
    world.drive()
    assert {job.state for job in world.jobs()} == {State.READY}


def test_a_session_that_is_listed_as_done_and_gives_no_result_still_meets_its_deadline(world: World) -> None:
    world.deadline = 600.0
    world.restart()
    world.service.looks = 0
    page: Answer = Unclear("200 with a web page")
    for job in transcribing(world, 3):
        world.service.answers[job.session_id or ""] = deque([page] * 1000)
    world.drive(3000)
    assert {job.state for job in world.jobs()} == {State.FAILED}
    assert all("gave no answer" in job.reason for job in world.jobs())
