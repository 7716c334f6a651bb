"""`backup` as a person types it: a whole copy, whatever the daemon writes meanwhile, or none; and going back to one."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from desk import SCRIPT, Desk
from house import House, eventually, house, tone

from scriptixd.errors import TargetTrouble
from scriptixd.jobs.store.copies import checked_copy
from scriptixd.jobs.store.database import open_for_reading, open_state
from scriptixd.jobs.store.tables import Store


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


def names_in(copy: Path) -> set[str]:
    """The sources that a copy knows; it is asked in a directory of its own."""
    with closing(Store(open_for_reading(copy))) as store:
        with store.database.reading() as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {view.path for view in store.views.sources()}


def test_the_copy_of_a_state_file_that_nobody_has_is_whole_and_its_owners_alone(desk: Desk, tmp_path: Path) -> None:
    desk.add(b"caf\xe9.mp4")
    desk.add("meeting.mp4", held_for="was there before")
    copy = tmp_path / "copies" / "state.db"
    copy.parent.mkdir()
    before = desk.state.read_bytes()
    done = desk.say("backup", str(copy))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{copy}: ")
    assert done.stdout.endswith(", checked\n")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert os.listdir(copy.parent) == ["state.db"], "one file, with nothing beside it"
    assert names_in(copy) == {os.fsdecode(b"caf\xe9.mp4"), "meeting.mp4"}
    assert desk.state.read_bytes() == before
    assert not desk.state.with_name("state.db-wal").exists()


@pytest.mark.parametrize("there", ["a file", "a link to nothing", "a directory"])
def test_nothing_is_written_over(desk: Desk, tmp_path: Path, there: str) -> None:
    desk.add("meeting.mp4")
    copy = tmp_path / "copy.db"
    match there:
        case "a file":
            copy.write_text("somebody's")
        case "a link to nothing":
            copy.symlink_to(tmp_path / "nothing")
        case _:
            copy.mkdir()
    listed = sorted(os.listdir(tmp_path))
    done = desk.say("backup", str(copy))
    assert done.returncode == 1
    assert done.stderr == f"scriptixd: {copy} is there already\n  name another file: nothing is written over\n"
    assert sorted(os.listdir(tmp_path)) == listed
    assert there != "a file" or copy.read_text() == "somebody's"


def test_where_it_cannot_be_written_that_is_said(desk: Desk, tmp_path: Path) -> None:
    desk.add("meeting.mp4")
    done = desk.say("backup", str(tmp_path / "nowhere" / "copy.db"))
    assert done.returncode == 1
    assert "nowhere/copy.db cannot be written: No such file or directory" in done.stderr


def test_without_a_state_file_there_is_nothing_to_copy(desk: Desk, tmp_path: Path) -> None:
    done = desk.say("backup", str(tmp_path / "copy.db"))
    assert done.returncode == 2
    assert "there is no state file" in done.stderr
    assert not (tmp_path / "copy.db").exists()


def test_a_disk_without_room_leaves_nothing(desk: Desk, tmp_path: Path) -> None:
    desk.add("meeting.mp4")
    target = tmp_path / "copies"
    target.mkdir()
    done = subprocess.run(
        ["prlimit", "--fsize=16384", SCRIPT, "backup", str(target / "copy.db")],
        env={**os.environ, **desk.environment()}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "copy.db cannot be written" in done.stderr
    assert os.listdir(target) == []


def test_a_damaged_state_file_makes_no_copy(desk: Desk, tmp_path: Path) -> None:
    for number in range(300):
        desk_source = f"recording-{number}.mp4"
        (desk.base / "council" / desk_source).touch()
    with desk.store() as store, store.database.transaction() as connection:
        connection.executemany(
            "INSERT INTO history (at, event, state, detail) VALUES (0, 'x', '', ?)", [("y" * 500,)] * 400
        )
    with desk.state.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(size // 2)
        file.write(os.urandom(8192))
    done = desk.say("backup", str(tmp_path / "copy.db"))
    assert done.returncode in (1, 2)
    assert "damaged" in done.stderr
    assert not (tmp_path / "copy.db").exists()


def test_a_copy_that_is_made_while_others_write_is_of_one_moment(tmp_path: Path) -> None:
    """Each transaction writes two rows that belong together."""
    state, stop = tmp_path / "state.db", threading.Event()
    with closing(open_state(state)) as writing:

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                with writing.transaction() as connection:
                    for _ in range(2):
                        connection.execute(
                            "INSERT INTO history (at, event, state, detail) VALUES (?, 'x', '', ?)",
                            (number, "z" * 2000),
                        )

        thread = threading.Thread(target=write)
        thread.start()
        try:
            for number in range(8):
                copy = tmp_path / f"copy-{number}.db"
                with closing(open_for_reading(state)) as reading, reading.reading() as connection:
                    checked_copy(connection, copy)
                with closing(sqlite3.connect(copy)) as copied:
                    assert copied.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                    halves = copied.execute("SELECT at FROM history GROUP BY at HAVING count(*) != 2").fetchall()
                    assert halves == []
        finally:
            stop.set()
            thread.join()


def test_who_takes_the_name_meanwhile_keeps_it(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.add("meeting.mp4")
    copy, link = tmp_path / "copy.db", os.link

    def quicker(source: Path, target: Path) -> None:
        copy.write_text("somebody's")
        link(source, target)

    monkeypatch.setattr(os, "link", quicker)
    with (
        closing(open_for_reading(desk.state)) as state,
        state.reading() as connection,
        pytest.raises(TargetTrouble, match="is there already"),
    ):
        checked_copy(connection, copy)
    assert copy.read_text() == "somebody's"
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]


def test_a_disk_without_hard_links_will_do(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.add("meeting.mp4")

    def refused(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    copy = tmp_path / "copies" / "copy.db"
    copy.parent.mkdir()
    assert desk.say("backup", str(copy)).returncode == 0
    assert names_in(copy) == {"meeting.mp4"}
    assert copy.stat().st_mode & 0o777 == 0o600


def test_going_back_to_an_old_copy_costs_nothing(home: House, tmp_path: Path) -> None:
    """What was finished since the copy is known by its JSON; what was under way goes on or is known, too."""
    folder = home.folder("council", language="en")
    tone(folder / "before.wav", 0.5, 40)
    home.start()
    home.until(1)
    copy = tmp_path / "copy.db"
    assert home.say("backup", str(copy)).returncode == 0, "beside the running daemon"
    assert names_in(copy) == {"before.wav"}
    for number in range(3):
        tone(folder / f"since-{number}.wav", 0.5, 50 + number)
    home.until(4)
    assert home.stop()[0] == 0
    assert home.sandbox.counts()["completed"] == 4
    for left in tmp_path.glob("state.db*"):
        left.unlink()
    shutil.copyfile(copy, home.state)
    home.start()
    rows = home.until(4)
    assert {row["note"] for path, row in rows.items() if "since" in path} == {
        "the set that lay there was taken for it, as it is"
    }
    counts = home.sandbox.counts()
    assert (counts["created"], counts["completed"]) == (4, 4)


def test_what_was_to_be_paid_again_when_the_copy_was_made_and_was_since_is_not_paid_a_third_time(
    home: House, tmp_path: Path
) -> None:
    recording = home.folder("council", language="en") / "meeting.wav"
    tone(recording, 0.5, 40)
    home.start()
    home.until(1)
    home.say("pause")
    home.say("redo", "--yes", str(recording))
    copy = tmp_path / "copy.db"
    home.say("backup", str(copy))
    home.say("resume")
    home.until(1)
    assert home.stop()[0] == 0
    paid = json.loads(recording.with_suffix(".json").read_text())["scriptixd"]["session_id"]
    for left in tmp_path.glob("state.db*"):
        left.unlink()
    shutil.copyfile(copy, home.state)
    home.start()
    home.until(1, "found")  # it is paused, as it was
    home.say("resume")
    (row,) = home.until(1).values()
    assert row["session_id"] == paid
    assert home.sandbox.counts()["created"] == 2
    assert home.say("redo", "--yes", str(recording)).returncode == 0
    eventually(lambda: home.sandbox.counts()["completed"] == 3, "and a person still pays again on purpose")
