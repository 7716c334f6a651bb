"""What is told of sidecars: where they lie, what became of them, and whose they are. Changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from scriptixd.cli.finding import absolute
from scriptixd.config.settings import Settings
from scriptixd.delivery.lying import Fate, fate_of
from scriptixd.delivery.names import candidates, suffixed
from scriptixd.errors import FileTrouble, ShareTrouble
from scriptixd.jobs.job import Sidecar
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.store.views import SourceView
from scriptixd.roots.paths import joined, name_of, parent, shown
from scriptixd.roots.reaching import FolderRoot
from scriptixd.roots.root import Root

NOT_CONFIGURED: Final = "its folder is not configured any more"


@dataclass(frozen=True, slots=True)
class Written:
    """One sidecar that was written, and what became of it."""

    path: str  # where it lies today
    output: str
    fate: Fate | None  # None where its disk cannot be asked
    sentence: str

    def record(self) -> dict[str, object]:
        return {
            "path": self.path,
            "output": self.output,
            "fate": self.fate.name.lower() if self.fate else None,
            "sentence": self.sentence,
        }


def written(settings: Settings, sidecars: Sequence[Sidecar], view: SourceView | None = None) -> Sequence[Written]:
    """All of them; `view`, their source, tells why one has another name than it should have."""
    return [_written(settings, sidecar, view) for sidecar in sidecars]


def _written(settings: Settings, sidecar: Sidecar, view: SourceView | None) -> Written:
    path = sidecar_path(settings, sidecar)
    configured = next((str(folder.path) for folder in settings.folders if folder.name == sidecar.folder), None)
    where = sidecar.folder if sidecar.folder.startswith("/") else configured
    if where is None:
        return Written(path, sidecar.output, None, NOT_CONFIGURED)
    with closing(FolderRoot(where)) as root:
        try:
            fate = fate_of(root, sidecar)
            other = _taken(settings, root, sidecar, view) if view is not None else ""
        except ShareTrouble as trouble:
            sentence = f"its disk cannot be asked just now: {shown(trouble.what)}"
            return Written(path, sidecar.output, None, sentence)
    return Written(path, sidecar.output, fate, f"{fate}; {other}" if other else str(fate))


def sidecar_path(settings: Settings, sidecar: Sidecar) -> str:
    """Where a sidecar lies today."""
    where = sidecar.folder
    return joined(where.rstrip("/"), sidecar.path) if where.startswith("/") else absolute(settings, where, sidecar.path)


def _taken(settings: Settings, root: Root, sidecar: Sidecar, view: SourceView) -> str:
    """Whose file has the name that it would have by itself, empty if it has that. ShareTrouble."""
    folder = next((one for one in settings.folders if one.name == view.folder), None)
    here = folder.at(view.path) if folder else None
    if here is None:
        return ""
    plain, fuller = candidates(view.path, sidecar.output, suffixed(here.output.suffix, here.request.language))
    if sidecar.path != fuller or plain == fuller:
        return ""
    try:
        there = any(entry.name == name_of(plain) for entry in root.listing(parent(plain)))
    except FileTrouble:
        return ""
    return f"{shown(name_of(plain))} is another's, and is left alone" if there else ""


def owner(settings: Settings, store: Store, where: str, path: str) -> tuple[str, Written] | None:
    """The source that a path is the sidecar of, in a folder or in a directory for outputs, and what became of it."""
    sidecar = store.deliveries.sidecar_at(where, path) if path else None
    delivery = store.deliveries.get(sidecar.delivery_id) if sidecar else None
    source = store.sources.get(delivery.source_id) if delivery else None
    return (f"{source.folder}/{source.path}", _written(settings, sidecar, None)) if source and sidecar else None


def owner_in_outputs(settings: Settings, store: Store, path: str) -> tuple[str, Written] | None:
    """The same of an absolute path in a directory for outputs."""
    for directory in (one for folder in settings.folders for one in folder.output_directories):
        inside = directory.rstrip("/") + "/"
        if path.startswith(inside) and (of := owner(settings, store, directory, path.removeprefix(inside))) is not None:
            return of
    return None
