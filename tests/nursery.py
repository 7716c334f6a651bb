"""Real daemons at a twentieth of the price: processes forked from one that has imported everything.

A daemon that is killed forty times starts forty times, and most of that is importing. What runs after the fork is
`python -m scriptixd` in a process of its own, which need not import any more and looks the same to anybody.

    python tests/nursery.py       reads one JSON order a line, answers each with one number a line
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

LIBRARIES: Final = (
    "sqlite3", "requests", "yaml", "pydantic", "typer", "rich.console", "rich.table", "rich.progress", "tinytag",
    "sdnotify", "apprise", "tusclient.client", "tusclient.uploader.uploader", "watchdog.observers", "zoneinfo",
    "multiprocessing", "concurrent.futures", "email.utils", "uuid", "secrets", "ipaddress", "shutil", "ctypes",
)  # fmt: skip

PRODUCT: Final = ("scriptixd.cli.verbs", "scriptixd.cli.running", "scriptixd.daemon.daemon", "scriptixd.delivery")


class Child:
    """A process as subprocess.Popen shows it, as far as the tests look."""

    def __init__(self, nursery: Nursery, pid: int) -> None:
        self._nursery = nursery
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._nursery.ended(self.pid)
        return self.returncode

    def wait(self, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("scriptixd", timeout)
            time.sleep(0.01)
        return code

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class Nursery:
    """The process that others are forked from, as a context manager."""

    def __init__(self) -> None:
        self._mother: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        self._mother = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._mother is not None
        self._mother.communicate()

    def start(
        self, arguments: Sequence[str], environment: Mapping[str, str], log: Path, *, stopped: bool = False
    ) -> Child:
        """`python -m scriptixd ARGUMENTS`; with `stopped` it waits for SIGCONT before anything of ours has run."""
        order = {
            "arguments": list(arguments), "environment": dict(environment), "directory": os.getcwd(), "log": str(log),
            "stopped": stopped,
        }  # fmt: skip
        log.touch()
        return Child(self, self._ask(order))

    def ended(self, pid: int) -> int | None:
        """How a child ended, as Popen's returncode; None while it lives."""
        code = self._ask({"ended": pid})
        return None if code == ALIVE else code

    def _ask(self, order: object) -> int:
        assert self._mother is not None
        assert self._mother.stdin is not None
        assert self._mother.stdout is not None
        with self._turn:
            self._mother.stdin.write(json.dumps(order) + "\n")
            return int(self._mother.stdout.readline())


ALIVE: Final = 1000  # no exit code
PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


def _serve() -> None:
    for name in (*LIBRARIES, *PRODUCT):
        __import__(name)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        if "ended" in order:
            pid, status = os.waitpid(order["ended"], os.WNOHANG)
            print(os.waitstatus_to_exitcode(status) if pid else ALIVE, flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            _become(order)
        print(pid, flush=True)


def _become(order: Mapping[str, object]) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # nobody is left where the tests have ended
    log = os.open(str(order["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, place)
    os.close(log)
    os.close(nothing)
    sys.stdin = open(os.devnull)  # noqa: SIM115 - the mother's orders are not the child's
    os.environ.update(order["environment"])  # type: ignore[arg-type]
    time.tzset()
    os.chdir(str(order["directory"]))
    sys.path[0] = os.getcwd()
    sys.argv = ["scriptixd", *order["arguments"]]  # type: ignore[misc]
    if order["stopped"]:
        os.kill(os.getpid(), signal.SIGSTOP)
    code: object = 1
    try:
        runpy.run_module("scriptixd", run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - it is the last thing that this process says
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    _serve()
