"""The kernel's word that something has changed: which directories to look at, and nothing more.

Events are never believed, only followed by a look. The handler does nothing that can fail, because an
exception in it would end watchdog's thread without a sign.
"""

from __future__ import annotations

import errno
import os
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers.inotify import InotifyObserver
from watchdog.utils import BaseThread

from scriptixd.errors import AdministratorHeals, ShareTrouble
from scriptixd.roots.paths import parent, shown
from scriptixd.roots.trouble import root_trouble
from scriptixd.watch.filters import Filter

MOST_DIRECTORIES = 1000  # rung between two looks; beyond that one look at everything is cheaper

# Reading tells nothing, and each single write of a long copy is not worth a look: closing comes after them.
EVENTS: Final[list[type[FileSystemEvent]]] = [
    FileCreatedEvent, FileClosedEvent, FileDeletedEvent, FileMovedEvent,
    DirCreatedEvent, DirDeletedEvent, DirMovedEvent,
]  # fmt: skip

# A directory that is made while its parent is being added is added twice: watchdog warns, and nothing is lost.
TWICE = "Callback with id .* already exists"
warnings.filterwarnings("ignore", message=TWICE, category=RuntimeWarning)

_starting = threading.Lock()  # one at a time: what starts meanwhile are the threads of that one doorbell


@dataclass(frozen=True, slots=True)
class Rung:
    """What has rung since the last time: directories relative to the root, or everything."""

    directories: frozenset[str] = frozenset()
    trees: frozenset[str] = frozenset()  # directories that are new, with all that is below them
    everything: bool = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.directories or self.trees)


class Bell(Protocol):
    """What the scanner needs of a doorbell."""

    def take(self) -> Rung:
        """What has rung since the last take."""

    def alive(self) -> bool:
        """Whether it would still ring."""

    def stop(self) -> None:
        """Never rings again; its threads have ended."""


class Doorbell:
    """inotify on a root and, if it is watched recursively, on everything below it.

    Starting raises ShareTrouble if the root is not there, AdministratorHeals if the kernel gives no watches.
    """

    def __init__(self, path: str, filter_: Filter, wake: Callable[[], None]) -> None:
        self._path = path
        self._handler = _Handler(os.path.realpath(path), filter_, wake)
        self._directory = _same_directory(path)
        with _starting:
            before = set(threading.enumerate())
            self._observer = _started(path, self._handler, filter_.recursive)
            self._threads = [
                thread for thread in threading.enumerate() if isinstance(thread, BaseThread) and thread not in before
            ]

    def take(self) -> Rung:
        return self._handler.take()

    def alive(self) -> bool:
        """Whether every thread lives and the path still leads to the directory that is watched."""
        if not all(thread.is_alive() for thread in self._threads):
            return False
        try:
            return _same_directory(self._path) == self._directory
        except ShareTrouble:
            return False

    def stop(self) -> None:
        self._observer.stop()
        self._observer.join()


class _Handler(FileSystemEventHandler):
    def __init__(self, place: str, filter_: Filter, wake: Callable[[], None]) -> None:
        self._place = place
        self._below = place.rstrip("/") + "/"
        self._filter = filter_
        self._wake = wake
        self._lock = threading.Lock()
        self._directories: set[str] = set()
        self._trees: set[str] = set()
        self._everything = False

    def dispatch(self, event: FileSystemEvent) -> None:
        for path in (event.src_path, event.dest_path):
            if path:
                self._ring(os.fsdecode(path), event)

    def take(self) -> Rung:
        with self._lock:
            rung = Rung(frozenset(self._directories), frozenset(self._trees), self._everything)
            self._forget()
            self._everything = False
        return rung

    def _ring(self, path: str, event: FileSystemEvent) -> None:
        if path == self._place:
            self._note(None, None)
        elif path.startswith(self._below):
            relative = path.removeprefix(self._below)
            if not event.is_directory:
                if self._filter.why_not(relative, None) is None:
                    self._note(parent(relative), None)
            elif self._filter.enters(relative):
                self._note(parent(relative), None if isinstance(event, DirDeletedEvent) else relative)

    def _note(self, directory: str | None, tree: str | None) -> None:
        with self._lock:
            silent = not (self._everything or self._directories)
            if directory is None or len(self._directories) + len(self._trees) >= MOST_DIRECTORIES:
                self._forget()
                self._everything = True
            elif not self._everything:
                self._directories.add(directory)
                self._trees.update(() if tree is None else (tree,))
        if silent:
            self._wake()

    def _forget(self) -> None:
        self._directories.clear()
        self._trees.clear()


def _same_directory(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError as error:
        raise root_trouble(error, path) from error
    return found.st_dev, found.st_ino


def _started(path: str, handler: FileSystemEventHandler, recursive: bool) -> InotifyObserver:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))  # inotify takes what it may not read
    except OSError as error:
        raise root_trouble(error, path) from error
    observer: InotifyObserver | None = None
    try:
        observer = InotifyObserver()
        observer.schedule(handler, os.path.realpath(path), recursive=recursive, event_filter=EVENTS)
        observer.start()
    except OSError as error:
        if observer is not None:
            observer.stop()
        raise _refusal(error, path) from error
    return observer


def _refusal(error: OSError, path: str) -> ShareTrouble | AdministratorHeals:
    if error.errno == errno.ENOSPC:
        what = f"the kernel has no inotify watch left for {shown(path)}"
        return AdministratorHeals(what, "raise fs.inotify.max_user_watches")
    if error.errno == errno.EMFILE:
        what = f"the kernel has no inotify instance left for {shown(path)}"
        return AdministratorHeals(what, "raise fs.inotify.max_user_instances")
    return root_trouble(error, path)
