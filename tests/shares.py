"""Disks as offices have them, made for a test and gone after it: mounts, a faulty disk, an SMB server, a slow line.

Whatever is mounted or started here is ended by its own `with`, also when a test fails in the middle.
"""

from __future__ import annotations

import ctypes
import fcntl
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
from faulty_disk import ERR, HANG, WORK
from house import eventually

MOUNTS = Path("/proc/self/mountinfo")
QUEUE = Path("/proc/sys/fs/inotify/max_queued_events")
STARTED_WITHIN = 30.0  # s
SHARE = "media"


def needs(*programs: str, root: bool = True, fuse: bool = False) -> pytest.MarkDecorator:
    """Skip, with the reason, where something is missing that a test is made of."""
    missing = [program for program in programs if shutil.which(program) is None]
    reasons = ["only for root" if root and os.geteuid() != 0 else ""]
    reasons.append(f"not installed: {', '.join(missing)}" if missing else "")
    if fuse:
        reasons.append("" if Path("/dev/fuse").exists() else "there is no /dev/fuse")
        reasons.append("" if importlib.util.find_spec("mfusepy") else "mfusepy is not installed")
        reasons.append("" if _has_library("libfuse.so.2") or _has_library("libfuse3.so.3") else "there is no libfuse")
    told = "; ".join(filter(None, reasons))
    return pytest.mark.skipif(bool(told), reason=told or "nothing is missing")


def _has_library(name: str) -> bool:
    with suppress(OSError):
        ctypes.CDLL(name)
        return True
    return False


# mounts


def is_mounted(path: Path) -> bool:
    return any(line.split()[4] == str(path) for line in MOUNTS.read_text().splitlines())


def mount(*arguments: str) -> None:
    """mount(8); a test without the right to do so is skipped."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")


def unmount(path: Path) -> None:
    """Whatever is mounted there, in layers too; where it is busy or dead, it goes as soon as nobody uses it."""
    while is_mounted(path):
        gone = subprocess.run(["umount", str(path)], capture_output=True, check=False).returncode == 0
        if not gone:
            subprocess.run(["umount", "--lazy", str(path)], capture_output=True, check=True)


@contextmanager
def unmounted_afterwards(*paths: Path) -> Iterator[None]:
    """For tests that mount by themselves; the last one goes first."""
    try:
        yield
    finally:
        for path in reversed(paths):
            unmount(path)


def mount_tmpfs(path: Path, name: str) -> None:
    """A file system that lives until it is unmounted; `name` is its source, by which it is known."""
    path.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", "size=64m", name, str(path))


def bind(source: Path, path: Path) -> None:
    path.mkdir(exist_ok=True)
    mount("--bind", str(source), str(path))


# a disk that errs, or hangs


class FaultyShare:
    """A FUSE file system that does as it is told."""

    def __init__(self, place: Path, mountpoint: Path) -> None:
        self.behind = place / "behind"
        self.mountpoint = mountpoint
        self._orders = place / "orders"
        self._log = place / "fuse.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.behind.mkdir()
        self.order(WORK)
        program = Path(__file__).with_name("faulty_disk.py")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(program), str(self.mountpoint), str(self.behind), str(self._orders)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        try:
            self._mounted()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _mounted(self) -> None:
        process = self._process
        assert process is not None
        eventually(lambda: is_mounted(self.mountpoint) or process.poll() is not None, "it is mounted", STARTED_WITHIN)
        if process.poll() is not None:
            pytest.skip(f"FUSE does not work here: {self._log.read_text()[-500:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.order(ERR)  # whoever waits for an answer has one
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
        unmount(self.mountpoint)

    def order(self, word: str) -> None:
        written = self._orders.with_suffix(".new")
        written.write_text(word)
        os.replace(written, self._orders)

    def work(self) -> None:
        self.order(WORK)

    def err(self) -> None:
        self.order(ERR)

    def hang(self) -> None:
        self.order(HANG)


# a file server, and its share as a network file system


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


SMB_CONFIG = """
[global]
    server role = standalone server
    map to guest = Bad User
    guest account = root
    interfaces = 127.0.0.1/8
    bind interfaces only = yes
    smb ports = {port}
    disable netbios = yes
    load printers = no
    printing = bsd
    printcap name = /dev/null
    disable spoolss = yes
    pid directory = {state}
    lock directory = {state}
    state directory = {state}
    cache directory = {state}
    private dir = {state}
    ncalrpc dir = {state}/rpc
    log file = {state}/log
[{share}]
    path = {path}
    guest ok = yes
    read only = no
    force user = root
"""


class FileServer:
    """smbd on loopback with one share, open to anybody on this machine."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self._state = Path(tempfile.mkdtemp(prefix="smb-"))  # short: its sockets have names of at most 107 bytes
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        config = self._state / "smb.conf"
        config.write_text(SMB_CONFIG.format(port=self.port, state=self._state, path=self.directory, share=SHARE))
        with (self._state / "out").open("wb") as log:
            self._process = subprocess.Popen(
                ["smbd", "--foreground", "--no-process-group", f"--configfile={config}", "--debug-stdout"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                start_new_session=True,  # at its end it signals its whole process group, which must not be ours
            )  # fmt: skip
        try:
            eventually(self._answers, "smbd answers", STARTED_WITHIN)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._state / "out").read_text(errors="replace")[-2000:]
        return self._client("ls", subprocess.DEVNULL).wait(30) == 0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(30)
        shutil.rmtree(self._state, ignore_errors=True)

    def _client(self, command: str, given: int) -> subprocess.Popen[bytes]:
        words = ["smbclient", f"//127.0.0.1/{SHARE}", "-p", str(self.port), "-N", "-c", command]
        return subprocess.Popen(words, stdin=given, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def put(self, name: str, pieces: list[bytes], pause: float) -> None:
        """Copy a file to the share over the network, with pauses between the pieces."""
        client = self._client(f"put - {name}", subprocess.PIPE)
        assert client.stdin is not None
        with client.stdin as pipe:
            for number, piece in enumerate(pieces):
                if number:
                    time.sleep(pause)
                pipe.write(piece)
                pipe.flush()
        assert client.wait(60) == 0


@contextmanager
def rclone_mounted(server: FileServer, place: Path, mountpoint: Path) -> Iterator[None]:
    """The share as a network file system: FUSE, no events, an own idea of inodes, links and renames.

    What is written travels a second later: without that pause rclone 1.60 sends it under the name it had before.
    """
    (place / "rclone.conf").write_text("")
    command = ["rclone", "mount", f":smb:{SHARE}", str(mountpoint), "--config", str(place / "rclone.conf")]
    command += ["--smb-host", "127.0.0.1", "--smb-port", str(server.port), "--smb-user", "guest"]
    command += ["--cache-dir", str(place / "rclone"), "--vfs-cache-mode", "writes", "--vfs-write-back", "1s"]
    command += ["--dir-cache-time", "500ms", "--attr-timeout", "0s", "--poll-interval", "0"]
    with (place / "rclone.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    try:
        eventually(lambda: is_mounted(mountpoint) or process.poll() is not None, "rclone mounts", STARTED_WITHIN)
        if process.poll() is not None:
            pytest.skip(f"rclone cannot mount here: {(place / 'rclone.log').read_text(errors='replace')[-500:]}")
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
        unmount(mountpoint)


# the kernel's limits


@contextmanager
def event_queue_of(length: int) -> Iterator[None]:
    """The kernel's queue for whoever opens inotify meanwhile: the machine's, so one test at a time has it."""
    with (Path(tempfile.gettempdir()) / "scriptixd-tests-event-queue.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = QUEUE.read_text()
        QUEUE.write_text(str(length))
        try:
            yield
        finally:
            QUEUE.write_text(before)


def few_watches(count: int) -> list[str]:
    """The beginning of a command that may have no more inotify watches than that: in a user namespace of its own."""
    limit = "/proc/sys/user/max_inotify_watches"
    return ["unshare", "--user", "--map-root-user", "sh", "-c", f'echo {count} > {limit} && exec "$@"', "sh"]


# a line


class SlowLine:
    """A TCP line to a server with a bandwidth in one direction: what is sent through it takes its time."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.rate: float | None = None  # bytes a second towards the server; None: as fast as it goes
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, name="line")]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for end in (self._listener, *self._open):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for end in (self._listener, *self._open):
            end.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                here, _ = self._listener.accept()
                there = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                continue  # it is over, or the server is: whoever called sees a line that is cut
            self._open += [here, there]
            for pump in (
                threading.Thread(target=self._pump, args=(here, there, True), name="line out"),
                threading.Thread(target=self._pump, args=(there, here, False), name="line in"),
            ):
                self._threads.append(pump)
                pump.start()

    def _pump(self, source: socket.socket, target: socket.socket, is_out: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(16384):
                rate = self.rate
                if is_out and rate is not None:
                    self._stop.wait(len(piece) / rate)
                target.sendall(piece)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)
