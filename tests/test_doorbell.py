"""The doorbell on real directories with the kernel's real events."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.events import FileCreatedEvent
from watchdog.utils import BaseThread

from scriptixd.errors import ShareTrouble
from scriptixd.roots.local import LocalRoot
from scriptixd.watch import doorbell as module
from scriptixd.watch.doorbell import TWICE, Doorbell, Rung
from scriptixd.watch.filters import Filter

pytestmark = pytest.mark.filterwarnings(f"ignore:{TWICE}:RuntimeWarning")

DEADLINE = 20.0  # s


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    threads, files = set(threading.enumerate()), len(os.listdir("/proc/self/fd"))
    yield
    assert set(threading.enumerate()) == threads
    assert len(os.listdir("/proc/self/fd")) == files


class Listener:
    """A doorbell and what it has rung so far."""

    def __init__(self, path: Path, filter_: Filter | None = None) -> None:
        self.woken = threading.Semaphore(0)
        self.bell = Doorbell(str(path), filter_ or Filter(), self.woken.release)
        self.directories: set[str] = set()
        self.trees: set[str] = set()
        self.everything = False

    def hears(self, condition: Callable[[Listener], bool]) -> bool:
        """Take what rings until the condition holds; False when the deadline passes."""
        end = time.monotonic() + DEADLINE
        while not condition(self):
            if not self.woken.acquire(timeout=max(end - time.monotonic(), 0)):
                return False
            rung = self.bell.take()
            self.directories |= rung.directories
            self.trees |= rung.trees
            self.everything |= rung.everything
        return True


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


def test_a_new_file_rings_for_its_directory(folder: Path, listen: Callable[..., Listener]) -> None:
    heard = listen()
    (folder / "sub" / "a.wav").write_bytes(b"sound")
    assert heard.hears(lambda it: "sub" in it.directories)
    assert heard.directories == {"sub"}
    assert heard.bell.alive()


def test_a_rename_a_deletion_and_a_second_writing_ring(folder: Path, listen: Callable[..., Listener]) -> None:
    (folder / "sub" / "a.wav").write_bytes(b"sound")
    for act in (
        lambda: (folder / "sub" / "a.wav").write_bytes(b"other"),
        lambda: (folder / "sub" / "a.wav").rename(folder / "sub" / "b.wav"),
        (folder / "sub" / "b.wav").unlink,
    ):
        heard = listen()
        act()
        assert heard.hears(lambda it: "sub" in it.directories)


def test_reading_litter_and_our_own_writing_do_not_ring(folder: Path, listen: Callable[..., Listener]) -> None:
    (folder / "sub" / "a.wav").write_bytes(b"sound")
    (folder / "@eaDir").mkdir()
    heard = listen()
    root = LocalRoot(folder)
    root.listing("sub")
    with root.open("sub/a.wav") as reader:
        reader.read(0, 10)
    root.probe("sub")
    root.write("sub/a.srt", b"text", None)
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
    assert heard.hears(lambda it: "new/deeper" in it.directories)


def test_names_that_are_no_text_ring(folder: Path, listen: Callable[..., Listener]) -> None:
    place = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9"))
    place.mkdir()
    heard = listen()
    (place / "a\n.wav").write_bytes(b"sound")
    assert heard.hears(lambda it: os.fsdecode(b"caf\xe9") in it.directories)


def test_without_recursive_only_the_root_rings(folder: Path, listen: Callable[..., Listener]) -> None:
    heard = listen(filter_=Filter(recursive=False))
    (folder / "sub" / "a.wav").write_bytes(b"sound")
    (folder / "b.wav").write_bytes(b"sound")
    assert heard.hears(lambda it: "" in it.directories)
    assert heard.directories == {""}


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


@pytest.mark.parametrize("what", ["missing", "a file"])
def test_a_root_that_is_not_there_cannot_be_listened_to(tmp_path: Path, what: str) -> None:
    if what == "a file":
        (tmp_path / "root").write_bytes(b"")
    with pytest.raises(ShareTrouble):
        Doorbell(str(tmp_path / "root"), Filter(), lambda: None)


def test_a_root_that_was_made_anew_leaves_a_dead_doorbell(folder: Path, listen: Callable[..., Listener]) -> None:
    heard = listen()
    shutil.rmtree(folder)
    assert heard.hears(lambda it: it.everything)
    folder.mkdir()
    assert not heard.bell.alive()


def test_a_root_that_was_renamed_leaves_a_dead_doorbell(folder: Path, listen: Callable[..., Listener]) -> None:
    heard = listen()
    folder.rename(folder.with_name("was"))
    assert not heard.bell.alive()
    folder.mkdir()
    assert not heard.bell.alive()


def test_a_doorbell_of_which_any_thread_has_died_is_dead(listen: Callable[..., Listener]) -> None:
    for number in range(3):
        before = set(threading.enumerate())
        heard = listen()
        thread = sorted(set(threading.enumerate()) - before, key=lambda one: type(one).__name__)[number]
        assert heard.bell.alive()
        assert isinstance(thread, BaseThread)
        thread.stop()
        thread.join(DEADLINE)
        assert not heard.bell.alive()


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


def test_a_burst_wakes_once_until_it_is_taken(listen: Callable[..., Listener]) -> None:
    heard = listen()
    place = heard.bell._handler._place
    for number in range(100):
        heard.bell._handler.dispatch(FileCreatedEvent(f"{place}/{number}.wav"))
    assert heard.woken.acquire(blocking=False)
    assert not heard.woken.acquire(blocking=False)
    assert heard.bell.take() == Rung(frozenset({""}))
