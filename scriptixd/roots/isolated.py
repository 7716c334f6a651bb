"""A root on a disk that may hang, reached through one child process of its own.

Waits for no answer beyond its deadline and never touches the disk itself. A child that misses a deadline is
killed, and until a new one has answered every call is Hung at once; at most one is ever left behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from types import TracebackType
from typing import Final, Self

from scriptixd.errors import Hung, ShareTrouble
from scriptixd.roots import wire
from scriptixd.roots.child import LAST_BREATH, Child
from scriptixd.roots.mounts import MOUNTS
from scriptixd.roots.paths import components, joined, shown
from scriptixd.roots.root import LIKE_ITS_DIRECTORY, Disk, FileAccess, Listing, Reader, Row, Stat
from scriptixd.roots.wire import Errand, Message, Word

SLOW: Final = 2.0  # s without an answer: a disk that spins up, or one that has begun to hang
AT_ONCE: Final = 8  # calls under way: each waits for a network, and a file server likes no more from one client
PIECE: Final = 1 << 18  # bytes read with one call: in 30 s even a line of 10 kB/s brings them


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a disk is waited for, in seconds."""

    call: float = 10.0  # for a call, and for each part of a long answer
    work: float = 30.0  # for reading a piece, writing, hashing, removing
    start: float = 30.0  # for the process itself, on a machine that has other things to do
    again: float = 1.0  # after a hang, until it is tried once more; doubled with each that fails
    at_most: float = 60.0


PATIENCE: Final = Patience()


class IsolatedRoot:
    """The files below one directory, as a child process sees them."""

    def __init__(self, path: str, patience: Patience = PATIENCE) -> None:
        """`path` is absolute."""
        self._path = path
        self._patience = patience
        self._lock = threading.Lock()
        self._child: Child | None = None
        self._hung: Hung | None = None
        self._trying = False  # one thread waits for the child that is to show that the disk answers again
        self._next_try = 0.0  # by time.monotonic()
        self._pause = patience.again
        self._closed = False
        self._waiting: dict[int, float] = {}  # thread → time.monotonic() of its call that is under way

    @property
    def path(self) -> str:
        return self._path

    @property
    def at_once(self) -> int:
        return AT_ONCE

    @property
    def hung(self) -> Hung | None:
        """What every call raises at once, while it does."""
        return self._hung

    @property
    def slow(self) -> bool:
        """Whether somebody has waited for it for longer than a disk in order lets one wait."""
        latest = time.monotonic() - SLOW
        return any(began < latest for began in list(self._waiting.values()))

    @property
    def pid(self) -> int | None:
        """The child, if one was started."""
        child = self._child
        return child.pid if child is not None else None

    def disk(self) -> Disk:
        there = wire.to_disk(self._ask(Errand.DISK, "", [], self._patience.call)[-1])
        return replace(there, beyond=there.foreign is None)

    def listing(self, directory: str) -> Listing:
        rows: list[Row] = []
        for said in self._ask(Errand.LISTING, directory, [directory], self._patience.call)[:-1]:
            rows += wire.to_rows(said)
        return Listing(rows)

    def open(self, path: str) -> Reader:
        child, answer = self._asked(Message(Errand.OPEN, [path]), path, self._patience.call)
        (number,) = answer[-1].fields
        return IsolatedReader(self, child, number, path)

    def probe(self, directory: str, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        self._ask(Errand.PROBE, directory, [directory, access.mode, access.group], self._patience.work)

    def make(self, directory: str) -> None:
        self._ask(Errand.MAKE, directory, [directory], self._patience.work)

    def write(self, path: str, data: bytes, replaces: str | None, access: FileAccess = LIKE_ITS_DIRECTORY) -> None:
        fields = [path, replaces, access.mode, access.group]
        self._ask(Errand.WRITE, path, fields, self._patience.work, data)

    def remove(self, path: str, sha256: str) -> None:
        self._ask(Errand.REMOVE, path, [path, sha256], self._patience.work)

    def sweep(self, directory: str) -> int:
        (swept,) = self._ask(Errand.SWEEP, directory, [directory], self._patience.work)[-1].fields
        return int(swept)

    def close(self) -> None:
        """The end: whoever waits is woken, and the child is left behind if it hangs."""
        self.end()
        self.leave(time.monotonic() + LAST_BREATH)

    def end(self) -> None:
        """Wake everybody who waits, and kill the child without waiting for it; `leave` takes it away."""
        with self._lock:
            self._closed = True
            child = self._child
        if child is not None:
            child.end(self._over())

    def leave(self, deadline: float) -> None:
        """After `end`: take the child away if it goes until then, by time.monotonic(), else leave it behind."""
        if self._child is not None:
            self._child.leave(deadline)

    def ask_of(self, child: Child, errand: Message, path: str, seconds: float) -> list[Message]:
        """The answer of one child, if it is still there; raises what it says, or that it says nothing."""
        began, thread = time.time(), threading.get_ident()
        answer: list[Message] = []
        self._waiting[thread] = time.monotonic()
        try:
            answer = child.ask(errand, seconds)
        except TimeoutError as error:
            raise self._hang(child, path, began) from error
        except OSError as error:
            raise self._lost(child) from error
        finally:
            self._waiting.pop(thread, None)
            if not answer and child.verdict is None:  # interrupted, or a bug: the next answer would be this one's
                self._lost(child)
        self._answered(child)
        said = answer[-1]
        if said.kind is Word.TROUBLE:
            raise wire.to_trouble(said)
        if said.kind is Word.BUG:
            raise RuntimeError(*said.fields)
        return answer

    @property
    def patience(self) -> Patience:
        return self._patience

    def _ask(
        self, errand: Errand, path: str, fields: Sequence[str | int | None], seconds: float, data: bytes = b""
    ) -> list[Message]:
        return self._asked(Message(errand, fields, data), path, seconds)[1]

    def _asked(self, errand: Message, path: str, seconds: float) -> tuple[Child, list[Message]]:
        components(path)  # what is no path below a root is our own bug, and nobody is asked about it
        child, trial = self._serving()
        try:
            return child, self.ask_of(child, errand, path, seconds)
        finally:
            if trial:
                self._trying = False

    def _serving(self) -> tuple[Child, bool]:
        """The child to ask, and whether it has to show that the disk answers again; raises Hung at once."""
        with self._lock:
            if self._closed:
                raise self._over()
            last = self._child
            if self._hung is not None and (self._trying or time.monotonic() < self._next_try):
                raise Hung(self._hung.what, self._hung.hint)
            if last is not None and last.verdict is None:
                return last, False
            if last is not None and not last.is_gone():
                raise last.said()
            try:
                self._child = Child(self._path, AT_ONCE, self._patience.start)
            except OSError as error:
                sentence = f"{shown(self._path)} is out of reach: no process can be started for it: {error.strerror}"
                raise ShareTrouble(sentence) from error
            self._trying = self._hung is not None
            return self._child, self._trying

    def _hang(self, child: Child, path: str, began: float) -> ShareTrouble:
        """A deadline was missed: nobody waits for this child any longer."""
        with self._lock:
            if child.verdict is None:
                self._hung = self._hung or self._silent(path, began)
                self._postpone()
                child.end(self._hung)
        return child.said()

    def _lost(self, child: Child) -> ShareTrouble:
        """The process ended by itself, or somebody ended it."""
        with self._lock:
            if child.verdict is None:
                if self._hung is not None:
                    self._postpone()
                child.end(ShareTrouble(f"the process that reads {shown(self._path)} has ended", "it is started anew"))
        child.is_gone(LAST_BREATH)
        return child.said()

    def _answered(self, child: Child) -> None:
        if self._hung is not None:
            with self._lock:
                if child is self._child and child.verdict is None:
                    self._hung = None
                    self._pause = self._patience.again

    def _postpone(self) -> None:
        self._next_try = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, self._patience.at_most)

    def _silent(self, path: str, began: float) -> Hung:
        place = joined(self._path.rstrip("/"), path) if path else self._path
        mount = MOUNTS.now().follow(place).mount
        since = datetime.fromtimestamp(began).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return Hung(
            f"{shown(place)} on {shown(f'{mount.filesystem} {mount.source}')} does not answer since {since}",
            "check its server and the network to it; it is asked again by itself",
        )

    def _over(self) -> ShareTrouble:
        return ShareTrouble(f"{shown(self._path)} is not looked at any longer")


class IsolatedReader:
    """A source that is open in the child; it ends with that child."""

    def __init__(self, root: IsolatedRoot, child: Child, number: int, path: str) -> None:
        self._root = root
        self._child = child
        self._number = number
        self._path = path

    def stat(self) -> Stat:
        return wire.to_stat(self._ask(Errand.STAT, self._root.patience.call))

    def read(self, offset: int, count: int) -> bytes:
        pieces, left = [], count
        while left > 0:
            wanted = min(left, PIECE)
            piece = self._ask(Errand.READ, self._root.patience.work, offset + count - left, wanted).data
            pieces.append(piece)
            left -= len(piece)
            if len(piece) < wanted:
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def written_to(self) -> bool | None:
        (written,) = self._ask(Errand.WRITTEN_TO, self._root.patience.call).fields
        return None if written is None else bool(written)

    def close(self) -> None:
        """What cannot be closed any more went with its child."""
        with suppress(ShareTrouble):
            self._ask(Errand.CLOSE, self._root.patience.call)

    def _ask(self, errand: Errand, seconds: float, *fields: int) -> Message:
        asked = Message(errand, (self._number, *fields))
        return self._root.ask_of(self._child, asked, self._path, seconds)[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
