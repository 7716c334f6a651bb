"""`explain`: the whole story of one path, also of one that was never picked up.

Collects what is known; the sentences about what is now and what comes next are in prospects.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from itertools import groupby
from typing import Final

from scriptixd.cli import afterwards, remnants
from scriptixd.cli.finding import absolute, one_source, place_of
from scriptixd.cli.installation import live_figures, pauses, reading, settings_in
from scriptixd.cli.listing import record
from scriptixd.cli.obstacles import obstacles
from scriptixd.cli.output import Colour, iso, moment, say, say_json, size
from scriptixd.cli.prospects import Circumstances, Growth, Prospect, prospect
from scriptixd.cli.sidecars import owner, owner_in_outputs, sidecar_fate, sidecar_path
from scriptixd.cli.unseen import NO_SUCH_FILE, NOT_YET, never_seen, why_not
from scriptixd.config.settings import Folder, Settings
from scriptixd.errors import ShareTrouble
from scriptixd.jobs.clock import Now, boot_id, read_clock
from scriptixd.jobs.job import Sidecar, State
from scriptixd.jobs.sentences import told
from scriptixd.jobs.store import Store
from scriptixd.jobs.store.database import is_held
from scriptixd.jobs.store.views import MISSING, SETTLING, Chapter, SourceView
from scriptixd.roots.paths import shown
from scriptixd.roots.reaching import FolderRoot

EVERY = -1  # as SQLite understands a LIMIT
LEFT_ALONE: Final = Prospect(
    "it is left alone, for as long as it stays as it is",
    "it was to be forgotten, and lay there still",
    "other content under its name is a new recording, and under another name it waits for your yes",
)


def explain(config: str, file: str, *, as_json: bool) -> None:
    """Print the story; raises StartError if the name fits several sources."""
    settings = settings_in(config)
    with ExitStack() as opened:
        store = opened.enter_context(reading(settings)) if settings.state.exists() else None
        view = one_source(settings, store.views, file) if store else None
        if store is None or view is None:
            _explain_unknown(settings, store, file, as_json=as_json)
            return
        story, growth = store.views.story(view), _growth(store, view, read_clock())
        around = _circumstances(settings, store, view.folder, view.path)
        around = replace(around, waits_for=store.views.waited_for(view, read_clock().wall) or "")
        erasures = store.erasures.of_source(view.source_id)
        errands = store.errands.of_source(view.source_id)
        sidecars = store.deliveries.sidecars_of(view.source_id)
    outlook = _outlook_of(view, around, growth)
    if as_json:
        chapters = [_chapter(chapter) for chapter in story]
        rule = _rule(around.folder, view.path)
        left = {
            "erasures": [remnants.record(erasure) for erasure in erasures],
            "errands": [afterwards.record(errand) for errand in errands],
        }
        say_json(
            record(settings, view) | {"known": True, "rule": rule} | _outlook(outlook) | left | {"story": chapters}
        )
    else:
        _tell(settings, view, story, outlook, sidecars)
        for erasure in erasures:
            say(f"At Scriptix: {remnants.sentence(erasure, read_clock().wall)}")
        for errand in errands:
            say(f"Afterwards: {afterwards.sentence(errand, read_clock().wall)}")
        _tell_rule(around.folder, view.path)


def _circumstances(settings: Settings, store: Store | None, folder: str, path: str) -> Circumstances:
    configured = next((one for one in settings.folders if one.name == folder), None)
    held = is_held(settings.state)
    live = live_figures(settings) if held else None
    halts = pauses(store, live)
    if configured is None:
        return Circumstances(None, held, live, halts)
    running = next((one for one in live.folders if one.name == folder), None) if live else None
    with closing(FolderRoot(configured.path)) as root:
        found = obstacles(configured, store, root, running)
    return Circumstances(configured, held, live, halts, [one for one in found if one.concerns(path)])


def _outlook_of(view: SourceView, around: Circumstances, growth: Growth) -> Prospect:
    """What is not there may be there, and not be meant any more."""
    if view.state in {MISSING, State.GONE} and around.folder is not None and not around.unseen:
        with suppress(ShareTrouble):
            reason = why_not(around.folder, view.path)
            if reason is not None and not reason.startswith(NO_SUCH_FILE):
                return Prospect("it is not picked up any more", reason, "")
    return prospect(view, around, growth, read_clock().wall)


def _growth(store: Store, view: SourceView, now: Now) -> Growth:
    """How long a file has been changing, and for how long it has not."""
    source = store.sources.get(view.source_id) if view.state == SETTLING else None
    if source is None:
        return Growth()
    growing = store.sources.restless(view.folder, now.wall, EVERY)
    since = next((one.since for one in growing if one.path == view.path), None)
    return Growth(since, now.boot - source.look.since if source.look.boot_id == boot_id() else None)


def _tell(
    settings: Settings, view: SourceView, story: Sequence[Chapter], outlook: Prospect, sidecars: Sequence[Sidecar]
) -> None:
    now = read_clock().wall
    say(absolute(settings, view.folder, view.path), colour=Colour.BOLD)
    asked = f", {view.language}, {view.document_type}" if view.language else ""
    say(f"{size(view.size)} in folder {view.folder}{asked}")
    say()
    say(f"{moment(view.created_at, now)}  was seen for the first time")
    for chapter, others in _abridged(story):
        last = f" ({len(others) + 1} times, until {moment(others[-1].at, now)})" if others else ""
        say(f"{moment(chapter.at, now)}  {told(chapter.event, chapter.detail)}{last}")
    say()
    _tell_outlook(outlook)
    for sidecar in sidecars:
        say(f"Sidecar: {sidecar_path(settings, sidecar)}: {sidecar_fate(settings, sidecar)}")


def _rule(folder: Folder | None, path: str) -> str | None:
    """The pattern of the rule that decides a file's settings, if it is not the folder that does."""
    here = folder.at(path) if folder else None
    return here.rule if here else None


def _tell_rule(folder: Folder | None, path: str) -> None:
    here = folder.at(path) if folder else None
    if here is not None and here.rule is not None:
        asked = f"language {here.request.language}, document type {here.request.document_type}"
        say(f"Rule: {here.rule} holds for it, and gives {asked}")


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


def _outlook(outlook: Prospect) -> dict[str, object]:
    return {"now": outlook.now, "why": outlook.why or None, "next": outlook.next or None}


def _chapter(chapter: Chapter) -> dict[str, object]:
    sentence = told(chapter.event, chapter.detail)
    return {"at": iso(chapter.at), "event": chapter.event, "state": chapter.state, "sentence": sentence}


def _explain_unknown(settings: Settings, store: Store | None, file: str, *, as_json: bool) -> None:
    place = place_of(settings, file)
    if place is None and store is not None and (of := owner_in_outputs(settings, store, os.path.abspath(file))):
        outlook = _sidecar_prospect(of)
        folder, path = None, ""
    elif place is None:
        folders = ", ".join(f"{one.name} ({one.path})" for one in settings.folders)
        outlook = Prospect("it is no file of ours", "it is not below a configured folder", f"folders are: {folders}")
        folder, path = None, ""
    else:
        folder, path = place
        outlook = _outlook_of_unknown(settings, store, folder, path)
    where = os.path.abspath(file)
    if as_json:
        about = {"path": where, "relative_path": path or None, "folder": folder.name if folder else None}
        rule = _rule(folder, path) if path else None
        unknown = {"known": False, "state": None, "rule": rule}
        say_json(about | unknown | _outlook(outlook) | {"sidecars": [], "erasures": [], "errands": [], "story": []})
        return
    say(where, colour=Colour.BOLD)
    _tell_outlook(outlook)
    if path:
        _tell_rule(folder, path)


def _outlook_of_unknown(settings: Settings, store: Store | None, folder: Folder, path: str) -> Prospect:
    of = owner(store, folder.name, path) if store else None
    if of is not None:
        return _sidecar_prospect(of)
    scanned = store is not None and store.sources.last_disk(folder.name) is not None
    outlook = never_seen(folder, path, _circumstances(settings, store, folder.name, path), scanned=scanned)
    forgotten = store.sources.forgotten.known(folder.name)(path) if store is not None else None
    return LEFT_ALONE if forgotten is not None and outlook.now == NOT_YET else outlook


def _sidecar_prospect(of: str) -> Prospect:
    return Prospect("it is a sidecar that scriptixd wrote", f"it belongs to {shown(of)}", "")
