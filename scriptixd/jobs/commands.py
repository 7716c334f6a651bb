"""One command, run without a shell, in a process group of its own, with a deadline, for as long as nobody stops it.

Says how it ended and never runs it again. What it prints is read and forgotten but for its last line; of our own
environment it gets what says how to work, and nothing that only we may know.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Final, Self

TICK: Final = 0.1  # s between two looks whether it has ended, or is to be ended
GRACE: Final = 1.0  # s for it to end by itself when it is asked to: a stop of ours has five for everything
LAST_BREATH: Final = 0.2  # s: nothing that is killed takes as long to end, unless its disk hangs
REMEMBERED: Final = 4096  # bytes of what it prints last
LONGEST_LINE: Final = 200  # characters of that in a sentence
READS: Final = 16  # of 64 KiB at once: one that prints without an end has a deadline, too

# How names are encoded, where programs are, whose home it is, which way the network goes. A list of what may be
# passed on, and not of what may not: nobody has to think of the next secret.
PASSED_ON: Final = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"}
    | {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"}
)


class How(StrEnum):
    """How it ended."""

    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"  # by us: nothing is known of what it would have done


@dataclass(frozen=True, slots=True)
class Command:
    """What is to be run; neither its arguments nor what it is given are for anybody's eyes."""

    arguments: tuple[str, ...] = field(repr=False)
    timeout: float  # s
    environment: Mapping[str, str] = field(repr=False)
    given: bytes = field(default=b"", repr=False)  # its standard input


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, as the end of a sentence; and the last line that it printed, as it came."""

    how: How
    sentence: str
    last_line: str = field(repr=False)


def passed_on() -> dict[str, str]:
    """What a program of somebody else's may know of our environment."""
    return {name: text for name, text in os.environ.items() if name in PASSED_ON or name.startswith("LC_")}


def run(command: Command, stop: Callable[[], bool], beat: Callable[[], None]) -> Ended:
    """Run it to its end, or to its deadline; `beat` is called again and again while it works."""
    try:
        process = _started(command)
    except OSError as error:
        return Ended(How.FAILED, f"cannot be started: {error.strerror}", "")
    with _Talk(process, command.given) as talk:
        code = _attend(process, talk, time.monotonic() + command.timeout, stop, beat)
        talk.read()
        said = talk.last_line
    if code is not None:
        return Ended(How.FAILED if code else How.DONE, _told(code), said)
    if stop():
        return Ended(How.STOPPED, "was stopped", said)
    return Ended(How.FAILED, f"took longer than {command.timeout:g} s, and was ended", said)


def _attend(
    process: subprocess.Popen[bytes], talk: _Talk, deadline: float, stop: Callable[[], bool], beat: Callable[[], None]
) -> int | None:
    """Its exit code; None if it was ended by us."""
    while True:
        beat()
        talk.go_on(TICK)
        code = process.poll()
        if code is None and not talk.listens:
            with suppress(subprocess.TimeoutExpired):
                code = process.wait(TICK)
        if code is not None:
            return code
        if stop() or time.monotonic() >= deadline:
            _end(process)
            return None


class _Talk:
    """What a process is given and what it prints: neither side ever waits for the other longer than a tick."""

    def __init__(self, process: subprocess.Popen[bytes], given: bytes) -> None:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("pipes were asked for")
        self._input, self._output = process.stdin, process.stdout
        self._left = memoryview(given)
        self._end = b""
        self.listens = True  # it may still print something
        self._poll = select.poll()
        for file, event in ((self._input, select.POLLOUT), (self._output, select.POLLIN)):
            os.set_blocking(file.fileno(), False)
            self._poll.register(file, event)

    def __enter__(self) -> Self:
        self._give()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._input.close()
        self._output.close()

    def go_on(self, seconds: float) -> None:
        """Whatever can be said or heard now, or within so many seconds."""
        if self.listens or not self._input.closed:
            self._poll.poll(seconds * 1000)
            self._give()
            self.read()

    def read(self) -> None:
        for _ in range(READS if self.listens else 0):
            try:
                part = os.read(self._output.fileno(), 1 << 16)
            except BlockingIOError:
                return
            self._end = (self._end + part)[-REMEMBERED:]
            if not part:
                self.listens = False
                self._poll.unregister(self._output)
                return

    def _give(self) -> None:
        try:
            while self._left:
                self._left = self._left[os.write(self._input.fileno(), self._left) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # it does not want to know
            self._left = memoryview(b"")
        if not self._input.closed:
            self._poll.unregister(self._input)
            self._input.close()

    @property
    def last_line(self) -> str:
        lines = self._end.decode("utf-8", "backslashreplace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")[:LONGEST_LINE]


def _started(command: Command) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command.arguments,
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd="/",  # a directory that is always there, and that nobody has to unmount
        env=command.environment,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """It, and all that it has started: asked first, then killed.

    It is taken away last: until then nobody else can have the number of its group.
    """
    _signal(process, signal.SIGTERM)
    until = time.monotonic() + GRACE
    while time.monotonic() < until and not _is_over(process):
        time.sleep(TICK / 10)
    _signal(process, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):  # one that hangs in a dead share ends with it
        process.wait(LAST_BREATH)


def _is_over(process: subprocess.Popen[bytes]) -> bool:
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):  # all of them have ended, or become somebody else
        os.killpg(process.pid, number)


def _told(code: int) -> str:
    if code == 0:
        return "has run"
    return f"ended with {code}" if code > 0 else f"was ended by signal {-code}"
