"""The child process that serves a root on a disk that may hang: the only one that ever touches it.

Does what it is asked on its lines, a thread each, and ends with the first of them that is cut. Never waits
for anything else, never decides anything.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Final, NoReturn

from scriptixd.errors import Trouble
from scriptixd.roots import wire
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.root import FileAccess, Reader
from scriptixd.roots.wire import Errand, Line, Message, Word

PROCESS_NAME: Final = "scriptixd-root"  # at most 15 bytes
ROWS_AT_ONCE: Final = 500  # of a listing: some 50 KB
SECONDS_AT_ONCE: Final = 1.0  # s of a listing: a large directory on a slow disk must not look like a dead one
# It ends when its parent does or says so, not when a terminal or a service manager signals the whole group.
IGNORED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Servant:
    """One root and its open readers, asked from several lines at once."""

    def __init__(self, root: LocalRoot) -> None:
        self._root = root
        self._readers: dict[int, Reader] = {}
        self._numbers = count(1)

    def serve(self, line: Line) -> NoReturn:
        try:
            line.send(Message(Word.READY))
            while True:
                self._answer(line, line.receive())
        except OSError:  # the parent is gone, or does not need us any more
            os._exit(0)

    def _answer(self, line: Line, asked: Message) -> None:
        answers = self._answers(asked)
        while True:
            try:
                said = next(answers, None)
            except Trouble as trouble:
                said = wire.from_trouble(trouble)
            except Exception as error:  # noqa: BLE001 - a bug of ours, which is told to who can write it down
                said = Message(Word.BUG, (f"{asked.kind}: {error!r} {_where(error)}",))
            if said is None:
                return
            line.send(said)

    def _answers(self, asked: Message) -> Iterator[Message]:
        match asked.kind:
            case Errand.LISTING:
                (directory,) = asked.fields
                for rows in self._root.parts(directory, ROWS_AT_ONCE, SECONDS_AT_ONCE):
                    yield wire.from_rows(rows)
                yield Message(Word.DONE)
            case Errand.STAT | Errand.READ | Errand.WRITTEN_TO | Errand.CLOSE:
                number, *rest = asked.fields
                yield self._of_reader(asked.kind, number, rest)
            case _:
                yield self._of_root(asked)

    def _of_root(self, asked: Message) -> Message:
        match asked.kind:
            case Errand.DISK:
                return wire.from_disk(self._root.disk())
            case Errand.OPEN:
                number = next(self._numbers)
                self._readers[number] = self._root.open(*asked.fields)
                return Message(Word.DONE, (number,))
            case Errand.WRITE:
                path, replaces, *access = asked.fields
                self._root.write(path, asked.data, replaces, FileAccess(*access))
            case Errand.REMOVE:
                self._root.remove(*asked.fields)
            case Errand.PROBE:
                directory, *access = asked.fields
                self._root.probe(directory, FileAccess(*access))
            case Errand.MAKE:
                self._root.make(*asked.fields)
            case Errand.SWEEP:
                return Message(Word.DONE, (self._root.sweep(*asked.fields),))
            case _:
                raise ValueError(f"no errand: {asked.kind}")
        return Message(Word.DONE)

    def _of_reader(self, errand: Errand | Word, number: int, rest: list[Any]) -> Message:
        reader = self._readers[number]
        match errand:
            case Errand.STAT:
                return wire.from_stat(reader.stat())
            case Errand.READ:
                return Message(Word.DONE, (), reader.read(*rest))
            case Errand.WRITTEN_TO:
                return Message(Word.DONE, (reader.written_to(),))
            case _:
                with self._readers.pop(number):
                    return Message(Word.DONE)


def main() -> None:
    """Arguments: the path of the root, and the descriptors of the lines."""
    path, *descriptors = sys.argv[1:]
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    with suppress(OSError):
        Path("/proc/self/comm").write_text(PROCESS_NAME)
    servant = Servant(LocalRoot(path))
    first, *others = (Line(socket.socket(fileno=int(descriptor))) for descriptor in descriptors)
    for line in others:
        threading.Thread(target=servant.serve, args=(line,), daemon=True).start()
    servant.serve(first)


def _where(error: BaseException) -> str:
    """The innermost line, as a traceback names it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"({trace.tb_frame.f_code.co_qualname}, line {trace.tb_lineno})" if trace is not None else ""
