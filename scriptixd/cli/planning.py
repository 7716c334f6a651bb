"""`plan`: what would be uploaded now, folder by folder: files, bytes and hours, and what would become of them.

Sends nothing and needs no key; the look itself is survey.py's.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Final

from scriptixd.cli.finding import folders_named
from scriptixd.cli.installation import live_figures, settings_in
from scriptixd.cli.obstacles import Obstacle, obstacles
from scriptixd.cli.opening import reading
from scriptixd.cli.output import HOUR, Colour, duration, say, say_json, size
from scriptixd.cli.survey import COUNTED, Fate, Memory, Outlook, Sum, Survey
from scriptixd.config.settings import Folder, Settings
from scriptixd.daemon.folders import filter_of
from scriptixd.errors import ShareTrouble, Stopped, with_hint
from scriptixd.jobs.clock import read_clock
from scriptixd.jobs.source import FLOOD_WITHIN
from scriptixd.jobs.store.database import is_held, is_there
from scriptixd.jobs.store.tables import Store
from scriptixd.observe.live import LiveFolder
from scriptixd.roots.paths import typed
from scriptixd.roots.reaching import FolderRoot
from scriptixd.roots.root import Root
from scriptixd.watch.filters import picked_up_before

PATIENCE: Final = 2.0  # s without an answer, after which a terminal is shown that something moves

_WORDS: Final = {
    Fate.NOW: "would be uploaded now",
    Fate.HELD: "wait for your yes",
    Fate.SETTLING: "may still be written",
    Fate.STOPPED: "would wait with their folder",
}
_LEFT: Final = {
    Fate.BESIDE: "with a transcript beside them",
    Fate.DONE: "done or paid for",
    Fate.FAILED: "failed",
    Fate.DISMISSED: "dismissed",
    Fate.IGNORED: "ignored",
    Fate.TOO_LARGE: "larger than max_size",
}


@dataclass(frozen=True, slots=True)
class _Plan:
    """One folder, with what was found in it or why nothing was."""

    folder: Folder
    outlook: Outlook | None
    offline: ShareTrouble | None


class _Tally:
    """How many names were looked at so far, by all folders together."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._count = 0

    def add(self, count: int) -> None:
        with self._guard:
            self._count += count

    def __str__(self) -> str:
        return f"{self._count} names looked at"


def plan(config: str, names: Sequence[str], *, as_json: bool) -> int:
    """Print what would happen; returns the exit code, which is 1 where a folder could not be looked at."""
    settings = settings_in(config)
    plans = _plans(settings, folders_named(settings, names))
    if as_json:
        say_json({"folders": [_record(one) for one in plans], "total": _sums(_total(plans))})
    else:
        _tell(settings, plans)
    return 1 if any(one.offline for one in plans) else 0


def _plans(settings: Settings, folders: Sequence[Folder]) -> Sequence[_Plan]:
    """All folders at the same time: one whose disk hangs holds up only itself."""
    stop, tally = threading.Event(), _Tally()
    live = live_figures(settings) if is_held(settings.state) else None
    running = {one.name: one for one in live.folders} if live else {}
    with ExitStack() as opened:
        store = opened.enter_context(reading(settings)) if is_there(settings.state) else None
        pool = opened.enter_context(ThreadPoolExecutor(len(folders)))
        roots = [opened.enter_context(closing(FolderRoot(folder.path))) for folder in folders]
        opened.callback(stop.set)  # first of all, whatever interrupts us
        looks = [
            pool.submit(_plan, Survey(folder, root, _memory(folder, store, running), tally.add, stop.is_set))
            for folder, root in zip(folders, roots, strict=True)
        ]
        with _shown(looks, tally):
            wait(looks)
        return [look.result() for look in looks]


def _memory(folder: Folder, store: Store | None, running: Mapping[str, LiveFolder]) -> Memory:
    def stands_in_the_way(root: Root) -> Sequence[Obstacle]:
        return obstacles(folder, store, root, running.get(folder.name))

    if store is None:
        return Memory(obstacles=stands_in_the_way)
    disk, scope = store.sources.last_disk(folder.name), store.sources.scope(folder.name)
    before = picked_up_before(scope, filter_of(folder))
    most, arrived = folder.ask_above.files, store.sources.arrived(folder.name, read_clock().wall - FLOOD_WITHIN)
    return Memory(
        {view.path: view for view in store.views.sources(folder.name)},
        disk.identity.key if disk else None,
        before,
        max(0, most - arrived) if most is not None else None,
        stands_in_the_way,
        store.sources.forgotten.known(folder.name),
    )


def _plan(survey: Survey) -> _Plan:
    try:
        return _Plan(survey.folder, survey.outlook(), None)
    except ShareTrouble as trouble:
        return _Plan(survey.folder, None, trouble)
    except Stopped:
        return _Plan(survey.folder, None, ShareTrouble("it was not looked at to the end"))


@contextmanager
def _shown(looks: Sequence[Future[_Plan]], tally: _Tally) -> Iterator[None]:
    """A terminal sees that something moves, once it takes long."""
    if not wait(looks, PATIENCE).not_done or not sys.stderr.isatty():
        yield
        return
    from scriptixd.cli.progress import counting  # noqa: PLC0415 - without a terminal there is no need for it

    with counting(lambda: str(tally)):
        yield


def _tell(settings: Settings, plans: Sequence[_Plan]) -> None:
    if not is_there(settings.state):
        say(f"there is no state file {settings.state} yet: everything counts as found for the first time")
        say()
    for one in plans:
        say(f"{one.folder.name}  {one.folder.path}", colour=Colour.BOLD)
        if one.offline is not None:
            say(f"  {one.offline}", colour=Colour.RED)
        if one.outlook is not None:
            _tell_folder(one.folder, one.outlook)
        say()
    if len(plans) > 1:
        say("all folders", colour=Colour.BOLD)
        _tell_sums(_total(plans))
        say()
    say("Nothing was sent. Files of equal content are paid for once, however many there are.")


def _tell_folder(folder: Folder, outlook: Outlook) -> None:
    for one in outlook.obstacles:
        told = with_hint(one.sentence, one.hint)
        say(f"  asks: {told}" if one.asks else f"  {told}", colour=Colour.YELLOW)
    if outlook.first_contact:
        settings = {folder.existing, *(rule.existing for rule in folder.rules)}
        setting = "existing" if len(settings) > 1 else f"existing: {folder.existing}"
        first = "once it goes on" if any(not one.directory for one in outlook.obstacles) else "seen for the first time"
        say(f"  {first}: what is there now is treated as `{setting}` says")
    _tell_sums(outlook.sums)
    if outlook.flooded:
        say(f"  {outlook.unseen} new files are more than `ask_above` lets through within an hour: they are held")
    asks = any(one.asks for one in outlook.obstacles)  # a yes to the folder is one to that, then
    if outlook.sums[Fate.HELD].files and not outlook.first_contact and not asks:
        say(f"  scriptixd approve {typed(folder.name)} says yes to what waits")
    if outlook.elsewhere:
        say(f"  {outlook.elsewhere} of them are not on this disk, and were not opened")
    for problem in outlook.problems:
        say(f"  warning: {problem}", colour=Colour.YELLOW)


def _tell_sums(sums: dict[Fate, Sum]) -> None:
    width = max(map(len, _WORDS.values()))
    for fate in COUNTED:
        if fate is not Fate.STOPPED or sums[fate].files:
            say(f"  {_WORDS[fate]:<{width}}  {_described(sums[fate])}")
    left = [f"{sums[fate].files} {words}" for fate, words in _LEFT.items() if sums[fate].files]
    if left:
        say(f"  left out: {', '.join(left)}")


def _described(sum_: Sum) -> str:
    if not sum_.files:
        return "none"
    told = f"{sum_.files} file(s), {size(sum_.bytes)}"
    if sum_.unknown < sum_.files:
        told += f", {_hours(sum_.media_seconds)} of media"
    return f"{told}, {sum_.unknown} of unknown length" if sum_.unknown else told


def _hours(seconds: float) -> str:
    return duration(seconds) if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"


def _total(plans: Sequence[_Plan]) -> dict[Fate, Sum]:
    sums = {fate: Sum() for fate in Fate}
    for one in plans:
        for fate, sum_ in one.outlook.sums.items() if one.outlook else ():
            sums[fate].include(sum_)
    return sums


def _record(one: _Plan) -> dict[str, object]:
    """The same for programs."""
    outlook = one.outlook
    return {
        "name": one.folder.name,
        "path": str(one.folder.path),
        "offline": str(one.offline) if one.offline else None,
        "first_contact": outlook.first_contact if outlook else None,
        **_sums(outlook.sums if outlook else None),
        "not_on_disk": outlook.elsewhere if outlook else None,
        "problems": outlook.problems if outlook else [],
        "obstacles": [_obstacle(obstacle) for obstacle in outlook.obstacles] if outlook else [],
    }


def _obstacle(obstacle: Obstacle) -> dict[str, object]:
    return {
        "directory": obstacle.directory,
        "sentence": obstacle.sentence,
        "hint": obstacle.hint or None,
        "asks": obstacle.asks,
    }


def _sums(sums: dict[Fate, Sum] | None) -> dict[str, object]:
    counted = {fate.value: _sum(sums[fate]) if sums else None for fate in COUNTED}
    return {**counted, "left_out": {fate.value: sums[fate].files for fate in _LEFT} if sums else None}


def _sum(sum_: Sum) -> dict[str, object]:
    return {
        "files": sum_.files,
        "bytes": sum_.bytes,
        "media_seconds": sum_.media_seconds,
        "unknown_length": sum_.unknown,
    }
