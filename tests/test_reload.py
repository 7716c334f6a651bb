"""SIGHUP: a valid configuration is applied without dropping anything, and a refused one changes nothing."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from house import PATIENCE, House, eventually, house, spoken, tone

from scriptixd.config.load import load
from scriptixd.config.settings import PathSettings, Settings
from scriptixd.daemon import house as built_house
from scriptixd.daemon.changes import changes, in_effect
from scriptixd.daemon.reloading import LOOK_EVERY, Reloading
from scriptixd.errors import FolderTrouble, ShareTrouble
from scriptixd.jobs.clock import read_clock
from scriptixd.jobs.store.database import open_state
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.reaching import FolderRoot, close_together
from scriptixd.roots.root import NOTICE
from scriptixd.watch.strangers import RECORDING

MIB = 1024 * 1024


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


def reload(home: House, *told: str) -> str:
    """The settings as they are now, by a signal; returns what the daemon says, once it has said these."""
    home.write_config()
    return hang_up(home, *told)


def hang_up(home: House, *told: str) -> str:
    assert home.daemon is not None
    before = len(home.log.read_text())
    home.daemon.send_signal(signal.SIGHUP)
    said = ""

    def all_told() -> bool:
        nonlocal said
        home.assert_alive()
        said = home.log.read_text()[before:]
        return all(one in said for one in told)

    eventually(all_told, f"the daemon says {told}")
    return said


def watching(home: House) -> None:
    eventually(lambda: "watches" in home.log.read_text(), "the daemon runs")


def test_a_folder_that_is_added_is_watched_and_one_that_is_removed_is_not(home: House) -> None:
    first, second = home.folder("first", language="en"), home.place / "second"
    home.start()
    tone(first / "one.wav", 0.5, 40)
    home.until(1)
    second.mkdir()
    home.settings["folders"] = [{"path": str(second), "language": "en"}]
    said = reload(home, "second: is watched from now on", "first: 1 file(s) in it are left alone")
    assert "first: is not configured any more" in said
    tone(second / "two.wav", 0.5, 50)
    tone(first / "three.wav", 0.5, 60)
    eventually(lambda: home.states().get("second/two.wav") == "done", "the new folder's file is done")
    assert "first/three.wav" not in home.states()
    assert [one["filename"] for one in home.sandbox.counts()["uploads"]] == ["one.wav", "two.wav"]


def test_a_folder_that_comes_back_goes_on_where_it_was(home: House) -> None:
    folder, other = home.folder("council", language="en"), home.folder("other", language="en")
    home.start()
    tone(folder / "one.wav", 0.5, 40)
    home.until(1)
    both = list(home.settings["folders"])
    home.settings["folders"] = both[1:]
    reload(home, "council: 1 file(s) in it are left alone")
    home.settings["folders"] = both
    reload(home, "council: is watched from now on")
    tone(folder / "two.wav", 0.5, 50)
    eventually(lambda: home.states().get("council/two.wav") == "done", "what is new is done")
    eventually(lambda: home.states().get("council/one.wav") == "done", "what was done is known")
    assert home.sandbox.counts()["created"] == 2
    assert other.is_dir()


def test_changed_settings_hold_for_what_comes_after(home: House) -> None:
    folder = home.folder("council", language="en", outputs=["json"])
    home.start()
    tone(folder / "one.wav", 0.5, 40)
    home.until(1)
    home.settings["folders"][0] |= {"language": "nl", "outputs": ["json", "txt"], "problem_note": True}
    said = reload(home, "council: goes by other settings from now on: ")
    assert "language, document_type or scriptix" in said
    tone(folder / "two.wav", 0.5, 50)
    home.until(2)
    assert (folder / "two.txt").exists()
    assert not (folder / "one.txt").exists()
    assert [one["language"] for one in home.sandbox.counts()["uploads"]] == ["en", "nl"]
    assert home.sandbox.counts()["created"] == 2, "another language by a changed setting is no new job"


def test_a_refused_configuration_changes_nothing_and_says_why(home: House) -> None:
    folder = home.folder("council", language="en")
    home.start()
    watching(home)
    good = home.settings["folders"]
    home.settings["folders"] = [{**good[0], "langauge": "en"}, {"path": "relative", "language": "xx-yy-zz"}]
    said = reload(home, "the configuration is refused, and the settings of before go on")
    assert "langauge" in said
    assert str(home.config) in said
    home.config.write_text("folders: [")
    hang_up(home, "the configuration is refused, and the settings of before go on")
    home.config.unlink()
    hang_up(home, "the configuration is refused, and the settings of before go on")
    tone(folder / "one.wav", 0.5, 40)
    eventually((folder / "one.json").exists, "a file is transcribed as before")
    home.settings["folders"] = good
    reload(home, "the configuration was read again, and nothing in it has changed")


def test_an_upload_goes_on_while_settings_change_around_it(home: House) -> None:
    home.settings["api"]["chunk_size"] = "256KiB"
    home.settings["limits"] = {"bandwidth": "512KiB/s"}
    folder = home.folder("large", language="en")
    with (folder / "noise.mp4").open("wb") as file:
        for _ in range(8):
            file.write(os.urandom(MIB))
    home.start()
    eventually(lambda: any(one["method"] == "PATCH" for one in home.sandbox.requests()), "sending has begun")
    for number in range(5):
        (home.place / f"more {number}").mkdir()
        home.settings["folders"].append({"path": str(home.place / f"more {number}"), "language": "en"})
        home.settings["folders"][0]["settle"] = f"{number + 2}s"
        home.settings["limits"]["uploads"] = number + 3
        reload(home, f"more {number}: is watched from now on", "large: goes by other settings", "limits: is applied")
    assert not any(one["completed"] for one in home.sandbox.counts()["uploads"]), "it was too quick to be disturbed"
    eventually(lambda: home.sandbox.counts()["completed"], "the upload is complete")
    (upload,) = home.sandbox.counts()["uploads"]
    assert upload["sha256"] == hashlib.sha256((folder / "noise.mp4").read_bytes()).hexdigest()
    assert len({one["path"] for one in home.sandbox.requests() if one["method"] == "PATCH"}) == 1
    patches = sum(one["method"] == "PATCH" for one in home.sandbox.requests())
    assert patches <= 8 * MIB // (256 * 1024) + 1, "nothing was sent twice"


def test_what_was_paid_for_is_brought_to_a_folder_that_is_removed(home: House) -> None:
    after = home.place / "after"
    folder = home.folder("council", language="en", after_done={"command": ["touch", str(after)]})
    other = home.folder("other", language="en")
    original = spoken(home.place / "austen.wav")
    home.start()
    home.drop(folder, "austen.wav", original)
    eventually(lambda: home.sandbox.counts()["completed"], "it is paid for")
    home.sandbox.stop()
    tone(folder / "unpaid.wav", 0.5, 40)
    eventually(lambda: "council/unpaid.wav" in home.states(), "the other file is known")
    home.settings["folders"] = home.settings["folders"][1:]
    reload(home, "council: is not configured any more", "council: 1 file(s) in it are left alone")
    assert not (folder / "austen.srt").exists(), "it was too quick to be waited for"
    home.sandbox.start()
    eventually((folder / "austen.srt").exists, "the transcript is there all the same")
    eventually(after.exists, "and what comes after it has run")
    tone(other / "later.wav", 0.5, 70)
    eventually((other / "later.json").exists, "the rest goes on")
    assert [one["filename"] for one in home.sandbox.counts()["uploads"]] == ["austen.wav", "later.wav"]


@pytest.mark.parametrize("by", ["us", "a person"])
def test_the_notice_of_a_folder_that_is_removed_goes_unless_a_person_changed_it(home: House, by: str) -> None:
    folder = home.folder("council", language="en", problem_note=True)
    home.folder("other", language="en")
    (folder / "interview.rec").write_bytes(b"\0" * RECORDING)
    os.utime(folder / "interview.rec", (1_700_000_000, 1_700_000_000))
    note = folder / NOTICE
    home.start()
    eventually(note.exists, "something has waited for long")
    if by == "a person":
        note.write_text("mine")
    home.settings["folders"] = home.settings["folders"][1:]
    reload(home, "council: 0 file(s) in it are left alone")
    if by == "us":
        eventually(lambda: not note.exists(), "nobody keeps it up to date any more")
    else:
        eventually(lambda: noticed(home) == [], "it is nobody's note any more")
        assert note.read_text() == "mine"
    assert (folder / "interview.rec").exists()


def test_a_command_that_fails_after_the_deliveries_of_a_folder_that_is_removed_is_given_up_aloud(home: House) -> None:
    tried = home.place / "tried"
    command = ["sh", "-c", f"touch {tried}; exit 1"]
    folder = home.folder("council", language="en", after_done={"command": command})
    home.folder("other", language="en")
    home.start()
    tone(folder / "one.wav", 0.5, 40)
    eventually(tried.exists, "its command has run, and failed")
    home.settings["folders"] = home.settings["folders"][1:]
    reload(home, "council is not configured any more: 1 command(s) are not run")
    story = home.say("explain", "council/one.wav").stdout
    assert "the command after it is not run: its folder is not configured any more" in story


def noticed(home: House) -> list[str]:
    with closing(sqlite3.connect(f"file:{home.state}?mode=ro", uri=True)) as state:
        return [folder for (folder,) in state.execute("SELECT folder FROM notices")]


def test_what_waits_for_a_restart_says_so(home: House) -> None:
    home.folder("council", language="en")
    home.start()
    watching(home)
    home.settings["api"]["timeout"] = "20s"
    home.settings["state"] = str(home.place / "elsewhere.db")
    home.settings["keep_history"] = "30d"
    said = reload(home, "state: has changed, and is applied by a restart (systemctl restart scriptixd)")
    assert "api.timeout: has changed, and is applied by a restart" in said
    assert "keep_history: is applied from now on" in said
    assert not (home.place / "elsewhere.db").exists()


def test_systemd_is_told_when_a_reload_begins_and_ends(home: House) -> None:
    home.folder("council", language="en")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(home.place / "notify"))
        heard.settimeout(150)
        daemon = home.start(NOTIFY_SOCKET=str(home.place / "notify"))

        def until(word: bytes) -> bytes:
            while not (message := heard.recv(4096)).startswith(word):
                pass
            return message

        until(b"READY=1")
        daemon.send_signal(signal.SIGHUP)
        assert b"\nMONOTONIC_USEC=" in until(b"RELOADING=1")
        until(b"READY=1")
        home.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    config = tmp_path / "config.yaml"
    folders = [{"path": str(tmp_path / name), "language": "en"} for name in ("one", "two")]
    config.write_text(
        yaml.safe_dump(
            {
                "api": {"key": "${TEST_KEY}"},
                "defaults": {"document_type": "caption"},
                "folders": folders,
                "state": str(tmp_path / "state.db"),
            }
        )
    )
    return load(config, {"TEST_KEY": "a-key"})


def test_nothing_is_told_of_the_same_settings(settings: Settings) -> None:
    assert list(changes(settings, settings).lines()) == []


def test_what_a_restart_applies_stays_as_it_was(settings: Settings, tmp_path: Path) -> None:
    after = replace(settings, state=tmp_path / "else.db", api=replace(settings.api, timeout=99.0))
    assert changes(settings, after).later == ["api.timeout", "state"]
    assert in_effect(settings, after) == settings


def test_rules_are_told_of_where_they_have_changed_themselves(settings: Settings) -> None:
    def council(settle: float, *rules: PathSettings) -> Settings:
        (one, other) = settings.folders
        return replace(settings, folders=(replace(one, settle=settle, rules=rules), other))

    rule = settings.folders[0].at("a.mp4")
    assert rule is not None
    english, dutch = (replace(rule, rule=pattern, settle=1.0) for pattern in ("en/**", "nl/**"))
    before = council(1.0, english)
    assert changes(before, council(2.0, replace(english, settle=2.0))).changed == {"one": ["settle"]}
    assert changes(before, council(1.0, replace(english, settle=2.0))).changed == {"one": ["rules"]}
    assert changes(before, council(1.0, dutch)).changed == {"one": ["rules"]}
    assert changes(before, council(2.0, english, dutch)).changed == {"one": ["settle", "rules"]}


def test_a_name_that_would_write_on_a_terminal_is_shown_harmlessly(settings: Settings, tmp_path: Path) -> None:
    name = "one\x1b[2J"
    first, second = settings.folders
    after = replace(settings, folders=[replace(first, name=name, path=tmp_path / name), second])
    (line,) = changes(replace(settings, folders=[second]), after).lines()
    assert "\x1b" not in line
    assert "is watched from now on" in line


@pytest.fixture
def built(settings: Settings) -> Iterator[built_house.House]:
    with closing(Store(open_state(settings.state))) as store:
        stop = threading.Event()
        house = built_house.build(settings, store, stop, lambda: None)
        for watcher in house.tower.watchers.values():
            watcher.loop.start()
        yield house
        stop.set()
        for watcher in (*house.tower.watchers.values(), *house.leaving):
            watcher.end()
            assert watcher.loop.join(PATIENCE)
            watcher.scanner.close()
        house.folders.close()
        house.service.close()


def settled(reloading: Reloading) -> bool:
    return reloading.run_once(read_clock()) - read_clock().boot > LOOK_EVERY


def test_a_folder_may_go_again_before_anybody_watches_it(built: built_house.House, settings: Settings) -> None:
    without, reloading = replace(settings, folders=settings.folders[1:]), Reloading(built)
    # Its first watcher may hang in a dead share all the while.
    for after in (without, settings, without):
        reloading.apply(after)
    eventually(lambda: settled(reloading), "the watcher has ended")
    assert list(built.tower.watchers) == ["two"]
    assert built.leaving == []
    reloading.apply(settings)
    eventually(lambda: settled(reloading), "it is watched again")
    assert sorted(built.tower.watchers) == ["one", "two"]
    assert list(built.folders.every()) == ["one", "two"]


def test_what_was_refused_to_a_folder_is_asked_anew_once_its_settings_are_others(
    built: built_house.House, settings: Settings
) -> None:
    reloading, breakers = Reloading(built), built.breakers
    one, two = settings.folders
    for folder in (one, two):
        breakers.trip(FolderTrouble("xx is no language"), folder.name, read_clock().boot)
    breakers.trip(ShareTrouble("it hangs"), two.name, read_clock().boot)
    reloading.apply(settings)
    assert len(breakers.view()) == 3
    reloading.apply(replace(settings, folders=[replace(one, request=replace(one.request, language="nl")), two]))
    assert breakers.ready_at(uploading=True, folder=one.name) == 0
    assert {paused.whom for paused in breakers.view()} == {two.name}
    reloading.apply(replace(settings, folders=[one]))
    assert breakers.view() == []  # or its trouble would be told of for as long as the daemon runs


def test_the_ways_to_disks_are_all_closed_also_those_given_up_while_others_are_being_closed(
    built: built_house.House, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    reloading, closed = Reloading(built), list[str]()
    one, two = settings.folders
    ways = {id(built.folders.reached(folder.name)): folder.name for folder in settings.folders}

    def close(roots: Collection[FolderRoot]) -> None:
        close_together(roots)
        closed.extend(ways[id(root)] for root in roots)
        if closed == [one.name]:  # a disk that hangs takes long enough for the next signal
            reloading.apply(replace(settings, folders=[replace(two, path=one.path)]))

    monkeypatch.setattr("scriptixd.daemon.reloading.close_together", close)
    reloading.apply(replace(settings, folders=[two]))
    eventually(lambda: settled(reloading) and len(closed) == 2, "both are closed")
    assert closed == [one.name, two.name]
