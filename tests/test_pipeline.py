"""Each step of a job: what it does outside, what it commits, and what it never does twice."""

from __future__ import annotations

import io
import json
import os
import wave
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import BROKEN, DUTCH, ENGLISH, Call, World, sha256

from scriptixd.errors import (
    AccountTrouble,
    Away,
    FileTrouble,
    NameTaken,
    QuotaTrouble,
    ShareTrouble,
    SourceMissing,
    Stopped,
    TargetTrouble,
)
from scriptixd.jobs.asking import UNDECIDABLE
from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import (
    Approved,
    ChunkAccepted,
    Dismissed,
    Hashed,
    Held,
    LastPartKept,
    Postponed,
    Rejected,
    ResultReady,
    RetryRequested,
    SessionKnown,
    SourceChanged,
    SourceGone,
    StillRunning,
    UploadFinished,
    UploadLost,
    UploadOpened,
)
from scriptixd.jobs.examination import RETAGGED
from scriptixd.jobs.job import Job, State
from scriptixd.jobs.pacing import BACKOFF_CAP, LOOK_CAP, SESSION_PATIENCE
from scriptixd.jobs.pipeline import Step
from scriptixd.jobs.ports import Doubt, Running, Standstill, Unclear, Wait
from scriptixd.jobs.source import HELD_FOR_HOURS
from scriptixd.jobs.store.requests import Verb
from scriptixd.jobs.verbs import apply_open_requests

SMALL = b"0123456789"  # one chunk
LONG = b"abcdefghijklmnopqrstuvwxyz" * 2  # three chunks of 20


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, folders=("council", "court"))
    yield made
    made.close()


def fresh(world: World, job: Job) -> Job:
    current = world.store.jobs.get(job.id)
    assert current is not None
    return current


def sent(world: World) -> list[bytes]:
    return [bytes(upload.data) for upload in world.service.uploads.values()]


# The ordinary way


def test_a_file_of_one_chunk_takes_one_effect_a_step(world: World) -> None:
    job = world.drop("a.wav", SMALL)
    told = []
    while fresh(world, job).state is not State.READY:
        before = sum(world.service.asked.values())
        step = world.step(job)
        assert sum(world.service.asked.values()) - before <= 1
        told.append((type(step.event).__name__ if step.event else None, step.job.state.value))
        world.pass_time(1000)
    assert told == [
        ("UploadOpened", "uploading"),
        (None, "closing"),
        ("UploadFinished", "uploaded"),
        ("SessionKnown", "transcribing"),
        ("StillRunning", "transcribing"),
        ("ResultReady", "ready"),
    ]
    assert sent(world) == [SMALL]
    assert json.loads(world.store.jobs.result(job.id) or b"")["result"]["sha256"] == sha256(SMALL)


def test_a_long_file_goes_chunk_by_chunk_and_is_read_once_but_for_its_last_part(world: World) -> None:
    job = world.drop("a.wav", LONG)
    world.step_until(job, State.UPLOADED)
    assert world.service.asked[Call.SEND] == 3
    assert world.service.asked[Call.OFFSET] == 0  # nobody asks for what is known
    assert sent(world) == [LONG]
    assert world.gauge.offsets[-1] == len(LONG)


def test_the_intent_is_committed_before_what_cannot_be_asked_about_afterwards(world: World) -> None:
    seen: list[tuple[str, State, str | None]] = []
    job = world.drop("a.wav", LONG)

    def watch(moment: str) -> None:
        if moment == "before send":
            now = fresh(world, job)
            seen.append((moment, now.state, now.sha256))

    world.service.watch = watch
    world.step_until(job, State.UPLOADED)
    assert [(state, content) for _, state, content in seen] == [
        (State.UPLOADING, None),
        (State.UPLOADING, None),
        (State.CLOSING, sha256(LONG)),
    ]


def test_the_upload_carries_the_request_the_labels_and_the_name_of_today(world: World) -> None:
    job = world.drop("a.wav", SMALL)
    world.folders.requests["council"] = ENGLISH
    step = world.step(job)
    assert (step.event, step.job.request) == (None, ENGLISH)
    assert world.service.asked.total() == 0
    opened = world.step(job)
    assert isinstance(opened.event, UploadOpened)
    (upload,) = world.service.uploads.values()
    assert (upload.request, upload.name, upload.size) == (ENGLISH, "a.wav", len(SMALL))
    world.folders.requests["council"] = DUTCH
    world.step_until(job, State.UPLOADED)
    assert fresh(world, job).request == ENGLISH  # frozen since it was opened
    assert json.loads(fresh(world, job).labels or "") == {
        "filename": "a.wav", "folder_id": None, "keep_source": False, "metadata": {},
    }  # fmt: skip


def test_a_name_that_is_not_text_goes_all_the_way(world: World) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    job = world.drop(name, SMALL)
    world.step_until(job, State.UPLOADED)
    assert sent(world) == [SMALL]


# Before anything is sent


def test_a_file_above_max_size_stops_for_a_person(world: World) -> None:
    world.folders.max_size = 5
    step = world.step(world.drop("a.wav", SMALL))
    assert isinstance(step.event, Rejected)
    assert step.job.state is State.FAILED
    assert "a.wav has 10 bytes, more than max_size allows (5)" in step.job.reason
    assert "max_size" in step.job.hint
    assert world.service.asked.total() == 0


@pytest.mark.parametrize("trouble", [TargetTrouble("the disk is full"), NameTaken("theirs")])
def test_a_sidecar_that_could_not_be_written_is_known_before_a_cent_is_spent(
    world: World, trouble: TargetTrouble
) -> None:
    job = world.drop("a.wav", SMALL)
    world.desk.faults.append(trouble)
    with pytest.raises(type(trouble)):
        world.step(job)
    assert world.service.asked.total() == 0
    assert fresh(world, job) == job


def test_a_folder_that_vanishes_under_the_probe_is_looked_at_again(world: World) -> None:
    job = world.drop("a.wav", SMALL)
    world.desk.faults.append(SourceMissing("the folder is gone"))
    with pytest.raises(ShareTrouble, match="the folder is gone"):
        world.step(job)


def test_a_file_that_changed_before_it_is_sent_waits_for_the_scanner_ever_more_patiently(world: World) -> None:
    job = world.drop("a.wav", SMALL)
    world.put("a.wav", SMALL + b"!")
    waits = []
    for _ in range(4):
        step = world.step(job)
        assert isinstance(step.event, Postponed)
        waits.append(step.job.due_at - world.now.wall)
    assert waits == [1, 2, 4, 8]
    world.path("a.wav").unlink()
    with pytest.raises(ShareTrouble, match="is not there"):
        world.step(job)
    assert world.service.asked.total() == 0
    world.put("a.wav", SMALL + b"!")
    world.scan()
    world.step_until(job, State.UPLOADED)
    assert sent(world) == [SMALL + b"!"]


def test_a_clock_that_was_set_back_makes_nobody_wait_for_years(world: World) -> None:
    world.service.session_after = 1
    job = world.drop("a.wav", LONG)
    world.step_until(job, State.UPLOADED)
    world.now = Now(world.now.wall - 400 * 86_400, world.now.boot)
    for _ in range(2):
        assert world.step(job).job.due_at <= world.now.wall + BACKOFF_CAP
    assert fresh(world, job).state is State.TRANSCRIBING
    assert world.step(job).job.due_at - world.now.wall == LOOK_CAP, "nor does it ask every second"


def test_a_folder_that_is_not_configured_any_more_is_left_alone(world: World) -> None:
    job = world.drop("a.wav", SMALL)
    del world.folders.roots["council"]
    step = world.step(job)
    assert isinstance(step.event, Postponed)
    assert "does not pick it up" in step.job.reason


def test_a_share_that_is_gone_is_not_a_file_that_is_gone(world: World) -> None:
    job = world.drop("a.wav", SMALL)
    (world.base / "council").rename(world.base / "unmounted")
    with pytest.raises(ShareTrouble):
        world.step(job)
    assert fresh(world, job) == job


def test_an_unreadable_file_is_a_persons_matter(world: World) -> None:
    job = world.drop("a.wav", SMALL)
    path = world.path("a.wav")
    path.rename(path.with_name("b.bin"))
    path.symlink_to("b.bin")
    with pytest.raises(FileTrouble, match="is a link"):
        world.step(job)


@pytest.mark.parametrize(
    "trouble", [Away("503"), AccountTrouble("401"), QuotaTrouble("402"), FileTrouble("413")], ids=str
)
def test_an_upload_that_could_not_be_opened_leaves_the_job_as_it_was(world: World, trouble: Exception) -> None:
    job = world.drop("a.wav", SMALL)
    world.service.fail(Call.CREATE, trouble)
    with pytest.raises(type(trouble)):
        world.step(job)
    assert fresh(world, job) == job


def test_an_upload_that_was_opened_for_a_job_that_moved_on_meanwhile_is_given_up(world: World) -> None:
    job = world.drop("a.wav", SMALL)

    def watch(moment: str) -> None:
        if moment == "before create":
            world.put("a.wav", b"other content")
            world.scan()

    world.service.watch = watch
    step = world.step(job)
    assert step.event is None
    world.erase()
    assert world.service.discarded == ["upload-1"]
    assert fresh(world, job).state is State.FOUND


# Whole or not


def test_what_somebody_still_writes_to_waits_as_long_as_it_takes_and_its_copies_do_not(world: World) -> None:
    job, copy = world.drop("a.wav", LONG), world.drop("copy.wav", LONG)
    world.examiner.opinions["a.wav"] = Wait(10.0, "somebody has it open", "close it there")
    waits = []
    for _ in range(9):
        step = world.step(job)
        assert isinstance(step.event, Postponed)
        waits.append(step.job.due_at - world.now.wall)
        assert (step.job.reason, step.job.hint) == ("somebody has it open", "close it there")
        world.pass_time(10)
    assert waits == [10] * 9
    assert world.service.asked.total() == 0
    assert world.store.jobs.due(State.FOUND, world.now.wall, "council", [job.id]) == copy
    assert fresh(world, job).failures == 5, "a later failure is not made to wait longer for it"
    world.step_until(copy, State.READY)
    world.examiner.opinions.clear()
    world.drive()
    assert fresh(world, copy) == world.job_of("a.wav")
    assert world.service.completed == 1


def test_a_doubt_is_asked_about_once_and_a_yes_holds_for_this_content(world: World) -> None:
    job = world.drop("a.wav", LONG)
    world.examiner.opinions["a.wav"] = Doubt("it says that it is longer")
    step = world.step(job)
    assert isinstance(step.event, Held)
    assert (step.job.state, step.job.held_for) == (State.HELD, "it says that it is longer")
    assert world.service.asked.total() == 0
    assert world.desk.probed == []
    world.store.jobs.apply(step.job, Approved(), world.now.wall)
    world.step_until(job, State.UPLOADING)
    world.put("a.wav", LONG + b"more")
    world.scan()
    assert world.step(job).job.state is State.HELD
    world.put("a.wav", LONG + b"still more")
    world.scan()
    assert fresh(world, job).state is State.FOUND, "what it was held for is not there any more"
    world.examiner.opinions.clear()
    world.step_until(job, State.READY)
    assert list(world.service.paid) == [(sha256(LONG + b"still more"), DUTCH.key)]


def test_known_content_is_shared_without_a_question(world: World) -> None:
    world.folders.changed_holds = True
    first = world.step_until(world.drop("a.wav", LONG), State.READY)
    copy = world.drop("copy.wav", LONG)
    world.examiner.opinions["copy.wav"] = Doubt("it says that it is longer")
    world.step(copy)
    assert world.step(copy).job.id == first.id


def test_what_is_asked_again_on_purpose_is_not_doubted_again(world: World) -> None:
    world.examiner.opinions["a.wav"] = Doubt("it says that it is longer")
    job = world.drop("a.wav", LONG)
    world.store.jobs.apply(world.step(job).job, Approved(), world.now.wall)
    world.step_until(job, State.READY)
    world.store.requests.ask(Verb.REDO, [job.id], world.now.wall)
    apply_open_requests(world.store, lambda _source: DUTCH, world.now)
    world.drive()
    assert world.service.completed == 2


def wav(seconds: float, pitch: int = 0, tag: bytes = b"") -> bytes:
    """A recording that plays so long, and perhaps a tag at its end."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(100)
        file.writeframes(bytes([128 + pitch]) * round(seconds * 100))
    return buffer.getvalue() + tag


def test_more_hours_within_an_hour_than_go_unasked_wait_for_a_yes(world: World) -> None:
    world.chunk_size = 10**6
    world.folders.hours_unasked = 0.05
    world.restart()
    jobs = [world.drop(f"{seconds}.wav", wav(seconds)) for seconds in (100, 90, 20)]
    assert world.step(jobs[0]).job.state is State.UPLOADING
    flood = world.step(jobs[1])
    assert (flood.job.state, flood.job.reason) == (State.HELD, HELD_FOR_HOURS)
    assert world.step(jobs[2]).job.state is State.UPLOADING, "with this one it is not yet too much"
    world.store.jobs.apply(flood.job, Approved(), world.now.wall)
    assert world.step(jobs[1]).job.state is State.UPLOADING
    unasked = world.drop("later.wav", wav(65))
    assert world.step(unasked).job.state is State.HELD
    world.store.jobs.apply(fresh(world, unasked), Dismissed(), world.now.wall)
    world.pass_time(3601)
    later = world.drop("much later.wav", wav(170))
    assert world.step(later).job.state is State.UPLOADING


@pytest.fixture
def paid(world: World) -> Job:
    """A recording of a minute that was paid for."""
    world.chunk_size = 10**6
    world.folders.changed_holds = True
    world.restart()
    job = world.step_until(world.drop("a.wav", wav(60)), State.UPLOADED)
    assert job.media_seconds == 60
    return job


def test_new_bytes_that_play_as_long_as_before_wait_for_a_yes(world: World, paid: Job) -> None:
    again = world.drop("a.wav", wav(60.4, tag=b"a tag"))
    assert again.id != paid.id
    before = world.service.asked.total()
    step = world.step(again)
    assert isinstance(step.event, Held)
    assert (step.job.state, step.job.reason) == (State.HELD, RETAGGED)
    assert world.service.asked.total() == before
    world.examiner.opinions["a.wav"] = Doubt("it says that it is longer")
    world.store.jobs.apply(step.job, Approved(), world.now.wall)
    world.store.jobs.apply(world.step(again).job, Approved(), world.now.wall)
    world.step_until(again, State.UPLOADED)
    assert world.service.completed == 2


@pytest.mark.parametrize("what", ["another length", "unknown length", "not configured", "another file", "on purpose"])
def test_what_is_no_retagged_recording_goes_on(world: World, paid: Job, what: str) -> None:
    again = paid
    match what:
        case "another length":
            again = world.drop("a.wav", wav(61, tag=b"a tag"))
        case "unknown length":
            again = world.drop("a.wav", LONG)
        case "not configured":
            world.folders.changed_holds = False
            again = world.drop("a.wav", wav(60, tag=b"a tag"))
        case "another file":
            again = world.drop("b.wav", wav(60, pitch=9, tag=b"a tag"))
        case "on purpose":
            source = world.store.sources.at("council", "a.wav")
            assert source is not None
            again = world.store.jobs.create(source, DUTCH, "", 1, world.now.wall)
    world.step_until(again, State.UPLOADED)
    assert world.service.completed == 2


# The same content again


def test_a_copy_under_the_same_request_sends_nothing(world: World) -> None:
    first = world.drop("a.wav", LONG)
    world.step_until(first, State.READY)
    copy = world.drop("copy.wav", LONG, "court")
    before = world.service.asked.total()
    assert isinstance(world.step(copy).event, Hashed)
    step = world.step(copy)
    assert (step.job.id, step.event) == (first.id, None)
    assert world.service.asked.total() == before
    assert world.job_of("copy.wav", "court").id == first.id
    delivery = world.store.deliveries.due(world.now.wall, ["court"], [])
    assert delivery is not None
    assert delivery.job_id == first.id


def test_a_copy_under_another_request_is_another_transcript(world: World) -> None:
    world.folders.requests["court"] = ENGLISH
    world.step_until(world.drop("a.wav", LONG), State.READY)
    world.step_until(world.drop("a.wav", LONG, "court"), State.READY)
    assert sorted(world.service.paid.values()) == [1, 1]


def test_the_same_size_alone_is_not_the_same_content(world: World) -> None:
    world.step_until(world.drop("a.wav", LONG), State.READY)
    world.step_until(world.drop("b.wav", LONG[::-1]), State.READY)
    assert sent(world) == [LONG, LONG[::-1]]


def test_two_uploads_of_one_content_become_one_before_the_last_part(world: World) -> None:
    first, second = world.drop("a.wav", LONG), world.drop("b.wav", LONG)
    world.step_until(first, State.UPLOADING)
    world.step_until(second, State.UPLOADING)
    world.step_until(first, State.CLOSING)
    for _ in range(3):
        if world.store.jobs.get(second.id) is not None:
            world.step(second)
    assert world.job_of("b.wav").id == first.id
    world.erase()
    assert world.service.discarded == ["upload-2"]
    world.step_until(first, State.READY)
    assert list(world.service.paid.values()) == [1]


def test_what_was_asked_again_on_purpose_is_sent_again(world: World) -> None:
    first = world.drop("a.wav", LONG)
    world.step_until(first, State.READY)
    source = world.store.sources.at("council", "a.wav")
    assert source is not None
    again = world.store.jobs.create(source, DUTCH, "", 1, world.now.wall)
    world.step_until(again, State.READY)
    assert list(world.service.paid.values()) == [2]


# While it is being sent


@pytest.mark.parametrize("kept", [0, 5, 20])
def test_after_a_lost_connection_the_servers_offset_decides(world: World, kept: int) -> None:
    job = world.drop("a.wav", LONG)
    world.step_until(job, State.UPLOADING)
    world.service.cut_after = kept
    if kept < 20:
        with pytest.raises(Away):
            world.step(job)
    else:
        world.service.cut_after = None
        world.service.fail(Call.SEND, Away("no reply"), after=True)
        with pytest.raises(Away):
            world.step(job)
    world.step_until(job, State.UPLOADED)
    assert world.service.asked[Call.OFFSET] == 1
    assert sent(world) == [LONG]
    assert fresh(world, job).sha256 == sha256(LONG)


def test_progress_after_failures_is_committed_and_other_progress_is_not(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.UPLOADING)
    assert world.step(job).event is None
    world.store.jobs.apply(fresh(world, job), Postponed(0.0, "away"), world.now.wall)
    assert isinstance(world.step(job).event, ChunkAccepted)
    assert fresh(world, job).failures == 0


def test_what_was_found_to_be_the_content_is_what_is_sent_or_nothing_is_paid(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.CLOSING)
    path = world.path("a.wav")
    before = path.stat()
    path.write_bytes(LONG[:-1] + b"!")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    step = world.step(job)
    assert isinstance(step.event, SourceChanged)
    assert world.service.completed == 0
    world.step_until(job, State.READY)
    assert list(world.service.paid) == [(sha256(LONG[:-1] + b"!"), DUTCH.key)]
    assert fresh(world, job).sha256 == sha256(LONG[:-1] + b"!")


@pytest.mark.parametrize("state", [State.UPLOADING, State.CLOSING])
def test_a_part_that_is_refused_and_was_taken_all_the_same_is_no_reason_to_stop(world: World, state: State) -> None:
    job = world.step_until(world.drop("a.wav", LONG), state)
    world.service.fail(Call.SEND, FileTrouble("413"), after=True)
    with pytest.raises(Away, match="taken it all the same"):
        world.step(job)
    world.step_until(job, State.READY)
    assert list(world.service.paid.values()) == [1]
    assert world.service.asked[Call.OFFSET] == 2, "once to decide, and once to go on"


def test_a_part_that_is_refused_and_was_not_taken_is_a_persons_matter(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.UPLOADING)
    world.service.fail(Call.SEND, FileTrouble("413"))
    with pytest.raises(FileTrouble):
        world.step(job)
    assert world.service.asked[Call.OFFSET] == 1


def test_a_restart_in_the_middle_goes_on_at_the_servers_offset(world: World) -> None:
    job = world.drop("a.wav", LONG)
    world.step_until(job, State.UPLOADING)
    world.step(job)
    world.restart()
    world.step_until(job, State.UPLOADED)
    assert world.service.asked[Call.CREATE] == 1
    assert world.service.asked[Call.SEND] == 3
    assert fresh(world, job).sha256 == sha256(LONG)


@pytest.mark.parametrize("state", [State.UPLOADING, State.CLOSING])
def test_more_than_the_file_has_is_no_offset_and_no_reason_to_send_it_again(world: World, state: State) -> None:
    job = world.step_until(world.drop("a.wav", LONG), state)
    world.restart()
    (upload,) = world.service.uploads.values()
    upload.data += bytes(1000)
    with pytest.raises(Away, match="an upload of 52 bytes has 10"):
        world.step(fresh(world, job))
    assert world.service.asked[Call.CREATE] == 1
    assert fresh(world, job).state is state


def test_an_upload_that_the_server_lost_begins_anew(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.UPLOADING)
    world.step(job)
    world.service.forget(fresh(world, job).file_id or "")
    world.restart()
    step = world.step(job)
    assert isinstance(step.event, UploadLost)
    assert (step.job.state, step.job.file_id) == (State.FOUND, None)
    world.step_until(job, State.READY)
    assert list(world.service.paid.values()) == [1]


def test_an_upload_under_another_host_begins_anew(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.UPLOADING)
    world.service.origin = "https://other.example.org"
    before = world.service.asked.total()
    step = world.step(job)
    assert isinstance(step.event, UploadLost)
    assert "https://other.example.org" in step.job.reason
    assert world.service.asked.total() == before  # the key goes to nobody else


@pytest.mark.parametrize("moment", ["between chunks", "within a chunk", "before the last part", "within the last part"])
@pytest.mark.parametrize("change", ["grows", "shrinks", "rewritten", "deleted", "renamed"])
def test_a_file_that_changes_while_it_is_sent_is_given_up_and_nothing_is_paid_for_half_of_it(
    world: World, moment: str, change: str
) -> None:
    job = world.drop("a.wav", LONG)
    new = {"grows": LONG + b"more", "shrinks": LONG[:30], "rewritten": LONG.upper()}
    path = world.path("a.wav")

    def alter() -> None:
        match change:
            case "deleted":
                path.unlink()
            case "renamed":
                path.rename(world.path("b.wav"))
            case _:
                with path.open("r+b") as file:
                    file.truncate(len(new[change]))
                    file.write(new[change])
                world.touch("a.wav")

    if "last" in moment:
        world.step_until(job, State.CLOSING)
    else:
        world.step_until(job, State.UPLOADING)
        world.step(job)
    within = moment.startswith("within")
    if within:
        world.service.watch = lambda at: alter() if at == "before send" else None
    else:
        alter()
        world.restart()
    step = world.step(job)
    world.service.watch = lambda _at: None
    if within and change in {"deleted", "renamed"}:  # an open file stays what it was, whatever its name
        assert not isinstance(step.event, SourceChanged)
        if "last" in moment:
            assert step.job.state is State.UPLOADED
            assert sent(world) == [LONG]
            return
        step = world.step(job)
    if change == "deleted":
        _is_gone_once_the_scanner_says_so(world, job, step)
        return
    if change == "renamed":
        assert isinstance(step.event, Postponed)
        world.scan()
        assert world.job_of("b.wav").id == job.id
        world.step_until(job, State.READY)
        assert (world.service.asked[Call.CREATE], world.service.discarded) == (1, [])
        assert list(world.service.paid) == [(sha256(LONG), DUTCH.key)]
        return
    assert isinstance(step.event, SourceChanged)
    assert (step.job.state, step.job.file_id, step.job.closing_at) == (State.FOUND, None, None)
    world.erase()
    assert world.service.discarded == ["upload-1"]
    assert world.service.completed == 0
    world.scan()
    world.step_until(world.job_of("a.wav"), State.READY)
    assert list(world.service.paid) == [(sha256(new[change]), DUTCH.key)]


def _is_gone_once_the_scanner_says_so(world: World, job: Job, step: Step) -> None:
    """A name that is not there may lie on a share that is not mounted: nothing is inferred from it alone."""
    assert isinstance(step.event, Postponed)
    assert step.job.file_id == "upload-1"
    assert world.service.completed == 0
    closing = step.job.state is State.CLOSING
    world.scan()
    if closing:  # what the server has of it decides
        assert isinstance(world.step(job).event, SourceGone)
    assert fresh(world, job).state is State.GONE


def test_an_upload_goes_on_when_its_share_is_mounted_again(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.UPLOADING)
    world.step(job)
    away = world.path("a.wav").rename(world.path("a.wav").with_suffix(".away"))
    assert isinstance(world.step(job).event, Postponed)
    away.rename(world.path("a.wav"))
    world.step_until(job, State.READY)
    assert world.service.asked[Call.CREATE] == 1
    assert list(world.service.paid.values()) == [1]


def test_a_file_that_is_known_to_be_gone_before_its_last_part_was_sent_is_gone(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.CLOSING)
    world.path("a.wav").unlink()
    world.scan()
    assert fresh(world, job).state is State.CLOSING
    step = world.step(job)
    assert isinstance(step.event, SourceGone)
    assert step.job.state is State.GONE
    world.erase()
    assert world.service.discarded == [], "it may come back"


def test_a_stop_in_the_middle_of_a_chunk_records_nothing(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.UPLOADING)
    before = fresh(world, job)
    world.stopped = True
    with pytest.raises(Stopped):
        world.step(job)
    assert fresh(world, job) == before
    world.stopped = False
    world.step_until(job, State.READY)
    assert sent(world) == [LONG]


# The ambiguous moments


def test_a_lost_reply_to_the_last_part_is_decided_by_the_servers_offset(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.CLOSING)
    world.service.fail(Call.SEND, Away("no reply"), after=True)
    with pytest.raises(Away):
        world.step(job)
    sends = world.service.asked[Call.SEND]
    assert isinstance(world.step(job).event, UploadFinished)
    assert world.service.asked[Call.SEND] == sends
    world.step_until(job, State.READY)
    assert list(world.service.paid.values()) == [1]


def test_a_last_part_of_which_only_some_arrived_is_completed_and_not_begun_anew(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.CLOSING)
    world.service.cut_after = 3
    with pytest.raises(Away):
        world.step(job)
    world.restart()
    world.step_until(job, State.READY)
    assert world.service.asked[Call.CREATE] == 1
    assert sent(world) == [LONG]


def test_an_upload_that_is_known_only_by_its_session_is_complete(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.CLOSING)
    world.service.forgets_complete = True
    world.service.fail(Call.SEND, Away("no reply"), after=True)
    with pytest.raises(Away):
        world.step(job)
    assert isinstance(world.step(job).event, UploadFinished)


def test_an_upload_of_which_nobody_knows_any_more_stops_for_a_person_and_is_never_sent_again(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.CLOSING)
    world.service.fail(Call.SEND, Away("no reply"), after=True)
    with pytest.raises(Away):
        world.step(job)
    world.service.forget(fresh(world, job).file_id or "")
    waited, step = 0.0, world.step(job)
    while isinstance(step.event, StillRunning):  # a session may be named late
        waited += step.event.due_at - world.now.wall
        world.pass_time(step.event.due_at - world.now.wall)
        step = world.step(job)
    assert waited >= SESSION_PATIENCE
    assert isinstance(step.event, Rejected)
    assert (step.job.state, step.job.reason) == (State.FAILED, UNDECIDABLE)
    assert "retry" in step.job.hint
    assert "redo" in step.job.hint
    copy = world.drop("copy.wav", LONG)
    world.step(copy)
    world.step(copy)
    assert world.job_of("copy.wav").id == job.id
    world.store.jobs.apply(fresh(world, job), RetryRequested(), world.now.wall)
    assert fresh(world, job).state is State.CLOSING
    assert isinstance(world.step(job).event, StillRunning)
    assert world.service.asked[Call.CREATE] == 1
    assert list(world.service.paid.values()) == [1]


@pytest.mark.parametrize("sent", [0, 45], ids=["before", "in the middle of"])
def test_a_last_part_that_may_not_be_sent_now_is_none_and_an_upload_that_expires_meanwhile_begins_anew(
    world: World, sent: int
) -> None:
    """Nobody was given the end of it, which a job that is closing would have to allow for."""
    job = world.step_until(world.drop("a.wav", LONG), State.CLOSING)

    def pause(offset: int) -> None:
        if offset >= sent:
            world.limits.starved["council"] = Standstill("paused", "resume", None)

    world.gauge.on_sent = pause
    pause(0)
    assert isinstance(world.step(job).event, LastPartKept)
    waiting = fresh(world, job)
    assert (waiting.state, waiting.closing_at, waiting.file_id) == (State.UPLOADING, None, job.file_id)
    world.restart()
    world.service.forget(job.file_id or "")
    world.gauge.on_sent = lambda _offset: None
    world.limits.starved.clear()
    world.step_until(job, State.READY)
    assert list(world.service.paid.values()) == [1]


@pytest.mark.parametrize("data", [SMALL, LONG], ids=["the only part", "the last of several"])
def test_an_upload_that_rested_for_long_is_asked_for_before_its_last_part_is_sent(world: World, data: bytes) -> None:
    job = world.step_until(world.drop("a.wav", data), State.UPLOADING)
    while len(data) - len(sent(world)[0]) > world.chunk_size:
        world.step(job)
    world.pass_time(86_400.0)
    world.service.forget(fresh(world, job).file_id or "")
    assert isinstance(world.step(job).event, UploadLost)
    world.step_until(job, State.READY)
    assert list(world.service.paid.values()) == [1]


def test_a_last_part_that_is_stopped_goes_on_where_the_server_is(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.CLOSING)
    world.gauge.on_sent = lambda offset: setattr(world, "stopped", offset >= 45)
    assert isinstance(world.step(job).event, LastPartKept)
    world.gauge.on_sent = lambda _offset: None
    world.stopped = False
    world.restart()
    world.step_until(job, State.READY)
    assert (sent(world), world.service.asked[Call.CREATE]) == ([LONG], 1)


def test_whoever_may_have_the_whole_last_part_is_asked_what_became_of_it(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.CLOSING)
    world.service.fail(Call.SEND, Stopped("no more requests"), after=True)
    with pytest.raises(Stopped):
        world.step(job)
    assert fresh(world, job).state is State.CLOSING
    world.service.forget(job.file_id or "")
    world.limits.starved["council"] = Standstill("paused", "resume", None)
    for _ in range(3):
        assert isinstance(world.step(job).event, StillRunning)
    assert world.service.asked[Call.CREATE] == 1


def test_no_file_is_needed_to_find_out_that_everything_arrived(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.CLOSING)
    world.service.fail(Call.SEND, Away("no reply"), after=True)
    with pytest.raises(Away):
        world.step(job)
    world.path("a.wav").unlink()
    world.scan()
    world.step_until(job, State.READY)


@pytest.mark.parametrize("state", [State.CLOSING, State.UPLOADED, State.TRANSCRIBING])
def test_what_may_have_been_paid_at_another_host_stops_for_a_person(world: World, state: State) -> None:
    job = world.step_until(world.drop("a.wav", LONG), state)
    world.service.origin = "https://other.example.org"
    before = world.service.asked.total()
    step = world.step(job)
    assert isinstance(step.event, Rejected)
    assert "api.url" in step.job.hint
    assert world.service.asked.total() == before
    world.service.origin = "https://api.example.org"
    world.store.jobs.apply(step.job, RetryRequested(), world.now.wall)
    world.step_until(job, State.READY)
    assert list(world.service.paid.values()) == [1]


# Asking


def test_a_session_that_is_named_late_is_asked_for_after_one_two_four_seconds(world: World) -> None:
    world.service.session_after = 4
    job = world.step_until(world.drop("a.wav", SMALL), State.UPLOADED)
    waits = []
    while isinstance((step := world.step(job)).event, StillRunning):
        waits.append(step.job.due_at - world.now.wall)
    assert waits == [1, 2, 4, 8]
    assert isinstance(step.event, SessionKnown)
    assert step.job.unanswered == 0


def test_without_a_session_for_half_an_hour_of_asking_a_person_is_needed(world: World) -> None:
    world.service.session_after = 10**6
    job = world.step_until(world.drop("a.wav", SMALL), State.UPLOADED)
    asked = 0
    while isinstance(world.step(job).event, StillRunning):
        asked += 1
        world.pass_time(100_000)  # the daemon was down meanwhile, which counts for nothing
    assert fresh(world, job).state is State.FAILED
    assert "half an hour" in fresh(world, job).reason
    assert asked > 30
    world.service.session_after = 0
    world.store.jobs.apply(fresh(world, job), RetryRequested(), world.now.wall)
    world.step_until(job, State.READY)
    assert list(world.service.paid.values()) == [1]


def test_the_first_look_waits_for_a_tenth_of_the_media_less_what_has_passed(world: World) -> None:
    data = bytes(48_000) * 10  # 30 s by its size
    world.chunk_size = 10**6
    world.restart()
    job = world.step_until(world.drop("a.wav", data), State.UPLOADED)
    world.pass_time(1)
    step = world.step(job)
    assert isinstance(step.event, SessionKnown)
    assert step.job.due_at == pytest.approx(world.now.wall + 2)


def test_the_deadline_counts_only_time_without_a_proper_answer(world: World) -> None:
    world.deadline = 100.0
    world.restart()
    job = world.step_until(world.drop("a.wav", SMALL), State.TRANSCRIBING)
    session = fresh(world, job).session_id or ""
    web_page, at_work = Unclear("200 with a web page"), Running("processing")
    world.service.answers[session] = deque([web_page, web_page, at_work, *[web_page] * 40])
    world.pass_time(40)
    for expected in (10.0, 20.0, 0.0):
        assert world.step(job).job.unanswered == pytest.approx(expected)
    world.pass_time(10**7)
    step = world.step(job)
    assert step.job.unanswered == pytest.approx(300)  # one look, and not the months between
    step = world.step(job)
    assert isinstance(step.event, Rejected)
    assert "web page" in step.job.reason
    assert len(world.service.answers[session]) == 38  # it was asked once more before it stopped
    world.store.jobs.apply(step.job, RetryRequested(), world.now.wall)
    world.service.answers.clear()
    world.step_until(job, State.READY)


def test_an_error_result_voids_what_was_sent_and_only_a_person_pays_again(world: World) -> None:
    job = world.step_until(world.drop("a.wav", BROKEN + LONG), State.TRANSCRIBING)
    world.step(job)
    step = world.step(job)
    assert isinstance(step.event, Rejected)
    assert "this is no media" in step.job.reason
    assert (step.job.session_id, step.job.file_id) == (None, None)
    world.touch("a.wav")
    world.scan()
    again = world.job_of("a.wav")
    world.step(again)
    world.step(again)
    assert world.job_of("a.wav").id == job.id
    assert world.service.completed == 1
    world.store.jobs.apply(fresh(world, job), RetryRequested(), world.now.wall)
    assert fresh(world, job).state is State.FOUND


def test_a_length_that_the_service_tells_is_kept(world: World) -> None:
    job = world.step_until(world.drop("a.wav", LONG), State.READY)
    assert job.media_seconds == pytest.approx(len(LONG) / 10)
    assert world.count("ledger") == 1


@pytest.mark.parametrize("state", [State.UPLOADED, State.TRANSCRIBING])
@pytest.mark.parametrize("trouble", [Away("503"), AccountTrouble("401")], ids=str)
def test_trouble_while_asking_leaves_the_job_as_it_was(world: World, state: State, trouble: Exception) -> None:
    job = world.step_until(world.drop("a.wav", SMALL), state)
    before = fresh(world, job)
    for call in (Call.SESSION_OF, Call.LOOK):
        world.service.fail(call, trouble)
    with pytest.raises(type(trouble)):
        world.step(job)
    assert fresh(world, job) == before


def test_a_result_is_not_lost_when_its_moment_is_missed(world: World) -> None:
    job = world.step_until(world.drop("a.wav", SMALL), State.TRANSCRIBING)
    world.step(job)
    stale = fresh(world, job)

    def meanwhile(moment: str) -> None:
        if moment == "after look":
            world.store.jobs.apply(fresh(world, job), StillRunning(0.0, "processing"), world.now.wall)

    world.service.watch = meanwhile
    assert world.pipeline.step(stale, world.now).event is None
    world.service.watch = lambda _at: None
    assert isinstance(world.step(job).event, ResultReady)
