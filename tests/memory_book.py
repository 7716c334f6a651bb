"""A book of sources in memory: what the scanner was told to write down, to be asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scriptixd.jobs.source import Admission, Look, Sighting, Source
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

    def begin_contact(self, folder: str, identity: str, at: float) -> bool:  # noqa: ARG002 - keeps no times
        return not self._contacts.setdefault((folder, identity), False)

    def complete_contact(self, folder: str, identity: str, at: float) -> None:  # noqa: ARG002 - keeps no times
        self._contacts[folder, identity] = True
        self._disks[folder] = identity

    def last_disk(self, folder: str) -> str | None:
        return self._disks.get(folder)

    def record(self, folder: str, directory: str, sightings: Sequence[Sighting], at: float) -> None:  # noqa: ARG002 - keeps no times
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

    def _of(self, folder: str) -> list[Source]:
        return [source for (name, _), source in self.sources.items() if name == folder]
