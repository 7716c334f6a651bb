"""kill -9 before and after every commit, every call of the service, of a disk and of the desk: the work goes on,
every content is paid for once, and what was sent is what is on the disk.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import pytest
from fakes import DUTCH, STRIDE, Call, Service, World, memory_disk, sha256

from scriptixd.errors import Away
from scriptixd.jobs.job import State
from scriptixd.roots.root import LIKE_ITS_DIRECTORY, Disk, FileAccess, Listing, Reader, Root, Stat

LONG = b"abcdefghijklmnopqrstuvwxyz" * 2  # three chunks
SMALL = b"0123456789"


class CrashNow(BaseException):
    """The process ends here: nobody may handle it."""


class Fuse:
    """Counts moments, and burns through at one of them."""

    def __init__(self, at: int | None) -> None:
        self.moments: list[str] = []
        self._at = at

    def __call__(self, moment: str) -> None:
        self.moments.append(moment)
        if len(self.moments) - 1 == self._at:
            raise CrashNow(moment)


class FusedReader:
    def __init__(self, reader: Reader, fuse: Callable[[str], None]) -> None:
        self._reader = reader
        self._fuse = fuse

    def stat(self) -> Stat:
        self._fuse("stat")
        return self._reader.stat()

    def read(self, offset: int, count: int) -> bytes:
        self._fuse("before read")
        data = self._reader.read(offset, count)
        self._fuse("after read")
        return data

    def written_to(self) -> bool | None:
        return self._reader.written_to()

    def __enter__(self) -> Self:
        self._reader.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reader.__exit__(kind, error, trace)


class FusedRoot:
    def __init__(self, root: Root, fuse: Callable[[str], None]) -> None:
        self._root = root
        self._fuse = fuse

    @property
    def at_once(self) -> int:
        return self._root.at_once

    def disk(self) -> Disk:
        return self._root.disk()

    def listing(self, directory: str) -> Listing:
        self._fuse("listing")
        return self._root.listing(directory)

    def open(self, path: str) -> Reader:
        self._fuse("before open")
        return FusedReader(self._root.open(path), self._fuse)

    def probe(self, directory: str, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        self._root.probe(directory, access)

    def make(self, directory: str) -> None:
        self._root.make(directory)

    def write(self, path: str, data: bytes, replaces: str | None, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        self._root.write(path, data, replaces, access)

    def remove(self, path: str, sha256: str) -> None:
        self._root.remove(path, sha256)

    def sweep(self, directory: str) -> int:
        return self._root.sweep(directory)


class FusedWorld(World):
    """A world in which every collaborator may be the last thing that is called."""

    fuse: Callable[[str], None] = staticmethod(lambda _moment: None)

    def start(self) -> None:
        super().start()
        self.service.watch = self.desk.watch = self.examiner.watch = self.fuse
        database, whole = self.store.database, self.store.database.transaction

        @contextmanager
        def transaction() -> Iterator[object]:
            outermost = not database._connection.in_transaction
            if outermost:
                self.fuse("before commit")
            with whole() as connection:
                yield connection
                if outermost:
                    self.fuse("in the transaction")
            if outermost:
                self.fuse("after commit")

        database.transaction = transaction  # type: ignore[method-assign,assignment]

    def arm(self, fuse: Callable[[str], None]) -> None:
        self.fuse = fuse
        self.folders.roots = {name: FusedRoot(root, fuse) for name, root in self.folders.roots.items()}
        self.restart()

    def crash(self) -> None:
        """Nothing is closed in order: the state file is what a killed process leaves."""
        left = self.base / "left"
        shutil.rmtree(left, ignore_errors=True)
        left.mkdir()
        for name in ("state.db", "state.db-wal"):
            if (self.base / name).exists():
                shutil.copy(self.base / name, left / name)
        self.store.close()
        for name in ("state.db", "state.db-wal", "state.db-shm"):
            (self.base / name).unlink(missing_ok=True)
        for file in left.iterdir():
            file.rename(self.base / file.name)


def journey(world: World) -> None:
    """Two files, a copy of the long one, a scan of both folders, everything to its end; may begin anywhere.

    On the way one of them gets another name, and in the end the other one.
    """
    world.settle()
    for _ in range(3):
        world.turn()
    renamed(world, "long.wav", "renamed.wav")
    world.drive()
    renamed(world, "small.wav", "other.wav")
    world.drive()


def renamed(world: World, name: str, to: str) -> None:
    if world.path(name, "one").exists():
        world.rename(name, to, "one")
    world.scan("one", complete=False)
    world.scan("one")


def made(base: Path, fuse: Fuse, lost_replies: bool) -> FusedWorld:
    world = FusedWorld(base, folders=("one", "two"), service=Service())
    world.put("long.wav", LONG, "one")
    world.put("small.wav", SMALL, "one")
    world.put("copy.wav", LONG, "two")
    if lost_replies:
        world.service.cut_after = 47
    world.arm(fuse)
    return world


def check(world: World, moment: str) -> None:
    """What must hold at the end, wherever the crash was."""
    assert world.service.paid == {(sha256(LONG), DUTCH.key): 1, (sha256(SMALL), DUTCH.key): 1}, moment
    assert [job.state for job in world.jobs()] == [State.READY] * 2, moment
    assert world.count("ledger") == 2, moment
    assert world.count("results") == 2, moment
    assert world.job_of("renamed.wav", "one") == world.job_of("copy.wav", "two"), moment
    for name, content in (("renamed.wav", LONG), ("other.wav", SMALL)):
        job = world.job_of(name, "one")
        assert job.sha256 == sha256(content), moment
        stored = world.store.jobs.result(job.id)
        assert stored is not None, moment
        assert sha256(content).encode() in stored, moment


def run(base: Path, at: int | None, lost_replies: bool) -> list[str]:
    """The journey with a crash at moment `at`, and on to its end; returns the moments that there were."""
    shutil.rmtree(base, ignore_errors=True)
    fuse = Fuse(at)
    world = made(base, fuse, lost_replies)
    try:
        journey(world)
    except CrashNow as crash:
        moment = f"{at}: {crash}"
        world.crash()
        world.fuse = lambda _moment: None
        world.start()
        journey(world)
    else:
        moment = "no crash"
    try:
        check(world, moment)
    finally:
        world.close()
    return fuse.moments


@pytest.fixture
def disk() -> Iterator[Path]:
    with TemporaryDirectory(dir=memory_disk()) as directory:
        yield Path(directory)


@pytest.mark.parametrize("lost_replies", [False, True], ids=["all is well", "a connection drops"])
def test_a_crash_anywhere_costs_nothing_and_loses_nothing(disk: Path, lost_replies: bool) -> None:
    moments = run(disk / "world", None, lost_replies)
    assert {"before commit", "in the transaction", "after commit", "before open", "before read"} <= set(moments)
    assert "before an opinion" in moments
    assert {"before create", "after create", "before send", "after send", "after look"} <= set(moments)
    assert len(moments) > 100
    for at in range(random.randrange(STRIDE), len(moments), STRIDE):
        run(disk / "world", at, lost_replies)


def test_a_crash_after_a_lost_reply_to_the_last_part_is_decided_by_asking(tmp_path: Path) -> None:
    world = FusedWorld(tmp_path)
    job = world.step_until(world.drop("long.wav", LONG), State.CLOSING)

    def crash(moment: str) -> None:
        if moment == "after send":
            raise CrashNow(moment)

    world.arm(crash)
    with pytest.raises(CrashNow):
        world.step(job)
    world.crash()
    world.fuse = lambda _moment: None
    world.start()
    world.service.fail(Call.OFFSET, Away("503"), times=2)
    world.drive()
    assert world.state_of("long.wav") is State.READY
    assert world.service.paid == {(sha256(LONG), DUTCH.key): 1}
    world.close()
