"""`pause`, `resume` and limits as people meet them: the real daemon, the sandbox, and the verbs beside them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from desk import Desk
from house import House, eventually, house, tone

from scriptixd.jobs.bounds import Limit
from scriptixd.jobs.events import UploadOpened
from scriptixd.observe.live import LivePause

MIB: Final = 2**20
WITHIN: Final = 2.0  # s: what a running daemon is asked, it does within
OPENED: Final = UploadOpened("file-1", "http://127.0.0.1:1", "01234567", "{}", 60.0)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


def said(desk: Desk, *verb: str) -> str:
    done = desk.say(*verb)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_pausing_and_resuming_say_what_came_of_it_each_time(desk: Desk) -> None:
    desk.see("meeting.mp4")
    paused = "paused: nothing is uploaded; what Scriptix has is asked for and delivered"
    assert said(desk, "pause", "council") == f"folder council: {paused}"
    assert said(desk, "pause", "council", str(desk.base / "court")) == (
        f"folder council: paused already\nfolder court: {paused}"
    )
    assert said(desk, "resume", "court") == "folder court: uploads go on"
    assert said(desk, "resume", "court") == "folder court: not paused"
    assert said(desk, "pause") == f"all folders: {paused}"
    assert said(desk, "pause") == "all folders: paused already"
    together = "but all folders are paused together: scriptixd resume"
    assert said(desk, "resume", "council") == f"folder council: not paused by its own name any more, {together}"
    assert said(desk, "resume", "council") == f"folder council: not paused by its own name, {together}"
    assert said(desk, "resume") == "all folders: uploads go on"
    assert said(desk, "resume") == "all folders: not paused"


def test_resuming_without_a_name_ends_every_pause(desk: Desk) -> None:
    desk.see("meeting.mp4")
    said(desk, "pause", "council")
    said(desk, "pause", "court")
    assert said(desk, "resume") == "all folders: uploads go on"
    assert said(desk, "resume", "council") == "folder council: not paused"


def test_a_folder_that_there_is_not_is_named_and_nothing_is_paused(desk: Desk) -> None:
    desk.see("meeting.mp4")
    done = desk.say("pause", "council", "counsel")
    assert done.returncode == 2
    assert done.stderr == "scriptixd: there is no folder 'counsel'\n  folders are: council, court\n"
    assert json.loads(desk.say("status", "--json").stdout)["pauses"] == []


def test_without_a_state_file_nothing_is_made(desk: Desk) -> None:
    assert desk.say("pause").returncode == 2
    assert not desk.state.exists()


def test_status_and_explain_tell_of_a_pause_also_while_no_daemon_runs(desk: Desk) -> None:
    desk.add("meeting.mp4")
    desk.add("session.mp4", OPENED)
    desk.add("hearing.mp4", folder="court")
    said(desk, "pause", "council")
    sentence = "uploads of council are paused"
    hint = "to go on: scriptixd resume council"
    assert f"paused   {sentence} ({hint})" in said(desk, "status")
    (pause,) = json.loads(said(desk, "status", "--json"))["pauses"]
    assert pause == {"what": "pause", "folder": "council", "sentence": sentence, "hint": hint, "until": None}
    for name in ("meeting.mp4", "session.mp4"):
        assert f"{sentence} ({hint})" in json.loads(said(desk, "explain", name, "--json"))["why"]
    assert "paused" not in said(desk, "explain", "hearing.mp4")


def test_the_readme_tells_of_every_key_and_kind_of_a_pause() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    section = readme.split("Each of the `pauses`")[1].split("\n\n")[0]
    assert set(re.findall(r"`(\w+)`", section)) >= {*LivePause.__dataclass_fields__, *map(str, Limit)}


def noise(path: Path, size: int) -> str:
    """A recording that settles, of a size; returns its SHA-256."""
    content = os.urandom(size)
    path.with_suffix(".part").write_bytes(content)
    path.with_suffix(".part").rename(path)
    return hashlib.sha256(content).hexdigest()


def patches(home: House) -> list[dict[str, Any]]:
    return [request for request in home.sandbox.requests() if request["method"] == "PATCH"]


def sent(home: House) -> int:
    """How much of the upload that is under way has been sent."""
    uploads = json.loads(home.say("status", "--json").stdout)["uploads"]
    return int(uploads[0]["offset"]) if uploads else 0


def pauses(home: House) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(home.say("status", "--json").stdout)["pauses"]
    return found


def test_a_pause_in_the_middle_of_an_upload_stops_it_and_it_goes_on_where_it_was(home: House) -> None:
    home.settings["limits"] = {"bandwidth": "1MiB/s"}
    home.settings["api"]["chunk_size"] = "64MiB"
    folder, other = home.folder("large", language="en"), home.folder("small", language="en")
    digest = noise(folder / "noise.mp4", 12 * MIB)
    home.start()
    eventually(lambda: sent(home) > MIB, "a part is sent")
    done = home.say("pause", "large")
    assert done.stdout.startswith("folder large: paused: nothing is uploaded")
    eventually(lambda: [pause["what"] for pause in pauses(home)] == ["pause"], "status tells of it")
    before = home.sandbox.counts()
    assert before["created"] == 1
    assert before["completed"] == 0
    reached = len(patches(home))
    tone(other / "tone.wav", 0.5, 40)
    home.until(1)  # the other folder goes on
    assert not [one for one in patches(home)[reached:] if one["path"] == patches(home)[0]["path"]]
    assert "uploads of large are paused" in home.say("explain", str(folder / "noise.mp4")).stdout
    home.kill()  # it stays paused
    home.settings["limits"] = {"bandwidth": None}
    home.start()
    eventually(lambda: pauses(home), "still paused")
    tone(other / "another.wav", 0.5, 50)
    home.until(2)
    assert home.sandbox.counts()["completed"] == 2
    home.say("resume")
    uploads = eventually(
        lambda: [one for one in home.sandbox.counts()["uploads"] if one["sha256"] == digest], "it is complete"
    )
    assert [upload["completed"] for upload in uploads] == [1]
    assert home.sandbox.counts()["created"] == 3
    log = home.log.read_text()
    assert log.count("uploads of large are paused (to go on: scriptixd resume large)") == 2, "once in each run"
    eventually(lambda: "uploads of large are not paused any more" in home.log.read_text(), "the end is told")
    assert "error:" not in log


def test_a_running_daemon_notices_within_two_seconds(home: House) -> None:
    home.settings["limits"] = {"bandwidth": "1MiB/s"}
    folder = home.folder("large", language="en")
    noise(folder / "noise.mp4", 60 * MIB)
    home.start()
    eventually(lambda: sent(home) > MIB, "a part is sent")
    home.say("pause")
    deadline = time.monotonic() + WITHIN
    eventually(lambda: time.monotonic() > deadline, "two seconds are over")
    there = sent(home)
    assert sent(home) == there, "it goes on"
    assert 0 < there < 60 * MIB
    assert home.sandbox.counts()["completed"] == 0
    assert home.stop()[0] == 0


def test_run_once_does_not_wait_for_a_person_who_paused(home: House) -> None:
    folder = home.folder("spoken", language="en")
    tone(folder / "first.wav", 0.5, 40)
    home.write_config()
    assert home.typed("run", "--once").returncode == 0
    home.say("pause")
    tone(folder / "second.wav", 0.5, 50)
    assert home.typed("run", "--once", check=False).returncode == 1
    assert home.states() == {"spoken/first.wav": "done", "spoken/second.wav": "found"}
    home.say("resume")
    assert home.typed("run", "--once").returncode == 0
    assert home.sandbox.counts()["completed"] == 2


def test_so_many_files_a_day_are_sent_and_the_others_say_until_when_they_wait(home: House) -> None:
    home.settings["limits"] = {"files_per_day": 3, "uploads": 4}
    offset = 12 - time.gmtime().tm_hour  # hours east: it is noon there, and the day does not end meanwhile
    home.settings["timezone"] = f"Etc/GMT{-offset:+d}"
    folder = home.folder("spoken", language="en")
    for number in range(6):
        tone(folder / f"{number}.wav", 0.5, 40 + number)
    home.start()
    home.until(3)
    (pause,) = eventually(lambda: pauses(home), "status tells of it")
    assert (pause["what"], pause["folder"]) == ("files_per_day", "")
    assert pause["sentence"] == "3 file(s) were sent today, as many as limits.files_per_day allows"
    assert pause["until"].endswith(f"T{(24 - offset) % 24:02}:00:00Z")
    waiting = [path for path, state in home.states().items() if state == "found"]
    assert len(waiting) == 3
    why = json.loads(home.say("explain", waiting[0], "--json").stdout)["why"]
    assert pause["sentence"] in why
    assert re.search(r"it goes on at (\d{4}-\d\d-\d\d )?00:00:00", why)
    assert home.sandbox.counts()["created"] == 3
    assert home.log.read_text().count("as many as limits.files_per_day allows") == 1


def test_a_folder_has_no_more_uploads_at_a_time_than_its_own_limit(home: House) -> None:
    home.settings["limits"] = {"uploads": 3, "bandwidth": "4MiB/s"}
    home.settings["api"]["chunk_size"] = "256KiB"
    one, many = home.folder("one", language="nl", limits={"uploads": 1}), home.folder("many", language="en")
    for number in range(3):
        noise(one / f"{number}.mp4", MIB)
        noise(many / f"{number}.mp4", MIB)
    home.start()
    eventually(lambda: home.sandbox.counts()["completed"] == 6, "all are complete")
    languages = {upload["id"]: upload["language"] for upload in home.sandbox.counts()["uploads"]}
    parts = [request["path"].rpartition("/")[2] for request in patches(home)]

    def in_turn(language: str) -> list[str]:
        """The uploads as they were fed, without repetitions in a row."""
        fed = [part for part in parts if languages[part] == language]
        return [part for place, part in enumerate(fed) if place == 0 or fed[place - 1] != part]

    assert len(in_turn("nl")) == 3, "two of them were fed in turns"
    assert len(in_turn("en")) >= 3
