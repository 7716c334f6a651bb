"""From what a person types to folders and sources: paths, bare names, names of folders, names as we print them.

Decides by the configuration and the state file; looks at a disk only to follow links in what was typed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from scriptixd.config.settings import Folder, Settings
from scriptixd.errors import StartError
from scriptixd.jobs.store.views import SourceView, Views
from scriptixd.roots.paths import is_within, joined, shown


def folder_named(settings: Settings, text: str) -> Folder | None:
    """A folder by its name or its path."""
    for folder in settings.folders:
        if text == folder.name or os.path.abspath(text) == os.path.abspath(folder.path):
            return folder
    return None


def place_of(settings: Settings, text: str) -> tuple[Folder, str] | None:
    """The folder that a path lies in, and the path relative to it; None if it lies in none."""
    typed = os.path.abspath(text)
    roots = [(folder, os.path.abspath(folder.path)) for folder in settings.folders]
    for folder, root in roots:
        if is_within(typed, root):
            return folder, os.path.relpath(typed, root) if typed != root else ""
    above, name = os.path.split(typed)
    followed = joined(os.path.realpath(above).rstrip("/"), name)
    for folder, root in roots:
        real = os.path.realpath(root)
        if is_within(followed, real):
            return folder, os.path.relpath(followed, real) if followed != real else ""
    return None


def sources_named(settings: Settings, views: Views, text: str) -> Sequence[SourceView]:
    """The sources that a FILE may mean: none, one, or several that share a bare name.

    In this order: a path, `folder/path` as the log has it, a bare name, a name in the escapes that we print.
    """
    place = place_of(settings, text)
    if place is not None and (found := views.source(place[0].name, place[1])) is not None:
        return [found]
    first, slash, rest = text.partition("/")
    if slash and rest and (found := views.source(first, rest)) is not None:
        return [found]
    if not slash and text and (several := views.named(text)):
        return several
    if "\\" in text:
        return [view for view in views.sources() if text in _as_printed(settings, view)]
    return []


def one_source(settings: Settings, views: Views, text: str) -> SourceView | None:
    """The source that a FILE means; raises StartError, with a list, if it may be several."""
    found = sources_named(settings, views, text)
    if len(found) > 1:
        places = ", ".join(absolute(settings, view.folder, view.path) for view in found)
        raise StartError(f"{text} may be any of: {places}", "name one of them by its path")
    return found[0] if found else None


def absolute(settings: Settings, folder: str, path: str) -> str:
    """Where a path of a folder is today; as it is, if the folder is not configured any more."""
    root = next((os.fspath(one.path) for one in settings.folders if one.name == folder), None)
    return path if root is None else joined(root.rstrip("/"), path)


def _as_printed(settings: Settings, view: SourceView) -> tuple[str, ...]:
    path = view.path
    spelled = (absolute(settings, view.folder, path), f"{view.folder}/{path}", path.rpartition("/")[2])
    return tuple(map(shown, spelled))
