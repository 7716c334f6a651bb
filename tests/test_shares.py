"""The real daemon on disks as offices have them: slow writers, mounts that come and go, servers that err or hang.

What is made of mounts, FUSE, Samba or namespaces is skipped, with the reason, where one of them is missing.
"""

from __future__ import annotations

import hashlib
import shutil
import signal
import socket
import subprocess
import threading
import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from house import House, eventually, house, tone
from shares import (
    FaultyShare,
    FileServer,
    SlowLine,
    bind,
    event_queue_of,
    few_watches,
    mount_tmpfs,
    needs,
    rclone_mounted,
    unmount,
    unmounted_afterwards,
)

SETTLE = 3.0  # s
PAUSE = 1.4  # s: longer than the poll, shorter than the window
LONG_PAUSE = 7.0  # s: longer than two windows
POLL = 1.0  # s
PROMISED_END = 5.0  # s after SIGTERM, whatever hangs
TIMER = "15m"  # so long that nothing in a test can have waited for it
FEW = {"files": 5, "hours": 1}  # of many files: the others wait for a yes, and need not be transcribed


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as built:
        yield built


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def pieces(content: bytes, count: int) -> list[bytes]:
    size = -(-len(content) // count)
    return [content[start : start + size] for start in range(0, len(content), size)]


def recording(path: Path, size: int) -> None:
    """A WAV file of about `size` bytes that lasts for seconds only."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(8)
        file.setsampwidth(2)
        file.setframerate(48000)
        file.writeframes(hashlib.sha256(path.name.encode()).digest() * (size // 32))


def sent(home: House) -> list[tuple[str, str, int]]:
    """Every upload that was ever opened: name, SHA-256 of what arrived, how often it was completed."""
    uploads = home.sandbox.counts()["uploads"]
    return sorted((upload["filename"], upload["sha256"] or "", upload["completed"]) for upload in uploads)


def once(*paths: Path) -> list[tuple[str, str, int]]:
    """What `sent` says when each of these was sent once and whole."""
    return sorted((path.name, sha256(path), 1) for path in paths)


def is_done(home: House, path: str) -> bool:
    return home.states().get(path) == "done"


def watches(home: House, folder: str) -> bool:
    """Whether the folder was looked at as a whole and is reached just now."""
    said = home.status(folder)
    return said["last_scan"] is not None and said["offline"] is None


def warnings_about(home: House, word: str) -> list[str]:
    return [line for line in home.log.read_text().splitlines() if word in line]


# two daemons


def test_a_second_daemon_on_the_same_folder_waits_until_the_first_is_dead_and_a_person_says_yes(
    home: House, tmp_path: Path
) -> None:
    folder = home.folder("shared", language="en")
    (tmp_path / "second").mkdir()
    with house(tmp_path / "second") as second:
        second.settings["folders"].append({"path": str(folder), "language": "en", "existing": "ignore"})
        home.start()
        tone(folder / "one.wav", 0.5, 40)
        home.until(1)
        second.start()
        reason = eventually(lambda: second.status("shared")["offline"], "it stands back")
        assert f"watched by {socket.gethostname()} since" in reason
        tone(folder / "two.wav", 0.5, 50)
        home.until(2)
        assert second.sandbox.counts()["created"] == 0
        assert home.status("shared")["offline"] is None
        home.kill()
        asks = eventually(lambda: second.status("shared")["asks"], "the claim is dead")
        assert socket.gethostname() in asks
        assert second.sandbox.counts()["created"] == 0
        second.say("approve", "shared")
        eventually(lambda: watches(second, "shared"), "it has taken over")
        tone(folder / "three.wav", 0.5, 60)
        second.until(1)
        assert sent(second) == once(folder / "three.wav")
        second.stop()


# slow writers


def with_pauses(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        _slowly(file.write, file.flush, content)


def into_its_full_size(path: Path, content: bytes) -> None:
    """As Windows Explorer does: the size first, the content later."""
    with path.open("wb") as file:
        file.truncate(len(content))
        _slowly(file.write, file.flush, content)


def then_renamed(path: Path, content: bytes) -> None:
    with_pauses(path.with_name(path.name + ".filepart"), content)
    path.with_name(path.name + ".filepart").rename(path)


def rewritten_in_place(path: Path, content: bytes) -> None:
    path.write_bytes(content[::-1])
    time.sleep(PAUSE)
    with path.open("r+b") as file:
        _slowly(file.write, file.flush, content)


def by_rsync(path: Path, content: bytes) -> None:
    _rsync(path, content)


def by_rsync_in_place(path: Path, content: bytes) -> None:
    _rsync(path, content, "--inplace")


def closed_between(path: Path, content: bytes) -> None:
    """A program that opens its file for each piece: no lease and no open descriptor tells of it."""
    for number, piece in enumerate(pieces(content, 4)):
        time.sleep(PAUSE if number else 0)
        with path.open("ab") as file:
            file.write(piece)


def held_open(path: Path, content: bytes) -> None:
    """A recorder that is silent for longer than any window."""
    first, *rest = pieces(content, 2)
    with path.open("wb") as file:
        file.write(first)
        file.flush()
        time.sleep(LONG_PAUSE)
        for piece in rest:
            file.write(piece)


def _slowly(write: Callable[[bytes], int], flush: Callable[[], None], content: bytes) -> None:
    for number, piece in enumerate(pieces(content, 4)):
        time.sleep(PAUSE if number else 0)
        write(piece)
        flush()


def _rsync(path: Path, content: bytes, *options: str) -> None:
    source = path.parent.parent / "sources" / path.name
    source.write_bytes(content)
    subprocess.run(["rsync", "--times", "--bwlimit=8", *options, str(source), f"{path.parent}/"], check=True)


WRITERS = [with_pauses, into_its_full_size, then_renamed, rewritten_in_place, closed_between, held_open]
BY_RSYNC = [by_rsync, by_rsync_in_place]


@pytest.mark.parametrize("watch", ["events", "poll"])
def test_whoever_writes_slowly_is_waited_for_and_each_file_is_sent_once_and_whole(home: House, watch: str) -> None:
    folder = home.folder("slow", language="en", settle=f"{SETTLE}s", watch=watch, scan_interval=f"{POLL}s")
    (home.place / "sources").mkdir()
    writers = WRITERS + (BY_RSYNC if shutil.which("rsync") else [])
    home.start()
    eventually(lambda: watches(home, "slow"), "watched")
    with ThreadPoolExecutor(len(writers)) as people:
        written = []
        for number, write in enumerate(writers):
            tone(home.place / "tone.wav", 3.5, 40 + 10 * number)
            content = (home.place / "tone.wav").read_bytes()
            written.append(people.submit(write, folder / f"{write.__name__}.wav", content))
    for one in written:
        one.result()
    home.until(len(writers))
    assert sent(home) == once(*folder.glob("*.wav"))
    assert {path.stem for path in folder.glob("*.wav")} == {write.__name__ for write in writers}


# what the kernel tells too little of


@needs()
def test_a_burst_that_overflows_the_event_queue_is_found_by_one_look(home: House) -> None:
    folder = home.folder("burst", language="en", scan_interval=TIMER, watch="events", ask_above=FEW)
    with event_queue_of(50):
        daemon = home.start()
        eventually(lambda: watches(home, "burst"), "watched")
    before = eventually(lambda: home.status("burst")["last_scan"], "looked at for the first time")
    eventually(lambda: datetime.now(UTC) >= datetime.fromisoformat(before) + timedelta(seconds=1), "another second")
    daemon.send_signal(signal.SIGSTOP)  # nobody takes anything from the queue meanwhile
    for number in range(3000):
        (folder / f"{number}.wav").write_bytes(b"x" * 2048)
    daemon.send_signal(signal.SIGCONT)
    looks = set()

    def told() -> set[str]:
        looks.add(home.status("burst")["last_scan"])
        return looks - {before, None}  # one that stands still tells nothing

    def all_held() -> bool:
        told()
        states = home.states()
        return len(states) == 3000 and set(states.values()) == {"held"}

    eventually(all_held, "all 3,000 files are known, and wait for a yes")
    assert len(eventually(told, "the look is over")) == 1, looks
    assert sent(home) == []


@needs("unshare", root=False)
def test_more_directories_than_watches_are_all_found_with_one_warning(home: House) -> None:
    folder = home.folder("wide", language="en", existing="hold", watch="auto")
    for number in range(50):
        (folder / f"{number:02}").mkdir()
        (folder / f"{number:02}" / "old.wav").write_bytes(b"x" * 2048)
    home.confined = few_watches(20)
    if subprocess.run([*home.confined, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no user namespace with limits of its own can be made here")
    home.start()
    home.until(50, "held")
    tone(folder / "49" / "new.wav", 0.5, 40)
    tone(folder / "00" / "new.wav", 0.5, 50)
    home.until(2)
    said = home.status("wide")
    assert said["mode"] == "poll"
    assert "watch" in said["why"]
    assert len(warnings_about(home, said["why"])) == 1, home.log.read_text()
    assert len(sent(home)) == 2


def test_a_file_in_directories_made_a_moment_before_is_seen_at_once_two_hundred_times(home: House) -> None:
    folder = home.folder("deep", language="en", scan_interval=TIMER, ask_above=FEW)
    home.start()
    eventually(lambda: watches(home, "deep"), "watched")
    for number in range(200):
        (folder / f"{number}" / "a" / "b").mkdir(parents=True)
        (folder / f"{number}" / "a" / "b" / "new.wav").write_bytes(bytes([number]) * 2048)
    eventually(lambda: len(home.list()) == 200, "all 200 files are known")
    with_sub_directory = folder / "later"
    shutil.copytree(folder / "7", with_sub_directory)
    eventually(lambda: len(home.list()) == 201, "what is copied with its directories as well")


# disks that come and go


@needs("mount", "umount")
def test_a_disk_that_is_unmounted_and_mounted_again_is_never_an_empty_folder(home: House) -> None:
    folder, disk = home.folder("share", language="en"), home.place / "disk"
    with unmounted_afterwards(disk, folder):
        mount_tmpfs(disk, "nas")
        bind(disk, folder)
        tone(folder / "one.wav", 0.5, 40)
        home.start()
        home.until(1)
        unmount(folder)
        eventually(lambda: home.status("share")["offline"], "offline")
        assert home.states() == {"share/one.wav": "done"}
        assert list(folder.iterdir()) == [], "nothing is written under a mount"
        bind(disk, folder)
        tone(folder / "two.wav", 0.5, 50)
        home.until(2)
        assert sent(home) == once(folder / "one.wav", folder / "two.wav")
        assert not home.status("share")["asks"]
        unmount(folder)  # and a stop, a start and a mount
        home.stop()
        home.start()
        eventually(lambda: home.status("share")["offline"], "offline at the start")
        bind(disk, folder)
        tone(folder / "three.wav", 0.5, 60)
        home.until(3)
        assert sent(home) == once(*(folder / f"{name}.wav" for name in ("one", "two", "three")))
        home.stop()


@needs("mount", "umount")
def test_a_disk_that_comes_after_the_start_is_a_first_contact_and_asks_nothing(home: House) -> None:
    folder, disk = home.folder("late", language="en", existing="hold"), home.place / "disk"
    with unmounted_afterwards(disk, folder):
        mount_tmpfs(disk, "nas")
        tone(disk / "old.wav", 0.5, 40)
        home.start()  # over the bare directory
        eventually(lambda: watches(home, "late"), "watched")
        bind(disk, folder)
        home.until(1, "held")
        assert not home.status("late")["asks"]
        tone(folder / "new.wav", 0.5, 50)
        home.until(1)
        assert home.states() == {"late/old.wav": "held", "late/new.wav": "done"}
        assert sent(home) == once(folder / "new.wav")
        home.stop()


@needs("mount", "umount")
def test_another_disk_with_files_on_it_asks_once_and_goes_on_with_all_that_was_known(home: House) -> None:
    folder, old, new = home.folder("nas", language="en"), home.place / "old", home.place / "new"
    with unmounted_afterwards(old, new, folder):
        mount_tmpfs(old, "nas-of-last-year")
        mount_tmpfs(new, "nas-of-this-year")
        tone(old / "one.wav", 0.5, 40)
        shutil.copy2(old / "one.wav", new / "one.wav")
        tone(new / "two.wav", 0.5, 50)
        bind(old, folder)
        home.start()
        home.until(1)
        unmount(folder)
        bind(new, folder)
        asks = eventually(lambda: home.status("nas")["asks"], "it asks")
        assert "scriptixd approve nas" in home.say("status").stdout
        time.sleep(2 * POLL)  # it goes on asking, and does not say so again
        assert len(warnings_about(home, asks)) == 1, home.log.read_text()
        assert home.states() == {"nas/one.wav": "done"}
        assert sent(home) == once(old / "one.wav")
        home.say("approve", "nas")
        home.until(2)
        assert sent(home) == once(old / "one.wav", new / "two.wav")
        assert not home.status("nas")["asks"]
        home.stop()
        home.start()  # and it stays answered
        tone(folder / "three.wav", 0.5, 60)
        home.until(3)
        home.stop()


def test_a_folder_that_is_deleted_and_made_again_knows_what_it_knew(home: House) -> None:
    folder, backup = home.folder("made", language="en"), home.place / "backup"
    tone(folder / "one.wav", 0.5, 40)
    home.start()
    home.until(1)
    shutil.copytree(folder, backup)
    shutil.rmtree(folder)
    eventually(lambda: home.status("made")["offline"], "offline")
    assert home.states() == {"made/one.wav": "done"}
    shutil.copytree(backup, folder)
    tone(folder / "two.wav", 0.5, 50)
    home.until(2)
    assert sent(home) == once(folder / "one.wav", folder / "two.wav")


def test_a_folder_that_is_renamed_away_and_back_knows_what_it_knew(home: House) -> None:
    folder = home.folder("moved", language="en", existing="hold")
    tone(folder / "old.wav", 0.5, 40)
    home.start()
    home.until(1, "held")
    away = folder.rename(home.place / "elsewhere")
    eventually(lambda: home.status("moved")["offline"], "offline")
    tone(away / "new.wav", 0.5, 50)
    assert home.states() == {"moved/old.wav": "held"}
    away.rename(folder)
    home.until(1)
    assert home.states() == {"moved/old.wav": "held", "moved/new.wav": "done"}
    tone(folder / "newer.wav", 0.5, 60)  # the doorbell is on the right directory
    home.until(2)


@needs("mount", "umount")
def test_nothing_is_gone_in_a_disk_below_the_folder_that_is_not_mounted_any_more(home: House) -> None:
    folder, disk = home.folder("tree", language="en", existing="hold"), home.place / "disk"
    below = folder / "archive"
    with unmounted_afterwards(disk, below):
        mount_tmpfs(disk, "usb")
        bind(disk, below)
        (below / "deep").mkdir()
        for path in (below / "there.wav", below / "deep" / "there.wav", folder / "here.wav", folder / "stays.wav"):
            tone(path, 0.5, 40 + len(str(path)) % 7)
        home.start()
        home.until(4, "held")
        unmount(below)
        (folder / "here.wav").unlink()
        eventually(lambda: home.states().get("tree/here.wav") == "gone", "what was deleted is gone")
        tone(folder / "new.wav", 0.5, 90)
        eventually(lambda: is_done(home, "tree/new.wav"), "the rest of the folder goes on")
        states = home.states()
        assert states["tree/archive/there.wav"] == states["tree/archive/deep/there.wav"] == "held"
        assert any("archive" in problem for problem in home.status("tree")["problems"])
        bind(disk, below)
        eventually(lambda: not home.status("tree")["problems"], "all is there again")
        home.say("approve", "tree/archive/there.wav")
        eventually(lambda: is_done(home, "tree/archive/there.wav"), "and goes on")
        assert home.states()["tree/archive/deep/there.wav"] == "held"
        assert len(sent(home)) == 2
        home.stop()


# disks that err, or do not answer


@pytest.fixture
def faulty(home: House) -> Iterator[FaultyShare]:
    """A FUSE file system that is the folder `faulty`."""
    with FaultyShare(home.place, home.folder("faulty", language="en", outputs=["json"])) as share:
        yield share
        if home.daemon is not None:
            home.kill()


def took(home: House, folder: Path, name: str, pitch: int) -> float:
    """Seconds from a file's coming to its transcript's."""
    tone(folder / name, 0.5, pitch)
    began = time.monotonic()
    eventually(lambda: is_done(home, f"{folder.name}/{name}"), f"{name} is done")
    return time.monotonic() - began


@needs("umount", fuse=True)
def test_a_disk_that_errs_holds_up_only_itself_and_nothing_on_it_is_gone(home: House, faulty: FaultyShare) -> None:
    good = home.folder("good", language="en", outputs=["json"])
    tone(faulty.behind / "before.wav", 0.5, 30)
    home.start()
    usual = took(home, good, "first.wav", 40)
    eventually(lambda: is_done(home, "faulty/before.wav"), "the share's own file is done")
    assert (faulty.behind / "before.json").exists()
    faulty.err()
    eventually(lambda: home.status("faulty")["offline"], "offline")
    tone(faulty.behind / "meanwhile.wav", 0.5, 60)
    assert took(home, good, "second.wav", 50) < 3 * usual
    assert home.states()["faulty/before.wav"] == "done"
    faulty.work()
    eventually(lambda: is_done(home, "faulty/meanwhile.wav"), "it comes back by itself")
    assert home.status("faulty")["offline"] is None
    assert len(sent(home)) == 4
    assert "Traceback" not in home.log.read_text()
    _, seconds = home.stop()
    assert seconds < PROMISED_END


@needs("umount", fuse=True)
def test_a_disk_that_hangs_holds_up_only_itself(home: House, faulty: FaultyShare) -> None:
    good = home.folder("good", language="en", outputs=["json"])
    with heard_by_systemd(home.place / "notify") as told:
        home.start(NOTIFY_SOCKET=str(home.place / "notify"), WATCHDOG_USEC="1000000")
        usual = took(home, good, "first.wav", 40)
        eventually(lambda: watches(home, "faulty"), "watched")
        faulty.hang()
        for verb in (("list",), ("status",), ("explain", str(good / "first.wav"))):
            home.typed(*verb)
        tone(faulty.behind / "meanwhile.wav", 0.5, 60)
        assert took(home, good, "second.wav", 50) < 3 * usual
        eventually(lambda: home.status("faulty")["hung"], "hung")
        assert "hung" in home.say("status").stdout
        told.clear()
        assert took(home, good, "third.wav", 70) < 3 * usual
        for verb in (("list",), ("explain", str(good / "third.wav"))):
            home.typed(*verb)
        with ThreadPoolExecutor(2) as people:  # what looks at every folder says what does not answer
            for done in people.map(lambda verb: home.typed(verb, check=False), ("check", "plan")):
                assert "does not answer" in done.stdout
        eventually(lambda: told.count("WATCHDOG=1") >= 3, "systemd hears that the daemon lives")
        code, seconds = home.stop()
        assert code == 0
        assert seconds < PROMISED_END
    home.start()  # with a disk that hangs from the beginning
    assert took(home, good, "fourth.wav", 80) < 3 * usual
    eventually(lambda: home.status("faulty")["hung"], "hung from the start")
    faulty.work()
    eventually(lambda: is_done(home, "faulty/meanwhile.wav"), "it comes back by itself")
    assert len(sent(home)) == 5
    assert "Traceback" not in home.log.read_text()
    _, seconds = home.stop()
    assert seconds < PROMISED_END


@contextmanager
def heard_by_systemd(address: Path) -> Iterator[list[str]]:
    """What the daemon tells, read at once as systemd does: a few unread datagrams would hold the daemon up."""
    told: list[str] = []
    over = threading.Event()

    def hear() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                told.extend(heard.recv(4096).decode().splitlines())

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(address))
        heard.settimeout(0.2)
        reader = threading.Thread(target=hear, name="systemd")
        reader.start()
        try:
            yield told
        finally:
            over.set()
            reader.join()


@needs("umount", fuse=True)
def test_check_explains_a_local_a_network_and_a_missing_folder_in_one_line_each(
    home: House, faulty: FaultyShare
) -> None:
    home.folder("local", language="en")
    home.folder("missing", language="en").rmdir()
    home.write_config()
    done = home.say("check", check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    for name, words in (("local", "events"), ("faulty", "fuse.faulty"), ("missing", "does not exist")):
        told = [line for line in lines if line.split()[1] == f"{name}:"]
        assert [words in line for line in told] == [True], done.stdout


# a file server


@needs("smbd", "smbclient", "rclone", "umount", fuse=True)
def test_a_file_put_slowly_over_smb_is_sent_once_and_whole_from_the_server_and_from_a_network_mount(
    home: House, tmp_path: Path
) -> None:
    served = home.folder("served", language="en", settle=f"{SETTLE}s", outputs=["json"])
    mounted = home.folder("mounted", language="en", settle=f"{SETTLE}s")
    shared = home.place / "shared"
    shared.mkdir()
    (home.place / "source").mkdir()
    for name in ("one.wav", "two.wav"):
        recording(home.place / "source" / name, 600_000)
    with FileServer(served) as local, FileServer(shared) as remote, rclone_mounted(remote, home.place, mounted):
        home.start()
        eventually(lambda: watches(home, "served") and watches(home, "mounted"), "watched")
        assert home.status("served")["mode"] == "events"
        assert home.status("mounted")["mode"] == "poll"
        assert "fuse.rclone" in home.status("mounted")["why"]
        with ThreadPoolExecutor(2) as people:
            put = [
                people.submit(server.put, name, pieces((home.place / "source" / name).read_bytes(), 5), PAUSE)
                for server, name in ((local, "one.wav"), (remote, "two.wav"))
            ]
        for one in put:
            one.result()
        rows = home.until(2)
        assert set(rows) == {"served/one.wav", "mounted/two.wav"}
        eventually((shared / "two.json").exists, "its sidecar is on the server")
        assert sent(home) == once(served / "one.wav", shared / "two.wav")
        assert sha256(shared / "two.wav") == sha256(home.place / "source" / "two.wav")
        assert "Traceback" not in home.log.read_text()
        home.stop()


# links


def test_a_folder_may_be_a_link_and_no_link_below_it_is_read_or_entered(home: House) -> None:
    outside, real = home.place / "outside", home.place / "real"
    outside.mkdir()
    tone(outside / "secret.wav", 0.5, 40)
    folder = home.folder("linked", language="en")
    folder.rename(real)
    folder.symlink_to(real)
    (real / "out.wav").symlink_to(outside / "secret.wav")
    (real / "out").symlink_to(outside)
    tone(real / "own.wav", 0.5, 50)
    home.start()
    home.until(1)
    (real / "later.wav").symlink_to(outside / "secret.wav")
    tone(real / "last.wav", 0.5, 60)
    home.until(2)
    assert set(home.states()) == {"linked/own.wav", "linked/last.wav"}
    assert sent(home) == once(real / "own.wav", real / "last.wav")
    assert sorted(path.name for path in outside.iterdir()) == ["secret.wav"]
    for name in ("out.wav", "out/secret.wav"):
        assert "link" in home.say("explain", str(folder / name)).stdout


# renames and deletions


@pytest.fixture
def line(home: House) -> Iterator[SlowLine]:
    """The way to the sandbox, which can be made slow."""
    port = int(home.sandbox.url.split(":")[2].split("/")[0])
    with SlowLine(port) as built:
        home.settings["api"] |= {"url": home.sandbox.url.replace(str(port), str(built.port)), "chunk_size": "64KiB"}
        yield built
        if home.daemon is not None:
            home.kill()


def is_being_sent(home: House) -> bool:
    return any(request["method"] == "PATCH" for request in home.sandbox.requests())


def test_a_rename_before_and_during_the_upload_goes_on_with_it(home: House, line: SlowLine) -> None:
    folder = home.folder("named", language="en", existing="hold")
    line.rate = 200_000  # bytes a second
    recording(folder / "first name.wav", 1_500_000)
    digest = sha256(folder / "first name.wav")
    home.start()
    home.until(1, "held")
    (folder / "first name.wav").rename(folder / "second name.wav")
    eventually(lambda: home.states() == {"named/second name.wav": "held"}, "the yes is still awaited")
    home.say("approve", "named")
    eventually(lambda: is_being_sent(home), "it is being sent")
    (folder / "below").mkdir()
    (folder / "second name.wav").rename(folder / "below" / "third name.wav")
    rows = home.until(1)
    assert home.states() == {"named/below/third name.wav": "done"}
    assert rows["named/below/third name.wav"]["sha256"] == digest
    assert [(digest, 1)] == [(content, completed) for _, content, completed in sent(home)]
    assert (folder / "below" / "third name.json").exists()


def test_a_file_that_is_taken_away_before_its_end_is_gone_and_goes_on_when_it_is_back(
    home: House, line: SlowLine
) -> None:
    folder = home.folder("away", language="en")
    line.rate = 200_000  # bytes a second
    recording(folder / "one.wav", 1_500_000)
    home.start()
    eventually(lambda: is_being_sent(home), "it is being sent")
    (folder / "one.wav").rename(home.place / "one.wav")
    eventually(lambda: home.states() == {"away/one.wav": "gone"}, "gone")
    line.rate = None
    (home.place / "one.wav").rename(folder / "one.wav")
    home.until(1)
    assert sent(home) == once(folder / "one.wav"), "the same upload goes on"


# floods


def test_a_moved_in_archive_waits_for_one_yes(home: House) -> None:
    folder, archive = home.folder("flooded", language="en", outputs=["json"]), home.place / "archive"
    home.settings["folders"][0]["ask_above"] = {"files": 20, "hours": 24}
    archive.mkdir()
    for number in range(30):
        tone(archive / f"{number}.wav", 0.3, 40 + number)
    home.start()
    eventually(lambda: watches(home, "flooded"), "watched")
    archive.rename(folder / "archive")
    home.until(30, "held")
    eventually(lambda: warnings_about(home, "ask_above"), "it is told")
    time.sleep(2 * POLL)  # and not again
    assert len(warnings_about(home, "your yes")) == 1, home.log.read_text()
    assert sent(home) == []
    home.say("approve", "flooded")
    home.until(30)
    assert sent(home) == once(*(folder / "archive").glob("*.wav"))
