"""Sidecars beside real files: names, foreign files, edits, crashes in between, and disks that refuse."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from delivery_room import REPLY, SILENCE, SRT, Room

from scriptixd.captions.layout import Numbers
from scriptixd.captions.manner import Manner, Units, Writing
from scriptixd.captions.style import Style
from scriptixd.captions.wishes import Wishes
from scriptixd.delivery.names import candidates, in_order
from scriptixd.delivery.room import NO_SPEECH
from scriptixd.delivery.sidecar import render
from scriptixd.errors import NameTaken, SourceMissing
from scriptixd.jobs.clock import Now
from scriptixd.jobs.delivering import RenderRequested
from scriptixd.jobs.events import Closing, Hashed, ResultReady, SessionKnown, UploadFinished, UploadOpened
from scriptixd.jobs.job import DeliveryState, Job
from scriptixd.jobs.source import Source
from scriptixd.jobs.store.requests import NamedFile
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.place import FIGURES
from scriptixd.roots.root import LIKE_ITS_DIRECTORY, FileAccess


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    place = tmp_path / "talks"
    place.mkdir()
    built = Room(place, tmp_path / "state.db")
    yield built
    built.store.close()


def test_the_set_lies_beside_the_source_and_the_json_says_what_it_is_of(room: Room) -> None:
    source = room.ready("deep/talk.mp4")
    room.work()
    files = room.files()
    assert sorted(files) == ["deep/talk.json", "deep/talk.mp4", "deep/talk.srt"]
    assert files["deep/talk.srt"].decode() == SRT
    told = json.loads(files["deep/talk.json"])
    ours = told.pop("scriptixd")
    assert told == REPLY
    assert ours["source"] == {"name": "talk.mp4", "size": 5, "sha256": hashlib.sha256(b"sound").hexdigest()}
    assert ours["request"]["language"] == "en"
    assert ours["session_id"] == "s1"
    assert room.state(source) is DeliveryState.DELIVERED


def test_the_services_reply_is_kept_byte_for_byte(room: Room) -> None:
    source = room.settle("talk.mp4", b"sound")
    job = room.store.jobs.newest_of(source.id)
    assert job is not None
    body = b'\xef\xbb\xbf{ "result" : {"status":"done", "results": [], "duration": 1.50, "n": 1e2}}\n'
    for event in (UploadOpened("f", "x", "y", "{}", None), Closing("0" * 64), UploadFinished(), SessionKnown("s", 0.0)):
        job = room.apply(job, event)
    room.apply(job, ResultReady(body, 1.5))
    room.work()
    written = (room.place / "talk.json").read_bytes()
    assert written.startswith(body.removeprefix(b"\xef\xbb\xbf").strip()[:-1])
    assert json.loads(written)["result"]["duration"] == 1.5


def test_captions_are_made_and_written_as_the_settings_say(room: Room) -> None:
    room.folders.manner = Manner(Style(numbers=Numbers(max_chars=6, max_lines=1)), Writing(srt_crlf=True))
    room.ready("talk.mp4")
    room.work()
    text = (room.place / "talk.srt").read_bytes()
    assert text.count(b"\r\n") == text.count(b"\n")
    assert b"hello\r\n" in text
    assert b"there.\r\n" in text


def test_the_json_is_written_last(room: Room) -> None:
    assert in_order(("json", "srt")) == ("srt", "json")
    room.ready("talk.mp4")
    seen = []
    while room.room.run_once(Now(room.clock, 1000.0)) <= 1000.0:
        seen.append(sorted(room.files()))
    assert seen[0] == ["talk.mp4", "talk.srt"]


def test_a_foreign_file_keeps_its_name_and_its_content(room: Room) -> None:
    (room.place / "talk.srt").write_text("mine")
    room.ready("talk.mp4")
    room.work()
    files = room.files()
    assert files["talk.srt"] == b"mine"
    assert files["talk.mp4.srt"].decode() == SRT
    assert "talk.json" in files


def test_two_sources_with_one_stem_get_a_set_each(room: Room) -> None:
    room.ready("talk.mp4", b"one")
    room.ready("talk.wav", b"other")
    room.work()
    assert sorted(room.files()) == [
        "talk.json", "talk.mp4", "talk.srt", "talk.wav", "talk.wav.json", "talk.wav.srt",
    ]  # fmt: skip


def test_names_that_are_all_taken_stop_a_job_before_it_is_paid(room: Room) -> None:
    for path in candidates("talk.mp4", "srt"):
        (room.place / path).write_text("mine")
    source = room.settle("talk.mp4", b"sound")
    with pytest.raises(NameTaken, match=r"talk\.mp4"):
        room.room.probe(source, ("json", "srt"))


def test_the_probe_reads_nothing_of_somebody_elses_file(room: Room) -> None:
    (room.place / "talk.srt").write_text("mine")
    source = room.settle("talk.mp4", b"sound")
    whole, opened = room.folders.disk, []

    class Watched:
        """The disk, and what is opened on it."""

        def __getattr__(self, name: str) -> object:
            return getattr(whole, name)

        def open(self, path: str) -> object:
            opened.append(path)
            return whole.open(path)

    room.folders.disk = Watched()  # type: ignore[assignment]
    room.room.probe(source, ("json", "srt"))
    assert opened == []


def test_names_that_are_taken_after_paying_leave_a_third_one(room: Room) -> None:
    source = room.ready("talk.mp4")
    for path in candidates("talk.mp4", "srt"):
        (room.place / path).write_text("mine")
    room.work()
    assert room.files()["talk.mp4.scriptix.srt"].decode() == SRT
    assert room.state(source) is DeliveryState.DELIVERED


def test_when_every_name_is_taken_the_transcript_waits(room: Room) -> None:
    source = room.ready("talk.mp4")
    for path in (*candidates("talk.mp4", "srt"), "talk.mp4.scriptix.srt"):
        (room.place / path).write_text("mine")
    room.work()
    assert room.state(source) is DeliveryState.PENDING
    (room.place / "talk.srt").unlink()
    room.clock += 600
    room.work()
    assert room.files()["talk.srt"].decode() == SRT


class OneCaseRoot(LocalRoot):
    """A disk that takes TALK.SRT and talk.srt for one name, as Windows' servers do."""

    def write(self, path: str, data: bytes, replaces: str | None, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        name = path.rpartition("/")[2]
        others = {entry.name.lower() for entry in self.listing("") if entry.name != name}
        if name.lower() in others:
            raise NameTaken(f"{path} exists and is not ours")
        super().write(path, data, replaces, access)


def test_a_name_that_the_disk_refuses_is_not_tried_for_ever(room: Room) -> None:
    room.folders.disk = OneCaseRoot(room.place)
    (room.place / "TALK.SRT").write_text("mine")
    source = room.ready("talk.mp4")
    room.work()
    assert room.state(source) is DeliveryState.DELIVERED
    assert sorted(room.files()) == ["TALK.SRT", "talk.json", "talk.mp4", "talk.mp4.srt"]
    assert room.files()["TALK.SRT"] == b"mine"


@pytest.mark.parametrize("what", ["link", "directory"])
def test_what_took_the_place_of_our_sidecar_keeps_it_and_the_new_one_goes_elsewhere(room: Room, what: str) -> None:
    room.ready("talk.mp4", b"first")
    room.work()
    place = room.place / "talk.srt"
    place.unlink()
    if what == "link":
        place.symlink_to("/etc/hostname")
    else:
        place.mkdir()
    source = room.settle("talk.mp4", b"second take")
    room.room.probe(source, ("json", "srt"))
    room.ready("talk.mp4", b"third take, and longer")
    room.work()
    assert room.state(source) is DeliveryState.DELIVERED
    assert (room.place / "talk.scriptix.srt").read_text() == SRT
    assert place.is_symlink() or place.is_dir()


def test_a_transcript_on_which_we_stumble_holds_up_no_other(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    poisoned = room.ready("a.mp4", b"one")
    good = room.ready("b.mp4", b"another")

    def stumbling(output: str, reply: bytes, job: Job, source: Source, units: Units, manner: Manner) -> bytes | None:
        if source.name == "a.mp4":
            raise KeyError("a bug")
        return render(output, reply, job, source, units, manner)

    with monkeypatch.context() as patch:
        patch.setattr("scriptixd.delivery.room.render", stumbling)
        for _ in range(3):
            room.work()
            room.clock += 600
    assert room.state(good) is DeliveryState.DELIVERED
    assert room.state(poisoned) is DeliveryState.PENDING
    assert len([record for record in caplog.records if record.exc_info]) == 1, "told once, with its traceback"
    room.work()
    assert room.state(poisoned) is DeliveryState.DELIVERED


def test_new_content_replaces_our_own_untouched_files(room: Room) -> None:
    room.ready("talk.mp4", b"first")
    room.work()
    before = room.files()["talk.json"]
    room.clock += 10
    room.ready("talk.mp4", b"second take")
    room.work()
    files = room.files()
    assert sorted(files) == ["talk.json", "talk.mp4", "talk.srt"]
    assert files["talk.json"] != before
    assert json.loads(files["talk.json"])["scriptixd"]["source"]["size"] == len(b"second take")


def test_an_edited_sidecar_is_never_replaced(room: Room) -> None:
    room.ready("talk.mp4", b"first")
    room.work()
    (room.place / "talk.srt").write_text("corrected by a person")
    room.ready("talk.mp4", b"second take")
    room.work()
    assert room.files()["talk.srt"] == b"corrected by a person"
    assert room.files()["talk.scriptix.srt"].decode() == SRT


def test_a_sidecar_that_a_person_deleted_is_not_written_again(room: Room) -> None:
    room.ready("talk.mp4")
    room.work()
    (room.place / "talk.srt").unlink()
    room.reopen()
    room.clock += 86400
    room.work()
    assert "talk.srt" not in room.files()


def test_silence_gives_a_json_and_no_empty_captions(room: Room) -> None:
    source = room.ready("talk.mp4", reply=SILENCE)
    room.work()
    assert sorted(room.files()) == ["talk.json", "talk.mp4"]
    assert room.state(source) is DeliveryState.DELIVERED
    view = room.store.views.source("talks", "talk.mp4")
    assert view is not None
    assert view.reason == NO_SPEECH


class PowerCut(BaseException):
    """The process is no more."""


@pytest.mark.parametrize("moment", ["before the write", "after the write"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_crash_around_a_write_leaves_one_whole_set(room: Room, moment: str, nth: int) -> None:
    room.ready("talk.mp4")
    whole, count = room.folders.disk, 0

    class Cut:
        """The disk, until the power goes."""

        def __getattr__(self, name: str) -> object:
            return getattr(whole, name)

        def write(self, path: str, data: bytes, replaces: str | None, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
            nonlocal count
            count += 1
            if count == nth and moment == "before the write":
                raise PowerCut
            whole.write(path, data, replaces, access)
            if count == nth:
                raise PowerCut

    room.folders.disk = Cut()  # type: ignore[assignment]
    with pytest.raises(PowerCut):
        room.work()
    room.folders.disk = whole
    room.reopen()
    room.work()
    assert sorted(room.files()) == ["talk.json", "talk.mp4", "talk.srt"]


def test_how_long_sidecars_took_is_told_of_the_first_alone(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "scriptixd.delivery")
    source = room.ready("talk.mp4")
    room.work()
    room.clock += 86400
    view = room.store.views.source("talks", source.path)
    delivery = room.store.deliveries.get(view.delivery_id or 0) if view is not None else None
    assert delivery is not None
    room.store.deliveries.apply(delivery, RenderRequested(Wishes().text), room.clock)
    room.work()
    copy = room.settle("copy.mp4", b"sound")
    found = room.store.jobs.newest_of(copy.id)
    assert found is not None
    hashed = room.apply(found, Hashed(hashlib.sha256(b"sound").hexdigest()))
    assert room.store.jobs.fold(hashed, room.clock) is not None
    room.work()
    told = [(record.getMessage(), getattr(record, FIGURES).took) for record in caplog.records]
    first, anew, copied = [took for line, took in told if ": wrote " in line]
    assert first is not None
    assert (anew, copied) == (None, None), "the content's age is no measure of these"


def test_a_directory_that_was_copied_or_renamed_with_its_sidecars_gets_no_second_set(room: Room) -> None:
    source = room.ready("tree/talk.mp4")
    room.work()
    shutil.copytree(room.place / "tree", room.place / "tree2")
    copy = room.settle("tree2/talk.mp4", b"sound")
    found = room.store.jobs.newest_of(copy.id)
    assert found is not None
    hashed = room.apply(found, Hashed(hashlib.sha256(b"sound").hexdigest()))
    assert room.store.jobs.fold(hashed, room.clock) is not None
    room.work()
    assert sorted(room.files()) == sorted(
        f"{tree}/talk.{ending}" for tree in ("tree", "tree2") for ending in ("json", "mp4", "srt")
    )
    assert room.state(source) is room.state(copy) is DeliveryState.DELIVERED


def test_a_crash_before_our_own_file_is_replaced_replaces_it_afterwards(room: Room) -> None:
    room.ready("talk.mp4", b"first")
    room.work()
    room.clock += 10
    room.ready("talk.mp4", b"second take")
    whole = room.folders.disk

    class Dead:
        """The disk, when the power goes."""

        def __getattr__(self, name: str) -> object:
            return getattr(whole, name)

        def write(self, path: str, data: bytes, replaces: str | None, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
            raise PowerCut

    room.folders.disk = Dead()  # type: ignore[assignment]
    with pytest.raises(PowerCut):
        room.work()
    room.folders.disk = whole
    room.reopen()
    room.work()
    files = room.files()
    assert sorted(files) == ["talk.json", "talk.mp4", "talk.srt"]
    assert json.loads(files["talk.json"])["scriptixd"]["source"]["size"] == len(b"second take")


def test_nothing_is_written_where_the_source_is_not(room: Room) -> None:
    source = room.ready("deep/talk.mp4")
    (room.place / "deep" / "talk.mp4").rename(room.place / "elsewhere")  # as under a share that was unmounted
    room.work()
    assert sorted(room.files()) == ["elsewhere"]
    assert room.state(source) is DeliveryState.PENDING
    with pytest.raises(SourceMissing):
        room.room.probe(source, ("json", "srt"))
    (room.place / "elsewhere").rename(room.place / "deep" / "talk.mp4")
    room.clock += 600
    room.work()
    assert room.state(source) is DeliveryState.DELIVERED


def test_a_source_without_a_state_row_of_its_content_gets_nothing(room: Room) -> None:
    source = room.ready("talk.mp4", b"first")
    room.settle("talk.mp4", b"other content by now")
    room.work()
    assert sorted(room.files()) == ["talk.mp4"]
    assert room.store.views.source("talks", source.path) is not None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_refuses_waits_without_losing_the_result(room: Room) -> None:
    source = room.ready("deep/talk.mp4")
    (room.place / "deep").chmod(0o500)
    room.work()
    assert room.state(source) is DeliveryState.PENDING
    (room.place / "deep").chmod(0o700)
    room.clock += 600
    room.work()
    assert room.state(source) is DeliveryState.DELIVERED


def test_names_that_are_not_utf8_get_sidecars_too(room: Room) -> None:
    name = os.fsdecode(b"caf\xe9 \n.mp4")
    outputs = ("srt", "vtt", "txt", "docx", "json")
    room.folders.outputs = outputs
    source = room.ready(name)
    room.work()
    stem = os.fsdecode(b"caf\xe9 \n")
    assert sorted(room.files()) == sorted([name, *(f"{stem}.{output}" for output in outputs)])
    assert room.state(source) is DeliveryState.DELIVERED
    told = json.loads((room.place / f"{stem}.json").read_bytes())
    assert told["scriptixd"]["source"]["name"] == name


def test_what_a_crash_left_of_our_temporaries_is_swept(room: Room) -> None:
    (room.place / ".scriptixd-0123.tmp").write_bytes(b"half")
    room.ready("talk.mp4")
    room.work()
    assert ".scriptixd-0123.tmp" not in room.files()


class MeddledRoot(LocalRoot):
    """A disk on which something happens to the first sidecars, right after each was written."""

    def __init__(self, place: Path, times: int, meddle: Callable[[Path], object]) -> None:
        super().__init__(place)
        self._where, self._times, self._meddle = place, times, meddle
        self.written: list[str] = []

    def write(self, path: str, data: bytes, replaces: str | None, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        super().write(path, data, replaces, access)
        self.written.append(path)
        if len(self.written) <= self._times:
            self._meddle(self._where / path)


def test_a_sidecar_that_reads_back_as_something_else_is_none_and_the_transcript_is_kept(room: Room) -> None:
    source = room.ready("talk.mp4")
    disk = MeddledRoot(room.place, 1, lambda path: path.write_bytes(b"\0" * 100))
    room.folders.disk = disk
    room.work()
    view = room.store.views.source("talks", source.path)
    assert view is not None
    assert (view.state, view.sidecars) == ("delivering", ())
    assert view.reason == "talk.srt was written, and reads back as something else"
    assert "the transcript is kept" in view.hint
    room.clock += 10.0
    room.work()
    assert room.state(source) is DeliveryState.DELIVERED
    files = room.files()
    assert files["talk.mp4.srt"].decode() == SRT
    assert files["talk.srt"] == b"\0" * 100, "it is not ours as it is"


def test_a_sidecar_that_was_read_back_too_early_is_not_written_twice(room: Room) -> None:
    source = room.ready("talk.mp4")
    away = room.place / ".away"
    disk = MeddledRoot(room.place, 1, lambda path: path.rename(away))
    room.folders.disk = disk
    room.work()
    assert room.state(source) is DeliveryState.PENDING
    away.rename(room.place / "talk.srt")
    room.clock += 10.0
    room.work()
    assert room.state(source) is DeliveryState.DELIVERED
    assert disk.written == ["talk.srt", "talk.json"]


def test_what_was_being_written_when_its_file_was_forgotten_does_not_stay(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, write = room.ready("talk.mp4"), LocalRoot.write

    def slowly(root: LocalRoot, path: str, data: bytes, replaces: str | None, access: FileAccess) -> None:
        assert room.store.forgetting.forget(NamedFile(source.id, True, room.clock), room.clock)
        write(root, path, data, replaces, access)

    monkeypatch.setattr(LocalRoot, "write", slowly)
    room.work()
    assert room.files().keys() == {"talk.mp4"}


def test_whoever_takes_sidecars_away_as_they_appear_holds_up_nobody_for_ever(room: Room) -> None:
    source = room.ready("talk.mp4")
    disk = MeddledRoot(room.place, 100, lambda path: path.unlink() if path.suffix == ".srt" else None)
    room.folders.disk = disk
    for _ in range(10):
        room.work()
        room.clock += 100.0
    assert room.state(source) is DeliveryState.DELIVERED
    assert disk.written == ["talk.srt"] * 4 + ["talk.json"]
