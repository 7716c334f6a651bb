"""Once a minute, what waits in the folders whose people want to be told by a file there.

Tells only of what has lasted: most of it is over before anybody would have read it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from scriptixd.config.settings import Folder
from scriptixd.delivery.notice import Kind, NoticeBoard, notice
from scriptixd.errors import ShareTrouble
from scriptixd.jobs.bounds import ALL, Halt, Limit
from scriptixd.jobs.breakers import Paused
from scriptixd.jobs.clock import Now
from scriptixd.jobs.job import State
from scriptixd.jobs.store.notices import Waits
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.place import Place
from scriptixd.roots.root import NOTICE
from scriptixd.watch.report import ScanReport

LOG = logging.getLogger("scriptixd.daemon")

EVERY: Final = 60.0  # s
SOON: Final = 5.0  # s, while the first look at a folder is not over
LASTED: Final = 1800.0  # s after which somebody should know
NAMED: Final = 10  # files of each kind
RESTLESS: Final = "it keeps changing: is it still being recorded or copied?"
STRANGE: Final = "its name does not end as a recording's does: .mp3, .wav, .mp4 and many more are known"


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the facts of this moment come from."""

    reachable: Callable[[], Collection[str]]  # folders whose disk may be written to
    report: Callable[[str], ScanReport]  # by folder
    pauses: Callable[[], Sequence[Paused]]
    halts: Callable[[], Sequence[Halt]]


class Noticing:
    """The loop that keeps notices."""

    def __init__(self, store: Store, board: NoticeBoard, folders: Sequence[Folder], standing: Standing) -> None:
        self._store = store
        self._board = board
        self._folders = folders
        self._standing = standing
        self._since: dict[tuple[str, str], float] = {}  # by whom it concerns and its sentence: s of CLOCK_BOOTTIME
        self._began: float | None = None

    def adopt(self, folders: Sequence[Folder]) -> None:
        """Look after these from the next minute on."""
        self._folders = folders

    def part(self, folder: str) -> None:
        """Take the notice of a folder away that nobody looks after any more; tried once, told if it stays."""
        try:
            self._board.keep(folder, None)
        except ShareTrouble as trouble:
            LOG.warning("%s: %s stays, because its disk cannot be reached: %s", Place(folder), NOTICE, trouble)

    def run_once(self, now: Now) -> float:
        """Look at every folder; returns when to look again, in seconds of CLOCK_BOOTTIME."""
        self._began = now.boot if self._began is None else self._began
        lasting, reachable = self._lasting(now), self._standing.reachable()
        for folder in self._folders:
            report = self._standing.report(folder.name)
            if folder.name not in reachable or report.last_full_scan is None:
                continue
            text = (
                notice(self._waiting(folder.name, report, lasting, now), folder.contact)
                if folder.problem_note
                else None
            )
            if text is None and folder.problem_note and now.boot - self._began < LASTED:
                continue  # what has lasted since before the start is not known to yet
            try:
                self._board.keep(folder.name, text)
            except ShareTrouble:
                continue  # the folder's own scanner says so
        first = any(not self._standing.report(folder.name).judged for folder in self._folders)
        return now.boot + (SOON if first else EVERY)

    def _waiting(self, folder: str, report: ScanReport, lasting: Mapping[str, str], now: Now) -> Mapping[Kind, Waits]:
        before, notices = now.wall - LASTED, self._store.notices
        paused = lasting.get(ALL) or lasting.get(folder)
        unsent = notices.unsent(folder, before, NAMED, troubled=paused is None)
        if paused is not None:
            unsent = Waits(unsent.count, [(path, reason or paused) for path, reason in unsent.first])
        restless = [(one.path, RESTLESS) for one in report.restless if one.since <= before]
        strange = [(one.path, STRANGE) for one in report.strangers if one.since <= before]
        return {
            Kind.HELD: notices.stopped(folder, State.HELD, before, NAMED),
            Kind.FAILED: notices.stopped(folder, State.FAILED, before, NAMED),
            Kind.UNSENT: unsent,
            Kind.UNDELIVERED: notices.undelivered(folder, before, NAMED),
            Kind.RESTLESS: Waits(len(restless), restless[:NAMED]),
            Kind.STRANGE: Waits(len(strange), strange[:NAMED]),
        }

    def _lasting(self, now: Now) -> Mapping[str, str]:
        """What has kept everything, or a folder, from going on for long; hours in which nothing is sent are wanted."""
        stand = [(one.whom, one.trouble.what) for one in self._standing.pauses()]
        stand += [
            (one.folder, one.standstill.reason) for one in self._standing.halts() if one.limit is not Limit.UPLOAD_HOURS
        ]
        self._since = {key: self._since.get(key, now.boot) for key in stand}
        return {whom: what for (whom, what), since in self._since.items() if now.boot - since >= LASTED}
