"""A source while it is being sent: the bytes of one chunk, hashed beside their sending, and never half a file.

The digest covers the content from its first byte; whoever changes the file ends the request before
the server has the last byte of the chunk.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import Queue
from types import TracebackType
from typing import Final, Protocol, Self

from scriptixd.errors import FileTrouble, Stopped
from scriptixd.roots.root import Reader, Stat

PIECE: Final = 1024 * 1024  # bytes read at a time
AHEAD: Final = 8  # reads that may have been sent and not hashed yet: with one piece, what is in memory of a file
GRAIN: Final = 16 * 1024  # bytes that wait for their turn together: on a slow line too, little comes often
REST: Final = 0.25  # s at most between two looks whether to stop, while bytes wait for their turn


# glibc gives freed memory back at once, and every MiB that is taken anew costs 256 page faults, a fifth of all the
# work of an upload; once something larger than what an upload takes and gives was freed, it keeps that much.
bytes(2 * AHEAD * PIECE)


class Digest(Protocol):
    """A running SHA-256."""

    def update(self, data: bytes, /) -> None: ...

    def copy(self) -> Self: ...

    def hexdigest(self) -> str: ...


class Changed(FileTrouble):
    """The file is not what its job was made for; it settles anew."""


@dataclass(frozen=True, slots=True)
class Prefix:
    """What was read of a content so far: its first `length` bytes and their digest."""

    length: int
    digest: Digest


NOTHING = Prefix(0, hashlib.sha256())


class Content:
    """An open source that must stay what `stat` says. Errors: Changed, Stopped, ShareTrouble, FileTrouble."""

    def __init__(
        self, reader: Reader, path: str, stat: Stat, stop: Callable[[], bool], beat: Callable[[], None]
    ) -> None:
        self.reader = reader
        self._path = path
        self._stat = stat
        self._stop = stop
        self._beat = beat

    def check(self) -> None:
        """Raise Changed if the file is not what it was."""
        if not self.reader.stat().same_content(self._stat):
            raise self.changed()

    def changed(self) -> Changed:
        """The sentence for a file that is not what it was."""
        return Changed(f"{self._path} has changed since it was found complete", "it is sent once it stays the same")

    def go_on(self) -> None:
        """Show that it moves; raises Stopped where it is not to."""
        if self._stop():
            raise Stopped(self._path)
        self._beat()

    def piece(self, offset: int, count: int) -> bytes:
        """Bytes of the file, as many as asked for."""
        self.go_on()
        data = self.reader.read(offset, min(count, PIECE))
        if not data:
            raise Changed(f"{self._path} became shorter while it was read", "it is sent once it stays the same")
        return data

    def extend(self, prefix: Prefix, length: int) -> Prefix:
        """The digest of the first `length` bytes, from what is known already where that is of use."""
        known = prefix if prefix.length <= length else NOTHING
        digest, offset = known.digest.copy(), known.length
        while offset < length:
            data = self.piece(offset, length - offset)
            digest.update(data)
            offset += len(data)
        return Prefix(length, digest)


class Hashing:
    """A digest that grows on a thread of its own, beside the sending of what it covers.

    The thread begins with the first bytes and ends with `end`.
    """

    def __init__(self, digest: Digest) -> None:
        self._digest = digest
        self._waiting: Queue[bytes | None] = Queue(AHEAD)
        self._thread: threading.Thread | None = None

    def update(self, data: bytes) -> None:
        """Hash it soon; waits while too much does so already."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="hashing", daemon=True)
            self._thread.start()
        self._waiting.put(data)

    def end(self) -> Digest:
        """The digest of all that was given."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()
        return self._digest

    def _run(self) -> None:
        while (data := self._waiting.get()) is not None:
            self._digest.update(data)


class Chunk:
    """The body of one PATCH: `count` bytes from where the prefix ends; afterwards `prefix` covers them too.

    A context manager, for the thread that hashes. `whole` is given with the last chunk: the SHA-256 that the whole
    content was found to have. `wait` tells how many seconds have to pass before so many bytes, and `rest` lets some
    pass: the line is not ours alone.
    """

    def __init__(
        self,
        content: Content,
        prefix: Prefix,
        count: int,
        sent: Callable[[int], None],
        whole: str | None = None,
        *,
        wait: Callable[[int], float] = lambda _count: 0.0,
        rest: Callable[[float], object] = lambda _seconds: None,
    ) -> None:
        self._content = content
        self._hashing = Hashing(prefix.digest.copy())
        self._offset = self._checked = prefix.length
        self._end = prefix.length + count
        self._count = count
        self._sent = sent
        self._whole = whole
        self._wait = wait
        self._rest = rest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hashing.end()

    def __len__(self) -> int:
        return self._count

    def read(self, count: int = -1, /) -> bytes:
        left = self._end - self._offset
        if left == 0:
            return b""
        data = self._content.piece(self._offset, self._paced(min(left, PIECE if count < 0 else min(count, PIECE))))
        self._hashing.update(data)
        self._offset += len(data)
        if self._offset == self._end:
            # Before the server gets the last bytes of this chunk.
            self._content.check()
            digest = self._hashing.end()
            if self._whole is not None and digest.hexdigest() != self._whole:
                raise self._content.changed()
        elif self._offset - self._checked >= PIECE:
            self._content.check()  # so that no more of a file is sent that is of no use
            self._checked = self._offset
        self._sent(self._offset)
        return data

    def _paced(self, count: int) -> int:
        """How many of the bytes have their turn now; lets the time pass that the last of them has to wait for."""
        given, seconds = 0, 0.0
        while given < count and seconds <= 0:
            some = min(GRAIN, count - given)
            seconds = self._wait(some)
            given += some
        while seconds > 0:
            self._content.go_on()
            self._rest(min(seconds, REST))
            seconds -= REST
        return given

    @property
    def is_given(self) -> bool:
        """Whether somebody may have all of it."""
        return self._offset == self._end

    @property
    def prefix(self) -> Prefix:
        """What has been read by now, from the first byte of the file."""
        return Prefix(self._offset, self._hashing.end())
