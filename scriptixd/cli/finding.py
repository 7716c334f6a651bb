"""From what a person types to what is meant: folders, sources by their paths or names, moments.

Decides by the configuration and the state file; looks at local disks only, to follow links in what was typed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from scriptixd.config import units
from scriptixd.config.paths import lead, shares
from scriptixd.config.settings import Folder, Settings
from scriptixd.errors import StartError
from scriptixd.jobs.store.views import SourceView, Views
from scriptixd.observe.standing import Place, located
from scriptixd.roots.paths import components, folded, is_within, joined, name_of, shown, typed


def folder_named(settings: Settings, text: str) -> Folder | None:
    """A folder by its name or a path of it, also one that leads to it through links."""
    for folder in settings.folders:
        if text == folder.name or os.path.abspath(text) == os.path.abspath(folder.path):
            return folder
    place = place_of(settings, text)
    return place[0] if place is not None and not place[1] else None


def place_of(settings: Settings, text: str) -> tuple[Folder, str] | None:
    """The folder that a path lies in, and the path relative to it; None if it lies in none."""
    typed = os.path.abspath(text)
    roots = [(folder, os.path.abspath(folder.path)) for folder in settings.folders]
    for folder, root in roots:
        if is_within(typed, root):
            return folder, os.path.relpath(typed, root) if typed != root else ""
    untouchable = shares()  # a share that hangs must not keep anybody from asking about another
    above, name = os.path.split(typed)
    followed = joined(lead(Path(above), untouchable).path.rstrip("/"), name)
    for folder, root in roots:
        real = lead(Path(root), untouchable).path
        if is_within(followed, real):
            return folder, os.path.relpath(followed, real) if followed != real else ""
    return None


def folders_named(settings: Settings, names: Sequence[str]) -> Sequence[Folder]:
    """The folders that are meant, all of them if none is named; raises StartError for one that there is not."""
    found = [folder_named(settings, text) for text in names]
    for text, folder in zip(names, found, strict=True):
        if folder is None:
            raise no_such_folder(settings, text)
    meant = [folder.name for folder in found if folder is not None]
    return [folder for folder in settings.folders if not names or folder.name in meant]


def no_such_folder(settings: Settings, text: str) -> StartError:
    """The sentence for a name that no folder has."""
    names = ", ".join(one.name for one in settings.folders)
    return StartError(f"there is no folder '{text}'", f"folders are: {names}")


def sources_named(settings: Settings, views: Views, text: str) -> Sequence[SourceView]:
    """The sources that a FILE may mean: none, one, or several that share a bare name.

    In this order: a path, `folder/path` as the log has it, a bare name, a name in the escapes that we print; at
    last whatever differs from one of these in capitals or in how its accents are encoded, and in nothing else.
    """
    place = place_of(settings, text)
    if place is not None and (found := views.source(place[0].name, place[1])) is not None:
        return [found]
    first, slash, rest = text.partition("/")
    if slash and rest and (found := views.source(first, rest)) is not None:
        return [found]
    if not slash and text and (several := views.named(text)):
        return several
    return _spelled_otherwise(settings, views, place, text) if text else []


def _spelled_otherwise(
    settings: Settings, views: Views, place: tuple[Folder, str] | None, text: str
) -> Sequence[SourceView]:
    """Sources by a name as we print it, or as another system spells it: the first kind that fits any."""
    every = views.places()
    kinds: list[Callable[[str, str], bool]] = []
    if "\\" in text:
        kinds.append(lambda folder, path: text in _as_printed(settings, folder, path))
    if place is not None and place[1]:
        within, below = place[0].name, folded(place[1])
        kinds.append(lambda folder, path: folder == within and folded(path) == below)
    typed = folded(text)
    if "/" in text:
        kinds.append(lambda folder, path: folded(f"{folder}/{path}") == typed)
    else:
        kinds.append(lambda _, path: folded(name_of(path)) == typed)
    for fits in kinds:
        if found := [view for one in every if fits(*one) and (view := views.source(*one)) is not None]:
            return found
    return []


def one_source(settings: Settings, views: Views, text: str) -> SourceView | None:
    """The source that a FILE means; raises StartError, with a list, if it may be several."""
    found = sources_named(settings, views, text)
    if len(found) > 1:
        places = ", ".join(absolute(settings, view.folder, view.path) for view in found)
        raise StartError(f"{text} may be any of: {places}", "name one of them by its path")
    return found[0] if found else None


def sources_meant(settings: Settings, views: Views, text: str) -> tuple[Sequence[SourceView], bool]:
    """What one argument stands for: one source by itself (True), or all in a folder, or in a directory below one.

    Raises StartError where it stands for nothing that is known.
    """
    folder = folder_named(settings, text)
    source = one_source(settings, views, text) if folder is None else None
    if source is not None:
        return [source], True
    place = (folder, "") if folder else place_of(settings, text)
    if place is not None:
        below = inside(views, *place)
        if folder or below:
            return below, False
    raise StartError(f"no source is known as {text}", f"scriptixd explain {typed(text)} tells why")


def inside(views: Views, folder: Folder, directory: str) -> Sequence[SourceView]:
    """Every source in a directory of a folder, however that is spelled if only one can be meant; "" is the folder."""
    found = views.sources(folder.name)
    meant = [view for view in found if is_within(view.path, directory)]
    if meant:
        return meant
    alike = [view for view in found if is_within(folded(view.path), folded(directory))]
    depth = len(components(directory))
    return alike if len({components(view.path)[:depth] for view in alike}) == 1 else []


def moment_named(text: str, now: float) -> float:
    """Unix time of an ISO 8601 date or date-time, local where it names no zone, or of a duration before now."""
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError):
        pass
    try:
        if not text.isdecimal():
            return now - units.duration(text)
    except ValueError:
        pass
    raise StartError(f"'{text}' is no date", "write it as 2026-05-01, 2026-05-01T12:00, or 7d for the last seven days")


def absolute(settings: Settings, folder: str, path: str) -> str:
    """Where a path of a folder is today; as it is, if it is absolute; FOLDER/PATH of one that is not configured."""
    return located(places_of(settings), folder, path)


def places_of(settings: Settings) -> Sequence[Place]:
    """The configured folders, as they are told of."""
    return [Place(folder.name, os.fspath(folder.path)) for folder in settings.folders]


def _as_printed(settings: Settings, folder: str, path: str) -> tuple[str, ...]:
    spelled = (absolute(settings, folder, path), f"{folder}/{path}", name_of(path))
    return tuple(map(shown, spelled))
