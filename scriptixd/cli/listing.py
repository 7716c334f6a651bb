"""`list`: every source with its state, as a table for people or as JSON for programs.

The JSON's keys are a promise: they are added to, never renamed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scriptixd.cli.finding import absolute, folder_named, no_such_folder
from scriptixd.cli.installation import settings_in
from scriptixd.cli.output import complain, iso, moment, say_json, say_table, size
from scriptixd.config.settings import Settings
from scriptixd.errors import StartError
from scriptixd.jobs.clock import read_clock
from scriptixd.jobs.store.database import is_there
from scriptixd.jobs.store.glance import glance_at
from scriptixd.jobs.store.views import DONE, IGNORED, STATES, SourceView
from scriptixd.observe.waiting import way_on

_AT_REST: Final = frozenset({DONE, IGNORED})  # of these nothing is wrong


def list_sources(config: str, state: str | None, folder: str | None, *, as_json: bool) -> None:
    """Print the sources; raises StartError for a state or a folder that there is not."""
    settings = settings_in(config)
    if state is not None and state not in STATES:
        raise StartError(f"there is no state '{state}'", f"states are: {', '.join(STATES)}")
    views = _sources(settings, state, folder)
    if as_json:
        say_json([record(settings, view) for view in views])
    elif views:
        now = read_clock().wall
        say_table(("STATE", "FILE", "LANGUAGE", "SIZE", "SINCE", "WHY"), [_row(view, now) for view in views])
    else:
        complain("there are no such sources")


def _sources(settings: Settings, state: str | None, folder: str | None) -> Sequence[SourceView]:
    named = folder_named(settings, folder) if folder is not None else None
    name = named.name if named else folder
    if not is_there(settings.state):
        complain(f"there is no state file {settings.state} yet: the daemon has not run")
        found: Sequence[SourceView] = ()
    else:
        with glance_at(settings.state) as known:
            found = known.views.sources(name, state)
            is_known = folder is None or named is not None or any(key[0] == name for key in known.views.counts())
            if is_known:
                return found
    if folder is not None and named is None:
        raise no_such_folder(settings, folder)
    return found


def record(settings: Settings, view: SourceView) -> dict[str, object]:
    """One source for programs; `path` is absolute, or FOLDER/PATH where its folder is not configured any more."""
    return {
        "path": absolute(settings, view.folder, view.path),
        "relative_path": view.path,
        "folder": view.folder,
        "state": view.state,
        "language": view.language,
        "document_type": view.document_type,
        "size": view.size,
        "sha256": view.sha256,
        "session_id": view.session_id,
        "attempts": view.attempts,
        "due_at": iso(view.due_at),
        "error": (view.reason or None) if view.state not in _AT_REST else None,
        "note": (view.reason or None) if view.state in _AT_REST else None,
        "hint": way_on(view) or None,
        "created_at": iso(view.created_at),
        "updated_at": iso(view.updated_at),
        "job_id": view.job_id,
        "sidecars": [absolute(settings, view.folder, path) for path in view.sidecars],
        "media_seconds": view.media_seconds,
        "paid": view.paid,
    }


def _row(view: SourceView, now: float) -> tuple[str, ...]:
    place = f"{view.folder}/{view.path}"
    return view.state, place, view.language or "", size(view.size), moment(view.updated_at, now), view.reason
