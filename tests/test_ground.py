"""Which disk is a folder's own, and whose: what is never inferred from one that is not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench import BOOKS, DUTCH, SOUND, WATCHED, WINDOW, Bench, nothing, policy
from memory_book import MemoryBook, StoredBook

from scriptixd.errors import FileTrouble
from scriptixd.jobs.source import FLOOD_WITHIN, HELD_FOR_EXISTING, HELD_FOR_FLOOD, Admission, Existing, QuestionKind
from scriptixd.roots.root import Identity, Nested
from scriptixd.watch.claim import DEAD_AFTER, NAME
from scriptixd.watch.filters import Filter
from scriptixd.watch.scanner import CONFIRM

NAS = Nested("nas", Identity("cifs", "//nas/media", "/"))
OTHER = Nested("nas", Identity("cifs", "//new/media", "/"))


@pytest.fixture(params=BOOKS)
def book(request: pytest.FixtureRequest) -> Iterator[MemoryBook]:
    kept = BOOKS[request.param]()
    yield kept
    kept.close()


@pytest.fixture
def bench(tmp_path: Path, book: MemoryBook) -> Bench:
    """A folder that was watched before anything was in it."""
    place = tmp_path / "media"
    place.mkdir()
    bench = Bench(place, book)
    bench.run()
    return bench


def _unmount(bench: Bench) -> Path:
    """The share goes away, and what lies under it is seen."""
    share = bench.folder.with_name("share")
    bench.folder.rename(share)
    bench.folder.mkdir()
    return share


def _remount(bench: Bench, share: Path) -> None:
    shutil.rmtree(bench.folder)
    share.rename(bench.folder)


# Another disk


def test_a_share_that_is_not_mounted_is_not_an_empty_share(bench: Bench) -> None:
    bench.root.source = "//nas/media"
    bench.put("a.wav")
    bench.put("sub/b.wav")
    bench.settle()
    share = _unmount(bench)
    (bench.folder / "NOT MOUNTED.txt").touch()
    bench.root.source = None
    for restart in (False, True):
        if restart:
            bench.start()
        bench.run(1000)
        assert "is empty, and not the disk that it was" in bench.offline
        assert bench.trouble is not None
    assert bench.book.gone == []
    assert not (bench.folder / NAME).exists()
    _remount(bench, share)
    bench.root.source = "//nas/media"
    bench.run(1000)
    assert not bench.offline
    assert bench.trouble is None
    bench.run(CONFIRM)
    assert bench.present == {"a.wav", "sub/b.wav"}
    assert bench.book.gone == []


def test_files_in_the_bare_directory_under_a_share_are_asked_about(bench: Bench) -> None:
    bench.root.source, bench.root.mountpoint = "//nas/media", str(bench.folder)
    bench.put("a.wav")
    bench.settle()
    share = _unmount(bench)
    bench.put("b.wav")
    bench.root.source, bench.root.mountpoint = None, "/"
    bench.run(1000)
    assert "//nas/media, its disk, is not mounted" in bench.offline
    assert bench.present == {"a.wav"}
    _remount(bench, share)
    bench.root.source, bench.root.mountpoint = "//nas/media", str(bench.folder)
    bench.run(1000)
    assert not bench.offline
    assert bench.book.question is None
    assert bench.present == {"a.wav"}


def test_a_share_that_goes_away_between_two_listings_loses_nothing(bench: Bench) -> None:
    bench.put("a.wav")
    bench.put("sub/b.wav")
    bench.ring(everything=True)
    bench.settle()

    def unmount(directory: str) -> None:
        if bench.root.source is None and directory == "sub":
            _unmount(bench)
            bench.root.source = "bare"

    bench.root.before_listing = unmount
    for _ in range(3):
        bench.run(1000)
    assert bench.book.gone == []
    assert bench.offline


def test_another_disk_with_files_is_asked_about_once_and_goes_on_with_all_that_is_known(bench: Bench) -> None:
    bench.put("a.wav")
    bench.put("gone.wav")
    bench.ring("")
    bench.settle()
    bench.put("b.wav")
    (bench.folder / "gone.wav").unlink()
    bench.root.source = "//other-nas/media"
    for _ in range(3):
        bench.run(60)
        assert "is another disk now" in bench.offline
    offline = bench.scanner.view.offline
    assert offline is not None
    assert offline.asks
    assert "scriptixd approve council" in offline.hint
    assert bench.present == {"a.wav", "gone.wav"}
    bench.book.answer("council")
    bench.settle()
    assert not bench.offline
    assert bench.book.question is None
    assert bench.present == {"a.wav", "b.wav"}
    assert bench.admitted == {
        "a.wav": Admission(DUTCH),
        "gone.wav": Admission(DUTCH),
        "b.wav": Admission(DUTCH, held_for=HELD_FOR_EXISTING),
    }
    assert len(bench.book.admitted) == 3
    bench.start()
    bench.run(1000)
    assert not bench.offline


def test_a_mount_over_a_directory_without_media_is_a_first_contact_without_a_question(bench: Bench) -> None:
    bench.put("a.wav")
    bench.root.source = "//nas/media"
    bench.settle()
    assert not bench.offline
    assert bench.admitted == {"a.wav": Admission(DUTCH, held_for=HELD_FOR_EXISTING)}
    bench.put("b.wav")
    bench.ring("")
    bench.settle()
    assert bench.admitted["b.wav"] == Admission(DUTCH)


# An empty one


def test_a_folder_in_which_our_claim_still_lies_was_emptied_by_people(bench: Bench) -> None:
    bench.put("a.wav")
    bench.ring("")
    bench.settle()
    (bench.folder / "a.wav").unlink()
    bench.start()
    bench.run()
    bench.run(CONFIRM)
    assert not bench.offline
    assert bench.book.gone == ["a.wav"]


def test_a_folder_that_was_seen_being_emptied_is_empty(bench: Bench) -> None:
    bench.put("a.wav")
    bench.ring("")
    bench.settle()
    for entry in list(bench.folder.iterdir()):
        entry.unlink()
    bench.bells[-1].witness = True
    bench.hear("")
    assert not bench.offline
    assert bench.book.gone == ["a.wav"]


@pytest.mark.parametrize("restart", [False, True])
def test_an_empty_folder_where_files_were_may_be_a_disk_that_is_not_there(bench: Bench, restart: bool) -> None:
    bench.put("a.wav")
    bench.put("sub/b.wav")
    bench.ring(everything=True)
    bench.settle()
    share = _unmount(bench)
    for _ in range(3):
        if restart:
            bench.start()
        bench.run(1000)
        assert bench.offline == "it is empty, and was not"
    assert bench.book.gone == []
    assert list(bench.folder.iterdir()) == []
    _remount(bench, share)
    bench.run(1000)
    assert not bench.offline
    assert bench.present == {"a.wav", "sub/b.wav"}


def test_an_empty_folder_goes_on_with_the_next_file_or_with_a_yes(bench: Bench) -> None:
    bench.put("a.wav")
    bench.ring("")
    bench.settle()
    _unmount(bench)
    bench.run(1000)
    assert bench.offline
    bench.book.answer("council")
    bench.run(1000)
    bench.run(CONFIRM)
    assert not bench.offline
    assert bench.book.gone == ["a.wav"]
    bench.put("b.wav")
    bench.ring("")
    bench.settle()
    shutil.rmtree(bench.folder)
    bench.folder.mkdir()
    bench.run(1000)
    assert bench.offline
    bench.put("c.wav")
    bench.run(1000)
    assert not bench.offline
    bench.run(CONFIRM)
    assert bench.present == {"c.wav"}


# Disks below it


def test_a_disk_below_the_root_that_is_away_takes_nothing_along(bench: Bench) -> None:
    bench.root.nested = (NAS,)
    bench.run()
    for path in ("a.wav", "nas/b.wav", "nas/deep/c.wav"):
        bench.put(path)
    bench.settle()
    share = bench.folder.with_name("share")
    (bench.folder / "nas").rename(share)
    (bench.folder / "nas").mkdir()
    bench.root.nested = ()
    for _ in range(2):
        bench.run(1000)
        assert "nas is not mounted" in bench.scanner.view.problems[0]
    bench.start()
    bench.run(1000)
    assert not bench.offline
    assert bench.book.gone == []
    (bench.folder / "nas").rmdir()
    share.rename(bench.folder / "nas")
    bench.root.nested = (NAS,)
    bench.put("nas/new.wav")
    bench.run(1000)
    bench.settle()
    assert bench.scanner.view.problems == ()
    assert bench.book.gone == []
    assert bench.admitted["nas/new.wav"] == Admission(DUTCH)
    bench.root.nested = ()
    shutil.rmtree(bench.folder / "nas")
    bench.run(1000)
    bench.run(CONFIRM)
    assert bench.present == {"a.wav"}


def test_another_disk_below_the_root_stops_its_own_directory_alone_until_a_yes(bench: Bench) -> None:
    bench.root.nested = (NAS,)
    bench.run()
    bench.put("nas/known.wav")
    bench.put("nas/deep/gone.wav")
    bench.run(1000)
    bench.settle()
    bench.root.nested = (OTHER,)
    (bench.folder / "nas/deep/gone.wav").unlink()
    bench.put("nas/there.wav")
    bench.put("a.wav")
    for restart in (False, False, True):
        if restart:
            bench.start()
        bench.run(1000)
        bench.settle()
        assert not bench.offline
        (problem,) = bench.scanner.view.problems
        assert "nas in it is another disk now: cifs //new/media" in problem
        assert "scriptixd approve council" in problem
        assert bench.book.question is not None
        assert bench.book.question.kind is QuestionKind.DISK
        assert bench.present == {"nas/known.wav", "nas/deep/gone.wav", "a.wav"}
    assert bench.admitted["a.wav"] == Admission(DUTCH)
    bench.root.listed.clear()
    bench.ring("nas", trees=("nas/deep",))
    bench.run()
    assert bench.root.listed == [], "nobody looks into it"
    bench.book.answer("council")
    bench.scanner.nudge()
    bench.settle()
    assert bench.scanner.view.problems == ()
    assert bench.book.question is None
    bench.run(1000)
    assert bench.present == {"nas/known.wav", "nas/there.wav", "a.wav"}
    assert bench.admitted["nas/there.wav"] == Admission(DUTCH, held_for=HELD_FOR_EXISTING)
    assert [path for path, _ in bench.book.admitted].count("nas/known.wav") == 1


def test_the_disk_of_before_below_the_root_takes_the_question_back(bench: Bench) -> None:
    bench.root.nested = (NAS,)
    bench.run()
    bench.put("nas/b.wav")
    bench.run(1000)
    bench.settle()
    bench.root.nested = (OTHER,)
    bench.run(1000)
    assert bench.book.question is not None
    bench.root.nested = (NAS,)
    bench.run(1000)
    assert bench.book.question is None
    assert bench.scanner.view.problems == ()
    assert bench.present == {"nas/b.wav"}


def test_two_other_disks_below_the_root_are_asked_about_one_after_the_other(bench: Bench) -> None:
    tapes = Nested("tapes", Identity("nfs4", "tapes:/all", "/"))
    bench.root.nested = (NAS, tapes)
    bench.run()
    bench.put("nas/a.wav")
    bench.put("tapes/b.wav")
    bench.run(1000)
    bench.settle()
    bench.root.nested = (OTHER, replace(tapes, identity=OTHER.identity))
    bench.put("nas/c.wav")
    bench.put("tapes/d.wav")
    for present in ({"nas/a.wav", "tapes/b.wav"}, {"nas/a.wav", "nas/c.wav", "tapes/b.wav"}):
        bench.run(1000)
        bench.settle()
        assert bench.present == present
        bench.book.answer("council")
    bench.run(1000)
    bench.settle()
    assert bench.present == {"nas/a.wav", "nas/c.wav", "tapes/b.wav", "tapes/d.wav"}
    assert bench.book.question is None
    assert bench.scanner.view.problems == ()


def test_another_disk_below_another_root_does_not_ask_over_the_roots_own_question(bench: Bench) -> None:
    bench.root.nested = (NAS,)
    bench.run()
    bench.put("nas/a.wav")
    bench.put("b.wav")
    bench.run(1000)
    bench.settle()
    bench.root.source, bench.root.nested = "//other-nas/media", (OTHER,)
    for _ in range(2):
        bench.run(1000)
    assert bench.book.question is not None
    assert "//other-nas/media" in bench.book.question.sentence
    bench.book.answer("council")
    for _ in range(3):
        bench.run(1000)
    assert not bench.offline
    assert bench.book.question is not None
    assert "nas in it" in bench.book.question.sentence
    bench.book.answer("council")
    for _ in range(3):
        bench.run(1000)
    assert bench.book.question is None
    assert bench.present == {"nas/a.wav", "b.wav"}


def test_a_disk_that_is_away_takes_those_that_are_mounted_below_it_along(bench: Bench) -> None:
    deep = Nested("nas/deep", Identity("nfs4", "tapes:/all", "/"))
    bench.root.nested = (NAS, deep)
    bench.run()
    bench.put("nas/deep/a.wav")
    bench.run(1000)
    bench.settle()
    share = bench.folder.with_name("share")
    (bench.folder / "nas").rename(share)
    (bench.folder / "nas").mkdir()
    bench.root.nested = ()
    bench.run(1000)
    (bench.folder / "nas").rmdir()
    (share / "deep" / "a.wav").unlink()
    share.rename(bench.folder / "nas")
    bench.root.nested = (NAS,)
    for _ in range(3):
        bench.run(1000)
    assert bench.present == {"nas/deep/a.wav"}
    assert "nas/deep is not mounted" in bench.scanner.view.problems[0]


@pytest.mark.parametrize("today", [(), (replace(OTHER, directory="up/nas"),)], ids=["unmounted", "exchanged"])
def test_a_disk_below_a_directory_that_could_not_be_read_is_not_forgotten(
    bench: Bench, today: tuple[Nested, ...]
) -> None:
    bench.root.nested = (replace(NAS, directory="up/nas"),)
    bench.run()
    bench.put("up/nas/a.wav")
    bench.run(1000)
    bench.settle()

    def refuse(directory: str) -> None:
        if directory == "up":
            raise FileTrouble("up may not be read")

    bench.root.before_listing = refuse
    bench.root.nested = today
    (bench.folder / "up/nas/a.wav").unlink()
    bench.run(1000)
    bench.root.before_listing = nothing
    for _ in range(3):
        bench.run(1000)
        assert "up/nas" in bench.scanner.view.problems[0]
    assert bench.present == {"up/nas/a.wav"}


def test_a_disk_that_appears_below_the_root_is_a_first_contact(bench: Bench) -> None:
    bench.put("nas/old.wav")
    bench.root.nested = (NAS,)
    bench.settle()
    assert bench.admitted == {"nas/old.wav": Admission(DUTCH, held_for=HELD_FOR_EXISTING)}


# Somebody else's


def test_a_folder_that_another_daemon_watches_is_left_to_it(bench: Bench, book: MemoryBook) -> None:
    other = Bench(bench.folder, MemoryBook())
    other.start(instance="b" * 32)
    other.run()
    assert "watched by this-host since" in other.offline
    for _ in range(8):
        bench.run(21)
        other.now = bench.now
        other.run(10)
        assert "watched by this-host since" in other.offline
        assert other.trouble is not None
    assert other.book.sources == {}


def test_a_dead_claim_is_taken_over_with_a_yes(bench: Bench) -> None:
    other = Bench(bench.folder, MemoryBook())
    other.start(instance="b" * 32)
    other.put("a.wav")
    asks = False
    for _ in range(20):
        other.run(DEAD_AFTER / 5)
        asks = asks or bool(other.scanner.view.offline and other.scanner.view.offline.asks)
    assert asks
    assert "nothing is seen any more" in other.offline
    assert other.book.question is not None
    assert other.book.question.kind is QuestionKind.CLAIM
    other.book.answer("council")
    other.settle()
    assert not other.offline
    assert other.present == {"a.wav"}
    bench.run(60)
    assert "watched by this-host" in bench.offline


# Floods, and what settings let in


def test_a_flood_waits_for_a_yes_and_what_came_before_it_does_not(bench: Bench) -> None:
    watched = replace(WATCHED, ask_above=5)
    bench.start(watched)
    bench.put("first.wav")
    bench.run()
    bench.settle()
    for number in range(6):
        bench.put(f"archive/{number}.wav")
    bench.ring("", trees=("archive",))
    bench.settle()
    admitted = bench.admitted
    assert admitted.pop("first.wav") == Admission(DUTCH)
    assert len(admitted) == 6
    assert set(admitted.values()) == {Admission(DUTCH, held_for=HELD_FOR_FLOOD)}
    bench.run(FLOOD_WITHIN)
    bench.put("later.wav")
    bench.ring("")
    bench.settle()
    assert bench.admitted["later.wav"] == Admission(DUTCH)


def test_what_the_first_contact_finds_is_no_flood(tmp_path: Path, book: MemoryBook) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    bench = Bench(folder, book, replace(WATCHED, policy=policy(Existing.PROCESS), ask_above=2))
    for number in range(9):
        bench.put(f"{number}.wav")
    bench.settle()
    assert set(bench.admitted.values()) == {Admission(DUTCH)}
    bench.put("new.wav")
    bench.ring("")
    bench.settle()
    assert bench.admitted["new.wav"] == Admission(DUTCH)


@pytest.mark.parametrize("existing", list(Existing))
def test_what_wider_settings_let_in_was_there_before(bench: Bench, existing: Existing) -> None:
    narrow = Filter(include=("*.mp4",), recursive=False)
    bench.start(replace(WATCHED, filter=narrow))
    for path in ("a.mp4", "a.wav", "sub/b.mp4"):
        bench.put(path)
    bench.run()
    bench.settle()
    assert set(bench.admitted) == {"a.mp4"}
    bench.put("new.mp4")
    bench.start(replace(WATCHED, policy=policy(existing)))
    bench.settle()
    treated = {
        Existing.HOLD: Admission(DUTCH, held_for=HELD_FOR_EXISTING),
        Existing.PROCESS: Admission(DUTCH),
        Existing.IGNORE: Admission(DUTCH, ignored=True),
    }
    assert bench.admitted == {
        "a.mp4": Admission(DUTCH),
        "new.mp4": Admission(DUTCH),
        "a.wav": treated[existing],
        "sub/b.mp4": treated[existing],
    }
    bench.put("later.wav")
    bench.run(1000)
    bench.settle()
    assert bench.admitted["later.wav"] == Admission(DUTCH)
    assert bench.now.boot > WINDOW


def test_a_touch_of_what_was_approved_asks_nobody_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    book = StoredBook()
    folder = tmp_path / "media"
    folder.mkdir()
    bench = Bench(folder, book)
    place = bench.put("a.wav")
    bench.settle()
    assert "1 file(s) wait for your yes" in caplog.text
    caplog.clear()
    book.approve("council", "a.wav")
    os.utime(place, (1, 1))
    bench.ring("")
    bench.settle()
    assert "wait for your yes" not in caplog.text
    book.close()


def test_other_recordings_under_known_names_are_a_flood_too(bench: Bench) -> None:
    bench.start(replace(WATCHED, ask_above=5))
    for number in range(4):
        bench.put(f"{number}.wav")
    bench.run()
    bench.settle()
    bench.run(FLOOD_WITHIN)
    for number in range(4):
        bench.put(f"{number}.wav", SOUND * 2)
        bench.put(f"{number} more.wav")
    bench.ring("")
    bench.settle()
    assert [admission.held_for for _, admission in bench.book.admitted] == [""] * 4 + [HELD_FOR_FLOOD] * 8


def test_a_yes_to_a_flood_accounts_for_what_came_until_then(bench: Bench) -> None:
    watched = replace(WATCHED, ask_above=5)
    bench.start(watched)
    for number in range(4):
        bench.put(f"{number}.wav")
    bench.run()
    bench.settle()
    for number in range(4):
        bench.put(f"archive/{number}.wav")
    bench.ring("", trees=("archive",))
    bench.settle()
    held = [path for path, admission in bench.admitted.items() if admission.held_for]
    assert len(held) == 4
    bench.put("before.wav")
    bench.ring("")
    bench.settle()
    assert bench.admitted["before.wav"].held_for == HELD_FOR_FLOOD
    for path in (*held, "before.wav"):
        bench.book.approve("council", path)
    bench.start(watched)
    for number in range(5):
        bench.put(f"later {number}.wav")
    bench.settle()
    assert {bench.admitted[f"later {number}.wav"] for number in range(5)} == {Admission(DUTCH)}
    bench.put("too many.wav")
    bench.ring("")
    bench.settle()
    assert bench.admitted["too many.wav"].held_for == HELD_FOR_FLOOD


@pytest.mark.parametrize("by", [2 * FLOOD_WITHIN, -2 * FLOOD_WITHIN, 200 * 86400])
def test_a_clock_that_is_set_while_files_settle_lets_no_flood_through(bench: Bench, by: float) -> None:
    bench.start(replace(WATCHED, ask_above=5))
    bench.run()
    for number in range(4):
        bench.put(f"first/{number}.wav")
    bench.ring("", trees=("first",))
    bench.run()
    bench.run(5)
    for number in range(4):
        bench.put(f"second/{number}.wav")
    bench.ring("", trees=("second",))
    bench.run()
    bench.now = replace(bench.now, wall=bench.now.wall + by)
    for _ in range(30):
        bench.run()
    assert [admission.held_for for _, admission in bench.book.admitted] == [HELD_FOR_FLOOD] * 8


def test_a_touch_of_many_files_is_no_flood(bench: Bench) -> None:
    bench.start(replace(WATCHED, ask_above=5))
    for number in range(5):
        bench.put(f"{number}.wav")
    bench.run()
    bench.settle()
    bench.run(FLOOD_WITHIN)
    for number in range(5):
        os.utime(bench.folder / f"{number}.wav", (number, number))
    bench.put("new.wav")
    bench.ring("")
    bench.settle()
    assert bench.admitted["new.wav"] == Admission(DUTCH)


def test_what_came_to_a_folder_while_it_was_not_configured_is_new_and_a_flood_of_it_waits(tmp_path: Path) -> None:
    book, folder = StoredBook(), tmp_path / "media"
    folder.mkdir()
    bench = Bench(folder, book, replace(WATCHED, ask_above=5))
    bench.put("held.wav")
    bench.settle()
    book.leave("council", bench.now.wall)
    for number in range(6):
        bench.put(f"{number}.wav")
    bench.now = replace(bench.now, wall=bench.now.wall + 90 * 86400)
    bench.start(replace(WATCHED, ask_above=5), boot="boot-2")
    bench.run()
    bench.settle()
    assert bench.admitted.pop("held.wav").held_for == HELD_FOR_EXISTING
    assert {admission.held_for for path, admission in bench.admitted.items() if path[0].isdigit()} == {HELD_FOR_FLOOD}
    book.close()


def test_what_was_there_before_was_there_before_when_it_is_touched_and_renamed(
    tmp_path: Path, book: MemoryBook
) -> None:
    folder = tmp_path / "media"
    folder.mkdir()
    bench = Bench(folder, book)
    place = bench.put("a.wav")
    bench.settle()
    os.utime(place, (1, 1))
    place.rename(folder / "b.wav")
    bench.hear("")
    bench.settle()
    assert bench.admitted["b.wav"] == Admission(DUTCH, held_for=HELD_FOR_EXISTING)
    assert bench.present == {"b.wav"}
