"""Which job has its turn, what trouble leads to, and when the worker wants to be called again."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from fakes import BROKEN, Call, World, refused_key, sha256

from scriptixd.errors import (
    AccountTrouble,
    Away,
    FileTrouble,
    FolderTrouble,
    NameTaken,
    OverBudget,
    QuotaTrouble,
    ShareTrouble,
    StateTrouble,
    Stopped,
    TargetTrouble,
    Trouble,
)
from scriptixd.jobs.breakers import LEASE
from scriptixd.jobs.claims import Claims
from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import Rejected, UploadFinished, UploadOpened
from scriptixd.jobs.job import DocumentType, Job, State
from scriptixd.jobs.ports import Body, Lane, Polling, Standstill
from scriptixd.jobs.queues import IDLE
from scriptixd.jobs.reading import REST
from scriptixd.jobs.store.requests import Verb
from scriptixd.jobs.verbs import apply_open_requests
from scriptixd.jobs.worker import ALONE_TRIES, BUG_TRIES
from scriptixd.roots.root import Reader, Root

LONG = b"abcdefghijklmnopqrstuvwxyz" * 2  # three chunks


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[World]:
    caplog.set_level(logging.INFO, "scriptixd")
    made = World(tmp_path, folders=("one", "two", "three"))
    yield made
    made.close()


def texts(caplog: pytest.LogCaptureFixture, name: str = "scriptixd.service") -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == name]


def states(world: World) -> Counter[State]:
    return Counter(job.state for job in world.jobs())


# Whose turn it is


def test_everything_comes_to_its_end_and_is_paid_once(world: World) -> None:
    for folder in world.folders.requests:
        for number in range(4):
            world.drop(f"{number}.wav", f"{folder} {number}".encode() * 9, folder)
    world.drive()
    assert states(world) == {State.READY: 12}
    assert list(world.service.paid.values()) == [1] * 12


@pytest.mark.parametrize("size", [5, 25, 45])  # one, two or three chunks: as many steps a file must favour nobody
def test_folders_have_their_turns_one_after_the_other_however_full_one_is(world: World, size: int) -> None:
    for number in range(20):
        world.drop(f"{number}.wav", bytes([65 + number]) * (size + number), "one")
    for folder in ("two", "three"):
        for number in range(3):
            world.drop(f"{number}.wav", bytes([97 + number]) * (size + 20 + 3 * len(folder) + number), folder)
    opened: list[str] = []
    while len(opened) < 9:
        before = {job.id: job.state for job in world.jobs()}
        world.uploader.run_once(world.now)
        opened += [
            job.folder for job in world.jobs() if job.file_id is not None and before.get(job.id) is State.FOUND
        ]  # fmt: skip
    assert Counter(opened) == {"one": 3, "two": 3, "three": 3}


def test_an_empty_folder_takes_nobodys_turn(world: World) -> None:
    for number in range(6):
        world.drop(f"{number}.wav", bytes([65 + number]) * (5 + number), "one")
        world.drop(f"{number}.wav", bytes([97 + number]) * (25 + number), "three")
    opened: list[str] = []
    while len(opened) < 6:
        before = {job.id for job in world.jobs() if job.state is State.FOUND}
        world.uploader.run_once(world.now)
        opened += [job.folder for job in world.jobs() if job.id in before and job.state is not State.FOUND]
    assert opened == ["one", "three"] * 3


def test_a_folder_that_was_closed_for_a_while_takes_its_turn_among_the_others(world: World) -> None:
    for number in range(8):
        for place, folder in enumerate(("one", "two", "three")):
            world.drop(f"{number}.wav", bytes([65 + number]) * (5 + number + 100 * place), folder)
    opened: list[str] = []
    world.chunk_size = 1000
    world.restart()
    while len(opened) < 18:
        world.folders.closed = {"two"} if 3 <= len(opened) < 9 else set()
        before = {job.id for job in world.jobs() if job.state is State.FOUND}
        world.uploader.run_once(world.now)
        opened += [job.folder for job in world.jobs() if job.id in before and job.state is not State.FOUND]
    assert Counter(opened[3:9]) == {"one": 3, "three": 3}
    assert Counter(opened[9:]) == {"one": 3, "two": 3, "three": 3}


def test_what_lies_in_a_folder_that_is_closed_waits_without_being_tried(world: World) -> None:
    world.step_until(world.drop("uploading.wav", LONG, "one"), State.UPLOADING)
    world.step_until(world.drop("running.wav", LONG[::-1], "one"), State.TRANSCRIBING)
    world.drop("found.wav", LONG + b"!", "one")
    world.folders.closed = {"one"}
    world.drop("other.wav", b"other", "two")
    rows = world.count("history")
    for _ in range(60):
        world.pass_time(max(0.0, min(30.0, world.turn())))
    assert world.state_of("other.wav", "two") is State.READY
    assert world.state_of("running.wav", "one") is State.READY
    assert (world.state_of("uploading.wav", "one"), world.state_of("found.wav", "one")) == (
        State.UPLOADING, State.FOUND,
    )  # fmt: skip
    assert world.count("history") - rows < 10
    assert world.breakers.view() == []
    world.folders.closed = set()
    world.drive()
    assert states(world) == {State.READY: 4}


class ClosedRoot:
    """A root whose disk may not be read now."""

    def open(self, path: str) -> Reader:
        raise ShareTrouble(f"the disk of {path} does not answer")


@pytest.mark.parametrize("arrived", [True, False])
def test_a_last_part_in_a_folder_that_is_closed_waits_for_it_unless_the_service_has_it(
    world: World, arrived: bool
) -> None:
    job = world.step_until(world.drop("a.wav", LONG, "one"), State.CLOSING)
    world.service.fail(Call.SEND, Away("no reply"), after=arrived)
    with pytest.raises(Away):
        world.step(job)
    root, world.folders.roots["one"] = world.folders.roots["one"], cast("Root", ClosedRoot())
    world.folders.closed = {"one"}
    world.restart()
    for _ in range(60):
        world.pass_time(max(0.0, min(30.0, world.turn())))
    assert world.state_of("a.wav", "one") is (State.READY if arrived else State.CLOSING)
    assert world.service.asked[Call.OFFSET] == 1, "what is known needs no asking over and over"
    world.folders.roots["one"], world.folders.closed = root, set()
    world.drive()
    assert states(world) == {State.READY: 1}
    assert list(world.service.paid.values()) == [1]


def test_a_copy_in_an_open_folder_serves_a_job_whose_own_is_closed(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG, "one"), State.CLOSING)
    shutil.copy2(world.path("a.wav", "one"), world.path("b.wav", "two"))
    world.scan("two")
    copy = world.job_of("b.wav", "two")
    world.step(copy)
    world.step(copy)
    assert world.job_of("b.wav", "two").id == job.id
    world.folders.roots["one"] = cast("Root", ClosedRoot())
    world.folders.closed = {"one"}
    world.drive()
    assert states(world) == {State.READY: 1}


def test_what_is_begun_is_finished_first(world: World) -> None:
    first = world.drop("a.wav", LONG, "one")
    world.uploader.run_once(world.now)
    world.drop("b.wav", b"small", "two")
    world.drop("c.wav", b"smaller", "one")
    while world.state_of("a.wav", "one") is not State.UPLOADED:
        world.uploader.run_once(world.now)
        assert len(world.service.uploads) == 1
    assert world.service.uploads["upload-1"].size == first.stat.size


def test_what_may_be_paid_is_decided_even_if_its_folder_is_configured_no_more(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG, "one"), State.CLOSING)
    world.service.fail(Call.SEND, Away("no reply"), after=True)
    with pytest.raises(Away):
        world.step(job)
    del world.folders.requests["one"]
    del world.folders.roots["one"]
    world.restart()
    world.drive()
    assert states(world) == {State.READY: 1}


def test_each_step_that_changed_something_is_reported(world: World) -> None:
    world.drop("a.wav", LONG, "one")
    world.drive()
    told = [type(event).__name__ for event in world.reported]
    assert told[:3] == ["UploadOpened", "UploadFinished", "SessionKnown"]
    assert told[-1] == "ResultReady"


# When it wants to be called again


def test_without_work_it_rests_until_it_is_woken(world: World) -> None:
    assert world.uploader.run_once(world.now) == world.now.boot + IDLE
    assert world.asker.run_once(world.now) == world.now.boot + IDLE


def test_after_a_step_it_comes_again_at_once_and_after_the_last_one_when_something_is_due(world: World) -> None:
    world.drop("a.wav", b"a" * 160_000 * 10, "one")
    world.chunk_size = 10**7
    world.restart()
    for _ in range(3):
        assert world.uploader.run_once(world.now) == world.now.boot
    assert world.uploader.run_once(world.now) == world.now.boot + IDLE
    assert world.asker.run_once(world.now) == world.now.boot  # the session is named
    assert world.asker.run_once(world.now) == pytest.approx(world.now.boot + 10)  # a tenth of 100 s
    world.pass_time(9.9)
    assert world.asker.run_once(world.now) > world.now.boot
    world.pass_time(0.2)
    assert world.asker.run_once(world.now) == world.now.boot


def test_nothing_is_done_over_and_over_while_a_file_is_being_changed(world: World) -> None:
    world.drop("a.wav", LONG, "one")
    world.drop("b.wav", LONG[::-1], "two")
    world.put("a.wav", LONG + LONG, "one")
    world.scan("one", complete=False)
    calls = 0
    while world.state_of("b.wav", "two") is not State.READY:
        rest = min(world.uploader.run_once(world.now), world.asker.run_once(world.now)) - world.now.boot
        calls += 1
        assert calls < 50
        world.pass_time(max(rest, 0.0))
    assert world.uploader.run_once(world.now) == world.now.boot + IDLE
    assert world.count("history") < 30


def test_a_budget_that_is_used_up_is_waited_for_without_asking(world: World) -> None:
    world.drop("a.wav", LONG, "one")
    world.service.ready_at = lambda now, _lane: now.boot + 17.0  # type: ignore[method-assign]
    assert world.uploader.run_once(world.now) == world.now.boot + 17.0
    assert world.service.asked.total() == 0


def test_the_budget_is_asked_for_only_by_whoever_has_something_to_do(world: World) -> None:
    asked: list[Lane] = []

    def ready_at(now: Now, lane: Lane) -> float:
        asked.append(lane)
        return now.boot

    world.service.ready_at = ready_at  # type: ignore[method-assign]
    world.turn()
    assert asked == []
    world.drop("a.wav", LONG, "one")
    world.turn()
    assert asked == [Lane.UPLOAD]
    world.step_until(world.job_of("a.wav", "one"), State.UPLOADED)
    world.turn()
    assert asked == [Lane.UPLOAD, Lane.ASK]


def test_a_turn_for_which_there_is_no_request_is_nobodys(world: World) -> None:
    for number in range(4):
        for place, folder in enumerate(("one", "two")):
            world.drop(f"{number}.wav", folder.encode() * (number + 1 + 4 * place), folder)
    times = 0

    def every_other_time(now: Now, _lane: Lane) -> float:
        nonlocal times
        times += 1
        return now.boot + (times % 2)

    world.service.ready_at = every_other_time  # type: ignore[method-assign]
    while len(world.service.uploads) < 6:
        world.uploader.run_once(world.now)
    opened = Counter(job.folder for job in world.jobs() if job.file_id is not None)
    assert opened == {"one": 3, "two": 3}


@pytest.mark.parametrize("call", [Call.CREATE, Call.OFFSET, Call.SEND, Call.SESSION_OF, Call.LOOK])
def test_a_budget_that_somebody_else_used_up_is_no_failure_and_nothing_is_saved(world: World, call: Call) -> None:
    before = {
        Call.CREATE: State.FOUND, Call.OFFSET: State.UPLOADING, Call.SEND: State.UPLOADING,
        Call.SESSION_OF: State.UPLOADED, Call.LOOK: State.TRANSCRIBING,
    }  # fmt: skip
    job = world.step_until(world.drop("a.wav", LONG, "one"), before[call])
    if call is Call.OFFSET:
        world.restart()
    world.pass_time(10)
    rows = world.count("history")
    for _ in range(10):  # many more than make an outage
        world.service.fail(call, OverBudget("the budget is used up", retry_after=7.0))
        lane = world.asker if job.state in (State.UPLOADED, State.TRANSCRIBING) else world.uploader
        assert lane.run_once(world.now) == world.now.boot + 7
    assert world.store.jobs.get(job.id) == job
    assert (world.count("history"), world.breakers.view()) == (rows, [])
    world.drive()
    assert states(world) == {State.READY: 1}
    if call is Call.SEND:
        assert world.service.asked[Call.OFFSET] == 0, "what is known of the upload is not thrown away"


def test_a_probe_for_which_there_is_no_request_says_nothing_about_the_account(world: World) -> None:
    world.step_until(world.drop("t.wav", b"t" * 15, "two"), State.TRANSCRIBING)
    world.pass_time(10)
    world.service.fail(Call.LOOK, refused_key())
    world.service.fail(Call.PROBE, OverBudget("the budget is used up", retry_after=7.0))
    assert world.asker.run_once(world.now) == world.now.boot + 7
    assert (world.breakers.view(), world.state_of("t.wav", "two")) == ([], State.TRANSCRIBING)


@pytest.mark.parametrize("lane", [Lane.UPLOAD, Lane.ASK])
def test_one_alone_probes_a_refused_account_while_the_others_wait(world: World, lane: Lane) -> None:
    world.step_until(world.drop("t.wav", b"t" * 15, "two"), State.TRANSCRIBING)
    world.drop("a.wav", LONG, "one")
    world.service.refused = refused_key()
    world.uploader.run_once(world.now)
    world.pass_time(60)
    other, rests = world.worker(lane), []

    def meanwhile(moment: str) -> None:
        if moment == "before probe":
            rests.append(other.run_once(world.now) - world.now.boot)

    world.service.watch = meanwhile
    probes = world.service.asked[Call.PROBE]
    world.asker.run_once(world.now)
    assert world.service.asked[Call.PROBE] - probes == 1
    assert rests == [LEASE]


def test_one_alone_tries_whether_the_quota_is_used_up_still(world: World) -> None:
    for number in range(4):
        world.drop(f"{number}.wav", b"x" * (9 + number), "one")
    world.service.refusing[Call.CREATE] = QuotaTrouble("the account is used up")
    claims: Claims[Job] = Claims(3, tuple)
    workers = [world.worker(Lane.UPLOAD, claims) for _ in range(3)]
    workers[0].run_once(world.now)
    world.pass_time(60)

    def meanwhile(moment: str) -> None:
        if moment == "before create":
            for worker in workers[1:]:
                assert worker.run_once(world.now) > world.now.boot

    world.service.watch = meanwhile
    tried = world.service.asked[Call.CREATE]
    workers[0].run_once(world.now)
    assert world.service.asked[Call.CREATE] - tried == 1


def test_folders_have_their_turns_also_when_it_comes_to_asking(world: World) -> None:
    for number in range(12):
        world.step_until(world.drop(f"{number}.wav", b"a" * (9 + number), "one"), State.TRANSCRIBING)
    for number in range(3):
        world.step_until(world.drop(f"{number}.wav", b"b" * (30 + number), "two"), State.TRANSCRIBING)
    world.polling = Polling.SINGLE
    world.restart()
    world.pass_time(100)
    for _ in range(6):
        world.asker.run_once(world.now)
    asked = Counter(job.folder for job in world.jobs() if job.looked_at is not None)
    assert asked == {"one": 3, "two": 3}


# What may be sent now


def night(world: World, seconds: float) -> Standstill:
    return Standstill("uploads are made at night", "change upload_hours", world.now.wall + seconds)


def test_nothing_is_opened_while_that_may_not_be_and_the_end_is_not_slept_through(world: World) -> None:
    begun = world.step_until(world.drop("begun.wav", LONG, "one"), State.UPLOADING)
    world.drop("a.wav", b"small", "one")
    world.drop("b.wav", b"smaller", "two")
    world.limits.closed["one"] = night(world, 500.0)
    for _ in range(60):
        world.pass_time(max(0.0, min(world.turn(), 5.0)))
    assert world.state_of("begun.wav", "one") is State.READY
    assert begun.file_id is not None
    assert world.state_of("b.wav", "two") is State.READY
    assert world.state_of("a.wav", "one") is State.FOUND
    world.drive()
    assert states(world) == {State.READY: 3}
    assert world.now.wall < world.limits.closed["one"].until + 60  # type: ignore[operator]


def test_an_upload_stops_within_one_read_when_it_may_not_go_on_and_resumes_where_the_server_is(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG, "one"), State.UPLOADING)
    world.gauge.on_sent = lambda offset: world.limits.starved.update(one=night(world, 500.0)) if offset >= 30 else None
    before = world.now.wall
    for _ in range(5):
        world.uploader.run_once(world.now)
    after = world.store.jobs.get(job.id)
    assert after is not None
    assert (after.state, after.failures, after.version) == (State.UPLOADING, 0, job.version), "it is no failure"
    upload = world.service.uploads[after.file_id or ""]
    assert 20 < len(upload.data) <= 30 + 7
    sends = world.service.asked[Call.SEND]
    assert world.uploader.run_once(world.now) == pytest.approx(world.now.boot + 500)
    assert world.service.asked[Call.SEND] == sends
    world.gauge.on_sent = lambda _offset: None
    world.drive()
    assert world.now.wall - before >= 500
    assert (world.service.asked[Call.CREATE], world.service.asked[Call.OFFSET]) == (1, 1)
    assert bytes(upload.data) == LONG


def test_bytes_wait_for_their_turn_on_a_line_that_is_shared(world: World) -> None:
    world.drop("a.wav", LONG, "one")
    world.step_until(world.job_of("a.wav", "one"), State.UPLOADING)
    world.limits.waits.extend([3.0, 0.0, 4.0])
    before, beats = world.now.wall, world.gauge.beats
    world.uploader.run_once(world.now)
    assert world.now.wall - before == pytest.approx(7.0)
    assert world.gauge.beats - beats >= 7 / REST
    world.drive()
    assert states(world) == {State.READY: 1}


def test_whoever_waits_for_his_turn_stops_as_soon_as_he_is_to(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG, "one"), State.UPLOADING)
    started, beat = world.now.wall, world.gauge.beat

    def beats() -> None:
        beat()
        if world.now.wall > started + 10:
            world.limits.starved["one"] = night(world, 5000.0)

    world.gauge.beat = beats  # type: ignore[method-assign]
    world.limits.waits.append(3600.0)
    world.uploader.run_once(world.now)
    assert 10 < world.now.wall - started < 12
    assert world.store.jobs.get(job.id) == job


def test_a_last_part_waits_like_any_other_and_what_arrived_does_not(world: World) -> None:
    lacking = world.step_until(world.drop("a.wav", LONG, "one"), State.CLOSING)
    whole = world.step_until(world.drop("b.wav", LONG[::-1] + b"!", "one"), State.CLOSING)
    world.service.fail(Call.SEND, Away("no reply"), after=True)
    with pytest.raises(Away):
        world.step(whole)
    world.restart()
    world.limits.starved["one"] = night(world, 5000.0)
    for _ in range(40):
        world.pass_time(max(0.0, min(world.turn(), 50.0)))
    assert world.state_of("b.wav", "one") is State.READY
    after = world.store.jobs.get(lacking.id)
    assert after == lacking
    assert world.service.asked[Call.OFFSET] == 2, "one look at each is enough"
    world.drive()
    assert states(world) == {State.READY: 2}


def test_a_job_that_would_be_too_much_for_today_waits_until_tomorrow_and_says_why(world: World) -> None:
    job = world.drop("a.wav", LONG, "one")
    tomorrow = world.now.wall + 40_000
    world.limits.refused[job.id] = Standstill("10 h were sent today", "raise hours_per_day", tomorrow)
    world.uploader.run_once(world.now)
    waiting = world.job_of("a.wav", "one")
    assert (waiting.due_at, waiting.failures) == (tomorrow, 0)
    assert (waiting.reason, waiting.hint) == ("10 h were sent today", "raise hours_per_day")
    assert world.service.asked.total() == 0
    assert world.uploader.run_once(world.now) == world.now.boot + IDLE
    world.pass_time(40_000)
    world.drive()
    assert states(world) == {State.READY: 1}


def test_a_folder_that_has_as_many_uploads_as_it_may_leaves_the_others_their_turn(world: World) -> None:
    for folder in ("one", "two"):
        for number in range(3):
            world.drop(f"{number}.wav", folder.encode() * (20 + number), folder)
    claims: Claims[Job] = Claims(3, tuple, {"one": 1})
    workers = [world.worker(Lane.UPLOAD, claims) for _ in range(3)]
    depth, at_once = 0, []

    def meanwhile(moment: str) -> None:
        nonlocal depth
        if moment == "before create" and depth < 2:
            depth += 1
            workers[depth].run_once(world.now)
            at_once.append(Counter(claims._claimed.values()))
            depth -= 1

    world.service.watch = meanwhile
    for _ in range(12):
        workers[0].run_once(world.now)
    assert at_once
    assert all(claimed["one"] <= 1 for claimed in at_once)


@pytest.mark.parametrize("trouble", [Away("503"), ShareTrouble("unmounted"), TargetTrouble("full")], ids=str)
def test_failures_are_waited_out_in_the_database_and_no_worker_sleeps(world: World, trouble: Trouble) -> None:
    world.chance = 1.0
    world.drop("a.wav", LONG, "one")
    waits = []
    for _ in range(11):
        world.desk.faults.append(trouble)
        assert world.uploader.run_once(world.now) == world.now.boot
        job = world.job_of("a.wav", "one")
        waits.append(round(job.due_at - world.now.wall))
        assert (job.state, job.reason) == (State.FOUND, trouble.what)
        rest = world.uploader.run_once(world.now) - world.now.boot
        assert rest > 0
        world.pass_time(max(rest, job.due_at - world.now.wall) + 60)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    world.desk.faults.clear()
    world.drive()
    assert states(world) == {State.READY: 1}
    assert world.job_of("a.wav", "one").failures == 0


def test_what_the_service_asked_for_is_how_long_a_job_waits(world: World) -> None:
    world.drop("a.wav", LONG, "one")
    world.service.fail(Call.CREATE, Away("429", retry_after=77.0))
    world.uploader.run_once(world.now)
    assert world.job_of("a.wav", "one").due_at == world.now.wall + 77


# One file's trouble


@pytest.mark.parametrize("trouble", [FileTrouble("413", "make it smaller"), NameTaken("theirs", "rename it")], ids=str)
def test_what_a_person_has_to_decide_stops_that_job_alone(world: World, trouble: Trouble) -> None:
    world.drop("a.wav", LONG, "one")
    world.drop("b.wav", LONG[::-1] + b"!", "two")
    world.desk.faults.append(trouble)
    world.drive()
    failed = world.job_of("a.wav", "one")
    assert (failed.state, failed.reason, failed.hint) == (State.FAILED, trouble.what, trouble.hint)
    assert world.state_of("b.wav", "two") is State.READY
    assert any(isinstance(event, Rejected) for event in world.reported)


def test_a_bug_stops_its_job_after_a_few_tries_with_the_traceback_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.drop("a.wav", LONG, "one")
    world.desk.faults.extend(ZeroDivisionError("our own") for _ in range(BUG_TRIES))
    world.drive()
    failed = world.job_of("a.wav", "one")
    assert failed.state is State.FAILED
    assert "bug" in failed.reason
    logged = [record for record in caplog.records if record.exc_info]
    assert len(logged) == BUG_TRIES
    assert "ZeroDivisionError" in caplog.text
    world.drop("b.wav", LONG[::-1] + b"!", "two")
    world.drive()
    assert world.state_of("b.wav", "two") is State.READY


def test_a_stop_records_nothing_and_a_state_file_that_cannot_be_written_is_everybodys_matter(world: World) -> None:
    job = world.drop("a.wav", LONG, "one")
    world.service.fail(Call.CREATE, Stopped())
    world.uploader.run_once(world.now)
    assert world.store.jobs.get(job.id) == job
    world.service.fail(Call.CREATE, StateTrouble("the disk is full"))
    with pytest.raises(StateTrouble):
        world.uploader.run_once(world.now)
    assert world.store.jobs.get(job.id) == job
    world.drive()
    assert states(world) == {State.READY: 1}


# The account


def test_a_refused_key_pauses_everything_fails_nothing_and_heals_by_itself(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.step_until(world.drop("t.wav", b"t" * 15, "two"), State.TRANSCRIBING)
    for number in range(5):
        world.drop(f"{number}.wav", bytes([65 + number]) * (9 + number), "one")
    world.service.refused = refused_key()
    before = world.service.asked.total()
    while world.turn() == 0:
        pass
    assert world.service.asked.total() - before <= 4
    probes = []
    for _ in range(200):
        rest = world.turn()
        if rest > 0:
            world.pass_time(rest)
            probes.append(rest)
        if sum(probes) > 3600:
            break
    assert world.service.asked.total() - before < 40  # an hour of a refused key
    assert len(texts(caplog)) == 1
    assert "refuses the key" in texts(caplog)[0]
    assert State.FAILED not in states(world)
    world.service.refused = None
    world.drive()
    assert states(world) == {State.READY: 6}
    assert len(texts(caplog)) == 2
    assert "accepted again" in texts(caplog)[1]


def test_a_job_whose_key_was_another_one_stops_alone_while_the_account_is_in_order(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = world.step_until(world.drop("t.wav", b"t" * 15, "two"), State.TRANSCRIBING)
    world.drop("a.wav", LONG, "one")
    world.service.key_fingerprint = "89abcdef"
    world.service.fail(Call.LOOK, refused_key())
    world.pass_time(10)
    world.asker.run_once(world.now)
    stopped = world.store.jobs.get(foreign.id)
    assert stopped is not None
    assert stopped.state is State.FAILED
    assert "sent with another key" in stopped.reason
    assert texts(caplog) == []
    world.drive()
    assert world.state_of("a.wav", "one") is State.READY


def test_a_job_that_is_refused_alone_is_asked_about_for_a_while_before_it_stops(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    job = world.step_until(world.drop("t.wav", b"t" * 15, "two"), State.TRANSCRIBING)
    world.service.fail(Call.LOOK, refused_key(), times=ALONE_TRIES)
    began = world.now.boot
    world.drive()
    stopped = world.store.jobs.get(job.id)
    assert stopped is not None
    assert stopped.state is State.FAILED
    assert "for this job alone" in stopped.reason
    assert world.service.asked[Call.LOOK] == ALONE_TRIES
    assert 300 < world.now.boot - began < 3600
    assert texts(caplog) == []


def test_a_refusal_that_passes_stops_no_job_however_often_it_was_away_before(world: World) -> None:
    world.step_until(world.drop("t.wav", b"t" * 15, "two"), State.TRANSCRIBING)
    world.service.fail(Call.LOOK, Away("503"), times=ALONE_TRIES)
    world.service.fail(Call.LOOK, refused_key())
    world.drive()
    assert world.state_of("t.wav", "two") is State.READY


def test_an_address_that_takes_no_uploads_is_told_once_and_tried_ever_less_often(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.step_until(world.drop("t.wav", b"t" * 15, "two"), State.TRANSCRIBING)
    world.drop("a.wav", LONG, "one")
    wrong = AccountTrouble("https://api.example.org/ does not take uploads (404)", "check api.url")
    world.service.fail(Call.CREATE, wrong, times=1000)
    passed = 0.0
    while passed < 3600:
        rest = world.turn()
        assert rest >= 0
        world.pass_time(rest)
        passed += rest
    assert world.service.asked[Call.CREATE] <= 15
    assert len(texts(caplog)) == 1
    assert "does not take uploads" in texts(caplog)[0]
    assert world.state_of("t.wav", "two") is State.READY  # asking goes on
    world.service.faults.clear()
    world.drive()
    assert states(world) == {State.READY: 2}
    assert len(texts(caplog)) == 2


def test_without_quota_only_new_uploads_wait(world: World, caplog: pytest.LogCaptureFixture) -> None:
    begun = world.step_until(world.drop("begun.wav", LONG, "one"), State.UPLOADING)
    world.drop("waits.wav", LONG[::-1] + b"!", "two")
    world.service.fail(Call.CREATE, QuotaTrouble("the account is used up"), times=3)
    for _ in range(40):
        world.pass_time(max(0.0, min(30.0, world.turn())))
        if world.service.asked[Call.CREATE] >= 3:
            break
    after = world.store.jobs.get(begun.id)
    assert after is not None
    assert after.state is State.READY
    assert world.state_of("waits.wav", "two") is State.FOUND
    world.drive()
    assert states(world) == {State.READY: 2}
    assert [("used up" in text, "goes on" in text) for text in texts(caplog)] == [(True, False), (False, True)]


def test_the_end_of_a_pause_is_not_slept_through(world: World) -> None:
    world.drop("a.wav", LONG, "one")
    world.service.fail(Call.CREATE, QuotaTrouble("the account is used up"))
    world.uploader.run_once(world.now)
    assert world.uploader.run_once(world.now) == pytest.approx(world.now.boot + 60)
    world.pass_time(60)
    assert world.uploader.run_once(world.now) == world.now.boot
    assert world.state_of("a.wav", "one") is State.UPLOADING


def test_a_quota_that_ends_in_the_middle_of_an_upload_is_not_asked_about_over_and_over(world: World) -> None:
    world.step_until(world.drop("a.wav", LONG, "one"), State.UPLOADING)
    world.service.fail(Call.SEND, QuotaTrouble("the account is used up"), times=10**6)
    passed = 0.0
    while passed < 3600:
        rest = world.turn()
        world.pass_time(rest)
        passed += rest
        assert world.service.asked[Call.SEND] < 60
    world.service.faults.clear()
    world.drive()
    assert world.state_of("a.wav", "one") is State.READY
    assert list(world.service.paid.values()) == [1]


def test_a_folder_whose_settings_are_refused_waits_alone(world: World, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(3):
        world.drop(f"{number}.wav", bytes([65 + number]) * (9 + number), "one")
    world.drop("b.wav", LONG, "two")
    world.service.fail(Call.CREATE, FolderTrouble("xx is no language", "check language"))
    while world.state_of("b.wav", "two") is not State.READY:
        world.pass_time(max(0.0, world.turn()))
    assert Counter(job.state for job in world.jobs() if job.folder == "one") == {State.FOUND: 3}
    assert texts(caplog) == ["one: xx is no language (check language)"]
    world.drive()
    assert states(world) == {State.READY: 4}


def test_when_everything_is_away_everything_waits_as_one(world: World, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(30):
        world.drop(f"{number}.wav", bytes([65 + number]) * (9 + number), "one")
    world.service.refused = Away("https://api.example.org cannot be reached")
    passed = 0.0
    while passed < 600:
        rest = world.turn()
        world.pass_time(rest)
        passed += rest
    assert world.service.asked.total() < 40  # ten minutes of thirty jobs
    assert texts(caplog) == ["https://api.example.org cannot be reached"]
    world.service.refused = None
    world.drive()
    assert states(world) == {State.READY: 30}
    assert texts(caplog)[-1].endswith("Scriptix answers again")


# Copies


def test_copies_that_come_together_are_sent_once(world: World) -> None:
    for folder in world.folders.requests:
        world.drop("a.wav", LONG, folder)
    world.drive()
    assert list(world.service.paid.values()) == [1]
    assert world.service.asked[Call.CREATE] == 1
    assert {world.job_of("a.wav", folder).id for folder in world.folders.requests} == {world.jobs()[0].id}


def test_a_copy_goes_on_by_itself_when_the_first_one_is_deleted_before_it_was_sent(world: World) -> None:
    world.step_until(world.drop("old.wav", b"o" * len(LONG), "three"), State.READY)  # so that the size is known
    world.drop("a.wav", LONG, "one")
    world.drop("b.wav", LONG, "two")
    world.uploader.run_once(world.now)
    world.uploader.run_once(world.now)
    world.path("a.wav", "one").unlink()
    world.scan("one")
    world.drive()
    assert world.state_of("a.wav", "one") is State.GONE
    assert world.state_of("b.wav", "two") is State.READY
    assert world.service.paid[sha256(LONG), world.folders.requests["two"].key] == 1


def test_a_copy_does_not_wait_for_a_folder_whose_disk_is_full(world: World) -> None:
    world.drop("a.wav", LONG, "one")
    world.drop("b.wav", LONG, "two")
    for _ in range(600):
        world.desk.faults.clear()
        waiting = world.store.jobs.due(State.FOUND, world.now.wall, "one", [])
        if waiting is not None:
            world.desk.faults.append(TargetTrouble("one is full"))
        rest = world.turn()
        world.pass_time(max(rest, 0.0))
        if world.state_of("b.wav", "two") is State.READY:
            break
    assert world.state_of("b.wav", "two") is State.READY
    world.desk.faults.clear()
    world.drive()
    assert world.job_of("a.wav", "one") == world.job_of("b.wav", "two")
    assert list(world.service.paid.values()) == [1]


def test_what_is_no_media_is_paid_for_once_and_its_copies_say_the_same(world: World) -> None:
    world.drop("a.wav", BROKEN + LONG, "one")
    world.drive()
    world.drop("b.wav", BROKEN + LONG, "two")
    world.drive()
    assert world.job_of("a.wav", "one") == world.job_of("b.wav", "two")
    assert world.service.completed == 1
    assert sum(isinstance(event, UploadFinished) for event in world.reported) == 1
    assert sum(isinstance(event, UploadOpened) for event in world.reported) == 1


def test_a_copy_goes_on_with_a_job_whose_own_file_went_before_the_last_part(world: World) -> None:
    job = world.drop("a.wav", LONG, "one")
    world.step_until(job, State.CLOSING)
    copy = world.drop("b.wav", LONG, "two")
    world.step(copy)
    world.step(copy)
    assert world.job_of("b.wav", "two").id == job.id
    world.path("a.wav", "one").unlink()
    world.scan("one")
    world.drive()
    assert world.state_of("b.wav", "two") is State.READY
    assert world.service.completed == 1


def test_a_retry_with_only_a_copy_left_sends_the_copy(world: World) -> None:
    world.drop("a.wav", BROKEN + LONG, "one")
    world.drive()
    job = world.drop("b.wav", BROKEN + LONG, "two")
    world.drive()
    job = world.job_of("b.wav", "two")
    assert job == world.job_of("a.wav", "one")
    world.path("a.wav", "one").unlink()
    world.scan("one")
    world.store.requests.ask(Verb.RETRY, [job.id], world.now.wall)
    apply_open_requests(world.store, lambda _source: None, world.now)
    world.drive()
    assert world.state_of("b.wav", "two") is State.FAILED
    assert world.service.completed == 2, "the person's again was followed, and not waited over for ever"


def test_redo_pays_for_the_content_that_was_meant_and_serves_all_its_copies(world: World) -> None:
    job = world.drop("a.wav", LONG, "one")
    world.drive()
    for name in ("b.wav", "c.wav"):
        world.drop(name, LONG, "two")
    world.drive()
    world.drop("a.wav", b"another recording under the old name", "one")
    world.drive()
    world.store.requests.ask(Verb.REDO, [job.id], world.now.wall)
    apply_open_requests(world.store, lambda source: world.folders.requests[source.folder], world.now)
    world.drive()
    assert {digest: count for (digest, _), count in world.service.paid.items()} == {
        sha256(LONG): 2,
        sha256(b"another recording under the old name"): 1,
    }
    again = world.job_of("b.wav", "two")
    assert (again.redo, again) == (1, world.job_of("c.wav", "two"))


def test_redo_in_another_language_asks_for_that_one_whatever_its_folder_says(world: World) -> None:
    job = world.drop("a.wav", LONG, "one")
    world.drive()
    world.store.requests.ask(Verb.REDO, [job.id], world.now.wall, "cy")
    apply_open_requests(world.store, lambda source: world.folders.requests[source.folder], world.now)
    asked = world.job_of("a.wav", "one").request
    assert asked == replace(job.request, language="cy")
    world.folders.requests["one"] = replace(job.request, document_type=DocumentType.DOCUMENT)
    world.drive()
    both = replace(job.request, language="cy", document_type=DocumentType.DOCUMENT)
    assert set(world.service.paid.items()) == {((sha256(LONG), job.request.key), 1), ((sha256(LONG), both.key), 1)}
    world.drop("a.wav", LONG[::-1], "one")
    world.drive()
    assert world.job_of("a.wav", "one").request == world.folders.requests["one"], (
        "other content: nothing was said of it"
    )


def test_a_language_that_redo_asked_for_and_scriptix_refuses_holds_up_no_other_file(world: World) -> None:
    job = world.drop("a.wav", LONG, "one")
    world.drive()
    world.store.requests.ask(Verb.REDO, [job.id], world.now.wall, "xx")
    apply_open_requests(world.store, lambda source: world.folders.requests[source.folder], world.now)
    world.service.fail(Call.CREATE, FolderTrouble("xx is no language", "check language"))
    world.drop("b.wav", LONG[::-1], "one")
    world.drive()
    refused = world.job_of("a.wav", "one")
    assert (refused.state, refused.reason) == (State.FAILED, "xx is no language")
    assert refused.hint == "scriptixd redo --language asked for xx: ask for another"
    assert world.state_of("b.wav", "one") is State.READY
    assert world.breakers.view() == []


def test_an_upload_that_never_succeeds_keeps_no_other_from_its_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck = world.drop("a.wav", LONG, "one")
    stuck = world.step_until(stuck, State.UPLOADING)
    world.drop("b.wav", LONG[::-1] + b"!", "one")
    send, refused = world.service.send, 0

    def sends(file_id: str, offset: int, body: Body) -> int:
        nonlocal refused
        if file_id == stuck.file_id:
            refused += 1
            raise Away("it is at another offset", retry_after=0.0)
        return send(file_id, offset, body)

    monkeypatch.setattr(world.service, "send", sends)
    until = world.now.wall + 600
    while world.state_of("b.wav", "one") is not State.READY and world.now.wall < until:
        rest = world.turn()
        world.pass_time(rest + 0.001 if rest > 0 else 0.0)
    assert world.state_of("b.wav", "one") is State.READY
    assert refused < 10


@pytest.mark.parametrize("mountpoint", [False, True], ids=["gone", "unmounted"])
def test_a_folder_that_is_away_for_a_night_is_asked_for_and_told_of_now_and_then(
    world: World, mountpoint: bool
) -> None:
    files = 100
    for number in range(files):
        world.put(f"{number}.wav", b"z" * (number + 5), "one")
    world.scan("one")
    rows = world.count("history")
    aside = world.base / "aside"
    world.path("", "one").rename(aside)
    if mountpoint:
        world.path("", "one").mkdir()
    until, turns = world.now.wall + 6 * 3600, 0
    while world.now.wall < until:
        rest = world.turn()
        turns += 1
        world.pass_time(rest + 0.001 if rest > 0 else 0.0)
    assert turns < 2000  # six hours: three times a minute, however many files wait
    assert world.count("history") - rows <= files
    if mountpoint:
        world.path("", "one").rmdir()
    aside.rename(world.path("", "one"))
    world.drive(5000)
    assert states(world) == {State.READY: files}


def test_a_full_disk_under_the_state_file_opens_one_upload_and_not_another_with_each_try(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.drop("a.wav", LONG, "one")

    def full(*_: object) -> None:
        raise StateTrouble("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.store.jobs, "apply", full)
        for _ in range(20):
            with pytest.raises(StateTrouble):
                world.uploader.run_once(world.now)
    assert world.service.asked[Call.CREATE] == 1
    world.drive()
    assert world.state_of("a.wav", "one") is State.READY
    assert world.service.asked[Call.CREATE] == 1


def test_a_retry_without_a_file_says_so_and_leaves_no_job_that_waits_for_ever(world: World) -> None:
    world.folders.max_size = 5
    job = world.drop("a.wav", LONG, "one")
    world.uploader.run_once(world.now)
    world.path("a.wav", "one").unlink()
    world.scan("one")
    world.folders.max_size = 10**6
    ids = world.store.requests.ask(Verb.RETRY, [job.id], world.now.wall)
    assert apply_open_requests(world.store, lambda _source: None, world.now) == 1
    assert world.store.requests.outcomes(ids) == ["it cannot be tried again: its file is not there"]
    assert world.state_of("a.wav", "one") is State.FAILED
    world.put("a.wav", LONG, "one")
    world.scan("one")
    world.drive()
    assert world.state_of("a.wav", "one") is State.READY
