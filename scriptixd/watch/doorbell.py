"""The kernel's word that something has changed: which directories to look at, and nothing more.

Events are never believed, only followed by a look. Directories are covered one by one by whoever looks at them,
on the lowest layer of watchdog: its observers walk into what is excluded, say nothing of directories that they
could not watch, and nothing of events that were lost. What the kernel's events lead to cannot fail, because an
exception would end the thread that reads them.
"""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Protocol

from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

from scriptixd.errors import AdministratorHeals, ShareTrouble
from scriptixd.roots.paths import components, joined, shown
from scriptixd.roots.trouble import NOT_ALLOWED, NOT_THERE, SHARE_IS_AWAY, root_trouble
from scriptixd.watch.filters import Filter
from scriptixd.watch.watches import room, shortage

MOST_DIRECTORIES = 1000  # rung between two looks; beyond that one look at everything is cheaper
QUEUED: Final = 0.5  # s: what happened before somebody asks has been read from the kernel by then

# Reading tells nothing, and each single write of a long copy is not worth a look: closing comes after them.
# Attributes matter where they open a directory that could not be entered; a file that is touched is no news.
EVENTS: Final = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_DELETE
    | InotifyConstants.IN_MOVED_FROM
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_ONLYDIR
)
EVENTS_OF_ROOT: Final = Mask(EVENTS | InotifyConstants.IN_MOVE_SELF)
THROUGH: Final = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
APPEARED: Final = InotifyConstants.IN_CREATE | InotifyConstants.IN_MOVED_TO
LEFT: Final = InotifyConstants.IN_DELETE | InotifyConstants.IN_MOVED_FROM
NO_WATCH: Final = -1  # watchdog's answer where a directory may not be read
THE_LISTING_TELLS: Final = NOT_THERE | NOT_ALLOWED | SHARE_IS_AWAY


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

    def cover(self, directory: str) -> None:
        """Ring for what changes in a directory from now on; AdministratorHeals if the kernel gives no more watches."""

    def leave(self, directories: Iterable[str]) -> None:
        """Ring no more for these."""

    def take(self) -> Rung:
        """What has rung since the last take."""

    def deletions_seen(self) -> bool:
        """Whether something was seen leaving the root itself; False where that is not known."""

    def alive(self) -> bool:
        """Whether it would still ring."""

    def stop(self) -> None:
        """Never rings again; its threads have ended."""


class Doorbell:
    """inotify on the root and on every directory below it that is covered, with an instance and a thread of its own.

    So stopping it lets go of everything at once, and an overflow is nobody else's. Raises ShareTrouble if the root
    is not there, AdministratorHeals if the kernel gives no inotify instance or no watch.
    """

    def __init__(self, path: str, filter_: Filter, wake: Callable[[], None]) -> None:
        self._path = path
        self._place = os.path.realpath(path)
        self._identity = _identity(self._place)
        self._notes = _Notes(filter_, wake)
        self._lock = threading.Lock()
        self._ears: dict[str, _Ear] = {}
        self._numbers = itertools.count()
        self._stopped = False
        self._count_room()
        self._inotify = _instance(path)
        try:
            self._cover("")
        except BaseException:
            self.stop()
            raise

    def cover(self, directory: str) -> None:
        """Ring for a directory from now on; if it is not there or may not be read, its listing tells.

        It is reached anew each time, for the directory of that name may be another one by now; one that is the same is
        heard already, for the kernel tells when it ends a watch. The root has been covered from the beginning.
        """
        if directory:
            self._cover(directory)

    def leave(self, directories: Iterable[str]) -> None:
        """Ring no more for these; what a rename has brought elsewhere rings on there, once it is covered."""
        with self._lock:
            ears = [self._ears.pop(directory, None) for directory in directories if directory]
            self._drop(ear for ear in ears if ear is not None)

    def take(self) -> Rung:
        return self._notes.take()

    def deletions_seen(self) -> bool:
        """Whether a file or directory that matters was seen leaving the root itself, with nothing lost since."""
        return self.alive() and self._notes.departed.wait(QUEUED) and self.alive()

    def alive(self) -> bool:
        """Whether the thread lives and the path still leads to the directory that is watched."""
        if not self._inotify.is_alive() or self._notes.root_lost:
            return False
        try:
            return _identity(self._path) == self._identity
        except ShareTrouble:
            return False

    def stop(self) -> None:
        self._notes.silence()
        with self._lock:
            self._stopped = True
            self._ears.clear()
        self._inotify.stop()
        self._inotify.join()

    def _cover(self, directory: str) -> None:
        with self._lock:
            if self._stopped:
                return
            before = self._ears.pop(directory, None)
            ear = None
            try:
                if before is None:
                    self._refuse_too_many()
                ear = self._listen(directory, before)
                if ear is not None:
                    self._ears[directory] = ear
            finally:
                if before is not None and before is not ear:
                    self._drop([before])  # last, so that there is no moment in which nobody listens

    def _listen(self, directory: str, before: _Ear | None) -> _Ear | None:
        """An ear for the directory: the one that it has, while it is the same directory; None if it is not there."""
        place = os.path.join(self._place, directory) if directory else self._place
        ear = _Ear(directory, next(self._numbers), self._notes, self._forget)
        events = EVENTS if directory else EVENTS_OF_ROOT
        try:
            with _reached(self._place, directory) as descriptor:
                found = os.fstat(descriptor)
                ear.identity = found.st_dev, found.st_ino
                if before is not None and before.identity == ear.identity:
                    return before
                way = os.fsencode(f"/proc/self/fd/{descriptor}")
                ear.watch = self._inotify.add_callback(way, events, ear, CallbackId(ear.number))
            if ear.watch == NO_WATCH:
                self._drop([ear])
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        except OSError as error:
            if not directory and error.errno in THE_LISTING_TELLS:
                raise root_trouble(error, self._path) from error
            if error.errno in THE_LISTING_TELLS:
                return None
            raise self._refusal(error, place) from error
        return ear

    def _refuse_too_many(self) -> None:
        """Counted before it is asked for, and anew each time that half of what was left is taken: others take, too."""
        if self._counts_at is not None and len(self._ears) >= self._counts_at:
            self._count_room()
        refusal = shortage(self._path, len(self._ears) + 1, self._room)
        if refusal is not None:
            raise refusal

    def _count_room(self) -> None:
        now, own = room(), len(self._ears)
        self._counts_at = None if now.left is None else own + now.left // 2
        self._room = replace(now, used=max(now.used - own, 0))

    def _refusal(self, error: OSError, place: str) -> AdministratorHeals:
        if error.errno == errno.ENOSPC:
            what = f"{shown(self._path)} needs {len(self._ears) + 1} inotify watches or more, one for each directory"
            return AdministratorHeals(f"{what}, and the kernel gives no more", f"raise {self._room.setting}")
        return AdministratorHeals(f"the kernel does not watch {shown(place)}: {_why(error)}")

    def _drop(self, ears: Iterable[_Ear]) -> None:
        self._inotify.remove_callbacks([(ear.watch, CallbackId(ear.number)) for ear in ears])

    def _forget(self, ear: _Ear) -> None:
        with self._lock:
            if self._ears.get(ear.directory) is ear:
                del self._ears[ear.directory]


class _Ear:
    """One directory, as it hears the kernel.

    A directory that was renamed, or is mounted in two places, has one watch and an ear for each of its paths.
    """

    __slots__ = ("_forget", "_notes", "directory", "identity", "number", "watch")

    def __init__(self, directory: str, number: int, notes: _Notes, forget: Callable[[_Ear], None]) -> None:
        self.directory = directory
        self.number = number  # never used twice: watchdog warns of a callback that replaces another one
        self.watch = WatchDescriptor(NO_WATCH)
        self.identity = (0, 0)  # device and inode of the directory
        self._notes = notes
        self._forget = forget

    def on_event(self, event: InotifyEvent) -> None:
        if event.name:
            self._notes.hear(self.directory, os.fsdecode(event.name), event.mask)
        elif event.mask & (InotifyConstants.IN_UNMOUNT | InotifyConstants.IN_MOVE_SELF):
            self._notes.hear_of_itself(self.directory)

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:  # noqa: ARG002  # an ear has only one
        """By the kernel: the directory is deleted, or its disk is not mounted any more."""
        self._forget(self)
        if not self.directory:
            self._notes.lose_root()

    def on_queue_overflow(self) -> None:
        """Everybody is told of it, and it is said once."""
        if not self.directory:
            self._notes.hear_of_loss()


class _Notes:
    """What the ears have heard: bounded, and one wake until it is taken."""

    def __init__(self, filter_: Filter, wake: Callable[[], None]) -> None:
        self.departed = threading.Event()  # something left the root itself
        self.root_lost = False
        self._filter = filter_
        self._wake = wake
        self._lock = threading.Lock()
        self._directories: set[str] = set()
        self._trees: set[str] = set()
        self._everything = False
        self._silent = False

    def take(self) -> Rung:
        with self._lock:
            rung = Rung(frozenset(self._directories), frozenset(self._trees), self._everything)
            self._forget()
            self._everything = False
        return rung

    def silence(self) -> None:
        with self._lock:
            self._silent = True

    def hear(self, directory: str, name: str, event: int) -> None:
        """Something happened to a name in a directory."""
        path = joined(directory, name)
        is_directory = bool(event & InotifyConstants.IN_ISDIR)
        touched = bool(event & InotifyConstants.IN_ATTRIB)
        if touched and not is_directory:
            return
        if not (self._filter.enters(path) if is_directory else self._filter.why_not(path, None) is None):
            return
        if event & LEFT and not directory:
            self.departed.set()
        self._note(path if touched else directory, path if is_directory and event & APPEARED else None)

    def hear_of_itself(self, directory: str) -> None:
        """A directory was unmounted, or it is the root and was moved."""
        if directory:
            self._note(directory, None)
        else:
            self.hear_of_loss()

    def hear_of_loss(self) -> None:
        """Nothing is known of what happened meanwhile."""
        self.departed.clear()
        self._note(None, None)

    def lose_root(self) -> None:
        # A directory that is made anew may get the same inode number, so this cannot be found out later.
        self.root_lost = True
        self.hear_of_loss()

    def _note(self, directory: str | None, tree: str | None) -> None:
        with self._lock:
            wakes = not (self._silent or self._everything or self._directories)
            if directory is None or len(self._directories) + len(self._trees) >= MOST_DIRECTORIES:
                self._forget()
                self._everything = True
            elif not self._everything:
                self._directories.add(directory)
                self._trees.update(() if tree is None else (tree,))
        if wakes:
            self._wake()

    def _forget(self) -> None:
        self._directories.clear()
        self._trees.clear()


@contextmanager
def _reached(place: str, directory: str) -> Iterator[int]:
    """A descriptor of a directory below the root: a link on the way would lead out of it, perhaps into a dead share."""
    here = os.open(place, THROUGH)
    try:
        for name in components(directory):
            deeper = os.open(name, THROUGH | os.O_NOFOLLOW, dir_fd=here)
            os.close(here)
            here = deeper
        yield here
    finally:
        os.close(here)


def _identity(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError as error:
        raise root_trouble(error, path) from error
    return found.st_dev, found.st_ino


def _instance(path: str) -> InotifyFD:
    """An instance whose thread runs: stopping it before would leave its descriptors open."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        raise root_trouble(error, path) from error
    try:
        inotify = InotifyFD()
    except OSError as error:
        what = f"the kernel gives no inotify instance for {shown(path)}: {_why(error)}"
        raise AdministratorHeals(what, "raise fs.inotify.max_user_instances") from error
    inotify.name = "doorbell"
    inotify.start()
    return inotify


def _why(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)
