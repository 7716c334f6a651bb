"""A book of sources in memory: what the scanner was told to write down, to be asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from scriptixd.jobs.source import Admission, Look, Sighting, Source
from scriptixd.jobs.store import Store
from scriptixd.jobs.store.database import open_state
from scriptixd.roots.paths import joined


class MemoryBook:
    """Keeps what the scanner's Book promises, for as long as the test runs."""

    def __init__(self) -> None:
        self.sources: dict[tuple[str, str], Source] = {}
        self.admitted: list[tuple[str, Admission]] = []
        self.gone: list[str] = []
        self.writes = 0
        self._contacts: dict[tuple[str, str], bool] = {}
        self._disks: dict[str, str] = {}

    def in_directory(self, folder: str, directory: str) -> Mapping[str, Source]:
        return {source.name: source for source in self._of(folder) if source.directory == directory}

    def directories(self, folder: str) -> Sequence[str]:
        return sorted({source.directory for source in self._of(folder) if source.present})

    def unsettled(self, folder: str) -> Sequence[Source]:
        return [source for source in self._of(folder) if source.present and not source.settled]

    def begin_contact(self, folder: str, identity: str, at: float) -> bool:
        return not self._contacts.setdefault((folder, identity), False)

    def complete_contact(self, folder: str, identity: str, at: float) -> None:
        self._contacts[folder, identity] = True
        self._disks[folder] = identity

    def last_disk(self, folder: str) -> str | None:
        return self._disks.get(folder)

    def record(self, folder: str, directory: str, sightings: Sequence[Sighting], at: float) -> None:
        self.writes += 1
        for sighting in sightings:
            self._record(folder, joined(directory, sighting.name), sighting)

    def _record(self, folder: str, path: str, sighting: Sighting) -> None:
        known = self.sources.get((folder, path))
        if sighting.stat is None:
            assert known is not None, "only what was there can be gone"
            self.sources[folder, path] = replace(known, present=False, settled=False)
            self.gone.append(path)
            return
        admission = sighting.admission
        self.sources[folder, path] = Source(
            id=known.id if known is not None else len(self.sources) + 1,
            folder=folder,
            path=path,
            stat=sighting.stat,
            look=sighting.look or Look("", 0.0, 0),
            settled=admission is not None,
            present=True,
            existing=sighting.existing,
            ignored=admission is not None and admission.ignored,
        )
        if admission is not None:
            self.admitted.append((path, admission))

    def close(self) -> None:
        """Nothing to close."""

    def _of(self, folder: str) -> list[Source]:
        return [source for (name, _), source in self.sources.items() if name == folder]


class StoredBook(MemoryBook):
    """The real state file, whose every answer must be the one that the memory gives."""

    def __init__(self) -> None:
        super().__init__()
        self._place = TemporaryDirectory()
        self._store = Store(open_state(Path(self._place.name, "state.db")))

    def close(self) -> None:
        self._store.close()
        self._place.cleanup()

    def in_directory(self, folder: str, directory: str) -> Mapping[str, Source]:
        stored = self._store.sources.in_directory(folder, directory)
        expected = super().in_directory(folder, directory)
        assert {name: _plain(source) for name, source in stored.items()} == {
            name: _plain(source) for name, source in expected.items()
        }
        return stored

    def directories(self, folder: str) -> Sequence[str]:
        stored = self._store.sources.directories(folder)
        assert sorted(stored) == super().directories(folder)
        return stored

    def unsettled(self, folder: str) -> Sequence[Source]:
        stored = self._store.sources.unsettled(folder)
        assert sorted(source.path for source in stored) == sorted(source.path for source in super().unsettled(folder))
        return stored

    def begin_contact(self, folder: str, identity: str, at: float) -> bool:
        stored = self._store.sources.begin_contact(folder, identity, at)
        assert stored == super().begin_contact(folder, identity, at)
        return stored

    def complete_contact(self, folder: str, identity: str, at: float) -> None:
        self._store.sources.complete_contact(folder, identity, at)
        super().complete_contact(folder, identity, at)

    def last_disk(self, folder: str) -> str | None:
        stored = self._store.sources.last_disk(folder)
        assert stored == super().last_disk(folder)
        return stored

    def record(self, folder: str, directory: str, sightings: Sequence[Sighting], at: float) -> None:
        self._store.sources.record(folder, directory, sightings, at)
        super().record(folder, directory, sightings, at)


def _plain(source: Source) -> Source:
    return replace(source, id=0)
