"""The whole house as a user runs it: the sandbox and the daemon as processes of their own, and a folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import requests
import yaml

from scriptixd.sandbox import SAMPLE

PATIENCE = 150.0  # s: a deadline for conditions, never a measure
KEY = "a-key-for-tests"

T = TypeVar("T")


def eventually(look: Callable[[], T], what: str, patience: float = PATIENCE) -> T:
    deadline = time.monotonic() + patience
    while True:
        began = time.monotonic()
        if seen := look():
            return seen
        assert time.monotonic() < deadline, f"it never came true: {what}"
        time.sleep(max(0.05, time.monotonic() - began))  # a look that is dear leaves the machine to those looked at


def tone(path: Path, seconds: float, pitch: int) -> None:
    """A small WAV file, different for each pitch: a recording without a word in it."""
    rate = 8000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        file.writeframes(bytes(128 + (position * pitch // 100) % 8 for position in range(int(rate * seconds))))


class SandboxProcess:
    """A sandbox that can be killed and comes back on its port."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._port = 0
        self._process: subprocess.Popen[str] | None = None
        self.key: str | None = None  # the only one that it accepts
        self.url = ""

    def start(self) -> None:
        command = [sys.executable, "-m", "scriptixd", "sandbox", "--port", str(self._port)]
        command += ["--key", self.key] if self.key is not None else []
        self._process = subprocess.Popen(
            [*command, "--dir", str(self._directory)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = [word for word in line.split() if word.startswith("http://")]
            if found:
                self.url = found[0].rstrip(".,")
                self._port = int(self.url.split(":")[2].split("/")[0])
                return
        raise AssertionError("the sandbox said no URL")

    def end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def counts(self) -> dict[str, Any]:
        answer = requests.get(self.url.removesuffix("/api/v3") + "/sandbox/counts", timeout=30)
        found: dict[str, Any] = answer.json()
        return found

    def requests(self) -> list[dict[str, Any]]:
        answer = requests.get(self.url.removesuffix("/api/v3") + "/sandbox/requests", timeout=30)
        found: list[dict[str, Any]] = answer.json()
        return found


class House:
    """A directory with folders, a configuration, a sandbox, and the daemon when it runs."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.sandbox = SandboxProcess(place / "sandbox")
        self.state = place / "state.db"
        self.config = place / "config.yaml"
        self.log = place / "daemon.log"
        self.settings: dict[str, Any] = {}
        self.daemon: subprocess.Popen[bytes] | None = None
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
        self.sandbox.end(signal.SIGTERM)
        if self.log.exists():  # shown by pytest where a test has failed
            print(self.log.read_text(errors="replace")[-8000:])

    def folder(self, name: str, **settings: object) -> Path:
        path = self.place / name
        path.mkdir()
        self.settings["folders"].append({"path": str(path), **settings})
        return path

    def drop(self, directory: Path, name: str = "austen.flac", source: Path = SAMPLE) -> Path:
        """A file that appears the way good programs make it appear."""
        target = directory / name
        shutil.copyfile(source, target.with_name(target.name + ".part"))
        os.rename(target.with_name(target.name + ".part"), target)
        return target

    def environment(self) -> dict[str, str]:
        return {**os.environ, "TEST_KEY": KEY, "NO_COLOR": "1"}

    def write_config(self) -> None:
        self.config.write_text(yaml.safe_dump(self.settings))

    def start(self, **environment: str) -> subprocess.Popen[bytes]:
        self.write_config()
        with self.log.open("ab") as log:
            self.daemon = subprocess.Popen(
                [*self.confined, sys.executable, "-m", "scriptixd", "run", "-c", str(self.config)],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**self.environment(), **environment},
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
        """A verb, as a person types it."""
        name, *rest = verb
        command = [sys.executable, "-m", "scriptixd", name, *rest, "-c", str(self.config)]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, env=self.environment(), timeout=PATIENCE,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr, done.stdout + done.stderr
        return done

    def list(self) -> dict[str, dict[str, Any]]:
        """What `list --json` says, by relative path in its folder."""
        if not self.state.exists():
            return {}
        done = self.say("list", "--json", check=False)
        if done.returncode != 0:
            return {}
        return {f"{row['folder']}/{row['relative_path']}": row for row in json.loads(done.stdout)}

    def states(self) -> dict[str, str]:
        return {path: row["state"] for path, row in self.list().items()}

    def status(self, folder: str) -> dict[str, Any]:
        """What `status --json` says of a folder."""
        found: list[dict[str, Any]] = json.loads(self.say("status", "--json", check=False).stdout)["folders"]
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
def house(place: Path) -> Iterator[House]:
    with House(place) as built:
        yield built
