"""The scanner on real directories: what it sees, what it concludes, and what it must never conclude."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench import BOOKS, DUTCH, ENGLISH, SOUND, WATCHED, WINDOW, Bench, HandBell, nothing, policy
from memory_book import MemoryBook

from scriptixd.errors import AdministratorHeals, FileTrouble, Hung, ShareTrouble, StateTrouble
from scriptixd.jobs.clock import Now, read_clock
from scriptixd.jobs.source import HELD_FOR_EXISTING, Admission, Existing
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.root import Disk, Entry, Identity, Kind, Listing, Nested
from scriptixd.watch.claim import Claim
from scriptixd.watch.doorbell import Bell, Doorbell
from scriptixd.watch.filters import Filter
from scriptixd.watch.ground import Ground
from scriptixd.watch.hearing import Hearing
from scriptixd.watch.mode import Choice, Mode, choose_mode, scan_interval, settle_window
from scriptixd.watch.policy import Policy
from scriptixd.watch.scanner import (
    BELL_CHECK,
    CONFIRM,
    NUMBERS_STAY,
    RESTLESS_LEAST,
    RETRY_MOST,
    RETRY_UNREAD,
    Scanner,
)
from scriptixd.watch.walk import AT_ONCE, BROKEN_MOST

DEADLINE = 30.0  # s


@pytest.fixture(params=BOOKS)
def book(request: pytest.FixtureRequest) -> Iterator[MemoryBook]:
    kept = BOOKS[request.param]()
    yield kept
    kept.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "media"
    place.mkdir()
    return place


@pytest.fixture
def bench(folder: Path, book: MemoryBook) -> Bench:
    """A folder that was watched before anything was in it."""
    bench = Bench(folder, book)
    bench.run()
    return bench


# What is there


def test_a_new_file_is_admitted_once_it_has_settled(bench: Bench) -> None:
    bench.put("a.wav")
    bench.put("en/deep/b.mp4")
    bench.ring("", trees=("en",))
    assert bench.run() == pytest.approx(WINDOW, abs=0.5)
    assert bench.present == {"a.wav", "en/deep/b.mp4"}
    assert bench.admitted == {}
    bench.run(WINDOW)
    assert bench.admitted == {"a.wav": Admission(DUTCH), "en/deep/b.mp4": Admission(ENGLISH)}


def test_nothing_is_written_when_nothing_has_changed(bench: Bench) -> None:
    bench.put("a.wav")
    bench.put("sub/b.wav")
    bench.ring(everything=True)
    bench.settle()
    writes = bench.book.writes
    for _ in range(5):
        bench.run(1000)
    assert bench.root.listed.count("sub") > 5
    assert bench.book.writes == writes
    assert len(bench.book.admitted) == 2


def test_what_the_filter_refuses_is_neither_seen_nor_entered(folder: Path, book: MemoryBook) -> None:
    bench = Bench(folder, book, replace(WATCHED, filter=Filter(exclude=("raw/**",))))
    for path in ("a.txt", "raw/a.wav", "@eaDir/a.wav", ".hidden/a.wav", "b.wav"):
        bench.put(path)
    bench.put("small.wav", b"x")
    bench.run()
    assert bench.present == {"b.wav"}
    assert bench.root.listed == [""]
    assert bench.scanner.view.files == 1


def test_a_file_that_keeps_growing_is_not_settled(bench: Bench) -> None:
    place = bench.put("a.wav")
    bench.ring("")
    bench.run()
    for _ in range(20):
        with place.open("ab") as file:
            file.write(SOUND)
        bench.run(WINDOW + 1)
    assert bench.admitted == {}
    assert bench.scanner.view.unsettled == 1
    bench.run(WINDOW + 1)
    assert set(bench.admitted) == {"a.wav"}


def test_a_file_of_preset_size_settles_only_when_writing_has_ended(bench: Bench) -> None:
    place = bench.put("a.wav", bytes(50_000))
    bench.ring("")
    bench.run()
    for number in range(5):
        with place.open("r+b") as file:
            file.seek(number * 1000)
            file.write(SOUND[:1000])
        os.utime(place, (number, number))
        bench.run(WINDOW + 1)
    assert bench.admitted == {}
    bench.run(WINDOW + 1)
    assert set(bench.admitted) == {"a.wav"}


def test_looks_go_on_over_a_restart_of_the_daemon(bench: Bench) -> None:
    bench.put("a.wav")
    bench.ring("")
    bench.run()
    bench.start()
    bench.run(WINDOW)
    assert set(bench.admitted) == {"a.wav"}


def test_looks_start_anew_after_a_restart_of_the_machine(bench: Bench) -> None:
    bench.put("a.wav")
    bench.ring("")
    bench.run()
    bench.start(boot="boot-2")
    bench.run(WINDOW)
    assert bench.admitted == {}
    bench.run(WINDOW)
    assert set(bench.admitted) == {"a.wav"}


def test_a_settled_file_is_not_admitted_again_after_a_restart_of_the_machine(bench: Bench) -> None:
    bench.put("a.wav")
    bench.ring("")
    bench.settle()
    bench.start(boot="boot-2")
    bench.settle()
    assert len(bench.book.admitted) == 1


def test_new_content_under_an_old_name_settles_and_is_admitted_again(bench: Bench) -> None:
    bench.put("a.wav")
    bench.ring("")
    bench.settle()
    bench.put("a.wav", SOUND * 2)
    bench.ring("")
    bench.settle()
    assert [path for path, _ in bench.book.admitted] == ["a.wav", "a.wav"]


def test_a_settle_window_of_nothing_takes_two_looks(folder: Path, book: MemoryBook) -> None:
    bench = Bench(folder, book, replace(WATCHED, policy=policy(window=0.0), windows=(0.0,)))
    bench.put("a.wav")
    wanted = bench.run()
    assert bench.admitted == {}
    assert 0 < wanted < 1
    bench.run(wanted)
    assert set(bench.admitted) == {"a.wav"}


def test_a_short_window_beside_a_long_one_makes_nobody_look_before_something_can_settle(
    folder: Path, book: MemoryBook
) -> None:
    def mixed(path: str) -> Policy:
        return Policy(DUTCH, Existing.HOLD, 0.0 if path.startswith("quick/") else 3600.0)

    bench = Bench(folder, book, replace(WATCHED, policy=mixed, windows=(0.0, 3600.0), scan_interval=10_000.0))
    bench.run()
    bench.put("quick/a.wav")
    bench.put("slow/b.wav")
    bench.ring("", trees=("quick", "slow"))
    bench.run(bench.run())
    assert set(bench.admitted) == {"quick/a.wav"}
    bench.root.listed.clear()
    for _ in range(100):
        bench.run(1)
    assert bench.root.listed == []
    with (folder / "slow" / "b.wav").open("ab") as file:
        file.write(SOUND)
    bench.run(3600)
    bench.run(3599)
    assert "slow/b.wav" not in bench.admitted
    bench.run(2)
    assert "slow/b.wav" in bench.admitted
    assert bench.root.listed == ["slow", "slow"]


def test_a_directory_that_cannot_be_read_is_not_looked_at_in_a_busy_loop(folder: Path, book: MemoryBook) -> None:
    bench = Bench(folder, book, replace(WATCHED, policy=policy(window=0.0), windows=(0.0,)))
    bench.run()
    bench.put("sub/a.wav")
    bench.ring("", trees=("sub",))
    bench.run()

    def refuse(directory: str) -> None:
        if directory == "sub":
            tries.append(directory)
            raise FileTrouble("sub may not be read")

    tries: list[str] = []
    bench.root.before_listing = refuse
    for _ in range(100):
        bench.run(1)
    assert 1 <= len(tries) <= 3


def test_a_file_that_never_stops_growing_is_named(bench: Bench) -> None:
    place = bench.put("a.wav")
    bench.put("b.wav")
    bench.ring("")
    bench.run()
    began = bench.now.wall
    while bench.now.wall < began + RESTLESS_LEAST:
        assert bench.scanner.view.restless == ()
        with place.open("ab") as file:
            file.write(SOUND)
        bench.run(WINDOW + 1)
    bench.run(WINDOW + 1)
    with place.open("ab") as file:
        file.write(SOUND)
    bench.run(WINDOW + 1)
    bench.run(WINDOW + 1)
    assert bench.scanner.view.restless == ()
    assert set(bench.admitted) == {"a.wav", "b.wav"}


def test_what_does_not_stop_changing_is_told_when_that_begins_and_when_it_ends(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    place = bench.put("live.wav")
    bench.ring("")
    bench.run()
    began = bench.now.wall
    with caplog.at_level("INFO"):
        while bench.now.wall < began + 2 * RESTLESS_LEAST:
            with place.open("ab") as file:
                file.write(SOUND)
            bench.run(WINDOW + 1)
        for _ in range(3):
            bench.run(WINDOW + 1)
    told = [
        record.getMessage().partition(": ")
        for record in caplog.records
        if "changing" in record.getMessage() or "changes all" in record.getMessage()
    ]
    assert [what.split()[:2] for _, _, what in told] == [["has", "not"], ["is", "not"]]
    assert {path for path, _, _ in told} == {f"{WATCHED.name}/live.wav"}


# What is there no more


def test_deleted_and_renamed_files_are_gone_and_come_back(bench: Bench) -> None:
    bench.put("a.wav")
    bench.put("b.wav")
    bench.ring("")
    bench.settle()
    (bench.folder / "a.wav").unlink()
    (bench.folder / "b.wav").rename(bench.folder / "c.wav")
    bench.hear("")
    assert bench.book.gone == ["a.wav"]
    assert bench.book.renamed == [("b.wav", "c.wav")]
    assert bench.present == {"c.wav"}
    bench.put("a.wav")
    bench.ring("")
    bench.settle()
    assert bench.present == {"a.wav", "c.wav"}
    assert [path for path, _ in bench.book.admitted].count("a.wav") == 2


@pytest.mark.parametrize("heard", [("sub/deep",), ("",), ("sub",), ("sub/deep", "sub/deep/er", "")])
def test_a_directory_that_has_vanished_takes_its_files_along(bench: Bench, heard: tuple[str, ...]) -> None:
    for path in ("a.wav", "sub/b.wav", "sub/deep/c.wav", "sub/deep/er/d.wav"):
        bench.put(path)
    bench.ring(everything=True)
    bench.settle()
    shutil.rmtree(bench.folder / "sub")
    bench.hear(*heard)
    assert bench.present == {"a.wav"}
    assert sorted(bench.book.gone) == ["sub/b.wav", "sub/deep/c.wav", "sub/deep/er/d.wav"]


def test_a_directory_that_vanished_while_the_daemon_was_down_takes_its_files_along(bench: Bench) -> None:
    bench.put("a.wav")
    bench.put("sub/deep/b.wav")
    bench.ring(everything=True)
    bench.settle()
    shutil.rmtree(bench.folder / "sub")
    bench.start()
    bench.run()
    assert bench.book.gone == []
    bench.run(CONFIRM)
    assert bench.book.gone == ["sub/deep/b.wav"]


def test_a_directory_that_was_renamed_is_seen_under_its_new_name(bench: Bench) -> None:
    bench.put("old/deep/a.wav")
    bench.ring(everything=True)
    bench.settle()
    (bench.folder / "old").rename(bench.folder / "new")
    bench.hear("", trees=("new",))
    assert bench.book.gone == []
    assert bench.book.renamed == [("old/deep/a.wav", "new/deep/a.wav")]
    assert bench.present == {"new/deep/a.wav"}
    assert len(bench.book.admitted) == 1


def test_nothing_is_inferred_about_an_entry_of_which_the_disk_tells_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put("a.wav")
    bench.put("sub/b.wav")
    bench.ring(everything=True)
    bench.settle()
    told = [Entry("a.wav", Kind.FILE, None), Entry("sub", Kind.FILE, None)]
    monkeypatch.setattr(bench.root, "listing", lambda _: Listing.of(told))
    bench.hear(everything=True)
    assert bench.book.gone == []
    assert bench.present == {"a.wav", "sub/b.wav"}


def test_a_loss_is_confirmed_however_often_something_else_rings(bench: Bench) -> None:
    bench.put("quiet/a.wav")
    bench.put("busy/b.wav")
    bench.ring(everything=True)
    bench.settle()
    (bench.folder / "quiet" / "a.wav").unlink()
    bench.ring("quiet")
    bench.run()
    for _ in range(6):
        bench.ring("busy")
        bench.run(0.6)
    assert bench.book.gone == ["quiet/a.wav"]


def test_each_name_has_to_be_missing_twice(bench: Bench) -> None:
    for path in ("a.wav", "b.wav", "x/c.wav", "y/d.wav"):
        bench.put(path)
    bench.ring(everything=True)
    bench.settle()
    (bench.folder / "a.wav").unlink()
    shutil.rmtree(bench.folder / "x")
    bench.ring("")
    bench.run()
    (bench.folder / "b.wav").unlink()
    shutil.rmtree(bench.folder / "y")
    bench.run(CONFIRM)
    assert sorted(bench.book.gone) == ["a.wav", "x/c.wav"]
    bench.put("b.wav")
    bench.put("y/d.wav")
    bench.run(CONFIRM)
    assert sorted(bench.book.gone) == ["a.wav", "x/c.wav"]
    assert bench.present == {"b.wav", "y/d.wav"}


def test_a_directory_that_is_no_more_is_not_looked_for_again_and_again(bench: Bench) -> None:
    bench.put("sub/deep/a.wav")
    bench.put("b.wav")
    bench.ring(everything=True)
    bench.settle()
    (bench.folder / "sub" / "deep" / "a.wav").unlink()
    bench.ring("sub/deep")
    bench.run()
    shutil.rmtree(bench.folder / "sub")
    bench.hear("")
    bench.run()
    assert bench.book.gone == ["sub/deep/a.wav"]
    bench.root.listed.clear()
    for _ in range(30):
        bench.run(CONFIRM)
    assert bench.root.listed == []


# What cannot be reached


def test_a_root_that_vanishes_infers_nothing_and_comes_back(bench: Bench) -> None:
    bench.put("a.wav")
    bench.put("sub/b.wav")
    bench.ring(everything=True)
    bench.settle()
    away = bench.folder.with_name("away")
    bench.folder.rename(away)
    waits = [bench.run(1000 if number == 0 else 61) for number in range(9)]
    assert waits == [1, 2, 4, 8, 16, 32, RETRY_MOST, RETRY_MOST, RETRY_MOST]
    offline = bench.scanner.view.offline
    assert offline is not None
    assert "does not exist" in offline.reason
    assert offline.hint
    assert offline.since == bench.now.wall - 8 * 61
    assert bench.bells[-1].stopped
    assert bench.book.gone == []
    (away / "c.wav").write_bytes(SOUND)
    away.rename(bench.folder)
    bench.run(61)
    assert not bench.offline
    assert bench.present == {"a.wav", "sub/b.wav", "c.wav"}
    bench.run(WINDOW)
    assert bench.admitted["c.wav"] == Admission(DUTCH)
    assert len(bench.book.admitted) == 3


def test_an_offline_root_is_not_touched_before_its_time(bench: Bench) -> None:
    bench.root.away = True
    bench.run(1000)
    bench.root.away = False
    bench.root.listed.clear()
    assert bench.run(0.5) == 0.5
    assert bench.root.listed == []
    bench.run(0.5)
    assert bench.root.listed == [""]


def test_a_disk_that_goes_away_in_the_middle_of_a_scan_infers_nothing(bench: Bench) -> None:
    for number in range(5):
        bench.put(f"{number}/a.wav")
    bench.ring(everything=True)
    bench.settle()
    shutil.rmtree(bench.folder / "0")

    def lose(directory: str) -> None:
        bench.root.away = directory == "2"

    bench.root.before_listing = lose
    bench.run(1000)
    assert bench.offline
    assert set(bench.book.gone) <= {"0/a.wav"}


def test_a_directory_that_may_not_be_read_is_told_and_nothing_is_inferred_about_it(bench: Bench) -> None:
    bench.put("closed/a.wav")
    bench.put("closed/deep/b.wav")
    bench.put("c.wav")
    bench.ring(everything=True)
    bench.settle()

    def refuse(directory: str) -> None:
        if directory == "closed":
            raise FileTrouble("closed may not be read", "let us in")

    bench.root.before_listing = refuse
    bench.run(1000)
    assert not bench.offline
    assert bench.scanner.view.problems == ("closed may not be read (let us in)",)
    assert bench.book.gone == []
    bench.root.before_listing = nothing
    bench.ring("closed")
    bench.run()
    assert bench.scanner.view.problems == ()


def test_what_could_not_be_read_when_it_was_first_looked_at_was_there_before(folder: Path, book: MemoryBook) -> None:
    bench = Bench(folder, book)
    bench.put("closed/deep/a.wav")

    def refuse(directory: str) -> None:
        if directory == "closed":
            raise FileTrouble("closed may not be read")

    bench.root.before_listing = refuse
    bench.run()
    bench.put("new.wav")
    bench.ring("")
    bench.settle()
    bench.root.before_listing = nothing
    bench.run(1000)
    bench.settle()
    assert bench.admitted == {
        "new.wav": Admission(DUTCH),
        "closed/deep/a.wav": Admission(DUTCH, held_for=HELD_FOR_EXISTING),
    }


@pytest.mark.parametrize("restart", [False, True])
def test_a_file_that_could_not_be_seen_by_the_first_contact_was_there_before(
    folder: Path, book: MemoryBook, monkeypatch: pytest.MonkeyPatch, restart: bool
) -> None:
    bench = Bench(folder, book)
    bench.put("sub/old.wav")
    real = bench.root.listing

    def half_blind(directory: str) -> Listing:
        entries = list(real(directory))
        return Listing.of(replace(one, stat=None) if one.name in blind else one for one in entries)

    monkeypatch.setattr(bench.root, "listing", half_blind)
    blind = {"old.wav"}
    bench.run()
    bench.put("sub/new.wav")
    blind = {"old.wav", "new.wav"}
    bench.ring("sub")
    bench.run()
    blind = {"old.wav"}
    bench.ring("sub")
    bench.settle()
    if restart:
        bench.start()
    blind = set()
    bench.run(1000)
    bench.settle()
    assert bench.admitted == {
        "sub/new.wav": Admission(DUTCH),
        "sub/old.wav": Admission(DUTCH, held_for=HELD_FOR_EXISTING),
    }
    bench.put("sub/old.wav", SOUND * 2)
    bench.ring("sub")
    bench.settle()
    assert bench.admitted["sub/old.wav"] == Admission(DUTCH)


def _broken(number: int) -> ShareTrouble:
    """What a root raises where the disk says this."""
    trouble = ShareTrouble("bad cannot be read", "look after the disk")
    trouble.__cause__ = OSError(number, os.strerror(number))
    return trouble


def _break(bench: Bench, trouble: ShareTrouble, *directories: str) -> None:
    def fail(directory: str) -> None:
        if directory in directories:
            raise trouble

    bench.root.before_listing = fail


@pytest.mark.parametrize("trouble", [_broken(errno.EIO), ShareTrouble("bad cannot be read", "look after the disk")])
def test_a_directory_that_the_disk_cannot_read_is_left_out_alone(bench: Bench, trouble: ShareTrouble) -> None:
    for path in ("a.wav", "bad/b.wav", "bad/deep/c.wav", "good/d.wav"):
        bench.put(path)
    bench.ring(everything=True)
    bench.settle()
    _break(bench, trouble, "bad")
    bench.put("good/new.wav")
    bench.put("bad/new.wav")
    bench.run(1000)
    bench.settle()
    assert not bench.offline
    assert bench.scanner.view.problems == ("bad cannot be read (look after the disk)",)
    assert bench.book.gone == []
    assert bench.admitted["good/new.wav"] == Admission(DUTCH)
    bench.root.before_listing = nothing
    bench.run(RETRY_UNREAD)
    bench.settle()
    assert not bench.scanner.view.problems
    assert bench.admitted["bad/new.wav"] == Admission(DUTCH)


def test_what_the_disk_could_not_read_at_the_first_contact_was_there_before(folder: Path, book: MemoryBook) -> None:
    bench = Bench(folder, book)
    bench.put("bad/deep/a.wav")
    _break(bench, _broken(errno.EIO), "bad")
    bench.run()
    bench.start()
    bench.root.before_listing = nothing
    bench.run(1000)
    bench.settle()
    assert bench.admitted == {"bad/deep/a.wav": Admission(DUTCH, held_for=HELD_FOR_EXISTING)}


@pytest.mark.parametrize(
    ("trouble", "directories"),
    [
        (_broken(errno.ESTALE), ("bad",)),
        (_broken(errno.EHOSTDOWN), ("bad",)),
        (_broken(errno.ENOTCONN), ("bad",)),
        (Hung("bad does not answer"), ("bad",)),
        (_broken(errno.EIO), ("bad", "")),
        (_broken(errno.EIO), ("",)),
    ],
)
def test_a_disk_that_does_not_answer_any_more_is_away(
    bench: Bench, trouble: ShareTrouble, directories: tuple[str, ...]
) -> None:
    bench.put("bad/a.wav")
    bench.ring(everything=True)
    bench.settle()
    _break(bench, trouble, *directories)
    bench.ring("bad")
    bench.run()
    if directories == ("",):
        bench.ring("")
        bench.run()
    assert bench.offline
    assert bench.book.gone == []


def test_a_disk_that_cannot_read_many_directories_is_away(bench: Bench) -> None:
    names = [f"{number}" for number in range(BROKEN_MOST + 1)]
    for name in names:
        bench.put(f"{name}/a.wav")
    bench.ring(everything=True)
    bench.settle()
    _break(bench, _broken(errno.EIO), *names[1:])
    bench.run(1000)
    assert not bench.offline
    _break(bench, _broken(errno.EIO), *names)
    bench.run(1000)
    assert bench.offline


def test_a_nudge_that_comes_while_an_attempt_is_ending_is_not_lost(bench: Bench) -> None:
    bench.root.away = True
    for _ in range(9):
        bench.run(61)
    bench.scanner._stands = lambda _: bench.scanner.nudge()
    bench.run(61)
    bench.scanner._stands = lambda _: None
    bench.root.away = False
    bench.run(0.1)
    assert not bench.offline


# First contact


@pytest.mark.parametrize(
    ("existing", "admission"),
    [
        (Existing.HOLD, Admission(DUTCH, held_for=HELD_FOR_EXISTING)),
        (Existing.PROCESS, Admission(DUTCH)),
        (Existing.IGNORE, Admission(DUTCH, ignored=True)),
    ],
)
def test_what_was_there_before_is_treated_as_configured(
    folder: Path, book: MemoryBook, existing: Existing, admission: Admission
) -> None:
    bench = Bench(folder, book, replace(WATCHED, policy=policy(existing)))
    bench.put("old.wav")
    bench.run()
    bench.put("new.wav")
    bench.ring("")
    bench.run()
    bench.run(WINDOW)
    assert bench.admitted == {"old.wav": admission, "new.wav": Admission(DUTCH)}


def test_a_file_dropped_after_a_first_contact_with_an_empty_folder_is_new(bench: Bench) -> None:
    bench.start()
    bench.put("a.wav")
    bench.settle()
    assert bench.admitted == {"a.wav": Admission(DUTCH)}


def test_a_first_contact_that_was_interrupted_goes_on_until_one_pass_is_complete(
    folder: Path, book: MemoryBook
) -> None:
    bench = Bench(folder, book)
    for number in range(5):
        bench.put(f"{number}/a.wav")

    def stop(directory: str) -> None:
        bench.stopping = len(bench.root.listed) == 3

    bench.root.before_listing = stop
    bench.run()
    assert len(bench.present) == 3
    bench.stopping = False
    bench.root.before_listing = nothing
    bench.start()
    bench.settle()
    assert len(bench.admitted) == 5
    assert all(admission.held_for for admission in bench.admitted.values())


def test_a_file_that_grew_through_the_first_contact_was_there_before(folder: Path, book: MemoryBook) -> None:
    bench = Bench(folder, book)
    bench.put("a.wav")
    bench.run()
    bench.put("a.wav", SOUND * 2)
    bench.settle()
    assert bench.admitted["a.wav"].held_for


def test_a_touch_does_not_make_an_old_file_new_but_another_recording_does(folder: Path, book: MemoryBook) -> None:
    bench = Bench(folder, book)
    place = bench.put("a.wav")
    bench.settle()
    os.utime(place, (1, 1))
    bench.ring("")
    bench.settle()
    assert [admission.held_for for _, admission in bench.book.admitted] == [HELD_FOR_EXISTING] * 2
    bench.put("a.wav", SOUND * 2)
    bench.ring("")
    bench.settle()
    assert bench.book.admitted[-1] == ("a.wav", Admission(DUTCH))


# When to look


def test_only_the_directories_that_rang_are_looked_at(bench: Bench) -> None:
    for path in ("a.wav", "x/b.wav", "y/c.wav"):
        bench.put(path)
    bench.ring(everything=True)
    bench.settle()
    bench.root.listed.clear()
    bench.ring("x")
    bench.run()
    assert bench.root.listed == ["x"]


def test_what_has_rung_is_not_forgotten_while_the_state_file_cannot_be_written(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = MemoryBook()
    bench = Bench(folder, book)
    bench.put("x/old.wav")
    bench.settle()
    bench.put("x/a.wav")
    bench.ring("x")

    def full(*_: object) -> None:
        raise StateTrouble("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(book, "record", full)
        with pytest.raises(StateTrouble):
            bench.run()
    assert bench.run(20) < 60
    assert "x/a.wav" in bench.present


def test_a_full_directory_is_written_down_in_parts_between_which_it_can_be_stopped(folder: Path) -> None:
    book = MemoryBook()
    bench = Bench(folder, book)
    for number in range(2 * AT_ONCE + 1):
        bench.put(f"{number}.wav")
    bench.run(10)
    assert book.writes == 3
    for recording in folder.glob("*.wav"):
        recording.unlink()
    beats = bench.beats
    bench.hear(everything=True)
    assert book.writes == 6
    assert bench.beats - beats >= 4
    assert not bench.present


def test_a_directory_that_appeared_unheard_is_entered_when_its_parent_rings(bench: Bench) -> None:
    bench.put("new/deep/a.wav")
    bench.ring("")
    bench.run()
    assert bench.present == {"new/deep/a.wav"}


def test_a_burst_of_rings_is_few_looks(bench: Bench) -> None:
    bench.run(10)
    bench.root.listed.clear()
    for number in range(100):
        bench.put(f"{number}.wav")
        bench.ring("")
        assert bench.run(0.01) > 0
    assert len(bench.root.listed) <= 5


def test_the_timer_looks_at_everything_with_some_jitter(bench: Bench) -> None:
    wanted = set()
    for _ in range(5):
        assert bench.run(1000) == BELL_CHECK
        wanted.add(bench.scanner._next_full - bench.now.boot)
    assert len(wanted) == 5
    assert all(810 <= seconds <= 990 for seconds in wanted)
    assert bench.root.listed == [""] * 6
    assert len(bench.bells) == 1


def test_every_directory_is_covered_before_it_is_listed_and_left_when_it_is_gone(bench: Bench) -> None:
    bench.put("sub/deep/a.wav")
    bench.put("@eaDir/b.wav")
    covered: list[bool] = []
    bench.root.before_listing = lambda directory: covered.append(directory in bench.bells[-1].covered)
    bench.ring(everything=True)
    bench.settle()
    assert len(covered) >= 3
    assert all(covered)
    assert bench.bells[-1].covered == {"", "sub", "sub/deep"}
    shutil.rmtree(bench.folder / "sub")
    bench.hear("")
    assert bench.bells[-1].covered == {""}


def test_a_dead_doorbell_is_replaced_and_everything_is_looked_at(bench: Bench) -> None:
    bench.put("sub/a.wav")
    bench.bells[-1].living = False
    bench.run(BELL_CHECK)
    assert bench.present == {"sub/a.wav"}
    assert len(bench.bells) == 2
    assert bench.bells[0].stopped


def test_without_a_doorbell_the_folder_is_polled_and_says_why(folder: Path, book: MemoryBook) -> None:
    bench = Bench(folder, book)

    def refuse() -> Bell:
        raise AdministratorHeals("the kernel has no inotify instance left", "raise it")

    bench.start(replace(WATCHED, scan_interval=None), hang=refuse)
    bench.run()
    assert 27 <= bench.scanner._next_full - bench.now.boot <= 33
    choice = bench.scanner.view.choice
    assert choice == Choice(Mode.POLL, "the kernel has no inotify instance left (raise it)")


def test_without_watches_for_every_directory_the_folder_is_polled_with_one_warning(
    folder: Path, book: MemoryBook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(bell: HandBell, directory: str) -> None:
        if directory == "sub":
            raise AdministratorHeals("20 watches are not enough", "raise it")

    bench = Bench(folder, book, replace(WATCHED, scan_interval=None))
    bench.put("sub/a.wav")
    with monkeypatch.context() as patch:
        patch.setattr(HandBell, "cover", refuse)
        assert bench.run() <= WINDOW
        for _ in range(100):
            bench.run(30)
        assert bench.present == {"sub/a.wav"}
        assert bench.scanner.view.choice == Choice(Mode.POLL, "20 watches are not enough (raise it)")
        assert all(bell.stopped for bell in bench.bells)
        assert [record.levelname for record in caplog.records if "20 watches" in record.message] == ["WARNING"]
    with caplog.at_level("INFO"):
        bench.run(1000)
    assert bench.scanner.view.choice == Choice(Mode.EVENTS, bench.scanner.view.choice.why)
    assert len([record for record in caplog.records if "is polled no more" in record.message]) == 1


def test_a_watch_that_is_refused_in_the_middle_of_a_look_is_made_up_for_by_a_look_at_everything(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put("quiet/a.wav")
    bench.ring(everything=True)
    bench.settle()

    def refuse(bell: HandBell, directory: str) -> None:
        if directory == "new":
            raise AdministratorHeals("20 watches are not enough", "raise it")

    monkeypatch.setattr(HandBell, "cover", refuse)
    bench.put("new/b.wav")
    bench.put("quiet/unheard.wav")
    bench.ring("", trees=("new",))
    assert bench.run() < 1, "what would have rung is looked for at once"
    assert bench.bells[-1].stopped
    assert bench.scanner.view.choice == Choice(Mode.POLL, "20 watches are not enough (raise it)")
    assert "quiet/unheard.wav" not in bench.present
    bench.run()
    assert bench.present == {"quiet/a.wav", "new/b.wav", "quiet/unheard.wav"}


def test_new_inodes_of_what_is_known_are_written_down_and_a_rename_after_that_is_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.put("sub/a.wav")
    bench.put("b.wav")
    bench.ring(everything=True)
    bench.settle()
    bench.run(1000)
    real, mounted = bench.root.listing, 1000

    def renumbered(directory: str) -> Listing:
        return Listing([(*row[:4], row[4] + mounted if row[4] > 0 else row[4], row[5]) for row in real(directory).rows])

    monkeypatch.setattr(bench.root, "listing", renumbered)
    bench.run(1000)
    (bench.folder / "sub/a.wav").rename(bench.folder / "c.wav")
    bench.hear("", "sub")
    bench.settle()
    assert bench.book.renamed == [("sub/a.wav", "c.wav")]
    assert len(bench.book.admitted) == 2
    writes = bench.book.writes
    for _ in range(3):
        mounted += 1000
        bench.run(1000)
    assert bench.book.writes == writes, "a disk that numbers them anew at each look is not written down at each"
    bench.run(NUMBERS_STAY)
    assert bench.book.writes == writes + 1
    (bench.folder / "b.wav").rename(bench.folder / "d.wav")
    bench.hear("")
    assert ("b.wav", "d.wav") in bench.book.renamed


def test_polling_looks_at_everything_each_time_without_a_doorbell(folder: Path, book: MemoryBook) -> None:
    bench = Bench(folder, book, replace(WATCHED, watch=Mode.POLL, scan_interval=None))
    bench.run()
    assert 27 <= bench.scanner._next_full - bench.now.boot <= 33
    bench.put("sub/a.wav")
    bench.run(34)
    assert bench.present == {"sub/a.wav"}
    assert bench.bells == []


def test_long_scans_move_the_beat_and_stop_when_asked(folder: Path, book: MemoryBook) -> None:
    bench = Bench(folder, book)
    for number in range(50):
        bench.put(f"{number}/a.wav")
    bench.run()
    assert bench.beats >= 50
    bench.stopping = True
    bench.root.listed.clear()
    bench.run(1000)
    assert bench.root.listed == []
    bench.stopping = False
    bench.run()
    assert len(bench.root.listed) == 51


def test_a_scan_that_takes_longer_than_the_window_does_not_settle_by_that(folder: Path, book: MemoryBook) -> None:
    bench = Bench(folder, book)
    bench.put("1/a.wav")
    bench.put("2/a.wav")

    def slow(directory: str) -> None:
        bench.now = Now(bench.now.wall + 50, bench.now.boot + 50)

    bench.root.before_listing = slow
    bench.run()
    since = {source.path: source.look.since for source in book.sources.values()}
    assert abs(since["1/a.wav"] - since["2/a.wav"]) == 50
    bench.root.before_listing = nothing
    late = max(since, key=since.__getitem__)
    bench.now = Now(bench.now.wall, since[late] + WINDOW - 0.1)
    bench.ring("1", "2")
    bench.run(0)
    assert late not in bench.admitted


def test_the_view_tells_how_the_folder_is_doing(bench: Bench) -> None:
    bench.put("a.wav")
    bench.ring(everything=True)
    bench.run()
    view = bench.scanner.view
    assert view.name == "council"
    assert view.offline is None
    assert view.choice is not None
    assert view.choice.mode is Mode.EVENTS
    assert "local" in view.choice.why
    assert view.last_full_scan == bench.now.wall
    assert (view.files, view.unsettled, view.problems) == (1, 1, ())


# How to look


def _disk(filesystem: str, nested: str = "") -> Disk:
    below = (Nested("sub", Identity(nested, "there", "/")),) if nested else ()
    return Disk(Identity(filesystem, "here", "/"), "/", below)


@pytest.mark.parametrize(
    ("configured", "disk", "mode", "why"),
    [
        (None, _disk("ext4"), Mode.EVENTS, "ext4 is a local file system"),
        (None, _disk("tmpfs"), Mode.EVENTS, "tmpfs is"),
        (None, _disk("ext4", "xfs"), Mode.EVENTS, "ext4 is"),
        (None, _disk("cifs"), Mode.POLL, "cifs may be written by others"),
        (None, _disk("fuse.rclone"), Mode.POLL, "fuse.rclone may"),
        (None, _disk("never-heard-of"), Mode.POLL, "never-heard-of may"),
        (None, _disk("ext4", "nfs4"), Mode.POLL, "nfs4, mounted at sub in it, may"),
        (Mode.POLL, _disk("ext4"), Mode.POLL, "the configuration"),
        (Mode.EVENTS, _disk("ext4"), Mode.EVENTS, "the configuration"),
        (Mode.EVENTS, _disk("nfs4"), Mode.POLL, "nfs4 may be written by others"),
    ],
)
def test_events_are_for_local_disks_unless_the_configuration_says_otherwise(
    configured: Mode | None, disk: Disk, mode: Mode, why: str
) -> None:
    choice = choose_mode(configured, disk)
    assert choice.mode is mode
    assert choice.why.startswith(why)


def test_windows_and_intervals_follow_the_disk_unless_they_are_set() -> None:
    local, remote = _disk("xfs"), _disk("cifs")
    assert (settle_window(None, local), settle_window(None, remote), settle_window(3.0, remote)) == (10.0, 60.0, 3.0)
    assert settle_window(None, _disk("xfs", "cifs")) == 60.0
    assert (scan_interval(None, Mode.EVENTS), scan_interval(None, Mode.POLL)) == (900.0, 30.0)
    assert scan_interval(7.0, Mode.EVENTS) == 7.0


# With the kernel's own doorbell and clock


class Living:
    """A scanner in its loop, as the daemon runs it: wait until it is wanted or woken."""

    def __init__(self, folder: Path, book: MemoryBook) -> None:
        self.book = book
        self._woken = threading.Event()
        self._folder = folder
        watched = replace(WATCHED, policy=policy(window=0.5), windows=(0.5,))
        root = LocalRoot(folder)
        hearing = Hearing("council", None, lambda: Doorbell(str(folder), watched.filter, self._woken.set))
        self.scanner = Scanner(
            watched,
            root,
            book,
            Ground("council", root, book, watched.filter, Claim(root, "a" * 32, "here"), hearing.deletions_seen),
            hearing,
            stands=lambda _: None,
            beat=lambda: None,
            stop=lambda: False,
        )

    def until(self, condition: Callable[[], bool]) -> bool:
        end = read_clock().boot + DEADLINE
        while not condition():
            now = read_clock()
            if now.boot > end:
                return False
            wanted = self.scanner.run_once(now)
            if condition():
                return True
            self._woken.wait(max(0.0, min(wanted, end) - read_clock().boot))
            self._woken.clear()
        return True

    def admitted(self) -> set[str]:
        return {path for path, _ in self.book.admitted}


@pytest.fixture
def living(folder: Path, book: MemoryBook) -> Iterator[Living]:
    threads = set(threading.enumerate())
    living = Living(folder, book)
    assert living.until(lambda: living.scanner.view.last_full_scan is not None)
    yield living
    living.scanner.close()
    assert set(threading.enumerate()) == threads


def test_three_thousand_files_dropped_at_once_are_all_seen(living: Living, folder: Path) -> None:
    for number in range(3000):
        place = folder / str(number % 30)
        place.mkdir(exist_ok=True)
        (place / f"{number}.wav").write_bytes(SOUND)
    expected = {f"{number % 30}/{number}.wav" for number in range(3000)}
    assert living.until(lambda: len(living.book.admitted) >= 3000)
    assert living.admitted() == expected
    assert len(living.book.admitted) == 3000


def test_a_file_in_directories_that_were_just_made_is_seen_without_waiting_for_the_timer(
    living: Living, folder: Path
) -> None:
    expected = set()
    for number in range(40):
        place = folder / f"{number}" / "a" / "b"
        place.mkdir(parents=True)
        (place / "c.wav").write_bytes(SOUND)
        expected.add(f"{number}/a/b/c.wav")
        living.until(lambda: True)
    assert living.until(lambda: living.admitted() >= expected)


def test_a_root_that_is_deleted_and_made_anew_is_watched_again(living: Living, folder: Path) -> None:
    (folder / "a.wav").write_bytes(SOUND)
    assert living.until(lambda: "a.wav" in living.admitted())
    shutil.rmtree(folder)
    assert living.until(lambda: living.scanner.view.offline is not None)
    assert "a.wav" not in living.book.gone
    folder.mkdir()
    (folder / "b.wav").write_bytes(SOUND)
    assert living.until(lambda: "b.wav" in living.admitted())
    (folder / "c.wav").write_bytes(SOUND)
    assert living.until(lambda: "c.wav" in living.admitted())


def test_a_root_that_is_not_there_at_the_start_is_waited_for(folder: Path, book: MemoryBook) -> None:
    folder.rmdir()
    living = Living(folder, book)
    assert living.until(lambda: living.scanner.view.offline is not None)
    folder.mkdir()
    assert living.until(lambda: living.scanner.view.offline is None)
    (folder / "a.wav").write_bytes(SOUND)
    assert living.until(lambda: "a.wav" in living.admitted())
    assert dict(book.admitted)["a.wav"] == Admission(DUTCH)
    living.scanner.close()
