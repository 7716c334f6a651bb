"""`forget`: nothing of a person stays where we can reach, nobody pays again by it, and what is out of reach is told."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from desk import Desk
from fakes import DUTCH, Call, World, memory_disk
from house import House, eventually, house, spoken, tone

from scriptixd.errors import Stopped
from scriptixd.jobs.delivering import Delivered
from scriptixd.jobs.events import (
    Approved,
    Closing,
    Held,
    Postponed,
    Rejected,
    ResultReady,
    SessionKnown,
    SourceGone,
    UploadFinished,
    UploadOpened,
)
from scriptixd.jobs.job import ACTIVE, Job, State
from scriptixd.jobs.recognition import NOT_KEPT
from scriptixd.jobs.store.requests import NamedFile, Verb
from scriptixd.jobs.store.succession import DISMISSED_BEFORE
from scriptixd.jobs.verbs import apply_open_requests
from scriptixd.roots.paths import shown

NAME: Final = "Anna-Berg-interview"
DIRECTORY: Final = "Berg-family"
MIB: Final = 2**20
OPENED: Final = UploadOpened("file-1", "http://127.0.0.1:1", "01234567", json.dumps({"filename": f"{NAME}.wav"}), 60.0)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, folders=("council", "court"))
    yield made
    made.close()


def holds(path: Path, *texts: bytes) -> list[bytes]:
    """Which of the texts a file holds, as they are or as hexadecimal digits, in whatever of its pages."""
    content = path.read_bytes() if path.exists() else b""
    return [text for text in texts if text in content or text.hex().encode() in content]


def files_of(state: Path) -> list[Path]:
    """The state file, its log, its index, its lock, the live figures: whatever is ours beside it but for copies."""
    return [path for path in state.parent.glob(f"{state.name}*") if path.is_file() and "backup" not in path.name]


def found(state: Path, *texts: bytes) -> dict[str, list[bytes]]:
    return {path.name: there for path in files_of(state) if (there := holds(path, *texts))}


def body_of(state: Path) -> list[bytes]:
    """Pieces of the stored transcripts as they lie in the database, which keeps them compressed."""
    with closing(sqlite3.connect(f"{state.as_uri()}?mode=ro", uri=True)) as connection:
        bodies = [body for (body,) in connection.execute("SELECT body FROM results")]
    return [body[at : at + 24] for body in bodies for at in (0, len(body) // 2, len(body) - 24)]


def words(json_sidecar: Path) -> list[bytes]:
    """Pairs of words of a transcript, which no other file of ours has by chance."""
    results = json.loads(json_sidecar.read_text())["result"]["results"]
    spoken_words = [word[0] for one in results for word in one["result"]]
    return [f"{first} {second}".encode() for first, second in pairwise(spoken_words)]


def delivered(home: House, name: str = f"{NAME}.wav") -> Path:
    """A spoken recording whose transcript lies beside it."""
    folder = home.folder("english", language="en", document_type="document")
    home.start()
    (folder / DIRECTORY).mkdir()
    home.drop(folder / DIRECTORY, name, spoken(home.place / "talk.wav"))
    home.until(1)
    return folder / DIRECTORY / name


def erased(home: House, what: str = "session") -> list[dict[str, Any]]:
    return [seen for seen in home.sandbox.requests() if seen["method"] == "DELETE" and f"/{what}/" in seen["path"]]


# The whole of it, as it is typed


@pytest.mark.parametrize("daemon", [True, False], ids=["running", "stopped"])
def test_nothing_of_a_recording_that_is_gone_stays_in_reach(home: House, daemon: bool) -> None:
    recording = delivered(home)
    row = home.list()[f"english/{DIRECTORY}/{NAME}.wav"]
    copy = home.place / "kept-by-hand.db"
    home.say("backup", str(copy))
    texts = [
        NAME.encode(), DIRECTORY.encode(), *words(recording.with_suffix(".json")), *body_of(home.state),
    ]  # fmt: skip
    assert found(home.state, NAME.encode()), "what is looked for is there before"
    assert found(home.state, *body_of(home.state))
    recording.unlink()
    if not daemon:
        assert home.stop()[0] == 0
    told = home.say("forget", "--yes", "--sidecars", str(recording)).stdout
    assert f"{recording}: forgotten; Scriptix is told to erase what it has of it\n" in told
    assert found(home.state, *texts) == {}, "neither in the database nor in its log"
    assert holds(copy, NAME.encode()), "out of reach …"
    assert f"{copy}: a copy of the state file" in told, "… and told of"
    assert sorted(path.name for path in recording.parent.iterdir()) == [], "--sidecars"
    assert home.list() == {}
    if not daemon:
        home.start()
    (seen,) = eventually(lambda: erased(home), "the session is erased, though delete_remote is off")
    assert seen["path"].endswith(row["session_id"])
    eventually(lambda: json.loads(home.say("status", "--json").stdout)["erasures"]["planned"] == 0, "that is all")
    assert found(home.state, *texts) == {}
    assert home.stop()[0] == 0
    assert found(home.state, *texts) == {}
    with closing(sqlite3.connect(home.state)) as connection:
        assert connection.execute("SELECT sha256, size, session_id FROM jobs").fetchall() == [
            (row["sha256"], row["size"], row["session_id"])
        ]
        assert connection.execute("SELECT count(*), sum(failed) FROM ledger").fetchone() == (1, 0)


def test_one_that_comes_again_is_known_and_waits_or_is_adopted_and_nothing_is_paid(home: House) -> None:
    recording = delivered(home)
    recording.rename(home.place / "elsewhere.wav")
    home.say("forget", "--yes", "--sidecars", str(recording))
    eventually(lambda: erased(home), "the session is erased")
    home.drop(recording.parent, "again.wav", home.place / "elsewhere.wav")
    (row,) = home.until(1, "held").values()
    assert row["error"] == NOT_KEPT
    home.say("dismiss", "again.wav")
    counts = home.sandbox.counts()
    assert (counts["created"], counts["completed"]) == (1, 1)


def test_with_its_json_beside_it_one_that_comes_again_is_adopted(home: House) -> None:
    recording = delivered(home)
    shutil.copy(recording, home.place / "elsewhere.wav")
    recording.unlink()
    told = home.say("forget", "--yes", str(recording)).stdout
    for name in ("json", "srt", "txt"):
        assert f"{recording.with_suffix('.' + name)}: a sidecar, as it was written (--sidecars removes it)" in told
    eventually(lambda: erased(home), "the session is erased")
    assert home.list() == {}
    home.drop(recording.parent, recording.name, home.place / "elsewhere.wav")
    (row,) = home.until(1).values()
    assert row["note"] == "the set that lay there was taken for it, as it is"
    counts = home.sandbox.counts()
    assert (counts["created"], counts["completed"]) == (1, 1)


def test_one_that_lies_there_still_is_left_alone_without_a_name_for_as_long_as_it_does(home: House) -> None:
    recording = delivered(home)
    told = home.say("forget", "--yes", "--sidecars", str(recording)).stdout
    assert "forgotten; Scriptix is told to erase what it has of it; it lies there still, and is left alone" in told
    assert f"recordings that lie there still: {recording}" in told
    looked = json.loads(home.say("status", "--json").stdout)["folders"][0]["last_scan"]
    tone(recording.with_name("other.wav"), 0.5, 40)
    home.until(1)
    eventually(
        lambda: json.loads(home.say("status", "--json").stdout)["folders"][0]["last_scan"] > looked, "looked at again"
    )
    assert list(home.list()) == [f"english/{DIRECTORY}/other.wav"]
    assert found(home.state, NAME.encode()) == {}
    assert not recording.with_suffix(".json").exists()
    home.kill()
    home.start()
    tone(recording.with_name("third.wav"), 0.5, 50)
    home.until(2)
    assert found(home.state, NAME.encode()) == {}, "nor after a restart"
    assert left_alone(home.state) == 1
    explained = json.loads(home.say("explain", str(recording), "--json").stdout)
    assert explained["now"] == "it is left alone, for as long as it stays as it is"
    planned = json.loads(home.say("plan", "--json").stdout)["total"]
    assert (planned["settling"]["files"], planned["left_out"]["dismissed"]) == (0, 1)
    recording.rename(recording.with_name("renamed.wav"))
    rows = home.until(1, "held")
    assert rows[f"english/{DIRECTORY}/renamed.wav"]["error"] in (DISMISSED_BEFORE, NOT_KEPT)
    eventually(lambda: left_alone(home.state) == 0, "it is not there any more")
    assert home.sandbox.counts()["completed"] == 3


def left_alone(state: Path) -> int:
    with closing(sqlite3.connect(f"{state.as_uri()}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM forgotten").fetchone()[0])


def test_an_upload_on_its_way_is_stopped_and_ended(home: House) -> None:
    home.settings["limits"] = {"bandwidth": "1MiB/s"}
    home.settings["api"]["chunk_size"] = "64MiB"
    folder = home.folder("english", language="en")
    recording = folder / f"{NAME}.mp4"
    recording.with_suffix(".part").write_bytes(os.urandom(30 * MIB))
    recording.with_suffix(".part").rename(recording)
    home.start()
    eventually(lambda: [seen for seen in home.sandbox.requests() if seen["method"] == "PATCH"] or sent(home), "sent")
    home.say("forget", "--yes", recording.name)
    (seen,) = eventually(lambda: erased(home, "files"), "the upload is ended", patience=25.0)
    assert seen["status"] == 204
    assert found(home.state, NAME.encode()) == {}
    assert json.loads(home.say("status", "--json").stdout)["uploads"] == []
    tone(folder / "other.wav", 0.5, 40)
    home.until(1)
    assert list(home.list()) == ["english/other.wav"]
    counts = home.sandbox.counts()
    assert (counts["created"], counts["completed"]) == (2, 1)


def sent(home: House) -> bool:
    uploads = json.loads(home.say("status", "--json").stdout)["uploads"]
    return bool(uploads and uploads[0]["offset"] > 0)


def test_an_edited_sidecar_stays_and_is_listed(home: House) -> None:
    recording = delivered(home)
    recording.with_suffix(".srt").write_text("1\n00:00:00,000 --> 00:00:01,000\ncorrected by hand\n")
    recording.unlink()
    told = home.say("forget", "--yes", "--sidecars", str(recording)).stdout
    assert [path.name for path in recording.parent.iterdir()] == [f"{NAME}.srt"]
    assert f"{recording.with_suffix('.srt')}: a sidecar, edited since\n" in told
    assert f"{NAME}.json" not in told


# Whatever its job is at


def dumped(world: World) -> str:
    with world.store.database.reading() as connection:
        return "\n".join(connection.iterdump())


def names_in(world: World, *names: str) -> list[str]:
    dump = dumped(world)
    return [name for name in names if name in dump or name.encode().hex().upper() in dump or shown(name) in dump]


def asked_to_forget(world: World, name: str, folder: str = "council", *, stays: bool = False) -> str:
    source = world.store.sources.at(folder, name)
    assert source is not None
    asked = world.store.requests.ask_file(Verb.FORGET, source.id, stays, world.now.wall)
    apply_open_requests(world.store, lambda _: DUTCH, world.now)
    (outcome,) = world.store.requests.outcomes([asked])
    assert outcome is not None
    return outcome


def at(world: World, state: State) -> Job:
    """A job of a recording, in a state, with its name wherever it can be."""
    world.service.looks, world.service.session_after = 5, 5
    world.held_for = f"{NAME}.wav contradicts itself" if state is State.HELD else ""
    content = (b"BROKEN" if state is State.FAILED else b"") + b"abcdefghijklmnopqrstuvwxyz" * 3
    job = world.drop(f"{NAME}.wav", content)
    match state:
        case State.FOUND | State.HELD:
            return job
        case State.GONE:
            world.step_until(job, State.UPLOADING)
            world.path(f"{NAME}.wav").unlink()
            world.scan()
        case State.DISMISSED:
            world.step_until(job, State.UPLOADING)
            one = world.store.jobs.get(job.id)
            assert one is not None
            failed = world.store.jobs.apply(one, Rejected(f"{NAME}.wav is no media", f"convert {NAME}.wav"), 1.0)
            assert failed is not None
            world.store.requests.ask(Verb.DISMISS, [job.id], world.now.wall)
            apply_open_requests(world.store, lambda _: DUTCH, world.now)
        case State.FAILED:
            world.drive()
        case _:
            world.step_until(job, state)
    after = world.store.jobs.get(job.id)
    assert after is not None
    assert after.state is state
    return after


@pytest.mark.parametrize("state", list(State))
def test_whatever_a_job_is_at_it_stops_and_nothing_of_it_stays_anywhere(tmp_path: Path, state: State) -> None:
    world = World(tmp_path)
    with closing(world):
        job = at(world, state)
        paid = world.service.completed
        assert names_in(world, NAME)
        outcome = asked_to_forget(world, f"{NAME}.wav")
        assert outcome.startswith("forgotten")
        assert names_in(world, NAME) == []
        after = world.store.jobs.get(job.id)
        assert after is not None
        assert after.state in (State.READY, State.DISMISSED, State.GONE)
        assert after.state not in ACTIVE
        assert (after.sha256, after.stat, after.request) == (job.sha256, job.stat, job.request)
        assert world.store.jobs.result(job.id) is None
        assert world.store.views.sources() == []
        world.erase_all()
        assert world.service.sessions == {}, "nothing is left of its transcription …"
        assert all(len(upload.data) == upload.size for upload in world.service.uploads.values()), "… nor half of it"
        assert world.store.erasures.backlog().planned == 0
        assert world.service.completed in (paid, paid + (state is State.CLOSING))
        assert names_in(world, NAME) == []
        with world.store.database.reading() as connection:
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize("state", [State.CLOSING, State.UPLOADED, State.TRANSCRIBING, State.READY, State.FAILED])
def test_what_was_paid_or_may_have_been_is_never_sent_again_by_itself(world: World, state: State) -> None:
    job = at(world, state)
    content = world.path(f"{NAME}.wav").read_bytes()
    if state is State.CLOSING:  # the last part arrived, and its reply was lost
        assert world.count("ledger") == 0
        upload = world.service.uploads[job.file_id or ""]
        world.service.send(upload.file_id, len(upload.data), _Rest(content[len(upload.data) :]))
    asked_to_forget(world, f"{NAME}.wav")
    world.path(f"{NAME}.wav").unlink()
    world.scan()
    world.erase_all()
    paid = world.service.completed
    again = world.drop("again.wav", content)
    world.drive()
    world.settle()
    assert world.service.completed == paid == world.count("ledger") == 1
    current = world.job_of("again.wav")
    assert current.state in (State.HELD, State.DISMISSED)
    assert again.state is State.FOUND


class _Rest(bytes):
    """A body of jobs/ports.py."""

    _at = 0

    def read(self, count: int = -1) -> bytes:
        part = self[self._at : self._at + count]
        self._at += count
        return bytes(part)


def test_a_session_that_is_not_named_yet_is_waited_for_and_erased(world: World) -> None:
    job = at(world, State.UPLOADED)
    assert "Scriptix is told to erase" in asked_to_forget(world, f"{NAME}.wav")
    world.erase_all()
    assert world.service.erased == [f"session-of-{job.file_id}"]
    assert world.service.discarded == []
    after = world.store.jobs.get(job.id)
    assert after is not None
    assert after.closing_at is None, "and a retry would begin anew"


def test_an_upload_that_never_becomes_a_session_is_given_up_after_half_an_hour(world: World) -> None:
    """Neither the upload nor a session is known to the service: whether the last part arrived, nobody can tell."""
    job = at(world, State.CLOSING)
    world.service.forget(job.file_id or "")
    asked_to_forget(world, f"{NAME}.wav")
    began = world.now.wall
    world.erase_all()
    assert world.history()[-1] == ("Erased", f"upload {job.file_id}, and answered 404")
    assert 1800.0 <= world.now.wall - began <= 2000.0
    assert world.service.asked[Call.SESSION_OF] <= 40


def test_an_upload_that_lacks_its_last_part_is_given_up_at_once(world: World) -> None:
    job = at(world, State.CLOSING)
    asked_to_forget(world, f"{NAME}.wav")
    assert world.erase() > 0
    assert world.service.discarded == [job.file_id]


def test_no_setting_takes_the_order_back(world: World) -> None:
    world.folders.erase_after = {"council": None}
    job = at(world, State.READY)
    source = world.store.sources.at("council", f"{NAME}.wav")
    assert source is not None
    world.put("current.wav", world.path(f"{NAME}.wav").read_bytes())  # which had the content for a while
    world.scan()
    for _ in range(10):
        if world.job_of("current.wav").id == job.id:
            break
        world.step(world.job_of("current.wav"))
    assert world.job_of("current.wav").id == job.id
    world.put("current.wav", b"something else")
    world.scan()
    asked_to_forget(world, f"{NAME}.wav")
    world.erase_all()
    assert world.service.erased == [job.session_id]
    assert world.store.sources.at("council", "current.wav") is not None


# Names and copies


def shared(world: World) -> Job:
    """One recording under two names, in two folders."""
    job = at(world, State.READY)
    world.put("copy.wav", world.path(f"{NAME}.wav").read_bytes(), "court")
    world.scan("court")
    for _ in range(10):
        current = world.job_of("copy.wav", "court")
        if current.id == job.id:
            return job
        world.step(current)
    raise AssertionError("the copy was not recognised")


def test_what_another_file_has_as_well_stays_until_that_is_forgotten_too(world: World) -> None:
    job = shared(world)
    outcome = asked_to_forget(world, f"{NAME}.wav")
    assert outcome == "forgotten; its transcript stays, for another file has the same content"
    assert names_in(world, NAME) == []
    assert world.store.jobs.result(job.id) is not None
    assert world.service.erased == []
    assert asked_to_forget(world, "copy.wav", "court") == ("forgotten; Scriptix is told to erase what it has of it")
    assert names_in(world, NAME, "copy.wav") == []
    assert world.store.jobs.result(job.id) is None


def test_the_names_that_a_recording_had_before_go_along(world: World) -> None:
    job = at(world, State.READY)
    delivery = world.store.deliveries.due(world.now.wall, ["council"], ())
    assert delivery is not None
    world.store.deliveries.apply(delivery, Delivered(), world.now.wall)
    world.rename(f"{NAME}.wav", "new-name.wav")
    world.scan()
    world.scan()
    assert {source.name for source in world.store.jobs.sources(job.id)} == {f"{NAME}.wav", "new-name.wav"}
    asked_to_forget(world, "new-name.wav")
    assert names_in(world, NAME, "new-name.wav") == []
    assert world.store.jobs.result(job.id) is None


def test_a_file_whose_job_was_folded_leaves_no_sentence_behind(world: World) -> None:
    job = shared(world)
    with world.store.database.transaction() as connection:
        connection.execute(
            "UPDATE history SET detail = 'copy.wav is not there' WHERE job_id NOT IN (SELECT id FROM jobs)"
        )
    assert "copy.wav is not there" in dumped(world)
    asked_to_forget(world, "copy.wav", "court")
    assert names_in(world, "copy.wav") == []
    assert names_in(world, NAME) == [NAME]
    assert world.store.jobs.result(job.id) is not None


def test_asking_twice_does_no_harm_and_never_hits_another_file(world: World) -> None:
    at(world, State.READY)
    source = world.store.sources.at("council", f"{NAME}.wav")
    assert source is not None
    asked_at = world.now.wall
    world.pass_time(60.0)
    first = world.store.forgetting.forget(NamedFile(source.id, False, asked_at), world.now.wall)
    assert first is not None
    world.path(f"{NAME}.wav").unlink()
    other = world.drop("other.wav", b"another recording")
    row = world.store.sources.at("council", "other.wav")
    assert row is not None
    assert row.id == source.id, "a row's number is used again"
    assert world.store.forgetting.forget(NamedFile(row.id, False, asked_at), world.now.wall) is None
    assert world.store.jobs.get(other.id) is not None
    assert world.store.sources.get(row.id) is not None
    assert world.store.forgetting.forget(NamedFile(999, False, world.now.wall), world.now.wall) is None


@pytest.mark.parametrize("state", [State.CLOSING, State.UPLOADED, State.TRANSCRIBING])
def test_what_was_forgotten_before_it_was_done_waits_for_a_yes_if_it_comes_again(world: World, state: State) -> None:
    """It was paid for, or may have been, and nobody has its transcript: that is no dismissal of the new file."""
    at(world, state)
    content = world.path(f"{NAME}.wav").read_bytes()
    world.path(f"{NAME}.wav").unlink()
    asked_to_forget(world, f"{NAME}.wav")
    world.erase_all()
    again = world.drop("again.wav", content)
    world.drive()
    assert (world.state_of("again.wav"), world.job_of("again.wav").held_for) == (State.HELD, NOT_KEPT)
    assert world.service.asked[Call.CREATE] == 1
    world.store.jobs.apply(world.job_of("again.wav"), Approved(), world.now.wall)
    world.drive()
    assert (world.state_of("again.wav"), world.job_of("again.wav").id) == (State.READY, again.id)
    assert world.service.asked[Call.CREATE] == 2


def test_whoever_is_writing_a_sidecar_meanwhile_does_not(world: World) -> None:
    at(world, State.READY)
    delivery = world.store.deliveries.due(world.now.wall, ["council"], ())
    assert delivery is not None
    asked_to_forget(world, f"{NAME}.wav")
    with pytest.raises(Stopped):
        world.store.deliveries.intend(delivery, "council", f"{NAME}.json", "json", "a" * 64, None)
    world.store.deliveries.apply(delivery, Delivered(f"{NAME}.json"), world.now.wall)
    world.store.deliveries.apply(delivery, Postponed(1.0, f"{NAME}.json is somebody else's"), world.now.wall)
    assert names_in(world, NAME) == []


def test_an_adopted_transcription_is_told_of_for_nobody_knows_where_it_is(world: World) -> None:
    job = at(world, State.READY)
    with world.store.database.transaction() as connection:
        connection.execute("UPDATE jobs SET file_id = '', service = NULL WHERE id = ?", (job.id,))
    assert asked_to_forget(world, f"{NAME}.wav") == (
        f"forgotten; who has its transcription is not known here: look for {job.session_id} in Scriptix's dashboard"
    )


# What lies there still


def test_one_without_a_name_is_met_by_whoever_asks_for_it_and_by_nobody_else(world: World) -> None:
    at(world, State.READY)
    asked_to_forget(world, f"{NAME}.wav", stays=True)
    assert names_in(world, NAME) == []
    before = world.service.asked.total()
    world.scan()
    world.drive()
    assert world.store.views.sources() == []
    assert world.service.asked.total() == before
    assert world.count("forgotten") == 1
    world.path(f"{NAME}.wav").unlink()
    world.put("other.wav", b"another recording")
    world.scan()
    assert world.count("forgotten") == 0


def test_other_content_under_its_name_is_a_new_recording(world: World) -> None:
    at(world, State.READY)
    asked_to_forget(world, f"{NAME}.wav", stays=True)
    world.put(f"{NAME}.wav", b"a recording of another day")
    world.scan()
    assert world.state_of(f"{NAME}.wav") is State.FOUND
    world.scan()
    assert world.count("forgotten") == 0


def test_one_that_was_never_sent_is_not_sent_under_another_name_without_a_yes(world: World) -> None:
    at(world, State.FOUND)
    asked_to_forget(world, f"{NAME}.wav", stays=True)
    world.rename(f"{NAME}.wav", "renamed.wav")
    world.scan()
    job = world.job_of("renamed.wav")
    assert (job.state, job.held_for) == (State.HELD, DISMISSED_BEFORE)


# However many there are


def test_nothing_of_it_lies_in_any_page_of_a_large_database() -> None:
    """Pages are split, moved and freed while thousands of rows come and go."""
    place = memory_disk() or Path("/tmp")  # noqa: S108 - a directory of its own is made there
    with closing(_TemporaryWorld(place)) as temporary:
        world, state = temporary.world, temporary.world.base / "state.db"
        names = [f"person-{number * 7919 % 10007:05}-of-many.wav" for number in range(1500)]
        now = world.now.wall
        with world.store.database.transaction() as connection:
            for number, name in enumerate(names, start=1):
                connection.execute(
                    """INSERT INTO sources (id, folder, directory, name, size, mtime_ns, inode, boot_id, look_since,
                        looks, settled, present, existing, ignored, created_at, updated_at)
                    VALUES (?, 'council', x'', ?, 9, 9, 0, '', 0, 2, 1, 0, 0, 0, ?, ?)""",
                    (number, name.encode(), now, now),
                )
                connection.execute(
                    """INSERT INTO jobs (id, state, folder, request, size, mtime_ns, inode, redo, sha256, due_at,
                        failures, unanswered, reason, hint, held_for, created_at, updated_at, version, file_id,
                        session_id, labels, service, key_fingerprint)
                    VALUES (?, 'ready', 'council', ?, 9, 9, 0, 0, ?, 0, 0, 0, '', '', '', ?, ?, 1, ?, ?, ?, ?, ?)""",
                    (
                        number, DUTCH.key, f"{number:064}", now, now, f"file-{number}", f"session-{number}",
                        json.dumps({"filename": name}), "https://api.example.org", "0123abcd",
                    ),
                )  # fmt: skip
                connection.execute(
                    "INSERT INTO deliveries VALUES (?, ?, ?, 'delivered', 0, 0, ?, '', ?, ?, NULL)",
                    (number, number, number, f"{name} was written", now, now),
                )
                connection.execute(
                    "INSERT INTO sidecars VALUES (?, ?, 'council', ?, 'srt', ?, NULL, ?, 0)",
                    (number, number, name.replace(".wav", ".srt").encode(), "a" * 64, now),
                )
                text = zlib.compress(os.urandom(300 + number) + name.encode(), 0)
                connection.execute("INSERT INTO results VALUES (?, ?, ?)", (number, text, now))
                for turn in range(4):
                    connection.execute(
                        """INSERT INTO history (at, job_id, source_id, event, state, detail)
                        VALUES (?, ?, ?, 'x', '', ?)""",
                        (now, number, number if turn % 2 else None, f"{name}, and {name} again, {'z' * 40 * turn}"),
                    )
        gone, kept = names[::3], names[1::3]
        assert holds(state, gone[0].encode()) or holds(state.with_name("state.db-wal"), gone[0].encode())
        ids = [names.index(name) + 1 for name in gone]
        for source_id in ids:
            world.store.requests.ask_file(Verb.FORGET, source_id, stays=False, at=now)
        apply_open_requests(world.store, lambda _: DUTCH, world.now)
        stems = [name.removesuffix(".wav").encode() for name in gone]
        assert found(state, *stems) == {}
        assert state.with_name("state.db-wal").stat().st_size == 0
        assert len(holds(state, *(name.encode() for name in kept))) == len(kept)


class _TemporaryWorld:
    def __init__(self, place: Path) -> None:
        self._directory = tempfile.TemporaryDirectory(dir=place)
        self.world = World(Path(self._directory.name))

    def close(self) -> None:
        self.world.close()
        self._directory.cleanup()


# As it is typed, in whatever circumstances


def test_without_a_yes_nothing_is_forgotten(desk: Desk) -> None:
    desk.add(f"{NAME}.mp4")
    done = desk.say("forget", f"{NAME}.mp4")
    assert done.returncode == 2
    assert done.stderr == (
        "scriptixd: nothing was forgotten: it cannot be undone, and needs a yes\n  scriptixd forget --yes …\n"
    )
    assert [row["relative_path"] for row in desk.rows()] == [f"{NAME}.mp4"]


@pytest.mark.parametrize(("answer", "left"), [("n", 1), ("", 1), ("y", 0)])
def test_a_terminal_is_asked_first_and_told_what_lies_there_still(desk: Desk, answer: str, left: int) -> None:
    desk.add(f"{NAME}.mp4")
    mother, child = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "scriptixd", "forget", "council"],
            stdin=child, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **desk.environment()},
        ) as asked:  # fmt: skip
            os.write(mother, f"{answer}\n".encode())
            _, said = asked.communicate(timeout=60)
    finally:
        os.close(mother)
        os.close(child)
    place = desk.base / "council" / f"{NAME}.mp4"
    assert f"erased for good, here and at Scriptix, of: {place}\n" in said
    assert f"These lie there still: {place}. Better remove them first" in said
    assert len(desk.rows()) == left


def test_what_is_written_while_a_yes_is_waited_for_goes_with_the_rest(desk: Desk) -> None:
    paid = (OPENED, Closing("a" * 64), UploadFinished(), SessionKnown("session-1", 0.0), ResultReady(b"{}", 1.0))
    desk.add(f"{NAME}.mp4", *paid)
    sidecar, text = desk.base / "council" / f"{NAME}.srt", b"what was said"
    mother, child = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "scriptixd", "forget", "--sidecars", "council"],
            stdin=child, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, bufsize=0,
            env={**os.environ, **desk.environment()},
        ) as asked:  # fmt: skip
            assert asked.stderr is not None
            said = b""
            while not said.endswith(b"[y/N] "):
                said += asked.stderr.read(1) or pytest.fail(said.decode())
            with desk.store() as store:
                delivery = store.deliveries.due(time.time(), ["council"], ())
                assert delivery is not None
                digest = hashlib.sha256(text).hexdigest()
                intended = store.deliveries.intend(delivery, "council", sidecar.name, "srt", digest, None)
                sidecar.write_bytes(text)
                store.deliveries.written(intended, time.time())
            os.write(mother, b"y\n")
            asked.communicate(timeout=60)
    finally:
        os.close(mother)
        os.close(child)
    assert asked.returncode == 0
    assert not sidecar.exists()


def test_what_is_not_known_cannot_be_forgotten(desk: Desk) -> None:
    desk.add("meeting.mp4")
    done = desk.say("forget", "--yes", "nobody.mp4")
    assert done.returncode == 2
    assert "no source is known as nobody.mp4" in done.stderr
    assert desk.say("forget", "--yes", "court").stdout == "there is nothing to forget\n"


def test_the_same_recording_under_another_name_is_told_of_and_nothing_is_done(desk: Desk) -> None:
    done = (OPENED, Closing("a" * 64), UploadFinished())
    first = desk.add(f"{NAME}.mp4", *done)
    source = desk.see("copy.mp4", "court")
    with desk.store() as store:
        store.jobs.share(first, [source], time.time())
    refused = desk.say("forget", "--yes", f"{NAME}.mp4")
    assert refused.returncode == 2
    assert refused.stderr == (
        f"scriptixd: nothing was forgotten: the same recording is also {desk.base}/court/copy.mp4\n"
        "  name that as well, or remove it first\n"
    )
    assert len(desk.rows()) == 2
    both = desk.say("forget", "--yes", f"{NAME}.mp4", "copy.mp4")
    assert both.returncode == 0, both.stderr
    assert desk.rows() == []
    assert found(desk.state, NAME.encode(), b"copy.mp4") == {}


NASTY: Final = b"a\x1b[31m\nb\xff\xe2\x80\xae.mp4"


@pytest.mark.parametrize("daemon", [False, True], ids=["stopped", "running"])
def test_any_name_can_be_forgotten_and_none_reaches_the_terminal_as_it_is(desk: Desk, daemon: bool) -> None:
    desk.add(NASTY, OPENED, Rejected(f"{os.fsdecode(NASTY)} is no media", "convert it first"))
    (desk.base / "council").joinpath(os.fsdecode(NASTY)).unlink()
    if daemon:
        with desk.daemon():
            told = desk.say("forget", "--yes", "council")
    else:
        told = desk.say("forget", "--yes", b"council/" + NASTY)
    assert told.returncode == 0, told.stderr
    assert "\x1b" not in told.stdout
    assert "a\\x1b[31m\\nb\\xff\\u202e.mp4: forgotten" in told.stdout
    assert desk.rows() == []
    assert found(desk.state, NASTY, shown(os.fsdecode(NASTY)).encode(), b"[31m") == {}


def test_a_folder_is_forgotten_as_a_whole_also_one_that_is_not_configured_any_more(desk: Desk) -> None:
    for number in range(25):
        desk.see(f"{NAME}-{number}.mp4", "court")
    desk.add("other.mp4")
    shutil.rmtree(desk.base / "court")
    desk.config.write_text(desk.config.read_text().replace(f"  - path: {desk.base / 'court'}\n", ""))
    told = desk.say("forget", "--yes", "court")
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("25 file(s) are forgotten\n")
    assert [row["relative_path"] for row in desk.rows()] == ["other.mp4"]
    assert found(desk.state, NAME.encode()) == {}


def test_a_kept_copy_is_named_with_the_day_on_which_it_is_deleted(desk: Desk) -> None:
    desk.add(f"{NAME}.mp4", Held("was there before"))
    kept_copy = desk.state.with_name("state.db.schema-3.20260101T000000Z.backup")
    shutil.copyfile(desk.state, kept_copy)
    told = desk.say("forget", "--yes", "council").stdout
    assert f"{kept_copy}: a copy of the state file, which is deleted by itself at 20" in told
    assert "the log: the journal tells of files by their names" in told


def test_what_a_daemon_that_has_ended_told_last_goes_along(desk: Desk) -> None:
    desk.add(f"{NAME}.mp4")
    live = desk.state.with_name("state.db.live.json")
    live.write_text(json.dumps({"restless": [{"path": f"{NAME}.mp4", "since": 0.0}]}))
    assert desk.say("forget", "--yes", "council").returncode == 0
    assert not live.exists()


def test_a_reader_in_the_way_of_the_log_is_told_of(desk: Desk) -> None:
    desk.add(f"{NAME}.mp4")
    with desk.store() as store, closing(sqlite3.connect(desk.state, check_same_thread=False)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM sources").fetchall()
        store.forgetting.forget(NamedFile(1, False, time.time()), time.time())
        assert not store.database.empty_log()
        assert not store.database.empty_log(within=0.2)
        threading.Timer(0.2, reader.execute, ["COMMIT"]).start()
        assert store.database.empty_log(within=60)
    assert found(desk.state, NAME.encode()) == {}


def test_gone_is_forgotten_with_its_unfinished_upload_at_once(desk: Desk) -> None:
    job = desk.add(f"{NAME}.mp4", OPENED, SourceGone(f"{NAME}.mp4 is not there any more"))
    desk.say("forget", "--yes", "council")
    with desk.store() as store:
        backlog = store.erasures.backlog()
        after = store.jobs.get(job.id)
    assert (backlog.planned, backlog.reason) == (1, "")
    assert after is not None
    assert after.state is State.GONE
    assert found(desk.state, NAME.encode()) == {}


# Whoever types it


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be several people")
@pytest.mark.parametrize("who", ["root", "the service's user", "a stranger"])
def test_root_does_it_as_the_services_user_and_a_stranger_is_refused(who: str) -> None:
    service, stranger = 64_123, 64_124  # nobody's
    with tempfile.TemporaryDirectory() as place:
        base = Path(place)
        base.chmod(0o755)
        desk = Desk(base)
        desk.add(f"{NAME}.mp4")
        (base / "council" / f"{NAME}.mp4").unlink()
        for path in (base / "council", desk.state.parent, *desk.state.parent.iterdir()):
            os.chown(path, service, service)
        verb = ["forget", "--yes", "council"]
        if who == "root":
            told = desk.typed(*verb)
        else:
            desk.say("forget", "--yes", "nobody.mp4")  # what another user may not read is imported by then
            os.seteuid(service if who == "the service's user" else stranger)
            try:
                told = desk.say(*verb)
            finally:
                os.seteuid(0)
        assert {path.stat().st_uid for path in desk.state.parent.iterdir()} == {service}
        if who == "a stranger":
            assert told.returncode == 2
            assert "ask as the service's user, or as root" in told.stderr
            assert len(desk.rows()) == 1
        else:
            assert told.returncode == 0, told.stderr
            assert found(desk.state, NAME.encode()) == {}
