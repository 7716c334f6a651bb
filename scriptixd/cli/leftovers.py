"""What of scriptixd still holds data on this machine and at Scriptix, with paths and sizes. Only looks.

A disk that others serve is never asked: of what lies there, the state file tells how much it is.
"""

from __future__ import annotations

import glob
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scriptixd.cli.opening import reading
from scriptixd.cli.units import Instance
from scriptixd.config.settings import Settings
from scriptixd.errors import StateError, StateTrouble, with_hint
from scriptixd.jobs.store.database import is_there
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.mounts import is_local, mount_of
from scriptixd.roots.paths import joined


@dataclass(frozen=True, slots=True)
class Leftover:
    """One thing, or many of a kind."""

    what: str
    where: str
    size: int | None  # bytes; None where that is not known


def state_of(instance: Instance, settings: Settings | None) -> Path:
    return instance.state if settings is None else settings.state


def purgeable(instance: Instance, settings: Settings | None) -> tuple[Path, ...]:
    """What `--purge` removes: state, configuration and key."""
    state = state_of(instance, settings)
    everything = (*_family(state), instance.configuration, instance.key)
    return tuple(path for path in everything if os.path.lexists(path))


def leftovers(instance: Instance, settings: Settings | None) -> Iterator[Leftover]:
    """Everything that is known of."""
    state = state_of(instance, settings)
    for path in _family(state):
        yield Leftover(_kind(path.name.removeprefix(state.name)), str(path), _size(path))
    for path in sorted(set(_files_in(state.parent)) - set(_family(state))):
        yield Leftover("beside the state file", str(path), _size(path))
    for what, path in (("configuration", instance.configuration), ("key", instance.key)):
        if os.path.lexists(path):
            yield Leftover(what, str(path), _size(path))
    if lines := _journal(instance.unit):
        yield Leftover("lines in the journal", f"journalctl -u {instance.unit}", lines)
    if settings is not None:
        try:
            if not is_there(state):
                return
            with reading(settings) as store:
                yield from _written(settings, store)
                if count := store.views.at_the_service():
                    yield Leftover(f"{count} transcription(s)", f"at Scriptix ({settings.api.url})", None)
        except (StateError, StateTrouble) as trouble:
            yield Leftover("sidecars, and transcriptions at Scriptix", with_hint(trouble.what, trouble.hint), None)


def _family(state: Path) -> tuple[Path, ...]:
    """The state file with its log, lock, live file, and the backups beside it."""
    found = (Path(path) for path in glob.glob(f"{glob.escape(str(state))}*"))
    return tuple(sorted(path for path in found if not path.is_dir()))


def _files_in(directory: Path) -> Iterator[Path]:
    try:
        with os.scandir(directory) as entries:
            yield from (Path(entry.path) for entry in entries if not entry.is_dir(follow_symlinks=False))
    except OSError:  # there is none, or it is not for everybody's eyes
        return


def _kind(suffix: str) -> str:
    if suffix in {"", "-wal", "-shm"}:
        return "state file"
    if suffix == ".lock":
        return "its lock"
    return "live file" if suffix.startswith(".live.json") else "backup"


def _size(path: Path) -> int | None:
    try:
        return path.lstat().st_size
    except OSError:
        return None


def _journal(unit: str) -> int:
    """Bytes that the service has said, as far as they are kept."""
    command = ["journalctl", "--no-pager", "--quiet", "--output=cat", f"--unit={unit}"]
    try:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as journal:
            if journal.stdout is None:
                raise AssertionError("opened as a pipe")
            return sum(len(line) for line in journal.stdout)
    except FileNotFoundError:
        return 0


def _written(settings: Settings, store: Store) -> Iterator[Leftover]:
    """The sidecars, folder by folder."""
    by_folder: dict[str, list[str]] = {}
    for folder, path in store.views.sidecars():
        by_folder.setdefault(folder, []).append(path)
    places = {folder.name: str(folder.path) for folder in settings.folders}
    for folder, paths in sorted(by_folder.items()):
        place = folder if folder.startswith("/") else places.get(folder)
        where = place or f"folder {folder}, which is not configured any more"
        yield Leftover(f"{len(paths)} sidecar(s)", where, _sizes(place, paths))


def _sizes(place: str | None, paths: Sequence[str]) -> int | None:
    if place is None or not is_local(mount_of(place).filesystem):
        return None
    return sum(_size(Path(joined(place.rstrip("/"), path))) or 0 for path in paths)
