"""`render`: sidecars made anew with today's settings, by the daemon if one runs, else by the verb itself.

Sends nothing, and asks the service nothing.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

from scriptixd.captions.wishes import Wishes
from scriptixd.cli.finding import absolute, sources_meant
from scriptixd.cli.installation import become_owner, settings_in
from scriptixd.cli.opening import reading
from scriptixd.cli.output import complain, say
from scriptixd.config.settings import Folder, Settings
from scriptixd.daemon.folders import ConfiguredFolders
from scriptixd.daemon.outputs import guard_outputs
from scriptixd.delivery.adoption import SidecarsBeside
from scriptixd.delivery.room import DeliveryRoom
from scriptixd.errors import StartError, StateHeld, with_hint
from scriptixd.jobs.claims import Claims
from scriptixd.jobs.clock import read_clock
from scriptixd.jobs.job import DeliveryState
from scriptixd.jobs.recognition import kept_beside
from scriptixd.jobs.store.database import is_held, open_beside, open_state
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.store.views import DELIVERING, DONE, SourceView, Views
from scriptixd.jobs.verbs import ANEW, apply_open_requests

PATIENCE: Final = 10.0  # s in which a running daemon gets nothing done, after which it is left to it
LOOK_EVERY: Final = 0.1  # s
NAMED_ONE_BY_ONE: Final = 20  # files; of more, only those are named that could not be made


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be made anew: the files by their deliveries."""

    paths: Mapping[int, str]
    wishes: Wishes


def render(config: str, names: Sequence[str], wishes: Wishes) -> int:
    """Print what became of each file; the exit code is 1 if the sidecars of one could not be made."""
    settings = settings_in(config)
    for folder in settings.folders:
        _refuse_impossible(folder, wishes)
    with reading(settings) as store:
        wanted = _Wanted(_chosen(settings, store.views, names), wishes)
    if not wanted.paths:
        say("there is nothing to render: nothing has been transcribed there")
        return 0
    become_owner(settings.state)
    with _whoever_delivers(settings, wanted) as (store, refused, step):
        with _shown(store, wanted):
            while step():
                pass
        return _tell(store, wanted, refused)


def _refuse_impossible(folder: Folder, wishes: Wishes) -> None:
    for manner in (folder.manner, *(rule.manner for rule in folder.rules)):
        try:
            wishes.over(manner)
        except ValueError as error:
            what = f"these captions cannot be made in {folder.name}: {error}"
            raise StartError(what, "see scriptixd render -h") from error


def _chosen(settings: Settings, views: Views, names: Sequence[str]) -> Mapping[int, str]:
    chosen: dict[int, str] = {}
    for text in names:
        found, named = sources_meant(settings, views, text)
        for view in found:
            if view.delivery_id is not None and view.state in (DONE, DELIVERING):
                chosen[view.delivery_id] = absolute(settings, view.folder, view.path)
            elif named:
                raise StartError(_unready(settings, view), "scriptixd explain tells more")
    return chosen


def _unready(settings: Settings, view: SourceView) -> str:
    return f"{absolute(settings, view.folder, view.path)} is {view.state}: there is no transcript of it to be rendered"


@contextmanager
def _whoever_delivers(
    settings: Settings, wanted: _Wanted
) -> Iterator[tuple[Store, Mapping[int, str], Callable[[], bool]]]:
    """The state, what was refused at once, and a step to be taken until it says that there are no more."""
    if not is_held(settings.state):
        try:
            store = Store(open_state(settings.state))
        except StateHeld:
            pass  # a daemon was started in this moment
        else:
            with closing(store), closing(ConfiguredFolders(settings)) as folders:
                yield store, _asked_here(store, folders, wanted), _by_ourselves(settings, store, folders, wanted)
            return
    with closing(Store(open_beside(settings.state))) as store:
        asked = store.requests.ask_render(list(wanted.paths), wanted.wishes.text, read_clock().wall)
        refused: dict[int, str] = {}
        yield store, refused, _by_the_daemon(store, wanted, asked, refused)


def _asked_here(store: Store, folders: ConfiguredFolders, wanted: _Wanted) -> Mapping[int, str]:
    now = read_clock()
    asked = store.requests.ask_render(list(wanted.paths), wanted.wishes.text, now.wall)
    apply_open_requests(store, folders.request_of, now)
    return _refused(store, wanted, asked)


def _refused(store: Store, wanted: _Wanted, asked: Sequence[int]) -> Mapping[int, str]:
    outcomes = zip(wanted.paths, store.requests.outcomes(asked), strict=True)
    return {delivery: outcome for delivery, outcome in outcomes if outcome is not None and outcome != ANEW}


def _by_ourselves(settings: Settings, store: Store, folders: ConfiguredFolders, wanted: _Wanted) -> Callable[[], bool]:
    """One file a step; a source that is not in its directory has nothing written beside it, as in the daemon."""
    guard_outputs(folders, store)
    beside = SidecarsBeside(folders, store)
    for name in folders.every():
        folders.gate(name).closed = None
    room = DeliveryRoom(
        store,
        folders,
        settings.api.result_units,
        random.SystemRandom().random,
        lambda: None,
        Claims(1, folders.stuck),
        lambda job: kept_beside(store, beside, job),
    )

    def step() -> bool:
        now = read_clock()
        return room.run_once(now) <= now.boot and bool(_left(store, wanted))

    return step


def _by_the_daemon(store: Store, wanted: _Wanted, asked: Sequence[int], refused: dict[int, str]) -> Callable[[], bool]:
    """Waits for it, for as long as it gets on with it."""
    before, moved_at = -1, read_clock().boot

    def step() -> bool:
        nonlocal before, moved_at
        time.sleep(LOOK_EVERY)
        unheard = sum(outcome is None for outcome in store.requests.outcomes(asked))
        left = unheard + len(_left(store, wanted))
        now = read_clock().boot
        if left != before:
            before, moved_at = left, now
        refused.update(_refused(store, wanted, asked))
        return left > 0 and now - moved_at < PATIENCE

    return step


def _left(store: Store, wanted: _Wanted) -> Sequence[int]:
    """What is still to be made, and has met no obstacle."""
    found = (store.deliveries.get(delivery) for delivery in wanted.paths)
    return [one.id for one in found if one is not None and one.state is DeliveryState.PENDING and not one.reason]


@contextmanager
def _shown(store: Store, wanted: _Wanted) -> Iterator[None]:
    """A terminal sees how far it is."""
    if len(wanted.paths) == 1 or not sys.stderr.isatty():
        yield
        return
    from scriptixd.cli.progress import counting  # noqa: PLC0415 - without a terminal there is no need for it

    with counting(lambda: f"{len(wanted.paths) - len(_left(store, wanted))} of {len(wanted.paths)} files"):
        yield


def _tell(store: Store, wanted: _Wanted, refused: Mapping[int, str]) -> int:
    made, few = 0, len(wanted.paths) <= NAMED_ONE_BY_ONE
    for delivery_id, path in wanted.paths.items():
        delivery = store.deliveries.get(delivery_id)
        if delivery is None or delivery_id in refused:
            complain(f"{path}: {refused.get(delivery_id, 'it has other content by now')}")
        elif delivery.state is DeliveryState.DELIVERED:
            made += 1
            names = ", ".join(one.path.rpartition("/")[2] for one in store.deliveries.sidecars(delivery_id))
            if few:
                say(f"{path}: {names}" + (f" ({delivery.reason})" if delivery.reason else ""))
        elif delivery.reason:
            complain(f"{path}: {with_hint(delivery.reason, delivery.hint)}")
        else:
            complain(f"{path}: it is written down, and the daemon does it as soon as its folder goes on")
    if not few:
        say(f"the sidecars of {made} files were made anew")
    return 0 if made == len(wanted.paths) else 1
