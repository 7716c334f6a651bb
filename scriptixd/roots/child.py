"""One child process of a root: started, asked over its lines, ended, and never waited for where it may hang.

A process in a dead mount does not even obey SIGKILL: it is left behind, and goes when the mount answers or is
unmounted. Knows no errand; who decides what an end means is the root.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import scriptixd
from scriptixd.errors import ShareTrouble
from scriptixd.roots.wire import Line, Message, Word

# Isolated and without site-packages' own start-up code: it needs the standard library and this package alone.
START: Final = "import sys; sys.path.append(sys.argv.pop(1)); from scriptixd.roots.servant import main; main()"
PACKAGES: Final = str(Path(scriptixd.__file__).absolute().parent.parent)
PASSED_ON: Final = ("LANG", "LC_ALL", "LC_CTYPE", "PATH")  # how names are encoded; neither a key nor systemd's sockets
LAST_BREATH: Final = 0.2  # s: no process that is killed takes as long to end, unless it hangs

_left_behind: set[int] = set()


class Child:
    """A process that serves one root. `verdict` is None while it does, then why it does not any more."""

    def __init__(self, path: str, width: int, start: float) -> None:
        """`width` calls may be under way at once; `start` seconds until it must have said a first word. OSError."""
        reap()
        self._start = start
        self._change = threading.Condition()
        self.verdict: ShareTrouble | None = None
        pairs = [socket.socketpair() for _ in range(width)]
        try:
            self._process = _started(path, [theirs.fileno() for _, theirs in pairs])
        except BaseException:
            for ours, _ in pairs:
                ours.close()
            raise
        finally:
            for _, theirs in pairs:
                theirs.close()
        self.pid = self._process.pid
        self._lines = [Line(ours) for ours, _ in pairs]
        self._free = self._lines[:]
        self._greeted: set[Line] = set()

    def ask(self, errand: Message, seconds: float) -> list[Message]:
        """The answer, of which each part takes at most so many seconds.

        Whoever leaves without a complete one has to end the child: nobody knows what would come next on that line.
        Errors: TimeoutError; another OSError if the process is gone; the verdict once there is one.
        """
        line = self._take()
        try:
            answer = self._exchange(line, errand, seconds)
        except BaseException as error:
            self._drop(line)
            if isinstance(error, OSError) and self.verdict is not None:
                raise self.said() from error
            raise
        self._give_back(line)
        return answer

    def end(self, verdict: ShareTrouble) -> None:
        """Kill it, and wake everybody who waits for it; the first verdict stays."""
        with self._change:
            if self.verdict is not None:
                return
            self.verdict = verdict
            self._process.kill()
            for line in self._lines:
                with suppress(OSError):  # closed, or the other end was first
                    line.cut()
            for line in self._free:
                line.close()
            self._free.clear()
            self._change.notify_all()

    def said(self) -> ShareTrouble:
        """The verdict, to be raised: in every thread another exception."""
        if self.verdict is None:
            raise RuntimeError("the child has not ended")
        return type(self.verdict)(self.verdict.what, self.verdict.hint)

    def is_gone(self, seconds: float = 0.0) -> bool:
        """Whether the process has ended and was taken away, waiting a while for it."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def leave(self, deadline: float) -> None:
        """Have nothing more to do with it, whether it ends until then, by time.monotonic(), or hangs."""
        if not self.is_gone(max(0.0, deadline - time.monotonic())):
            _left_behind.add(self.pid)
            self._process.returncode = -signal.SIGKILL  # it will be so, and nobody here waits for it
            reap()

    def _exchange(self, line: Line, errand: Message, seconds: float) -> list[Message]:
        if line not in self._greeted:
            line.receive(time.monotonic() + self._start)
            self._greeted.add(line)
        line.send(errand, time.monotonic() + seconds)
        answer = [line.receive(time.monotonic() + seconds)]
        while answer[-1].kind is Word.PART:
            answer.append(line.receive(time.monotonic() + seconds))
        return answer

    def _take(self) -> Line:
        with self._change:
            while not self._free and self.verdict is None:
                self._change.wait()
            if self.verdict is not None:
                raise self.said()
            return self._free.pop()

    def _give_back(self, line: Line) -> None:
        with self._change:
            if self.verdict is not None:
                line.close()
                return
            self._free.append(line)
            self._change.notify()

    def _drop(self, line: Line) -> None:
        with self._change:
            line.close()


def reap() -> None:
    """Take away what has gone by now of those that were left behind."""
    for pid in tuple(_left_behind):
        try:
            gone, _ = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:  # another thread took it
            gone = pid
        if gone:
            _left_behind.discard(pid)


def _started(path: str, descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    # No signal is asked for at the parent's death: the kernel sends it at the death of the *thread* that started
    # the child. The lines are cut when the parent dies, and that is enough.
    numbers = (str(descriptor) for descriptor in descriptors)
    return subprocess.Popen(
        [sys.executable, "-I", "-S", f"-Xutf8={sys.flags.utf8_mode}", "-c", START, PACKAGES, path, *numbers],
        pass_fds=descriptors,
        # Whoever reads what we print must not have to wait for a child that hangs.
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={name: os.environ[name] for name in PASSED_ON if name in os.environ},
        start_new_session=True,
    )
