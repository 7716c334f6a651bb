"""The doorbell on real directories with the kernel's real events; the test plays the scanner, who covers and lists."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from descriptors import none_left_open
from shares import event_queue_of, few_watches, mount_tmpfs, needs, unmount
from watchdog import version
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchCallback,
    WatchDescriptor,
)

from scriptixd.errors import ShareTrouble
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.paths import joined
from scriptixd.watch import doorbell as module
from scriptixd.watch.doorbell import Bell, Doorbell, Rung
from scriptixd.watch.filters import Filter
from scriptixd.watch.watches import INSTANCE, WATCH

DEADLINE = 20.0  # s


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    threads = set(threading.enumerate())
    with none_left_open():
        yield
        assert set(threading.enumerate()) <= threads


class Listener:
    """A doorbell, what it has rung so far, and what was found by looking where it rang."""

    def __init__(self, path: Path, filter_: Filter | None = None) -> None:
        self.path = path
        self.filter = filter_ or Filter()
        self.woken = threading.Semaphore(0)
        self.bell: Bell = Doorbell(str(path), self.filter, self.wake)
        self.directories: set[str] = set()
        self.trees: set[str] = set()
        self.everything = False
        self.wakes = 0
        self.found: set[str] = set()
        self.look("")

    def wake(self) -> None:
        self.wakes += 1
        self.woken.release()

    def hears(self, condition: Callable[[Listener], bool]) -> bool:
        """Take what rings, and look there, until the condition holds; False when the deadline passes."""
        end = time.monotonic() + DEADLINE
        while not condition(self):
            if not self.woken.acquire(timeout=max(end - time.monotonic(), 0)):
                return False
            self.follow(self.bell.take())
        return True

    def follow(self, rung: Rung) -> None:
        self.directories |= rung.directories
        self.trees |= rung.trees
        self.everything |= rung.everything
        for tree in [""] if rung.everything else rung.trees:
            self.look(tree)
        for directory in rung.directories:
            self.list_files(directory)

    def look(self, directory: str) -> None:
        """As the scanner does: covered before it is listed, and nothing excluded is entered."""
        self.bell.cover(directory)
        for name in self.list_files(directory):
            if self.filter.enters(joined(directory, name)):
                self.look(joined(directory, name))

    def list_files(self, directory: str) -> list[str]:
        try:
            entries = list(os.scandir(self.path / directory))
        except OSError:
            return []
        self.found |= {joined(directory, entry.name) for entry in entries if entry.is_file(follow_symlinks=False)}
        return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "media"
    (place / "sub").mkdir(parents=True)
    return place


@pytest.fixture
def listen(folder: Path) -> Iterator[Callable[..., Listener]]:
    listeners: list[Listener] = []

    def start(path: Path = folder, filter_: Filter | None = None) -> Listener:
        listeners.append(Listener(path, filter_))
        return listeners[-1]

    yield start
    for listener in listeners:
        listener.bell.stop()
        assert not listener.bell.alive()


def watched() -> int:
    """How many directories this process watches, as the kernel tells it."""
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            if os.readlink(f"/proc/self/fd/{descriptor}") == INSTANCE:
                count += Path(f"/proc/self/fdinfo/{descriptor}").read_bytes().count(WATCH)
    return count


def eventually(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def test_a_new_file_rings_for_its_directory(folder: Path, listen: Callable[..., Listener]) -> None:
    heard = listen()
    (folder / "sub" / "a.wav").write_bytes(b"sound")
    assert heard.hears(lambda it: "sub" in it.directories)
    assert heard.directories == {"sub"}
    assert heard.bell.alive()


def test_a_rename_a_deletion_a_link_and_a_second_writing_ring(folder: Path, listen: Callable[..., Listener]) -> None:
    (folder / "sub" / "a.wav").write_bytes(b"sound")
    for act in (
        lambda: (folder / "sub" / "a.wav").write_bytes(b"other"),
        lambda: (folder / "sub" / "a.wav").rename(folder / "sub" / "b.wav"),
        lambda: (folder / "sub" / "c.wav").hardlink_to(folder / "sub" / "b.wav"),
        (folder / "sub" / "b.wav").unlink,
    ):
        heard = listen()
        act()
        assert heard.hears(lambda it: "sub" in it.directories)


def test_reading_litter_a_touch_and_our_own_writing_do_not_ring(folder: Path, listen: Callable[..., Listener]) -> None:
    (folder / "sub" / "a.wav").write_bytes(b"sound")
    (folder / "@eaDir").mkdir()
    heard = listen()
    root = LocalRoot(folder)
    root.listing("sub")
    with root.open("sub/a.wav") as reader:
        reader.read(0, 10)
    root.probe("sub")
    root.write("sub/a.srt", b"text", None)
    (folder / "sub" / "a.wav").touch()
    (folder / "sub" / "a.wav").chmod(0o600)
    (folder / "sub" / "b.mp4.part").write_bytes(b"half")
    (folder / "@eaDir" / "a.wav").write_bytes(b"thumbnail")
    (folder / "last.wav").write_bytes(b"sound")
    assert heard.hears(lambda it: "" in it.directories)
    assert heard.directories == {""}


def test_a_directory_that_appears_rings_with_all_that_is_below_it(
    folder: Path, tmp_path: Path, listen: Callable[..., Listener]
) -> None:
    (tmp_path / "aside" / "deep").mkdir(parents=True)
    heard = listen()
    (folder / "new" / "deeper").mkdir(parents=True)
    (tmp_path / "aside").rename(folder / "moved")
    assert heard.hears(lambda it: it.trees >= {"new", "moved"})
    assert "" in heard.directories
    (folder / "new" / "deeper" / "a.wav").write_bytes(b"sound")
    (folder / "moved" / "deep" / "a.wav").write_bytes(b"sound")
    assert heard.hears(lambda it: it.directories >= {"new/deeper", "moved/deep"})


def test_a_directory_that_is_opened_to_us_rings(folder: Path, listen: Callable[..., Listener]) -> None:
    (folder / "sub").chmod(0)
    heard = listen()
    (folder / "sub").chmod(0o755)
    assert heard.hears(lambda it: "sub" in it.directories)


def test_names_that_are_no_text_ring(folder: Path, listen: Callable[..., Listener]) -> None:
    place = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9"))
    place.mkdir()
    heard = listen()
    (place / "a\n.wav").write_bytes(b"sound")
    assert heard.hears(lambda it: os.fsdecode(b"caf\xe9") in it.directories)


def test_without_recursive_only_the_root_rings(folder: Path, listen: Callable[..., Listener]) -> None:
    heard = listen(filter_=Filter(recursive=False))
    (folder / "sub" / "a.wav").write_bytes(b"sound")
    (folder / "other").mkdir()
    (folder / "b.wav").write_bytes(b"sound")
    assert heard.hears(lambda it: "" in it.directories)
    assert heard.directories == {""}
    assert not heard.trees
    assert watched() == 1


def test_a_root_that_is_a_link_rings(folder: Path, tmp_path: Path, listen: Callable[..., Listener]) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    heard = listen(link)
    (folder / "sub" / "a.wav").write_bytes(b"sound")
    assert heard.hears(lambda it: "sub" in it.directories)
    assert heard.bell.alive()
    other = tmp_path / "other"
    other.mkdir()
    link.unlink()
    link.symlink_to(other)
    assert not heard.bell.alive()


def test_every_file_is_found_though_its_directory_was_made_a_moment_ago(
    folder: Path, listen: Callable[..., Listener]
) -> None:
    heard = listen()

    def drop() -> None:
        for number in range(200):
            place = folder / f"a{number % 20}" / f"b{number}"
            place.mkdir(parents=True)
            (place / "a.wav").write_bytes(b"sound")

    writer = threading.Thread(target=drop)
    writer.start()
    try:
        assert heard.hears(lambda it: len(it.found) == 200)
    finally:
        writer.join()
    assert not heard.everything


def test_a_burst_wakes_few_times(folder: Path, listen: Callable[..., Listener]) -> None:
    heard = listen()
    for number in range(3000):
        (folder / "sub" / f"{number}.wav").write_bytes(b"sound")
    assert heard.hears(lambda it: len(it.found) == 3000)
    assert heard.wakes < 20, "it is taken once now, and rings again only for what came after that"
    assert heard.directories == {"sub"} or heard.everything, "one directory, or all after an overflow of the queue"


# which directories are covered


def test_what_is_excluded_is_not_watched(folder: Path, listen: Callable[..., Listener]) -> None:
    for place in ("@eaDir/deep", "sub/.hidden", "archive/2019"):
        (folder / place).mkdir(parents=True)
    heard = listen(filter_=Filter(exclude=("archive/**",)))
    assert watched() == 2
    heard.look("")
    assert watched() == 2, "covering again costs no further watch"
    heard.bell.leave(["sub", "never/covered"])
    assert watched() == 1


def test_what_is_not_there_or_no_directory_is_not_watched_and_no_trouble(
    folder: Path, tmp_path: Path, listen: Callable[..., Listener]
) -> None:
    heard = listen()
    (folder / "a.wav").write_bytes(b"sound")
    (folder / "link").symlink_to(tmp_path)
    for name in ("missing", "a.wav", "link", "a.wav/below"):
        heard.bell.cover(name)
    assert watched() == 2


def test_a_directory_is_reached_name_by_name_and_never_over_a_link(
    folder: Path, tmp_path: Path, listen: Callable[..., Listener]
) -> None:
    (folder / "a" / "b").mkdir(parents=True)
    outside = tmp_path / "outside" / "b"
    outside.mkdir(parents=True)
    heard = listen()
    heard.bell.cover("a/b")
    (folder / "a").rename(tmp_path / "away")
    (folder / "a").symlink_to(outside.parent)
    heard.bell.cover("a/b")
    heard.bell.take()
    (outside / "x.wav").write_bytes(b"sound")
    (folder / "y.wav").write_bytes(b"sound")
    end, rung = time.monotonic() + DEADLINE, set[str]()
    while "" not in rung and time.monotonic() < end:
        heard.woken.acquire(timeout=1)
        rung |= heard.bell.take().directories
    assert rung == {""}


def test_a_directory_that_may_not_be_read_is_no_trouble_and_heard_of_once_it_may(folder: Path) -> None:
    """As a user who is not allowed everything, which the tests may be."""
    program = f"""
import os, threading
from scriptixd.watch.doorbell import Doorbell
from scriptixd.watch.filters import Filter
os.chmod({str(folder / "sub")!r}, 0)
woken = threading.Event()
bell = Doorbell({str(folder)!r}, Filter(), woken.set)
bell.cover("sub")
bell.cover("sub")
os.chmod({str(folder / "sub")!r}, 0o700)
assert woken.wait({DEADLINE})
assert bell.take().directories == {{"sub"}}
bell.cover("sub")
woken.clear()
open({str(folder / "sub" / "a.wav")!r}, "w").close()
assert woken.wait({DEADLINE})
bell.stop()
os.chmod({str(folder)!r}, 0)
try:
    Doorbell({str(folder)!r}, Filter(), woken.set)
except Exception as trouble:
    print(type(trouble).__name__)
"""
    powerless = ["unshare", "--user"] if os.geteuid() == 0 else []
    command = [*powerless, sys.executable, "-W", "error", "-c", program]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    finally:
        folder.chmod(0o700)
    if "unshare failed" in done.stderr:
        pytest.skip(f"root cannot become less here: {done.stderr.strip()}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "ShareTrouble\n", "")


def test_a_directory_that_was_renamed_rings_under_its_new_name(folder: Path, listen: Callable[..., Listener]) -> None:
    (folder / "sub" / "deep").mkdir()
    heard = listen()
    (folder / "sub").rename(folder / "new")
    assert heard.hears(lambda it: "new" in it.trees)
    heard.bell.leave(["sub", "sub/deep"])
    assert watched() == 3
    heard.directories.clear()
    for name in ("new", "new/deep"):
        (folder / name / "a.wav").write_bytes(b"sound")
    assert heard.hears(lambda it: it.directories == {"new", "new/deep"})


def test_between_rename_and_look_the_directory_rings_under_either_name(
    folder: Path, listen: Callable[..., Listener]
) -> None:
    heard = listen()
    (folder / "sub").rename(folder / "new")
    (folder / "new" / "a.wav").write_bytes(b"sound")
    assert heard.hears(lambda it: "new/a.wav" in it.found)
    assert heard.directories <= {"", "sub", "new"}


def test_two_directories_that_changed_places_ring_under_their_names(
    folder: Path, listen: Callable[..., Listener]
) -> None:
    (folder / "other").mkdir()
    (folder.parent / "a.wav").write_bytes(b"sound")
    heard = listen()
    (folder / "sub").rename(folder / "aside")
    (folder / "other").rename(folder / "sub")
    (folder / "aside").rename(folder / "other")
    assert heard.hears(lambda it: it.trees >= {"sub", "other"})
    heard.bell.take()
    heard.look("")
    heard.bell.leave(["aside"])
    assert watched() == 3
    for name in ("sub", "other"):
        heard.directories.clear()
        (folder / name / "new.wav").hardlink_to(folder.parent / "a.wav")  # one event, and no other follows
        assert heard.hears(lambda it: bool(it.directories))
        assert heard.directories == {name}


def test_a_directory_that_was_deleted_and_made_again_rings(folder: Path, listen: Callable[..., Listener]) -> None:
    heard = listen()
    for number in range(3):
        heard.trees.clear()
        (folder / "sub").rmdir()
        (folder / "sub").mkdir()
        assert heard.hears(lambda it: "sub" in it.trees)
        heard.follow(heard.bell.take())
        heard.directories.clear()
        (folder / "sub" / "a.wav").write_bytes(b"sound")
        assert heard.hears(lambda it: "sub" in it.directories)
        (folder / "sub" / "a.wav").unlink()
        assert watched() == 2, f"after {number + 1} times"


def test_directories_that_are_gone_are_not_counted(folder: Path) -> None:
    bell = Doorbell(str(folder), Filter(), lambda: None)
    try:
        for number in range(50):
            (folder / str(number)).mkdir()
            bell.cover(str(number))
            (folder / str(number)).rmdir()
        assert eventually(lambda: len(bell._ears) == 1)
        assert watched() == 1
    finally:
        bell.stop()


def test_a_doorbell_that_was_stopped_covers_nothing(folder: Path) -> None:
    bell = Doorbell(str(folder), Filter(), lambda: None)
    bell.stop()
    with Path("/dev/null").open():  # has the number that was inotify's
        bell.cover("sub")
        bell.leave(["sub", ""])
    bell.stop()
    assert not bell.alive()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_people_do_with_directories_each_rings_under_its_name_in_the_end(
    folder: Path, listen: Callable[..., Listener], seed: int
) -> None:
    chance = random.Random(seed)
    heard = listen()
    known: set[str] = set()

    def directories() -> list[str]:
        return sorted(os.path.relpath(place, folder) for place, _, _ in os.walk(folder) if Path(place) != folder)

    for _ in range(300):
        there = directories()
        one, other = chance.choice(["", *there]), chance.choice(["sub", *there])
        with suppress(OSError):  # a directory cannot be moved into itself
            match chance.randrange(4):
                case 0 | 1:
                    (folder / one / chance.choice("abcd")).mkdir()
                case 2:
                    (folder / other).rename(folder / one / chance.choice("abcd"))
                case 3:
                    shutil.rmtree(folder / other)
        known.update(there)
        if chance.random() < 0.2:
            heard.follow(heard.bell.take())
        if chance.random() < 0.05:
            heard.bell.leave(known - set(directories()))
    (folder / "last").mkdir()
    assert heard.hears(lambda it: "last" in it.trees)
    heard.follow(heard.bell.take())
    heard.bell.leave(known - set(directories()))
    assert eventually(lambda: watched() == len(directories()) + 1)
    heard.directories.clear()
    for directory in directories():
        (folder / directory / "a.wav").write_bytes(b"sound")
    assert heard.hears(lambda it: it.directories >= set(directories()))
    assert heard.directories == set(directories())
    assert heard.bell.alive()


# the kernel's limits


@needs("unshare")
def test_more_directories_than_watches_are_told_with_numbers_before_the_kernel_refuses(folder: Path) -> None:
    for number in range(50):
        (folder / str(number)).mkdir()
    program = f"""
from scriptixd.errors import AdministratorHeals
from scriptixd.watch.doorbell import Doorbell
from scriptixd.watch.filters import Filter
from scriptixd.watch.watches import room
bells = [Doorbell({str(folder)!r}, Filter(), lambda: None) for _ in range(2)]
for number in range(5):
    bells[0].cover(str(number))
assert room().used == 7, room()
try:
    for number in range(50):
        bells[1].cover(str(number))
except AdministratorHeals as refusal:
    print(number, room().used)
    print(refusal)
bells[0].stop()
for number in range(number, 50):
    try:
        bells[1].cover(str(number))
    except AdministratorHeals:
        break
print(number, room().used)
bells[1].stop()
"""
    command = [*few_watches(20), sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    refused, sentence, at_last = done.stdout.splitlines()
    assert refused == "13 20"
    assert sentence == (
        f"{folder} needs 15 inotify watches or more, one for each directory, and 14 are left: "
        "6 of 20 are in use (raise user.max_inotify_watches)"
    )
    assert at_last == "19 20", "what others let go of is used"


@needs("unshare")
def test_where_the_limit_is_hidden_the_kernels_own_refusal_counts(folder: Path) -> None:
    for number in range(50):
        (folder / str(number)).mkdir()
    program = f"""
from pathlib import Path
from scriptixd.errors import AdministratorHeals
from scriptixd.watch import watches
from scriptixd.watch.doorbell import Doorbell
from scriptixd.watch.filters import Filter
watches.SETTINGS = {{"fs.inotify.max_user_watches": Path("/nowhere")}}
bell = Doorbell({str(folder)!r}, Filter(), lambda: None)
try:
    for number in range(50):
        bell.cover(str(number))
except AdministratorHeals as refusal:
    print(refusal)
bell.stop()
"""
    command = [*few_watches(20), sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == (
        f"{folder} needs 21 inotify watches or more, one for each directory, and the kernel gives no more "
        "(raise fs.inotify.max_user_watches)\n"
    ), done.stderr


@needs("unshare")
def test_no_watch_and_no_instance_at_all_are_told(folder: Path) -> None:
    program = f"""
import os
from scriptixd.errors import AdministratorHeals
from scriptixd.watch.doorbell import Doorbell
from scriptixd.watch.filters import Filter
before = sorted(os.listdir("/proc/self/fd"))
for setting in ("watches", "instances"):
    path = f"/proc/sys/user/max_inotify_{{setting}}"
    with open(path, "w") as file:
        file.write("0")
    try:
        Doorbell({str(folder)!r}, Filter(), lambda: None)
    except AdministratorHeals as refusal:
        print(refusal.hint)
    with open(path, "w") as file:
        file.write("100")
assert sorted(os.listdir("/proc/self/fd")) == before
"""
    command = [*few_watches(20), sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "raise user.max_inotify_watches\nraise fs.inotify.max_user_instances\n", done.stderr


@needs()
def test_a_queue_that_ran_over_rings_for_everything(folder: Path, listen: Callable[..., Listener]) -> None:
    (folder / "z.wav").write_bytes(b"sound")
    goes_on = threading.Event()
    with event_queue_of(50):
        bell = Doorbell(str(folder), Filter(), lambda: goes_on.wait(DEADLINE) and None)
    try:
        bell.cover("sub")
        (folder / "z.wav").unlink()
        for number in range(200):
            (folder / "sub" / f"{number}.wav").write_bytes(b"sound")
        goes_on.set()
        taken: list[Rung] = []
        assert eventually(lambda: taken.append(bell.take()) or taken[-1].everything)
        assert not bell.deletions_seen(), "what was lost may have been anything"
        assert bell.alive()
        (folder / "sub" / "last.wav").write_bytes(b"sound")
        assert eventually(lambda: "sub" in bell.take().directories)
    finally:
        goes_on.set()
        bell.stop()


def test_too_many_directories_ring_for_everything_in_bounded_memory(
    folder: Path, listen: Callable[..., Listener]
) -> None:
    for number in range(module.MOST_DIRECTORIES + 5):
        (folder / str(number)).mkdir()
    heard = listen()
    for number in range(module.MOST_DIRECTORIES + 5):
        (folder / str(number) / "a.wav").write_bytes(b"sound")
    taken = [Rung()]
    end = time.monotonic() + DEADLINE
    while not taken[-1].everything and time.monotonic() < end:
        time.sleep(0.5)  # nobody takes meanwhile
        taken.append(heard.bell.take())
    assert taken[-1] == Rung(everything=True)
    assert len(taken[1].directories) <= module.MOST_DIRECTORIES


# the root itself


@pytest.mark.parametrize("what", ["missing", "a file", "a link that leads nowhere"])
def test_a_root_that_is_not_there_cannot_be_listened_to(tmp_path: Path, what: str) -> None:
    if what == "a file":
        (tmp_path / "root").write_bytes(b"")
    elif what != "missing":
        (tmp_path / "root").symlink_to("root")
    with pytest.raises(ShareTrouble):
        Doorbell(str(tmp_path / "root"), Filter(), lambda: None)


def test_a_root_that_was_made_anew_leaves_a_dead_doorbell(folder: Path, listen: Callable[..., Listener]) -> None:
    heard = listen()
    shutil.rmtree(folder)
    folder.mkdir()  # with the same inode number, on most disks
    assert heard.hears(lambda it: it.everything)
    assert eventually(lambda: not heard.bell.alive())
    assert not heard.bell.deletions_seen()


def test_a_root_that_was_renamed_leaves_a_dead_doorbell(folder: Path, listen: Callable[..., Listener]) -> None:
    heard = listen()
    folder.rename(folder.with_name("was"))
    assert heard.hears(lambda it: it.everything)
    assert not heard.bell.alive()
    folder.mkdir()
    assert not heard.bell.alive()


@needs()
def test_a_root_that_was_unmounted_leaves_a_dead_doorbell(tmp_path: Path, listen: Callable[..., Listener]) -> None:
    disk = tmp_path / "disk"
    mount_tmpfs(disk, "media")
    try:
        (disk / "root" / "sub").mkdir(parents=True)
        (disk / "root" / "a.wav").write_bytes(b"sound")
        on_disk, below = listen(disk), listen(disk / "root")
        (disk / "root" / "a.wav").unlink()
        assert below.bell.deletions_seen()
    finally:
        unmount(disk)
    for heard in (on_disk, below):
        assert heard.hears(lambda it: it.everything)
        assert not heard.bell.alive()
        assert not heard.bell.deletions_seen()
    assert watched() == 0


@needs()
def test_a_disk_below_the_root_that_was_unmounted_rings_and_may_come_back(
    folder: Path, listen: Callable[..., Listener]
) -> None:
    mount_tmpfs(folder / "sub", "media")
    try:
        (folder / "sub" / "deep").mkdir()
        heard = listen()
        unmount(folder / "sub")
        assert heard.hears(lambda it: it.directories >= {"sub", "sub/deep"})
        assert heard.bell.alive()
        assert eventually(lambda: watched() == 1)
        heard.look("")
        assert watched() == 2
        mount_tmpfs(folder / "sub", "media")
        heard.look("")
        assert watched() == 2, "the disk's directory, and not the one that lies under it"
        (folder / "sub" / "a.wav").write_bytes(b"sound")
        assert heard.hears(lambda it: "sub/a.wav" in it.found)
    finally:
        unmount(folder / "sub")


# deletions


@pytest.mark.parametrize("how", ["deleted", "moved away", "directory deleted"])
def test_what_people_delete_in_the_root_was_seen(
    folder: Path, tmp_path: Path, listen: Callable[..., Listener], how: str
) -> None:
    (folder / "a.wav").write_bytes(b"sound")
    (folder / "sub" / "a.wav").write_bytes(b"sound")
    (folder / "a.srt").write_bytes(b"text")
    (folder / ".hidden").mkdir()
    heard = listen()
    (folder / "sub" / "a.wav").unlink()
    (folder / "a.srt").unlink()
    (folder / ".hidden").rmdir()
    (folder / "b.wav").write_bytes(b"sound")
    assert not heard.bell.deletions_seen(), "nothing that matters in the root itself"
    if how == "deleted":
        (folder / "a.wav").unlink()
    elif how == "moved away":
        (folder / "a.wav").rename(tmp_path / "a.wav")
    else:
        (folder / "sub").rmdir()
    assert heard.bell.deletions_seen()
    assert heard.bell.deletions_seen(), "asking changes nothing"


# how it ends


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_doorbell_whose_thread_has_died_is_dead(folder: Path) -> None:
    def fail() -> None:
        raise RuntimeError("nobody may do this")

    bell = Doorbell(str(folder), Filter(), fail)
    assert bell.alive()
    (folder / "a.wav").write_bytes(b"sound")
    assert eventually(lambda: not bell.alive())
    bell.stop()


def test_a_burst_wakes_once_until_it_is_taken(folder: Path) -> None:
    wakes: list[None] = []
    bell = Doorbell(str(folder), Filter(), lambda: wakes.append(None))
    try:
        for number in range(100):
            (folder / f"{number}.wav").write_bytes(b"sound")
        (folder / "last").mkdir()
        taken: list[Rung] = []
        assert eventually(lambda: bool(bell._notes._trees))
        taken.append(bell.take())
        assert len(wakes) == 1
        assert taken == [Rung(frozenset({""}), frozenset({"last"}))]
    finally:
        bell.stop()


# the layer of watchdog that this stands on


class Hearer:
    def __init__(self) -> None:
        self.events: list[InotifyEvent] = []
        self.deleted: list[int] = []
        self.overflows = 0

    def on_event(self, event: InotifyEvent) -> None:
        self.events.append(event)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        self.deleted.append(wd)

    def on_queue_overflow(self) -> None:
        self.overflows += 1


def test_watchdogs_lowest_layer_is_what_it_was(folder: Path) -> None:
    assert version.VERSION_MAJOR == 7
    assert {name for name in vars(WatchCallback) if name.startswith("on_")} == {
        "on_event",
        "on_watch_deleted",
        "on_queue_overflow",
    }
    events = Mask(InotifyConstants.IN_CREATE | InotifyConstants.IN_ONLYDIR | InotifyConstants.IN_DONT_FOLLOW)
    first, second = Hearer(), Hearer()
    inotify = InotifyFD()
    inotify.start()
    try:
        sub = inotify.add_callback(os.fsencode(folder / "sub"), events, first, CallbackId(1))
        assert sub == inotify.add_callback(os.fsencode(folder / "sub"), events, second, CallbackId(2))
        with pytest.raises(FileNotFoundError):
            inotify.add_callback(os.fsencode(folder / "missing"), events, first, CallbackId(3))
        (folder / "sub" / "a.wav").write_bytes(b"sound")
        assert eventually(lambda: bool(first.events and second.events))
        event = first.events[0]
        assert (event.wd, event.name, event.mask) == (sub, b"a.wav", InotifyConstants.IN_CREATE)
        inotify.remove_callbacks([(sub, CallbackId(1))])
        assert watched() == 1, "the other one still listens"
        shutil.rmtree(folder / "sub")
        assert eventually(lambda: second.deleted == [sub])
        assert not first.deleted
        inotify.remove_callbacks([(sub, CallbackId(2))])  # nothing is there any more, and that is no trouble
        overflow = InotifyEvent(WatchDescriptor(-1), InotifyConstants.IN_Q_OVERFLOW, 0, b"")
        inotify.add_callback(os.fsencode(folder), events, first, CallbackId(4))
        inotify.handle_event(overflow)
        assert first.overflows == 1
        assert inotify.is_alive()
    finally:
        inotify.stop()
        inotify.join()
    assert watched() == 0
