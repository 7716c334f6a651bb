"""A book of sources in memory: what the scanner was told to write down, to be asked about."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

from scriptixd.jobs.events import Approved
from scriptixd.jobs.source import HELD_FOR_FLOOD, Admission, Look, Question, Restless, Sighting, Source
from scriptixd.jobs.store.database import open_state
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.paths import joined
from scriptixd.roots.root import Disk, Stat


class MemoryBook:
    """Keeps what the scanner's Book promises, for as long as the test runs."""

    def __init__(self) -> None:
        self.sources: dict[tuple[str, str], Source] = {}
        self.admitted: list[tuple[str, Admission]] = []
        self.gone: list[str] = []
        self.approved: set[str] = set()  # paths of a flood that a person has said yes to
        self.renamed: list[tuple[str, str]] = []
        self.writes = 0
        self.question: Question | None = None
        self._answered = False
        self._seen: dict[int, float] = {}  # source id → when it was first seen
        self._unsettled: dict[int, float] = {}  # source id → since when without a break
        self._contacts: dict[tuple[str, str], bool] = {}
        self._unread: Collection[str] = frozenset()
        self._passes: dict[str, tuple[Disk, str]] = {}

    def in_directory(self, folder: str, directory: str) -> Mapping[str, Source]:
        return {source.name: source for source in self._of(folder) if source.directory == directory}

    def knows(self, folder: str) -> bool:
        return any(source.present for source in self._of(folder))

    def directories(self, folder: str) -> Sequence[str]:
        return sorted({source.directory for source in self._of(folder) if source.present})

    def unsettled(self, folder: str) -> int:
        return sum(source.present and not source.settled for source in self._of(folder))

    def restless(self, folder: str, since: float, most: int) -> Sequence[Restless]:
        names = {source.id: source.path for source in self._of(folder)}
        found = [Restless(names[id_], at) for id_, at in self._unsettled.items() if at < since]
        return sorted(found, key=lambda one: one.since)[:most]

    def arrived(self, folder: str, since: float, most: int) -> int:
        missing = {_file(one) for one in self._of(folder) if not one.present}
        new = [one for one in self._of(folder) if one.present and not one.existing and _file(one) not in missing]
        coming = [one for one in new if self._unsettled.get(one.id) == self._seen[one.id]]
        came = [one for one in new if one not in coming and since <= self._seen[one.id] <= since + 3660]
        came.sort(key=lambda one: (self._seen[one.id], one.id), reverse=True)
        unasked = list(takewhile(lambda one: one.path not in self.approved, came))
        return min(len(coming) + len(unasked), most + 1)

    def begin_contact(self, folder: str, identity: str, at: float) -> bool:
        return not self._contacts.setdefault((folder, identity), False)

    def unread(self, folder: str) -> Collection[str]:
        return self._unread

    def complete_pass(self, folder: str, disk: Disk, scope: str, at: float, unread: Collection[str] = ()) -> None:
        self._unread = frozenset(unread)
        for identity in (disk.identity, *(nested.identity for nested in disk.nested)):
            if (folder, identity.key) in self._contacts:
                self._contacts[folder, identity.key] = True
        self._passes[folder] = disk, scope

    def last_disk(self, folder: str) -> Disk | None:
        return self._passes[folder][0] if folder in self._passes else None

    def scope(self, folder: str) -> str | None:
        return self._passes[folder][1] if folder in self._passes else None

    def ask(self, folder: str, question: Question, at: float) -> bool:
        if self.question is None or (self.question.kind, self.question.about) != (question.kind, question.about):
            self._answered = False
        self.question = question
        return self._answered

    def answer(self, folder: str) -> None:
        """A person says yes."""
        assert self.question is not None
        self._answered = True

    def ask_nothing(self, folder: str) -> None:
        self.question, self._answered = None, False

    def record(self, folder: str, directory: str, sightings: Sequence[Sighting], at: float) -> int:
        self.writes += 1
        for told in sightings:
            stat, path = told.stat, joined(directory, told.name)
            if stat is not None and told.look is None:
                self.sources[folder, path] = replace(self.sources[folder, path], stat=stat)
                continue
            past = stat is not None and told.admission is None and self._existed(folder, stat)
            sighting = replace(told, existing=True) if past else told
            if sighting.stat is None:
                self._miss(self.sources[folder, path])
            else:
                self._see(folder, path, sighting, at)
        return sum(bool(one.admission and one.admission.held_for) for one in sightings)

    def _miss(self, known: Source) -> None:
        heir = next((one for one in self._same_file(known) if one.present and one.id > known.id), None)
        if heir is not None and not heir.settled:
            self._move(known, heir)
            return
        self.sources[known.folder, known.path] = replace(known, present=False, settled=False)
        self._unsettled.pop(known.id, None)
        self.gone.append(known.path)

    def _see(self, folder: str, path: str, sighting: Sighting, at: float) -> None:
        known, admission = self.sources.get((folder, path)), sighting.admission
        assert sighting.stat is not None
        seen = Source(
            id=known.id if known is not None else max(self._seen, default=0) + 1,
            folder=folder,
            path=path,
            stat=sighting.stat,
            look=sighting.look or Look("", 0.0, 0),
            settled=admission is not None,
            present=True,
            existing=sighting.existing,
            ignored=admission is not None and admission.ignored,
        )
        self.sources[folder, path] = seen
        grew = known is not None and known.present and not known.settled
        if known is None or (known.stat.size != seen.stat.size and not grew):
            self._seen[seen.id] = at
        if known is None and (old := next((one for one in self._same_file(seen) if not one.present), None)) is not None:
            seen = self._move(old, seen)
        if admission is not None and self._unsettled.get(seen.id) == self._seen[seen.id]:
            self._seen[seen.id] = at
        if admission is not None:
            self.admitted.append((path, admission))
            self._unsettled.pop(seen.id, None)
        elif seen.id not in self._unsettled:
            self._unsettled[seen.id] = at

    def _existed(self, folder: str, stat: Stat) -> bool:
        same = (one for one in self._of(folder) if one.existing and one.stat.size == stat.size)
        return any(one.stat.inode == stat.inode and (one.present or one.stat == stat) for one in same)

    def _same_file(self, source: Source) -> list[Source]:
        return [one for one in self._of(source.folder) if _file(one) == _file(source) and one.id != source.id]

    def _move(self, old: Source, new: Source) -> Source:
        seen = old if old.present else new
        self.renamed.append((old.path, new.path))
        del self.sources[old.folder, old.path]
        moved = replace(old, path=new.path, present=True, settled=seen.settled, look=seen.look)
        self.sources[new.folder, new.path] = moved
        self._unsettled.pop(new.id, None)
        return moved

    def approve(self, folder: str, path: str) -> None:
        """A person says yes to a file."""
        admission = dict(self.admitted)[path]
        if admission.held_for == HELD_FOR_FLOOD:
            self.approved.add(path)

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

    def knows(self, folder: str) -> bool:
        stored = self._store.sources.knows(folder)
        assert stored == super().knows(folder)
        return stored

    def directories(self, folder: str) -> Sequence[str]:
        stored = self._store.sources.directories(folder)
        assert sorted(stored) == super().directories(folder)
        return stored

    def unsettled(self, folder: str) -> int:
        stored = self._store.sources.unsettled(folder)
        assert stored == super().unsettled(folder)
        return stored

    def restless(self, folder: str, since: float, most: int) -> Sequence[Restless]:
        stored = self._store.sources.restless(folder, since, most)
        assert sorted(one.since for one in stored) == [one.since for one in super().restless(folder, since, most)]
        return stored

    def arrived(self, folder: str, since: float, most: int) -> int:
        stored = self._store.sources.arrived(folder, since, most)
        assert stored == super().arrived(folder, since, most)
        return stored

    def begin_contact(self, folder: str, identity: str, at: float) -> bool:
        stored = self._store.sources.begin_contact(folder, identity, at)
        assert stored == super().begin_contact(folder, identity, at)
        return stored

    def unread(self, folder: str) -> Collection[str]:
        stored = self._store.sources.unread(folder)
        assert stored == super().unread(folder)
        return stored

    def complete_pass(self, folder: str, disk: Disk, scope: str, at: float, unread: Collection[str] = ()) -> None:
        self._store.sources.complete_pass(folder, disk, scope, at, unread)
        super().complete_pass(folder, disk, scope, at, unread)

    def last_disk(self, folder: str) -> Disk | None:
        stored = self._store.sources.last_disk(folder)
        assert stored == super().last_disk(folder)
        return stored

    def scope(self, folder: str) -> str | None:
        stored = self._store.sources.scope(folder)
        assert stored == super().scope(folder)
        return stored

    def ask(self, folder: str, question: Question, at: float) -> bool:
        stored = self._store.sources.ask(folder, question, at)
        assert stored == super().ask(folder, question, at)
        return stored

    def answer(self, folder: str) -> None:
        assert self._store.sources.answer(folder, 0.0) == self.question
        super().answer(folder)

    def ask_nothing(self, folder: str) -> None:
        self._store.sources.ask_nothing(folder)
        super().ask_nothing(folder)

    def record(self, folder: str, directory: str, sightings: Sequence[Sighting], at: float) -> int:
        super().record(folder, directory, sightings, at)
        return self._store.sources.record(folder, directory, sightings, at)

    def leave(self, folder: str, at: float) -> None:
        """The folder is not configured any more."""
        for directory in super().directories(folder):
            names = [name for name, source in super().in_directory(folder, directory).items() if source.present]
            super().record(folder, directory, [Sighting(name, None) for name in names], at)
        self._store.sources.leave(folder, at)

    def approve(self, folder: str, path: str) -> None:
        super().approve(folder, path)
        source = self._store.sources.at(folder, path)
        job = self._store.jobs.newest_of(source.id) if source else None
        assert job is not None
        assert self._store.jobs.apply(job, Approved(), 0.0) is not None


def _file(source: Source) -> tuple[int, int, int]:
    return source.stat.inode, source.stat.size, source.stat.mtime_ns


def _plain(source: Source) -> Source:
    return replace(source, id=0)
