"""Ways to end a daemon in the middle of anything, and what must hold once it has been started again.

A kill at a moment, a kill before the nth system call of a kind, and a disk that loses its power. Shared by the tests
and by the exhaustive set beside the benchmarks.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import threading
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import srt
from fakes import sha256
from faulty_network import Asked, FaultyNetwork
from house import House, eventually
from nursery import Nursery
from quick import QuickSandbox

PARTS_OF: Final = 32 * 1024  # bytes of a chunk
LENGTH: Final = 40_000  # samples, of two bytes: three parts
TEMPORARIES: Final = ".scriptixd-*.tmp"
QUIET: Final = 3.0  # s without a request, after which nothing more is waited for
EXT4_IOC_SHUTDOWN: Final = 0x8004587D
NO_LOG_FLUSH: Final = 2  # what is not on the disk yet is lost

# The calls that make something last, or take it away.
WRITING: Final = (
    "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "unlink",
    "unlinkat", "ftruncate",
)  # fmt: skip


class _Beyond:
    """What a house takes for its sandbox: a network, and a server somewhere beyond it."""

    def __init__(self, network: FaultyNetwork) -> None:
        self._network = network
        self.url = network.url

    def start(self) -> None:
        self._network.__enter__()

    def stop(self) -> None:
        self._network.__exit__(None, None, None)


class Doomed(House):
    """A house with one folder whose daemon ends in the middle of everything; each file has a content of its own."""

    def __init__(self, place: Path, server: QuickSandbox, nursery: Nursery) -> None:
        self.network = FaultyNetwork(server.url)
        super().__init__(place, _Beyond(self.network))  # type: ignore[arg-type]
        self._server = server
        self._nursery = nursery
        self.contents: dict[str, str] = {}  # SHA-256 by name
        self._arrived = threading.Condition()
        self._count = 0
        self.network.watch = self._see

    def __enter__(self) -> Self:
        super().__enter__()
        self.settings["api"] |= {"chunk_size": PARTS_OF, "timeout": "2s"}
        self.media = self.folder("media", language="nl")
        return self

    def lives_on(self, disk: Path) -> None:
        """Before the first start: the state file and the folder are on another disk, the log is not."""
        self.state = disk / "state.db"
        self.settings["state"] = str(self.state)
        self.media = disk / "media"
        self.media.mkdir()
        _make_durable(disk)
        self.settings["folders"] = [{"path": str(self.media), "language": "nl"}]

    def _see(self, _moment: str, _asked: Asked) -> None:
        with self._arrived:
            self._count += 1
            self._arrived.notify_all()

    def wait_for(self, moments: int) -> None:
        """Until so many requests more have come or were answered, or nothing has for a while."""
        with self._arrived:
            goal = self._count + moments
            while self._count < goal:
                before = self._count
                if not self._arrived.wait_for(lambda seen=before: self._count > seen, QUIET):
                    return

    def record(self, count: int) -> None:
        """So many new recordings appear."""
        for _ in range(count):
            name = f"{len(self.contents)}.wav"
            with wave.open(str(self.place / name), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(8000)
                file.writeframes(os.urandom(2 * (LENGTH + len(self.contents))))  # equal sizes would wait for each other
            self.contents[name] = sha256((self.place / name).read_bytes())
            _make_durable(self.drop(self.media, name, self.place / name))
            _make_durable(self.media)

    def start(self, *, stopped: bool = False, **environment: str) -> Any:
        self.write_config()
        self.daemon = self._nursery.start(  # type: ignore[assignment]
            ["run", "-c", str(self.config)], {**self.environment(), **environment}, self.log, stopped=stopped
        )
        return self.daemon

    def starts(self) -> int:
        """How often the daemon has told that it is at work."""
        return self.log.read_text().count(" watches ") if self.log.exists() else 0

    def written(self) -> bool:
        """Whether each recording has its sidecars, whatever is in them."""
        names = [name.removesuffix(".wav") for name in self.contents]
        return all((self.media / f"{name}{ending}").exists() for name in names for ending in (".json", ".srt"))

    def finish(self) -> None:
        """The daemon works on to the end, and nothing is lost, torn, or paid twice."""
        self.start()
        eventually(lambda: self.assert_alive() or self.written(), "every sidecar is there")
        self.until(len(self.contents))
        eventually(lambda: not self.left_over(), "what a kill has left is swept")
        self.stop()  # a kill could leave the beginning of a claim
        self.assert_whole()

    def left_over(self) -> set[str]:
        """What lies in the folder beside recordings, their sidecars and the claim."""
        ours = {
            f"{name.removesuffix('.wav')}{ending}" for name in self.contents for ending in (".wav", ".json", ".srt")
        }
        return {one.name for one in self.media.iterdir()} - ours - {".scriptixd-claim"}

    def assert_whole(self) -> None:
        for name, digest in self.contents.items():
            stem = name.removesuffix(".wav")
            sidecar = json.loads((self.media / f"{stem}.json").read_bytes())
            assert sidecar["scriptixd"]["source"]["sha256"] == digest, name
            assert [cue.content for cue in srt.parse((self.media / f"{stem}.srt").read_text())] == ["so it ends"], name
            assert sha256((self.media / name).read_bytes()) == digest, name
        others = self.left_over()
        assert not others, f"these are left: {others}"
        paid = self._server.paid()
        assert {paid[digest] for digest in self.contents.values()} == {1}, "a content was not paid for exactly once"
        assert "Traceback" not in self.log.read_text()


def _make_durable(path: Path) -> None:
    """A recording that a power cut takes away is nobody's to transcribe."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def kill_at_random(house: Doomed, chance: random.Random) -> str:
    """One start and one kill -9, at a moment between the two that chance has chosen; returns which."""
    house.start()
    if chance.random() < 0.2:
        delay = chance.uniform(0.0, 1.0)
        time.sleep(delay)
        moment = f"{delay * 1000:.0f} ms after the start"
    else:
        moments, delay = chance.randint(1, 10), chance.choice((0.0, chance.uniform(0.0, 0.06)))
        house.wait_for(moments)
        time.sleep(delay)
        moment = f"{delay * 1000:.1f} ms after the request's moment {moments}"
    house.kill()
    return moment


@dataclass(frozen=True)
class Blow:
    """A kill before the nth call of this name that one thread makes; on these paths alone, if there are any."""

    call: str
    nth: int
    paths: tuple[Path, ...] = ()
    thread: int | None = None  # of those at rest, by the order in which they were made; None: whichever is first

    def __str__(self) -> str:
        on = " on " + ", ".join(path.name for path in self.paths) if self.paths else ""
        of = "" if self.thread is None else f" of thread {self.thread}"
        return f"{self.call} {self.nth}{on}{of}"


def strike(house: Doomed, blow: Blow, recordings: int = 0, most: float = 30.0) -> bool:
    """Start the daemon and have it killed there; False if it has done everything, and stopped in good order.

    A blow to a certain thread falls after the start, and the recordings appear then.
    """
    with traced(house, blow) as daemon:
        house.record(recordings)
        deadline = time.monotonic() + most
        while daemon.poll() is None and not (house.written() and not _at_work(house)):
            assert time.monotonic() < deadline, f"neither an end nor {blow}"
            time.sleep(0.02)
        daemon.terminate()  # what the log of the state file holds goes to its place at the end
        died = daemon.wait(most) == -signal.SIGKILL
    house.daemon = None
    return died


def _at_work(house: Doomed) -> bool:
    return set(house.states().values()) != {"done"}


@contextmanager
def traced(house: Doomed, blow: Blow | None = None, calls: Path = Path(os.devnull)) -> Iterator[Any]:
    """The daemon under strace, with a blow prepared, or with its writing calls written down."""
    started = house.starts()
    resting = blow is not None and blow.thread is not None
    daemon = house.start(stopped=not resting)
    if resting:
        eventually(lambda: house.starts() > started, "it is at work")
        assert blow is not None
        number = blow.thread or 0
        eventually(lambda: len(threads_of(daemon.pid)) > number, "its threads have begun")
        which = ["-p", str(threads_of(daemon.pid)[number])]
    else:
        eventually(lambda: _status(daemon.pid, "State").startswith("T"), "it has stopped")
        which = ["-f", "-p", str(daemon.pid)]
    paths = [word for path in (blow.paths if blow else ()) for word in ("-P", str(path))]
    inject = ["-e", f"inject={blow.call}:signal=KILL:when={blow.nth}"] if blow else []
    trace = ["-e", f"trace={blow.call if blow else ','.join(WRITING)}"]
    command = ["strace", "-qq", "-o", str(calls), *which, *paths, *trace, *inject]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as tracer:
        try:
            eventually(lambda: daemon.poll() is not None or _is_traced(int(which[-1])), "it is traced, or dead already")
            if not resting:
                os.kill(daemon.pid, signal.SIGCONT)
            yield daemon
        except BaseException:
            house.kill()
            raise
        finally:
            tracer.wait(30)


def threads_of(pid: int) -> list[int]:
    return sorted(int(one.name) for one in Path(f"/proc/{pid}/task").iterdir())


def _is_traced(pid: int) -> bool:
    try:
        return _status(pid, "TracerPid") != "0"
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return False


def _status(pid: int, name: str) -> str:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        key, _, text = line.partition(":")
        if key == name:
            return text.strip()
    raise AssertionError(f"/proc/{pid}/status has no {name}")


class LoopDisk:
    """An ext4 file system in a file, whose power can be cut."""

    def __init__(self, image: Path, place: Path, megabytes: int = 48) -> None:
        self.place = place
        with image.open("wb") as file:
            file.truncate(megabytes * 1024 * 1024)
        place.mkdir()
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        self._image, self._device = str(image), ""

    @staticmethod
    def missing() -> str:
        """Why there can be none here, if so."""
        if os.geteuid() != 0:
            return "only root may mount a disk"
        if shutil.which("mkfs.ext4") is None:
            return "mkfs.ext4 is not installed"
        return "" if Path("/dev/loop-control").exists() else "there are no loop devices"

    def __enter__(self) -> Self:
        self._device = _run("losetup", "--find", "--show", self._image)  # it keeps its name when the power is cut
        _run("mount", self._device, str(self.place))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _run("umount", str(self.place))
        _run("losetup", "--detach", self._device)

    def cut(self) -> None:
        """From now on nothing reaches the disk, and what had not reached it yet is lost."""
        directory = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(directory, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(directory)

    def come_back(self) -> None:
        """The machine boots again. Nobody may have anything open there."""

        def mounted_anew() -> bool:
            """A container that begins beside us takes the mounts along: the dead one lives on in it for a moment."""
            _run("umount", str(self.place))
            _run("mount", self._device, str(self.place))
            directory = os.open(self.place, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            except OSError:
                return False
            finally:
                os.close(directory)
            return True

        eventually(mounted_anew, "the disk is alive again")


def cut_power_at_random(house: Doomed, disk: LoopDisk, chance: random.Random) -> str:
    """One start, and one power cut at a moment that chance has chosen; returns which."""
    house.start()
    moments, delay = chance.randint(1, 10), chance.choice((0.0, chance.uniform(0.0, 0.06)))
    house.wait_for(moments)
    time.sleep(delay)
    disk.cut()
    house.kill()
    disk.come_back()
    return f"{delay * 1000:.1f} ms after the request's moment {moments}"


def _run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout.strip()
