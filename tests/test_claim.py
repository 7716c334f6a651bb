"""One folder is for one daemon: who was first has it, who lives keeps it, who died gives it to whom a person says."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bench import Bench
from memory_book import MemoryBook

from scriptixd.errors import Hung, NameTaken, ShareTrouble, TargetTrouble
from scriptixd.jobs.clock import Now
from scriptixd.roots.gate import Gate
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.paths import shown
from scriptixd.roots.root import LIKE_ITS_DIRECTORY, TEMPORARY_PREFIX, TEMPORARY_SUFFIX, FileAccess
from scriptixd.watch.claim import (
    COUNTED_MOST,
    DEAD_AFTER,
    LOOK,
    NAME,
    RENEW,
    UNKNOWN_HOST,
    UNKNOWN_TIME,
    Claim,
    Foreign,
    Holding,
    NoClaim,
    Ours,
)

WALL = 1_700_000_000.0  # 2023-11-14T22:13:20Z
STARTERS = 12
PROCESSES = 4


def at(boot: float) -> Now:
    return Now(WALL + boot, boot)


class Flaky(LocalRoot):
    """A disk that fails before or after what it was asked to do; `fails` is taken once."""

    before: Exception | None = None
    after: Exception | None = None
    meanwhile: Callable[[], object] | None = None
    writes = 0

    def write(self, path: str, data: bytes, replaces: str | None, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        self.writes += 1
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        before, self.before = self.before, None
        if before is not None:
            raise before
        super().write(path, data, replaces, access)
        after, self.after = self.after, None
        if after is not None:
            raise after


def daemon(directory: Path, name: str = "a") -> Claim:
    return Claim(LocalRoot(directory), f"instance-{name}", f"host-{name}")


def told(directory: Path) -> dict[str, object]:
    found = json.loads((directory / NAME).read_text())
    assert isinstance(found, dict)
    return found


def watched(claim: Claim, start: float, seconds: float) -> Holding:
    """What it comes to when it is asked whenever it wants to be."""
    boot, found = start, claim.hold(at(start))
    while (boot := max(claim.due_at, boot + 0.1)) <= start + seconds:
        found = claim.hold(at(boot))
    return found


def dead(directory: Path, claim: Claim, start: float) -> Foreign:
    found = watched(claim, start, DEAD_AFTER + LOOK)
    assert isinstance(found, Foreign)
    assert found.alive is False
    return found


def test_a_free_root_is_claimed_in_a_hidden_file_that_people_can_read(tmp_path: Path) -> None:
    assert daemon(tmp_path).hold(at(5)) == Ours()
    claim = told(tmp_path)
    assert (claim["instance"], claim["host"], claim["since"]) == ("instance-a", "host-a", "2023-11-14T22:13:25Z")
    assert os.listdir(tmp_path) == [NAME]
    assert NAME == ".scriptixd-claim"


def test_a_claim_is_renewed_when_it_is_due_and_costs_nothing_before(tmp_path: Path) -> None:
    root = Flaky(tmp_path)
    claim = Claim(root, "instance-a", "host-a")
    for boot in range(100):
        assert claim.hold(at(boot)) == Ours()
    assert root.writes == 100 / RENEW
    assert claim.due_at == 100.0
    first = told(tmp_path)
    claim.hold(at(100))
    second = told(tmp_path)
    assert first != second
    assert {key for key in first if first[key] != second[key]} == {"beat"}


def test_what_a_crash_in_the_middle_of_a_claim_left_is_swept_by_the_next_run(tmp_path: Path) -> None:
    daemon(tmp_path).hold(at(0))
    (tmp_path / f"{TEMPORARY_PREFIX}0123456789abcdef01234567{TEMPORARY_SUFFIX}").write_bytes(b"{")
    assert daemon(tmp_path).hold(at(60)) == Ours()
    assert os.listdir(tmp_path) == [NAME]


def test_our_own_claim_from_before_a_crash_is_ours_at_once_and_keeps_its_age(tmp_path: Path) -> None:
    daemon(tmp_path).hold(at(5))
    assert daemon(tmp_path).hold(at(9)) == Ours()
    assert told(tmp_path)["since"] == "2023-11-14T22:13:25Z"


def test_a_second_daemon_is_told_who_watches_and_sees_that_it_lives(tmp_path: Path) -> None:
    first, second = daemon(tmp_path), daemon(tmp_path, "b")
    first.hold(at(0))
    about = ("host-a", "2023-11-14T22:13:20Z")
    seen = list[bool | None]()
    for boot in range(0, 300, 5):
        assert first.hold(at(boot)) == Ours()
        found = second.hold(at(boot))
        assert isinstance(found, Foreign)
        assert (found.host, found.since) == about
        seen.append(found.alive)
    assert seen[0] is None
    assert set(seen[seen.index(True) :]) == {True}
    assert seen.index(True) <= (RENEW + LOOK) / 5
    assert told(tmp_path)["host"] == "host-a"


def test_a_claim_that_does_not_change_for_long_enough_is_dead(tmp_path: Path) -> None:
    daemon(tmp_path).hold(at(0))
    second = daemon(tmp_path, "b")
    early = watched(second, 1000, DEAD_AFTER - LOOK)
    assert isinstance(early, Foreign)
    assert early.alive is None
    late = watched(second, 1000 + DEAD_AFTER - LOOK + 0.2, 2 * LOOK)
    assert isinstance(late, Foreign)
    assert late.alive is False


def test_one_that_lived_and_stops_is_dead_after_a_while_and_one_that_comes_back_lives(tmp_path: Path) -> None:
    first, second = daemon(tmp_path), daemon(tmp_path, "b")
    first.hold(at(0))
    second.hold(at(0))
    first.hold(at(20))
    alive = second.hold(at(25))
    assert isinstance(alive, Foreign)
    assert alive.alive
    dead(tmp_path, second, 30)
    first.hold(at(200))
    back = second.hold(at(200))
    assert isinstance(back, Foreign)
    assert back.alive


def test_a_machine_that_slept_declares_nobody_dead_until_it_has_looked_for_long_enough(tmp_path: Path) -> None:
    daemon(tmp_path).hold(at(0))
    second = daemon(tmp_path, "b")
    second.hold(at(10))
    night = 8 * 3600.0
    for boot in (night, night + DEAD_AFTER - COUNTED_MOST - 0.1):
        found = second.hold(at(boot))
        assert isinstance(found, Foreign)
        assert found.alive is None
    dead(tmp_path, second, night + DEAD_AFTER)


def test_a_dead_claim_is_taken_over_with_a_persons_yes_and_not_before(tmp_path: Path) -> None:
    daemon(tmp_path).hold(at(0))
    second = daemon(tmp_path, "b")
    dead(tmp_path, second, 100)
    assert told(tmp_path)["host"] == "host-a"
    assert second.take_over(at(200)) == Ours()
    claim = told(tmp_path)
    assert (claim["host"], claim["since"]) == ("host-b", "2023-11-14T22:16:40Z")
    assert second.hold(at(220)) == Ours()


def test_the_question_about_a_dead_claim_is_the_same_for_the_same_claim_and_another_for_the_next(
    tmp_path: Path,
) -> None:
    first = daemon(tmp_path)
    first.hold(at(0))
    once = dead(tmp_path, daemon(tmp_path, "b"), 100)
    again = dead(tmp_path, daemon(tmp_path, "b"), 5000)
    assert once == again
    first.hold(at(6000))
    assert dead(tmp_path, daemon(tmp_path, "b"), 7000).about != once.about


def test_who_moved_since_the_yes_is_alive_and_keeps_its_claim(tmp_path: Path) -> None:
    first, second = daemon(tmp_path), daemon(tmp_path, "b")
    first.hold(at(0))
    dead(tmp_path, second, 100)
    first.hold(at(200))
    found = second.take_over(at(200))
    assert isinstance(found, Foreign)
    assert found.alive
    assert told(tmp_path)["host"] == "host-a"


def test_who_moves_in_the_very_moment_of_a_take_over_keeps_its_claim(tmp_path: Path) -> None:
    first = daemon(tmp_path)
    first.hold(at(0))
    root = Flaky(tmp_path)
    second = Claim(root, "instance-b", "host-b")
    dead(tmp_path, second, 100)
    root.meanwhile = lambda: first.hold(at(200))
    found = second.take_over(at(200))
    assert isinstance(found, Foreign)
    assert found.alive
    assert told(tmp_path)["host"] == "host-a"


def test_a_yes_counts_for_nothing_while_it_is_not_known_that_the_other_one_is_dead(tmp_path: Path) -> None:
    daemon(tmp_path).hold(at(0))
    second = daemon(tmp_path, "b")
    second.hold(at(10))
    assert isinstance(second.take_over(at(11)), Foreign)
    assert isinstance(watched(second, 12, 30), Foreign)
    assert told(tmp_path)["host"] == "host-a"


def test_a_claim_that_was_replaced_under_us_is_somebody_elses_now(tmp_path: Path) -> None:
    first, second = daemon(tmp_path), daemon(tmp_path, "b")
    first.hold(at(0))
    dead(tmp_path, second, 100)
    second.take_over(at(200))
    found = first.hold(at(200))
    assert isinstance(found, Foreign)
    assert found.host == "host-b"


def test_who_stood_still_for_long_enough_is_in_doubt_before_it_has_looked(tmp_path: Path) -> None:
    first, second = daemon(tmp_path), daemon(tmp_path, "b")
    assert first.doubt(at(0)) is None
    first.hold(at(0))
    assert first.doubt(at(RENEW)) is None
    assert first.doubt(at(DEAD_AFTER - 0.1)) is None
    dead(tmp_path, second, 10)
    second.take_over(at(100))  # nobody can have been quicker than the doubt
    for boot in (DEAD_AFTER, 120.0, 8 * 3600.0):
        doubt = first.doubt(at(boot))
        assert doubt is not None
        assert "another one may have taken over" in doubt.what
    found = first.hold(at(120))
    assert isinstance(found, Foreign)
    assert found.host == "host-b"
    assert second.doubt(at(120)) is None


def test_who_stood_still_and_was_not_taken_over_goes_on_once_it_has_looked(tmp_path: Path) -> None:
    claim = daemon(tmp_path)
    claim.hold(at(0))
    assert claim.doubt(at(120)) is not None
    assert claim.hold(at(120)) == Ours()
    assert claim.doubt(at(121)) is None


def test_who_cannot_renew_its_claim_is_in_doubt_as_soon_as_others_may_take_it_for_dead(tmp_path: Path) -> None:
    root = Flaky(tmp_path)
    claim = Claim(root, "instance-a", "host-a")
    claim.hold(at(0))
    for boot in (20.0, 40.0, DEAD_AFTER):
        root.before = Hung("the share does not answer")
        with pytest.raises(Hung):
            claim.hold(at(boot))
        assert (claim.doubt(at(boot)) is not None) == (boot == DEAD_AFTER)


def test_where_nobody_sees_a_claim_and_where_it_was_given_up_there_is_no_doubt(tmp_path: Path) -> None:
    root = Flaky(tmp_path)
    claim = Claim(root, "instance-a", "host-a")
    root.before = TargetTrouble("it is read-only")
    claim.hold(at(0))
    assert claim.doubt(at(3600)) is None
    claim.hold(at(3600))
    claim.give_up(at(3601))
    assert claim.doubt(at(7200)) is None


def test_a_daemon_that_was_suspended_touches_nothing_of_a_folder_that_was_taken_over(tmp_path: Path) -> None:
    suspended, other = Bench(tmp_path, MemoryBook()), Bench(tmp_path, MemoryBook())
    gate = Gate(suspended.root)
    gate.doubt = lambda: suspended.claim.doubt(suspended.now)
    suspended.put("a.wav")
    suspended.settle()
    with gate.open("a.wav") as reader:
        other.start(instance="b" * 32)
        other.now = suspended.now
        while not (other.scanner.view.offline and other.scanner.view.offline.asks):
            other.run(LOOK)
        other.book.answer("council")
        other.run(LOOK)
        assert not other.offline
        suspended.now = other.now  # it is continued, and has not looked yet
        assert suspended.trouble is None
        for touch in (lambda: reader.read(0, 1), reader.stat, lambda: gate.write("a.srt", b"", None)):
            with pytest.raises(ShareTrouble, match="may have taken over"):
                touch()
        suspended.run(0)
        assert "watched by this-host" in suspended.offline
        assert suspended.trouble is not None
        assert suspended.claim.doubt(suspended.now) is None  # it is known now
    assert not (tmp_path / "a.srt").exists()
    assert not other.offline


def test_a_claim_that_was_deleted_under_us_is_made_again_and_proves_nothing_any_more(tmp_path: Path) -> None:
    claim = daemon(tmp_path)
    assert not claim.is_there()
    claim.hold(at(0))
    assert claim.is_there()
    (tmp_path / NAME).unlink()
    assert not claim.is_there()
    assert claim.hold(at(20)) == Ours()
    assert told(tmp_path)["host"] == "host-a"
    assert not claim.is_there()


def test_our_claim_from_before_a_crash_shows_that_it_is_the_same_root(tmp_path: Path) -> None:
    daemon(tmp_path).hold(at(0))
    assert daemon(tmp_path).is_there()
    assert not daemon(tmp_path, "b").is_there()


def test_a_root_that_was_given_up_is_free_for_the_next_one_at_once(tmp_path: Path) -> None:
    first, second = daemon(tmp_path), daemon(tmp_path, "b")
    first.hold(at(0))
    assert isinstance(second.hold(at(1)), Foreign)
    assert first.give_up(at(2)) == ""
    assert second.hold(at(1 + LOOK)) == Ours()
    assert isinstance(first.hold(at(20)), Foreign)


def test_a_root_that_was_given_up_is_known_again(tmp_path: Path) -> None:
    first = daemon(tmp_path)
    first.hold(at(0))
    first.give_up(at(1))
    assert daemon(tmp_path).is_there()


def test_nothing_of_somebody_else_is_given_up(tmp_path: Path) -> None:
    first, second = daemon(tmp_path), daemon(tmp_path, "b")
    first.hold(at(0))
    second.hold(at(0))
    assert second.give_up(at(1)) == ""
    assert told(tmp_path)["host"] == "host-a"
    assert isinstance(daemon(tmp_path, "c").hold(at(2)), Foreign)


def test_a_root_that_is_gone_at_the_end_is_a_reason_and_no_failure(tmp_path: Path) -> None:
    root = tmp_path / "media"
    root.mkdir()
    claim = daemon(root)
    claim.hold(at(0))
    root.rename(tmp_path / "elsewhere")
    assert "does not exist" in claim.give_up(at(1))
    with pytest.raises(ShareTrouble):
        claim.hold(at(20))
    (tmp_path / "elsewhere").rename(root)
    assert claim.hold(at(20)) == Ours()


def test_a_root_that_may_not_be_written_goes_on_without_a_claim_and_gets_one_once_it_may(tmp_path: Path) -> None:
    root = Flaky(tmp_path)
    claim = Claim(root, "instance-a", "host-a")
    root.before = TargetTrouble("it is read-only", "mount it writable")
    assert claim.hold(at(0)) == NoClaim("it is read-only (mount it writable)")
    assert claim.hold(at(1)) == NoClaim("it is read-only (mount it writable)")
    assert claim.hold(at(RENEW)) == Ours()


def test_a_read_only_file_system_goes_on_without_a_claim(tmp_path: Path) -> None:
    done = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", ON_A_READ_ONLY_DISK, str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    if done.returncode != 0 and ("unshare" in done.stderr or "mount" in done.stderr):
        pytest.skip(f"mounts cannot be made here: {done.stderr.strip().splitlines()[-1]}")
    assert done.stdout.split() == ["NoClaim", os.strerror(errno.EROFS).replace(" ", "_"), "Foreign", "None"], (
        done.stderr
    )


ON_A_READ_ONLY_DISK = """
import os, subprocess, sys
from scriptixd.jobs.clock import Now
from scriptixd.roots.local import LocalRoot
from scriptixd.watch.claim import Claim, NAME
place = sys.argv[1]
subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
subprocess.run(["mount", "-o", "remount,ro", place], check=True)
found = Claim(LocalRoot(place), "b", "host-b").hold(Now(0.0, 0.0))
print(type(found).__name__, os.strerror(30).replace(" ", "_") if os.strerror(30) in found.reason else found.reason)
subprocess.run(["mount", "-o", "remount,rw", place], check=True)
Claim(LocalRoot(place), "a", "host-a").hold(Now(0.0, 0.0))
subprocess.run(["mount", "-o", "remount,ro", place], check=True)
found = Claim(LocalRoot(place), "b", "host-b").hold(Now(0.0, 0.0))
print(type(found).__name__, found.alive)
"""


def test_a_dead_claim_on_a_root_that_may_not_be_written_is_gone_past_with_a_yes(tmp_path: Path) -> None:
    daemon(tmp_path).hold(at(0))
    root = Flaky(tmp_path)
    second = Claim(root, "instance-b", "host-b")
    dead(tmp_path, second, 100)
    root.before = TargetTrouble("it is read-only")
    assert second.take_over(at(200)) == NoClaim("it is read-only")
    assert second.hold(at(220)) == Ours()  # the yes still holds for this very claim


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 500, b"not json", b"[]", b"7", b'{"host": 7}', b"[" * 4000, b'{"a":' * 800, b"9" * 4096, b"x" * 9000],
)
def test_what_cannot_be_read_is_a_claim_of_somebody_unknown_that_can_die(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    claim = daemon(tmp_path)
    found = dead(tmp_path, claim, 0)
    assert (found.host, found.since) == (UNKNOWN_HOST, UNKNOWN_TIME)
    taken = claim.take_over(at(100))
    assert taken == Ours() or len(content) > 4096


def test_a_directory_in_place_of_the_claim_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    claim = daemon(tmp_path)
    dead(tmp_path, claim, 0)
    assert not isinstance(claim.take_over(at(100)), Ours)
    assert (tmp_path / NAME).is_dir()


def test_a_link_in_place_of_the_claim_is_neither_followed_nor_replaced(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"mine")
    root = tmp_path / "media"
    root.mkdir()
    (root / NAME).symlink_to(other)
    claim = daemon(root)
    dead(root, claim, 0)
    assert not isinstance(claim.take_over(at(100)), Ours)
    assert other.read_bytes() == b"mine"


def test_what_another_one_says_of_itself_can_be_shown(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(json.dumps({"host": "\ud800\x1b[31m" + "x" * 1000, "since": "", "instance": "z"}))
    found = daemon(tmp_path).hold(at(0))
    assert isinstance(found, Foreign)
    assert len(found.host) <= 100
    assert "\x1b" not in shown(found.host)
    assert found.since == UNKNOWN_TIME


@pytest.mark.parametrize("held_before", [False, True])
def test_a_share_that_fails_in_the_middle_of_a_write_costs_nobody_the_claim(tmp_path: Path, held_before: bool) -> None:
    root = Flaky(tmp_path)
    claim = Claim(root, "instance-a", "host-a")
    if held_before:
        claim.hold(at(0))
    for boot, point in ((20.0, "before"), (40.0, "after")):
        setattr(root, point, Hung("the share does not answer"))
        with pytest.raises(Hung):
            claim.hold(at(boot))
        assert claim.hold(at(boot)) == Ours()
    assert told(tmp_path)["host"] == "host-a"
    assert claim.is_there()


def test_a_share_that_refuses_all_writing_and_can_be_read_goes_on_without_a_claim(tmp_path: Path) -> None:
    root = Flaky(tmp_path)
    claim = Claim(root, "instance-a", "host-a")
    root.before = ShareTrouble("input/output error")
    assert claim.hold(at(0)) == NoClaim("input/output error")


def test_a_share_that_is_gone_is_no_root_without_a_claim(tmp_path: Path) -> None:
    place = tmp_path / "media"
    place.mkdir()
    root = Flaky(place)
    root.before = ShareTrouble("input/output error")
    place.rmdir()
    with pytest.raises(ShareTrouble, match="does not exist"):
        Claim(root, "instance-a", "host-a").hold(at(0))


def test_a_name_that_is_taken_again_and_again_is_somebody_elses(tmp_path: Path) -> None:
    class Taken(LocalRoot):
        def write(self, path: str, data: bytes, replaces: str | None, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
            raise NameTaken("it exists")

    assert Claim(Taken(tmp_path), "instance-a", "host-a").hold(at(0)) == Foreign(UNKNOWN_HOST, UNKNOWN_TIME, None, "")


def test_of_two_with_a_copy_of_one_state_file_one_gives_way(tmp_path: Path) -> None:
    original, copy = daemon(tmp_path), daemon(tmp_path)
    original.hold(at(0))
    assert copy.hold(at(1)) == Ours()
    assert isinstance(original.hold(at(20)), Foreign)
    assert copy.hold(at(21)) == Ours()
    found = original.hold(at(30))
    assert isinstance(found, Foreign)
    assert found.alive


@pytest.mark.parametrize("attempt", range(5))
def test_of_many_that_start_in_the_same_moment_exactly_one_wins(tmp_path: Path, attempt: int) -> None:
    barrier = threading.Barrier(STARTERS)
    claims = [daemon(tmp_path, str(number)) for number in range(STARTERS)]

    def start(claim: Claim) -> Holding:
        barrier.wait(30)
        return claim.hold(at(0))

    with ThreadPoolExecutor(STARTERS) as pool:
        found = list(pool.map(start, claims))
    winners = [number for number, holding in enumerate(found) if isinstance(holding, Ours)]
    assert len(winners) == 1
    assert told(tmp_path)["host"] == f"host-{winners[0]}"
    assert all(isinstance(holding, Foreign | Ours) for holding in found)
    assert os.listdir(tmp_path) == [NAME]


AS_A_PROCESS = """
import sys
from scriptixd.jobs.clock import Now
from scriptixd.roots.local import LocalRoot
from scriptixd.watch.claim import Claim
claim = Claim(LocalRoot(sys.argv[1]), sys.argv[2], sys.argv[2])
print("here", flush=True)
sys.stdin.readline()
print(type(claim.hold(Now(0.0, 0.0))).__name__, flush=True)
"""


def test_of_many_processes_exactly_one_wins(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", AS_A_PROCESS, str(tmp_path), f"instance-{number}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for number in range(PROCESSES)
    ]  # fmt: skip
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    found = [process.communicate(timeout=60)[0].strip() for process in started]
    assert sorted(found) == ["Foreign"] * (PROCESSES - 1) + ["Ours"]


def test_a_root_that_takes_no_claim_has_it_in_the_directory_for_its_outputs(tmp_path: Path) -> None:
    media, outputs = tmp_path / "media", tmp_path / "outputs"
    media.mkdir()
    outputs.mkdir()
    root = Flaky(media)
    claim = Claim(root, "instance-a", "host-a", LocalRoot(outputs))
    for boot in (0.0, 20.0):
        root.before = TargetTrouble("read-only file system")
        assert claim.hold(at(boot)) == Ours()
    assert os.listdir(media) == []
    assert told(outputs)["host"] == "host-a"
    assert not claim.is_there(), "the root is not known by it"
    other = Claim(root, "instance-b", "host-b", LocalRoot(outputs))
    root.before = TargetTrouble("read-only file system")
    assert isinstance(other.hold(at(20.0)), Foreign)
    claim.give_up(at(30.0))
    root.before = TargetTrouble("read-only file system")
    assert other.hold(at(40.0)) == Ours()
