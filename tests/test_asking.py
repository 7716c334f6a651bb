"""What follows an upload: when the first look comes, what is learned from it, and jobs that another key sent."""

from __future__ import annotations

import math
import zlib
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import Call, World, refused_key

from scriptixd.errors import Away
from scriptixd.jobs.events import ResultListed, UploadLost
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.pacing import FIRST_LOOK, LEARNED_FROM_MIN, LEARNED_READY
from scriptixd.jobs.ports import Polling, Running, Unclear

LONG = b"abcdefghijklmnopqrstuvwxyz" * 2  # three chunks of 20
NEW_KEY = "fedcba98"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, folders=("council", "court"))
    yield made
    made.close()


def fresh(world: World, job: Job) -> Job:
    current = world.store.jobs.get(job.id)
    assert current is not None
    return current


# The first look


def finished(world: World, number: int, share: float) -> Job:
    """A job whose result was there after this share of its length, found by asking as the daemon does."""
    job = world.step_until(world.drop(f"{number}.wav", b"x" * (10_000 + number)), State.TRANSCRIBING)
    seconds = (10_000 + number) / 10  # as the service tells it
    uploaded = fresh(world, job).uploaded_at or 0.0
    for _ in range(200):
        current = fresh(world, job)
        if current.state is State.READY:
            return current
        world.pass_time(max(0.0, current.due_at - world.now.wall))
        if world.now.wall - uploaded < share * seconds:
            world.service.answers[current.session_id or ""] = deque([Running("processing")])
        world.step(job)
    raise AssertionError("it never came")


@pytest.fixture
def learning(world: World) -> World:
    """A world whose files are one chunk each, of a length that can be read, and whose results are there when asked."""
    world.chunk_size = 10**6
    world.polling = Polling.SINGLE
    world.service.looks = 0
    world.restart()
    return world


def first_wait(world: World, number: int) -> float:
    """Seconds from an upload to its first look, as a share of ten thousand bytes at 128 kbit/s."""
    job = world.step_until(world.drop(f"next {number}.wav", b"y" * (1_600_000 + number)), State.TRANSCRIBING)
    return (job.due_at - (job.uploaded_at or 0.0)) / 100.0


def test_until_enough_is_known_the_first_look_comes_after_a_tenth(learning: World) -> None:
    for number in range(LEARNED_FROM_MIN - 1):
        finished(learning, number, 0.4)
    assert first_wait(learning, 1) == pytest.approx(FIRST_LOOK, rel=0.01)


@pytest.mark.parametrize("share", [0.02, 0.4])
def test_the_first_look_follows_what_the_latest_results_took(learning: World, share: float) -> None:
    for number in range(70):
        finished(learning, number, share)
    assert first_wait(learning, 1) == pytest.approx(share, rel=0.3)


def test_what_the_services_own_clock_tells_goes_before_what_looking_shows(learning: World) -> None:
    job = learning.step_until(learning.drop("a.wav", LONG), State.TRANSCRIBING)
    learning.store.jobs.apply(fresh(learning, job), ResultListed(12.5), learning.now.wall)
    learning.pass_time(5000)
    learning.step(job)
    assert (fresh(learning, job).state, fresh(learning, job).took) == (State.READY, 12.5)


def test_a_result_that_was_found_at_once_after_a_weekend_teaches_no_weekend(learning: World) -> None:
    job = learning.step_until(learning.drop("a.wav", b"x" * 160_000), State.TRANSCRIBING)
    planned = job.due_at - (job.uploaded_at or 0.0)
    learning.pass_time(200_000)
    learning.step(job)
    assert 0 < (fresh(learning, job).took or math.inf) <= planned


def test_what_another_service_took_teaches_nothing(learning: World) -> None:
    for number in range(10):
        finished(learning, number, 0.5)
    assert len(learning.store.waiting.shares(learning.service.origin)) == 10
    assert learning.store.waiting.shares("https://other.example.org") == []
    assert 0 < LEARNED_READY < 1


# Another key


def changed_key(world: World, job: Job) -> None:
    """Today's key is another one, and the service tells it nothing about what the old one sent."""
    world.service.foreign = {fresh(world, job).file_id or ""}
    world.service.key_fingerprint = NEW_KEY
    world.restart()


def test_an_upload_that_is_not_closing_begins_anew_under_the_new_key(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.UPLOADING)
    changed_key(world, job)
    before = world.service.asked.total()
    step = world.step(job)
    assert isinstance(step.event, UploadLost)
    assert "another key (fingerprint 0123abcd)" in step.job.reason
    assert world.service.asked.total() == before, "nothing could be asked about it"
    done = world.step_until(job, State.READY)
    assert done.key_fingerprint == NEW_KEY
    assert list(world.service.paid.values()) == [1]


@pytest.mark.parametrize("state", [State.CLOSING, State.UPLOADED, State.TRANSCRIBING])
@pytest.mark.parametrize("silence", ["unknown", "refused"])
def test_what_may_be_paid_under_another_key_is_asked_about_once_and_stops_with_that_reason(
    world: World, state: State, silence: str
) -> None:
    job = world.step_until(world.drop("a.wav", LONG), state)
    changed_key(world, job)
    session = fresh(world, job).session_id or ""
    if silence == "unknown":
        world.service.answers[session] = deque([Unclear("404")])
    else:
        for call in (Call.OFFSET, Call.SESSION_OF, Call.LOOK):
            world.service.fail(call, refused_key())
    world.pass_time(30)
    asked = world.service.asked.total()
    lane = world.uploader if state is State.CLOSING else world.asker
    lane.run_once(world.now)
    stopped = fresh(world, job)
    assert stopped.state is State.FAILED
    assert stopped.reason.startswith("it was sent with another key (fingerprint 0123abcd)")
    assert "set that key again, then: scriptixd retry" in stopped.hint
    assert world.service.asked.total() - asked <= 2
    assert world.breakers.view() == []
    world.service.faults.clear()
    world.service.key_fingerprint, world.service.foreign = "0123abcd", set()
    world.restart()
    world.retry([job.id])
    world.drive()
    assert fresh(world, job).state is State.READY
    assert (world.service.asked[Call.CREATE], list(world.service.paid.values())) == (1, [1])


@pytest.mark.parametrize("state", [State.CLOSING, State.UPLOADED, State.TRANSCRIBING])
def test_a_new_key_that_is_told_about_the_job_goes_on_with_it(world: World, state: State) -> None:
    job = world.step_until(world.drop("a.wav", LONG), state)
    world.service.key_fingerprint = NEW_KEY
    world.restart()
    world.drive()
    assert fresh(world, job).state is State.READY
    assert (world.service.asked[Call.CREATE], list(world.service.paid.values())) == (1, [1])


def test_a_service_that_is_away_is_no_answer_about_a_key(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.TRANSCRIBING)
    changed_key(world, job)
    world.service.fail(Call.LOOK, Away("503"))
    world.pass_time(30)
    world.asker.run_once(world.now)
    assert fresh(world, job).state is State.TRANSCRIBING


# The ambiguous moments, all of them


def test_every_reply_of_a_journey_may_be_lost_and_the_content_is_paid_once(tmp_path: Path) -> None:
    def journey(place: Path, lost: int | None) -> tuple[int, World]:
        world = World(place)
        world.service.session_after = 2
        count = 0

        def watch(moment: str) -> None:
            nonlocal count
            if moment.startswith("after "):
                count += 1
                if count - 1 == lost:
                    raise Away(f"the reply {moment} was lost")

        world.service.watch = watch
        world.drop("a.wav", LONG)
        world.drive()
        return count, world

    calls, world = journey(tmp_path / "whole", None)
    world.close()
    assert calls >= 9
    for lost in range(calls):
        _, world = journey(tmp_path / str(lost), lost)
        assert world.state_of("a.wav") is State.READY, lost
        assert list(world.service.paid.values()) == [1], lost
        world.close()


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("restarted", [True, False])
def test_an_upload_that_is_gone_after_its_last_part_is_known_by_its_session_however_late(
    world: World, named: bool, restarted: bool
) -> None:
    world.service.forgets_complete = True
    world.service.session_after = 12 if named else 10**6
    job = world.step_until(world.drop("a.wav", LONG), State.CLOSING)
    world.service.fail(Call.SEND, Away("no reply"), after=True)
    with pytest.raises(Away):
        world.step(job)
    if restarted:
        world.restart()
    world.drive()
    done = fresh(world, job)
    assert done.state is (State.READY if named else State.FAILED)
    assert named or "it may have been paid for" in done.reason
    assert (world.service.asked[Call.CREATE], list(world.service.paid.values())) == (1, [1])


def test_a_result_and_its_end_of_asking_are_one_transaction(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.TRANSCRIBING)

    def broken(_data: bytes) -> bytes:
        raise ZeroDivisionError

    world.step(job)
    with monkeypatch.context() as patch:
        patch.setattr(zlib, "compress", broken)
        with pytest.raises(ZeroDivisionError):
            world.step(job)
    assert (fresh(world, job).state, world.count("results")) == (State.TRANSCRIBING, 0)
    world.step(job)
    assert (fresh(world, job).state, world.count("results")) == (State.READY, 1)
    with world.store.database.reading() as connection:
        (stored,) = connection.execute("SELECT body FROM results").fetchone()
    assert zlib.decompress(stored) == world.store.jobs.result(job.id)


def test_every_upload_that_is_opened_is_written_down_with_it(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG, "court"), State.UPLOADING)
    with world.store.database.reading() as connection:
        rows = connection.execute("SELECT job_id, folder, opened_at FROM openings").fetchall()
    assert rows == [(job.id, "court", world.now.wall)]
