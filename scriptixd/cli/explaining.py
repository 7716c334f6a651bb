"""`explain`: the whole story of one path, also of one that was never picked up.

Collects what is known; the sentences about what is now and what comes next are in prospects.py and unseen.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from scriptixd.cli import afterwards, remnants
from scriptixd.cli.finding import absolute, one_source, place_of
from scriptixd.cli.installation import live_figures, pauses, settings_in
from scriptixd.cli.listing import record
from scriptixd.cli.obstacles import obstacles
from scriptixd.cli.opening import reading
from scriptixd.cli.output import Colour, iso, moment, say, say_json, size
from scriptixd.cli.prospects import Circumstances, Growth, Prospect, prospect
from scriptixd.cli.sidecars import Written, owner, owner_in_outputs, written
from scriptixd.cli.unseen import NO_SUCH_FILE, NOT_YET, never_seen, why_not
from scriptixd.config.settings import Folder, Settings
from scriptixd.errors import ShareTrouble
from scriptixd.jobs.clock import Now, boot_id, read_clock
from scriptixd.jobs.delivering import Unwanted
from scriptixd.jobs.job import State
from scriptixd.jobs.sentences import told
from scriptixd.jobs.store.database import is_held, is_there
from scriptixd.jobs.store.erasures import Erasure
from scriptixd.jobs.store.errands import Errand
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.store.views import MISSING, SETTLING, Chapter, SourceView
from scriptixd.roots.paths import joined, shown, typed
from scriptixd.roots.reaching import FolderRoot

EVERY = -1  # as SQLite understands a LIMIT
LEFT_ALONE: Final = Prospect(
    "it is left alone, for as long as it stays as it is",
    "it was to be forgotten, and lay there still",
    "other content under its name is a new recording, and under another name it waits for your yes",
)


@dataclass(frozen=True, slots=True)
class Dossier:
    """Everything that is known of one source."""

    view: SourceView
    story: Sequence[Chapter]
    outlook: Prospect
    around: Circumstances
    sidecars: Sequence[Written]
    shares: Sequence[str]  # other files with its content, as FOLDER/PATH: they have the same transcript
    erasures: Sequence[Erasure]
    errands: Sequence[Errand]


def explain(config: str, file: str, *, as_json: bool) -> None:
    """Print the story; raises StartError if the name fits several sources."""
    settings = settings_in(config)
    with ExitStack() as opened:
        store = opened.enter_context(reading(settings)) if is_there(settings.state) else None
        view = one_source(settings, store.views, file) if store else None
        if store is None or view is None:
            _explain_unknown(settings, store, file, as_json=as_json)
            return
        found = _dossier(settings, store, view)
    if as_json:
        say_json(_record(settings, found))
    else:
        _tell(settings, found)


def _dossier(settings: Settings, store: Store, view: SourceView) -> Dossier:
    now = read_clock()
    around = _circumstances(settings, store, view.folder, view.path)
    sharing = store.jobs.sources(view.job_id) if view.job_id is not None else ()
    sidecars = written(settings, store.deliveries.sidecars_of(view.source_id), view)
    around = replace(
        around,
        waits_for=store.views.waited_for(view, now.wall) or "",
        fates=frozenset(one.fate for one in sidecars),
    )
    story = store.views.story(view)
    outlook = _outlook_of(view, around, _growth(store, view, now), now.wall)
    return Dossier(
        view=view,
        story=story,
        outlook=replace(outlook, why=outlook.why or _let_go(view, story)),
        around=around,
        sidecars=sidecars,
        shares=[f"{one.folder}/{one.path}" for one in sharing if one.id != view.source_id],
        erasures=store.erasures.of_source(view.source_id),
        errands=store.errands.of_source(view.source_id),
    )


def _circumstances(settings: Settings, store: Store | None, folder: str, path: str) -> Circumstances:
    configured = next((one for one in settings.folders if one.name == folder), None)
    held = is_held(settings.state)
    live = live_figures(settings) if held else None
    halts = pauses(store.pauses if store else None, live)
    if configured is None:
        return Circumstances(None, held, live, halts)
    running = next((one for one in live.folders if one.name == folder), None) if live else None
    with closing(FolderRoot(configured.path)) as root:
        found = obstacles(configured, store, root, running)
    return Circumstances(configured, held, live, halts, [one for one in found if one.concerns(path)])


def _outlook_of(view: SourceView, around: Circumstances, growth: Growth, now: float) -> Prospect:
    """What is not there may be there, and not be meant any more."""
    if view.state in {MISSING, State.GONE} and around.folder is not None and not around.unseen:
        with suppress(ShareTrouble):
            reason = why_not(around.folder, view.path)
            if reason is not None and not reason.startswith(NO_SUCH_FILE):
                return Prospect("it is not picked up any more", reason, "")
    return prospect(view, around, growth, now)


def _let_go(view: SourceView, story: Sequence[Chapter]) -> str:
    """Why a file that has nothing any more had it last, as one whose content lies under another name by now."""
    ended = [chapter.detail for chapter in story if chapter.event == Unwanted.__name__]
    return ended[-1] if ended and view.delivery_id is None else ""


def _growth(store: Store, view: SourceView, now: Now) -> Growth:
    """How long a file has been changing, and for how long it has not."""
    source = store.sources.get(view.source_id) if view.state == SETTLING else None
    if source is None:
        return Growth()
    growing = store.sources.restless(view.folder, now.wall, EVERY)
    since = next((one.since for one in growing if one.path == view.path), None)
    return Growth(since, now.boot - source.look.since if source.look.boot_id == boot_id() else None)


# A source that is known


def _tell(settings: Settings, found: Dossier) -> None:
    view, now = found.view, read_clock().wall
    say(absolute(settings, view.folder, view.path), colour=Colour.BOLD)
    asked = f", {view.language}, {view.document_type}" if view.language else ""
    say(f"{size(view.size)} in folder {view.folder}{asked}")
    say()
    earlier = [chapter for chapter in found.story if chapter.at < view.created_at]
    if earlier:
        say("Before it was seen under this name, of the same content:")
        _tell_story(earlier, now)
        say()
    say(f"{moment(view.created_at, now)}  was seen for the first time")
    _tell_story([chapter for chapter in found.story if chapter.at >= view.created_at], now)
    say()
    _tell_outlook(found.outlook)
    if looked := _looked(found.around):
        say(f"Folder: {looked}")
    for sidecar in found.sidecars:
        say(f"Sidecar: {sidecar.path}: {sidecar.sentence}")
    for other in found.shares:
        say(f"Shares: {other} has the same content, and the same transcript")
    for erasure in found.erasures:
        say(f"At Scriptix: {remnants.sentence(erasure, now)}")
    for errand in found.errands:
        say(f"Afterwards: {afterwards.sentence(errand, now)}")
    _tell_rule(found.around.folder, view.path)


def _tell_story(story: Sequence[Chapter], now: float) -> None:
    for chapter, others in _abridged(story):
        last = f" ({len(others) + 1} times, until {moment(others[-1].at, now)})" if others else ""
        say(f"{moment(chapter.at, now)}  {told(chapter.event, chapter.detail)}{last}")


def _abridged(story: Sequence[Chapter]) -> Iterator[tuple[Chapter, Sequence[Chapter]]]:
    """What happened again and again in the same words is told once, with the repetitions behind it."""
    for _, group in groupby(story, key=lambda chapter: (chapter.event, chapter.detail)):
        first, *others = group
        yield first, others


def _tell_outlook(outlook: Prospect) -> None:
    say(f"Now: {outlook.now}")
    if outlook.why:
        say(f"Why: {outlook.why}")
    if outlook.next:
        say(f"Next: {outlook.next}")


def _record(settings: Settings, found: Dossier) -> dict[str, object]:
    rest = {
        "last_look": iso(found.around.last_look),
        "fates": [one.record() for one in found.sidecars],
        "shares": list(found.shares),
        "erasures": [remnants.record(erasure) for erasure in found.erasures],
        "errands": [afterwards.record(errand) for errand in found.errands],
        "story": [_chapter(chapter) for chapter in found.story],
    }
    known = {"known": True, "rule": _rule(found.around.folder, found.view.path)}
    return record(settings, found.view) | known | _outlook(found.outlook) | rest


def _outlook(outlook: Prospect) -> dict[str, object]:
    return {"now": outlook.now, "why": outlook.why or None, "next": outlook.next or None}


def _chapter(chapter: Chapter) -> dict[str, object]:
    sentence = told(chapter.event, chapter.detail)
    return {"at": iso(chapter.at), "event": chapter.event, "state": chapter.state, "sentence": sentence}


# Its folder


def _looked(around: Circumstances) -> str:
    """When its folder was looked at last, and how it is watched."""
    live, at = around.watched, around.last_look
    if live is None or at is None:
        return ""
    how = f"watched by {live.mode}" if live.mode else "asks" if live.asks else "hung" if live.hung else "offline"
    return f"{how}, last full look at {moment(at, read_clock().wall)}"


def _rule(folder: Folder | None, path: str) -> str | None:
    """The pattern of the rule that decides a file's settings, if it is not the folder that does."""
    here = folder.at(path) if folder else None
    return here.rule if here else None


def _tell_rule(folder: Folder | None, path: str) -> None:
    here = folder.at(path) if folder else None
    if here is not None and here.rule is not None:
        asked = f"language {here.request.language}, document type {here.request.document_type}"
        say(f"Rule: {here.rule} holds for it, and gives {asked}")


# A path that nothing is known of


def _explain_unknown(settings: Settings, store: Store | None, file: str, *, as_json: bool) -> None:
    where, place = _meant(settings, file)
    folder, path = place or (None, "")
    around = _circumstances(settings, store, folder.name, path) if folder else None
    of = _owner(settings, store, where, place)
    if of is not None:
        outlook = _sidecar_prospect(*of)
    elif folder is None or around is None:
        outlook = _elsewhere(settings, file)
    else:
        outlook = _outlook_of_unknown(store, folder, path, around)
    if as_json:
        about = {"path": where, "relative_path": path or None, "folder": folder.name if folder else None}
        unknown = {"known": False, "state": None, "rule": _rule(folder, path) if path else None}
        nothing: dict[str, object] = {
            key: [] for key in ("sidecars", "fates", "shares", "erasures", "errands", "story")
        }
        say_json(
            about | unknown | _outlook(outlook) | {"last_look": iso(around.last_look) if around else None} | nothing
        )
        return
    say(where, colour=Colour.BOLD)
    _tell_outlook(outlook)
    if around is not None and (looked := _looked(around)):
        say(f"Folder: {looked}")
    if path and of is None:
        _tell_rule(folder, path)


def _meant(settings: Settings, file: str) -> tuple[str, tuple[Folder, str] | None]:
    """An absolute path, and where that is in a folder; as we name files ourselves, it may begin with the folder's."""
    place = place_of(settings, file)
    first, _, rest = file.partition("/")
    named = next((folder for folder in settings.folders if folder.name == first), None)
    if place is None and named is not None and rest:
        return joined(os.fspath(named.path), rest), (named, rest)
    return os.path.abspath(file), place


def _owner(
    settings: Settings, store: Store | None, where: str, place: tuple[Folder, str] | None
) -> tuple[str, Written] | None:
    if store is None:
        return None
    return owner(settings, store, place[0].name, place[1]) if place else owner_in_outputs(settings, store, where)


def _elsewhere(settings: Settings, file: str) -> Prospect:
    folders = ", ".join(f"{one.name} ({one.path})" for one in settings.folders)
    if "/" not in file and not os.path.lexists(file):
        why = "no file that was seen in a folder has this name, and here is none"
        return Prospect("nothing is known of it", why, f"name it by its path; folders are: {folders}")
    return Prospect("it is no file of ours", "it is not below a configured folder", f"folders are: {folders}")


def _outlook_of_unknown(store: Store | None, folder: Folder, path: str, around: Circumstances) -> Prospect:
    scanned = store is not None and store.sources.last_disk(folder.name) is not None
    outlook = never_seen(folder, path, around, scanned=scanned)
    forgotten = store.sources.forgotten.known(folder.name)(path) if store is not None else None
    return LEFT_ALONE if forgotten is not None and outlook.now == NOT_YET else outlook


def _sidecar_prospect(of: str, sidecar: Written) -> Prospect:
    why = f"it belongs to {shown(of)}; {sidecar.sentence}"
    return Prospect("it is a sidecar that scriptixd wrote", why, f"scriptixd explain {typed(of)} tells more")
