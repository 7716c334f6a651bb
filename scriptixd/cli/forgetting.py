"""`forget`: a person's data is erased, here and at the service; what cannot be reached is listed.

Looks at the disks and asks before it does anything; whoever has the state file does the erasing in it.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from typing import Final

from scriptixd.cli.deciding import NAMES_IN_QUESTION, hand_over
from scriptixd.cli.finding import absolute, folder_named, inside, one_source, place_of
from scriptixd.cli.installation import settings_in
from scriptixd.cli.opening import reading
from scriptixd.cli.output import complain, moment, say
from scriptixd.cli.sidecars import sidecar_path
from scriptixd.config.settings import Folder, Settings
from scriptixd.delivery.lying import Fate, fate_of
from scriptixd.errors import FileTrouble, NameTaken, ShareTrouble, SourceMissing, StartError, TargetTrouble
from scriptixd.jobs.clock import read_clock
from scriptixd.jobs.job import Labels, Sidecar
from scriptixd.jobs.store.copies import databases_beside, kept
from scriptixd.jobs.store.database import is_held, open_beside
from scriptixd.jobs.store.requests import Verb
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.store.views import SourceView
from scriptixd.observe.live import live_path
from scriptixd.roots.paths import name_of, parent, shown, typed
from scriptixd.roots.reaching import FolderRoot

EMPTIED_WITHIN: Final = 10.0  # s: the daemon, too, checks its log in
LINES: Final = 20  # files that are told of one by one; of more there is a sum
LATER: Final = "it is written down, and the daemon does it as soon as it can"


@dataclass(frozen=True, slots=True)
class File:
    """One source that is to be forgotten, with what lies on its disk."""

    view: SourceView
    place: str
    stays: bool  # it lies there still, or nobody can tell


@dataclass(frozen=True, slots=True)
class Oblivion:
    """What is handed over."""

    files: Sequence[File]

    def ask(self, store: Store, at: float) -> Sequence[int]:
        return [store.requests.ask_file(Verb.FORGET, one.view.source_id, one.stays, at) for one in self.files]


def forget(config: str, names: Sequence[str], *, sidecars: bool, yes: bool) -> int:
    """Resolve, look, ask, hand over, and print what came of it; the exit code is 1 where something is still to do."""
    settings = settings_in(config)
    with reading(settings) as store:
        files = _files(settings, _meant(settings, store, names))
        _refuse_half(settings, store, files)
    if not files:
        say("there is nothing to forget")
        return 0
    if not (yes or _says_yes(files)):
        return 0
    with reading(settings) as store:  # also what was written while a yes was waited for
        written = [one for file in files for one in _sidecars(store, file)]
    outcomes = hand_over(settings, Oblivion(files))
    _tell(files, outcomes)
    done = _emptied(settings) and None not in outcomes
    left = _remove(settings, written) if sidecars else _lying(settings, written)
    _tell_out_of_reach(settings, left, files)
    return 0 if done and not (sidecars and any(one.failed for one in left)) else 1


def _meant(settings: Settings, store: Store, names: Sequence[str]) -> Sequence[SourceView]:
    """Every source that is named, or lies in what is named, each once."""
    found = {view.source_id: view for text in names for view in _of(settings, store, text)}
    return list(found.values())


def _of(settings: Settings, store: Store, text: str) -> Sequence[SourceView]:
    folder = folder_named(settings, text)
    if folder is not None:
        return store.views.sources(folder.name)
    source = one_source(settings, store.views, text)
    if source is not None:
        return [source]
    place = place_of(settings, text)
    below = inside(store.views, *place) if place is not None else store.views.sources(text)  # one of yesterday's
    if not below:
        hint = f"there is nothing to forget: scriptixd explain {typed(text)}"
        raise StartError(f"no source is known as {text}", hint)
    return below


def _files(settings: Settings, views: Sequence[SourceView]) -> Sequence[File]:
    there = _there(settings, views)
    return [File(view, absolute(settings, view.folder, view.path), there[view.source_id]) for view in views]


def _sidecars(store: Store, file: File) -> Iterator[Sidecar]:
    """What was written for it, under whatever name."""
    for name in store.forgetting.names(file.view.source_id):
        yield from store.deliveries.sidecars_of(name)


def _there(settings: Settings, views: Sequence[SourceView]) -> Mapping[int, bool]:
    """Which of them lie there still; where nobody can look, those that did when somebody did last."""
    roots = {folder.name: folder.path for folder in settings.folders}
    found: dict[int, bool] = {}
    for folder in dict.fromkeys(view.folder for view in views):
        own = [view for view in views if view.folder == folder]
        if folder not in roots:
            found |= {view.source_id: False for view in own}  # nobody looks at it any more
            continue
        with closing(FolderRoot(roots[folder])) as root:
            names = cache(lambda directory, root=root: _names(root, directory))
            for view in own:
                listed = names(parent(view.path))
                found[view.source_id] = view.present if listed is None else name_of(view.path) in listed
    return found


def _names(root: FolderRoot, directory: str) -> Collection[str] | None:
    """The names in a directory; None where that cannot be told."""
    try:
        return frozenset(entry.name for entry in root.listing(directory))
    except SourceMissing:
        return ()
    except (ShareTrouble, FileTrouble):
        return None


def _refuse_half(settings: Settings, store: Store, files: Sequence[File]) -> None:
    """A recording that lies there under another name, too, would be forgotten by half."""
    copies = store.forgetting.copies({one.view.source_id for one in files})
    if copies:
        places = ", ".join(absolute(settings, one.folder, one.path) for one in copies[:NAMES_IN_QUESTION])
        more = f" and {len(copies) - NAMES_IN_QUESTION} more" if len(copies) > NAMES_IN_QUESTION else ""
        raise StartError(
            f"nothing was forgotten: the same recording is also {places}{more}", "name that as well, or remove it first"
        )


def _says_yes(files: Sequence[File]) -> bool:
    if not sys.stdin.isatty():
        raise StartError("nothing was forgotten: it cannot be undone, and needs a yes", "scriptixd forget --yes …")
    what = "Transcripts, names and stories are erased for good, here and at Scriptix, of"
    print(f"{what}: {_listed([one.place for one in files])}", file=sys.stderr)
    staying = [one.place for one in files if one.stays]
    if staying:
        print(
            f"These lie there still: {_listed(staying)}. Better remove them first; otherwise they are left alone, "
            "without a name, for as long as they stay as they are.",
            file=sys.stderr,
        )
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _listed(places: Sequence[str]) -> str:
    names = ", ".join(shown(place) for place in places[:NAMES_IN_QUESTION])
    return f"{names} and {len(places) - NAMES_IN_QUESTION} more" if len(places) > NAMES_IN_QUESTION else names


def _tell(files: Sequence[File], outcomes: Sequence[str | None]) -> None:
    if len(files) > LINES:
        later = outcomes.count(None)
        say(f"{len(files) - later} file(s) are forgotten" + (f"; {later} of them later: {LATER}" if later else ""))
        return
    for one, outcome in zip(files, outcomes, strict=True):
        say(f"{one.place}: {outcome or LATER}")


def _emptied(settings: Settings) -> bool:
    """Whether nothing of it is left in the write-ahead log, nor in the figures of a daemon that runs no more."""
    if not is_held(settings.state):
        with suppress(OSError):
            live_path(settings.state).unlink(missing_ok=True)
    database = open_beside(settings.state)
    try:
        emptied = database.empty_log(within=EMPTIED_WITHIN)
    finally:
        database.close()
    if not emptied:
        complain("somebody reads the state file just now, so that its log still has what was erased: ask again")
    return emptied


@dataclass(frozen=True, slots=True)
class LeftThere:
    """A sidecar that lies there still, and why."""

    place: str
    why: str
    failed: bool = False  # it was to be removed


def _lying(settings: Settings, sidecars: Sequence[Sidecar]) -> Sequence[LeftThere]:
    """Those that are there."""
    return list(filter(None, (_look(settings, sidecar, remove=False) for sidecar in sidecars)))


def _remove(settings: Settings, sidecars: Sequence[Sidecar]) -> Sequence[LeftThere]:
    """Remove those that are as they were written; returns the others that are there."""
    return list(filter(None, (_look(settings, sidecar, remove=True) for sidecar in sidecars)))


def _look(settings: Settings, sidecar: Sidecar, *, remove: bool) -> LeftThere | None:
    place = sidecar_path(settings, sidecar)
    configured = next((str(folder.path) for folder in settings.folders if folder.name == sidecar.folder), None)
    where = sidecar.folder if sidecar.folder.startswith("/") else configured
    if where is None:
        return LeftThere(place, "its folder is not configured any more", failed=True)
    with closing(FolderRoot(where)) as root:
        try:
            fate = fate_of(root, sidecar)
            if fate is Fate.UNTOUCHED and remove:
                root.remove(sidecar.path, sidecar.sha256)
                return None
        except NameTaken:
            fate = Fate.EDITED
        except (ShareTrouble, FileTrouble, TargetTrouble) as trouble:
            return LeftThere(place, str(trouble), failed=True)
    if fate is Fate.DELETED:
        return None
    return LeftThere(place, "as it was written (--sidecars removes it)" if fate is Fate.UNTOUCHED else "edited since")


def _tell_out_of_reach(settings: Settings, left: Sequence[LeftThere], files: Sequence[File]) -> None:
    say()
    say("Out of reach, and yours to see to:")
    for one in left:
        say(f"  {one.place}: a sidecar, {one.why}")
    for sentence in (*_copies(settings), *_elsewhere(settings, files)):
        say(f"  {sentence}")


def _copies(settings: Settings) -> Iterator[str]:
    now, deleted = read_clock().wall, dict(kept(settings.state))
    for path in databases_beside(settings.state):
        until = deleted.get(path)
        fate = "" if until is None else f", which is deleted by itself at {moment(until, now)}"
        yield f"{path}: a copy of the state file{fate}"
    yield "copies of the state file elsewhere: whatever scriptixd backup made, and backups of this machine"


def _elsewhere(settings: Settings, files: Sequence[File]) -> Iterator[str]:
    yield "the log: the journal tells of files by their names for as long as it is kept"
    concerned = {one.view.folder for one in files}
    folders = [folder for folder in settings.folders if folder.name in concerned]
    kept_there = [one.name for one in folders if any(labels.keep_source for labels in _labels(one))]
    if kept_there:
        yield f"recordings that keep_source has left at Scriptix: {', '.join(kept_there)}"
    called = [one.name for one in folders if any(labels.webhook for labels in _labels(one))]
    if called:
        yield f"what webhooks were sent: {', '.join(called)}"
    if any(one.stays for one in files):
        yield f"recordings that lie there still: {_listed([one.place for one in files if one.stays])}"


def _labels(folder: Folder) -> Sequence[Labels]:
    """What travels along with the files of a folder, by its own settings and by its rules."""
    return [folder.labels, *(rule.labels for rule in folder.rules)]
