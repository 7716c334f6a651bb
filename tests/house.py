"""The whole house as a user runs it: a folder, the daemon as a process of its own, and a sandbox to send to.

The sandbox runs on threads of the tests, where it need not be killed; the verbs that only ask run there as well. The
daemon's process is forked from one that has imported its libraries, where nothing depends on how it was started.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import av
import in_process
import pytest
import requests
import yaml
from nursery import Child, Nursery

from scriptixd.sandbox import SAMPLE, listening, open_sandbox
from scriptixd.sandbox.listening import Worker
from scriptixd.sandbox.records import Heard
from scriptixd.sandbox.server import Sandbox

PATIENCE = 150.0  # s: a deadline for conditions, never a measure
KEY = "a-key-for-tests"
TONE_RATE, TONE_WIDTH = 8000, 1  # Hz, bytes a sample: nothing else here is recorded like that

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    start = time.monotonic()
    while True:
        began = time.monotonic()
        if seen := look():
            return seen
        ended = time.monotonic()
        assert ended < start + patience, f"it never came true: {what}"
        # What takes long is looked for less often, and a dear look leaves the machine to those looked at.
        time.sleep(max(0.05, ended - began, min(0.5, (ended - start) / 10)))


def tone(path: Path, seconds: float, pitch: int) -> None:
    """A small WAV file, different for each pitch: a recording without a word in it."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(TONE_WIDTH)
        file.setframerate(TONE_RATE)
        file.writeframes(bytes(128 + (position * pitch // 100) % 8 for position in range(int(TONE_RATE * seconds))))


def spoken(path: Path) -> Path:
    """The middle of the sample as a WAV file: words enough to know it by, in a quarter of the time that all takes."""
    rate = 16_000
    with av.open(str(SAMPLE)) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
        parts = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    samples = b"".join(bytes(part.planes[0])[: part.samples * 2] for part in parts)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples[17 * rate * 2 : int(23.5 * rate) * 2])
    return path


class KnowsTones(Worker):
    """Listens, but to a tone, of which everybody knows what is said in it: loading the model takes a second."""

    def hear(self, media: Path) -> Heard | None:
        with suppress(wave.Error, EOFError), wave.open(str(media), "rb") as file:
            if (file.getframerate(), file.getsampwidth()) == (TONE_RATE, TONE_WIDTH):
                return Heard(file.getnframes() / TONE_RATE, ())
        return super().hear(media)


class SandboxHere:
    """A sandbox on threads of this process, which stops and comes back on its port."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = 0
        self.key: str | None = None  # the only one that it accepts
        self.url = ""
        self._running: Sandbox | None = None

    def start(self) -> None:
        self._running = open_sandbox(self.directory, self.port, self.key, workers=1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(listening, "Worker", KnowsTones)
            self._running.start()
        self.listens_at(self._running.url)

    def listens_at(self, url: str) -> None:
        self.url = url
        self.port = urlsplit(url).port or 0

    def stop(self) -> None:
        if self._running is not None:
            self._running.stop()
            self._running = None

    def counts(self) -> dict[str, Any]:
        answer = requests.get(self.url.removesuffix("/api/v3") + "/sandbox/counts", timeout=30)
        found: dict[str, Any] = answer.json()
        return found

    def requests(self) -> list[dict[str, Any]]:
        answer = requests.get(self.url.removesuffix("/api/v3") + "/sandbox/requests", timeout=30)
        found: list[dict[str, Any]] = answer.json()
        return found


class SandboxProcess(SandboxHere):
    """A sandbox as it is typed, which can be killed."""

    _process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "scriptixd", "sandbox", "--port", str(self.port), "--dir", str(self.directory)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = [word for word in line.split() if word.startswith("http://")]
            if found:
                self.listens_at(found[0].rstrip(".,"))
                return
        raise AssertionError("the sandbox said no URL")

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None


@cache
def _nursery() -> Nursery:
    """One for all tests of this process."""
    running = Nursery()
    running.__enter__()
    atexit.register(running.__exit__, None, None, None)
    return running


class House:
    """A directory with folders, a configuration, a sandbox, and the daemon when it runs."""

    def __init__(self, place: Path, sandbox: SandboxHere) -> None:
        self.place = place
        self.sandbox = sandbox
        self.state = place / "state.db"
        self.config = place / "config.yaml"
        self.log = place / "daemon.log"
        self.settings: dict[str, Any] = {}
        self.daemon: subprocess.Popen[bytes] | Child | None = None
        self.typed_start = False  # the daemon has a Python of its own, which it shares nothing with
        self.confined: list[str] = []  # the beginning of a command that runs the daemon under some limit

    def __enter__(self) -> Self:
        self.sandbox.start()
        self.settings = {
            "api": {"url": self.sandbox.url, "key": "${TEST_KEY}", "requests_per_minute": 1_000_000, "timeout": "10s"},
            "state": str(self.state),
            "defaults": {"settle": "1s", "scan_interval": "1s", "existing": "process", "document_type": "caption"},
            "folders": [],
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.daemon is not None:
            self.kill()
        self.sandbox.stop()
        if self.log.exists():  # shown by pytest where a test has failed
            print(self.log.read_text(errors="replace")[-8000:])

    def folder(self, name: str, **settings: object) -> Path:
        path = self.place / name
        path.mkdir()
        self.settings["folders"].append({"path": str(path), **settings})
        return path

    def drop(self, directory: Path, name: str, source: Path) -> Path:
        """A file that appears the way good programs make it appear."""
        target = directory / name
        shutil.copyfile(source, target.with_name(target.name + ".part"))
        os.rename(target.with_name(target.name + ".part"), target)
        return target

    def environment(self) -> dict[str, str]:
        return {"TEST_KEY": KEY, "NO_COLOR": "1"}

    def write_config(self) -> None:
        self.config.write_text(yaml.safe_dump(self.settings))

    def start(self, **environment: str) -> subprocess.Popen[bytes] | Child:
        self.write_config()
        verb, known = ["run", "-c", str(self.config)], {**os.environ, **self.environment(), **environment}
        if not self.typed_start and not self.confined:
            self.daemon = _nursery().start(verb, known, self.log)
            return self.daemon
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                [*self.confined, sys.executable, "-m", "scriptixd", *verb],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=known,
            )  # fmt: skip
        return self.daemon

    def stop(self) -> tuple[int, float]:
        """SIGTERM; returns the exit code and how long it took, in seconds."""
        assert self.daemon is not None
        began = time.monotonic()
        self.daemon.terminate()
        code = self.daemon.wait(30)
        self.daemon = None
        return code, time.monotonic() - began

    def kill(self) -> None:
        assert self.daemon is not None
        self.daemon.kill()
        self.daemon.wait(30)
        self.daemon = None

    def say(self, *verb: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """What a verb answers, without a process of its own."""
        return self._heard(in_process.say([*verb, "-c", str(self.config)], self.environment()), check)

    def typed(self, *verb: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A verb as a person types it, for those that go on running or may hang."""
        if verb[0] == "run" and not self.typed_start:
            return self._heard(self._run(*verb), check)
        done = subprocess.run(
            [sys.executable, "-m", "scriptixd", *verb, "-c", str(self.config)], check=False, capture_output=True,
            text=True, env={**os.environ, **self.environment()}, timeout=PATIENCE, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return self._heard(done, check)

    def _run(self, *verb: str) -> subprocess.CompletedProcess[str]:
        """The daemon, until it ends by itself; it speaks on standard error."""
        with tempfile.NamedTemporaryFile() as log:
            arguments, known = [*verb, "-c", str(self.config)], {**os.environ, **self.environment()}
            code = _nursery().start(arguments, known, Path(log.name)).wait(PATIENCE)
            return subprocess.CompletedProcess(arguments, code, "", Path(log.name).read_text())

    @staticmethod
    def _heard(done: subprocess.CompletedProcess[str], check: bool) -> subprocess.CompletedProcess[str]:
        assert not check or done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done

    def assert_alive(self) -> None:
        """Nobody waits for what a daemon that has ended would have done."""
        assert self.daemon is None or self.daemon.poll() is None, "the daemon has ended by itself"

    def list(self) -> dict[str, dict[str, Any]]:
        """What `list --json` says, by relative path in its folder."""
        self.assert_alive()
        if not self.state.exists():
            return {}
        done = self.say("list", "--json", check=False)
        if done.returncode != 0:
            return {}
        return {f"{row['folder']}/{row['relative_path']}": row for row in json.loads(done.stdout)}

    def states(self) -> dict[str, str]:
        return {path: row["state"] for path, row in self.list().items()}

    def status(self, folder: str) -> dict[str, Any]:
        """What `status --json` says of a folder, once the daemon has made its state file."""

        def told() -> str:
            self.assert_alive()
            return self.say("status", "--json", check=False).stdout

        found: list[dict[str, Any]] = json.loads(eventually(told, "status answers"))["folders"]
        return next(one for one in found if one["name"] == folder)

    def until(self, count: int, state: str = "done") -> dict[str, dict[str, Any]]:
        """Wait until so many sources are in a state; nothing may have failed meanwhile."""

        def reached() -> dict[str, dict[str, Any]]:
            rows = self.list()
            if state != "failed":
                failed = {path: row["error"] for path, row in rows.items() if row["state"] == "failed"}
                assert not failed, failed
            return rows if sum(row["state"] == state for row in rows.values()) >= count else {}

        return eventually(reached, f"{count} × {state}")


@contextmanager
def house(place: Path, kind: type[SandboxHere] = SandboxHere) -> Iterator[House]:
    with House(place, kind(place / "sandbox")) as built:
        yield built
