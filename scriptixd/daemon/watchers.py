"""One folder's scanner with the loop that drives it, which can end by itself while the others go on."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from scriptixd.config.settings import Folder
from scriptixd.daemon.figures import Figures
from scriptixd.daemon.folders import ConfiguredFolders, watched
from scriptixd.daemon.loop import Loop
from scriptixd.errors import ShareTrouble, Stopped
from scriptixd.jobs.clock import read_clock
from scriptixd.jobs.source import Source
from scriptixd.jobs.store.tables import Store
from scriptixd.watch.claim import Claim
from scriptixd.watch.doorbell import Doorbell
from scriptixd.watch.ground import Ground
from scriptixd.watch.hearing import Hearing
from scriptixd.watch.report import ScanReport
from scriptixd.watch.scanner import Scanner


class Ending:
    """That everything ends, or just this."""

    def __init__(self, whole: threading.Event) -> None:
        self._whole = whole
        self._own = threading.Event()

    def set(self) -> None:
        self._own.set()

    def is_set(self) -> bool:
        return self._own.is_set() or self._whole.is_set()


@dataclass(frozen=True, slots=True)
class Watcher:
    """One folder's scanner, and the loop that drives it."""

    scanner: Scanner
    loop: Loop
    ending: Ending

    def nudge(self) -> None:
        """Something has changed that may bring the folder back."""
        self.scanner.nudge()
        self.loop.wake()

    def end(self) -> None:
        """Look no more; a look that is under way ends with its directory."""
        self.ending.set()
        self.loop.wake()


class Watchtower:
    """All watchers, and what each is built from. `wake`: what waited for a folder may go on."""

    def __init__(
        self,
        store: Store,
        folders: ConfiguredFolders,
        figures: Figures,
        stop: threading.Event,
        wake: Callable[[], None],
    ) -> None:
        self.store = store
        self.folders = folders
        self.figures = figures
        self.stop = stop
        self.wake = wake
        self.watchers: Mapping[str, Watcher] = {}  # by folder; never changed, but exchanged

    def put(self, folder: Folder) -> Watcher:
        """A new watcher of a folder, in the place of the one that it had."""
        watcher = self._watcher(folder)
        self.watchers = {**self.watchers, folder.name: watcher}
        return watcher

    def drop(self, folder: str) -> Watcher:
        """The watcher of a folder, which nobody asks any more."""
        dropped = self.watchers[folder]
        self.watchers = {name: watcher for name, watcher in self.watchers.items() if name != folder}
        return dropped

    def view(self, folder: str) -> ScanReport:
        """How a folder is doing."""
        watcher = self.watchers.get(folder)
        return watcher.scanner.view if watcher is not None else ScanReport(folder)

    def views(self) -> Sequence[ScanReport]:
        """How all of them are doing."""
        return [watcher.scanner.view for watcher in self.watchers.values()]

    def window(self, source: Source) -> float:
        """Seconds for which a file must not change; Stopped where its folder was given up a moment ago."""
        watcher = self.watchers.get(source.folder)
        if watcher is None:
            raise Stopped(source.folder)
        return watcher.scanner.window(source.path)

    def _watcher(self, folder: Folder) -> Watcher:
        """The scanner looks at the folder itself; everybody else goes through the gate that it opens and shuts."""
        store, folders, ending = self.store, self.folders, Ending(self.stop)
        root, gate, about = folders.reached(folder.name), folders.gate(folder.name), watched(folder)
        bell: list[Callable[[], None]] = []
        claim = Claim(root, store.instance(), socket.gethostname(), folders.output(folder))
        gate.doubt = lambda: claim.doubt(read_clock())
        hearing = Hearing(folder.name, about.watch, lambda: Doorbell(str(folder.path), about.filter, bell[0]))
        ground = Ground(folder.name, root, store.sources, about.filter, claim, hearing.deletions_seen)

        def stands(trouble: ShareTrouble | None) -> None:
            opened = gate.closed is not None and trouble is None
            gate.closed = trouble
            if opened:
                self.wake()

        beat = self.figures.beat
        scanner = Scanner(about, root, store.sources, ground, hearing, stands=stands, beat=beat, stop=ending.is_set)
        loop = Loop(f"watch {folder.name}", scanner.run_once, ending, vital=False, leave=scanner.leave)
        self.figures.listen(loop.name, loop.beat)
        bell.append(loop.wake)
        return Watcher(scanner, loop, ending)
