"""`explain`: the whole story of one path, also of one that was never picked up.

Collects what is known; the sentences about what is now and what comes next are in prospects.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby

from scriptixd.cli.finding import absolute, one_source, place_of
from scriptixd.cli.installation import live_figures, reading, settings_in
from scriptixd.cli.listing import record
from scriptixd.cli.output import Colour, iso, moment, say, say_json, size
from scriptixd.cli.prospects import Circumstances, Prospect, never_seen, prospect
from scriptixd.config.settings import Settings
from scriptixd.jobs.clock import read_clock
from scriptixd.jobs.sentences import told
from scriptixd.jobs.store import Store
from scriptixd.jobs.store.database import is_held
from scriptixd.jobs.store.views import Chapter, SourceView
from scriptixd.roots.paths import shown


def explain(config: str, file: str, *, as_json: bool) -> None:
    """Print the story; raises StartError if the name fits several sources."""
    settings = settings_in(config)
    with ExitStack() as opened:
        store = opened.enter_context(reading(settings)) if settings.state.exists() else None
        view = one_source(settings, store.views, file) if store else None
        if store is None or view is None:
            _explain_unknown(settings, store, file, as_json=as_json)
            return
        story = store.views.story(view)
    outlook = prospect(view, _circumstances(settings, view.folder), read_clock().wall)
    if as_json:
        chapters = [_chapter(chapter) for chapter in story]
        say_json(record(settings, view) | {"known": True} | _outlook(outlook) | {"story": chapters})
    else:
        _tell(settings, view, story, outlook)


def _circumstances(settings: Settings, folder: str | None) -> Circumstances:
    configured = next((one for one in settings.folders if one.name == folder), None)
    held = is_held(settings.state)
    return Circumstances(configured, held, live_figures(settings) if held else None)


def _tell(settings: Settings, view: SourceView, story: Sequence[Chapter], outlook: Prospect) -> None:
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
    for sidecar in view.sidecars:
        say(f"Sidecar: {absolute(settings, view.folder, sidecar)}")


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
    if place is None:
        folders = ", ".join(f"{one.name} ({one.path})" for one in settings.folders)
        outlook = Prospect("it is no file of ours", "it is not below a configured folder", f"folders are: {folders}")
        folder, path = None, ""
    else:
        folder, path = place[0].name, place[1]
        of = _sidecar_of(store, folder, path) if store else None
        if of is not None:
            outlook = Prospect("it is a sidecar that scriptixd wrote", f"it belongs to {shown(of)}", "")
        else:
            scanned = store is not None and store.sources.last_disk(folder) is not None
            outlook = never_seen(place[0], path, _circumstances(settings, folder), scanned=scanned)
    where = os.path.abspath(file)
    if as_json:
        say_json(
            {"path": where, "relative_path": path or None, "folder": folder, "known": False, "state": None}
            | _outlook(outlook)
            | {"sidecars": [], "story": []}
        )
        return
    say(where, colour=Colour.BOLD)
    _tell_outlook(outlook)


def _sidecar_of(store: Store, folder: str, path: str) -> str | None:
    """The source that a path is the sidecar of."""
    sidecar = store.deliveries.sidecar_at(folder, path) if path else None
    delivery = store.deliveries.get(sidecar.delivery_id) if sidecar else None
    source = store.sources.get(delivery.source_id) if delivery else None
    return f"{source.folder}/{source.path}" if source else None
