"""What is told of sidecars: where they lie, what became of them, and whose they are. Changes nothing."""

from __future__ import annotations

from contextlib import closing

from scriptixd.cli.finding import absolute
from scriptixd.config.settings import Settings
from scriptixd.delivery.lying import fate_of
from scriptixd.errors import ShareTrouble
from scriptixd.jobs.job import Sidecar
from scriptixd.jobs.store import Store
from scriptixd.roots.paths import joined, shown
from scriptixd.roots.reaching import FolderRoot


def sidecar_path(settings: Settings, sidecar: Sidecar) -> str:
    """Where a sidecar lies today."""
    where = sidecar.folder
    return joined(where.rstrip("/"), sidecar.path) if where.startswith("/") else absolute(settings, where, sidecar.path)


def sidecar_fate(settings: Settings, sidecar: Sidecar) -> str:
    """A sentence for what became of a sidecar since it was written."""
    configured = next((str(folder.path) for folder in settings.folders if folder.name == sidecar.folder), None)
    where = sidecar.folder if sidecar.folder.startswith("/") else configured
    if where is None:
        return "its folder is not configured any more"
    with closing(FolderRoot(where)) as root:
        try:
            return str(fate_of(root, sidecar))
        except ShareTrouble as trouble:
            return f"its disk cannot be asked just now: {shown(trouble.what)}"


def owner(store: Store, where: str, path: str) -> str | None:
    """The source that a path is the sidecar of, in a folder or in a directory for outputs."""
    sidecar = store.deliveries.sidecar_at(where, path) if path else None
    delivery = store.deliveries.get(sidecar.delivery_id) if sidecar else None
    source = store.sources.get(delivery.source_id) if delivery else None
    return f"{source.folder}/{source.path}" if source else None


def owner_in_outputs(settings: Settings, store: Store, path: str) -> str | None:
    """The source that an absolute path is the sidecar of, in a directory for outputs."""
    for directory in (one for folder in settings.folders for one in folder.output_directories):
        inside = directory.rstrip("/") + "/"
        if path.startswith(inside) and (of := owner(store, directory, path.removeprefix(inside))) is not None:
            return of
    return None
