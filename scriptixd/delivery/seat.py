"""Where the sidecars of one source go: beside it, or at the same path in a directory for outputs.

Knows which names there are free, or ours to replace; writes nothing but the directory that they need.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from scriptixd.delivery.lying import digest_at
from scriptixd.delivery.names import aside, candidates, every, suffixed
from scriptixd.errors import NameTaken, SourceMissing, Stopped
from scriptixd.jobs.job import Sidecar, Terms
from scriptixd.jobs.source import Source
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.paths import folded, joined, name_of, parent, shown
from scriptixd.roots.root import FileAccess, Root


class Folders(Protocol):
    """What today's configuration says, and the way to files."""

    def names(self) -> Collection[str]:
        """The configured folders."""

    def root(self, folder: str) -> Root | None:
        """The files of a folder, or in a directory for outputs, which goes by its absolute path."""

    def terms(self, folder: str, path: str) -> Terms: ...


@dataclass(frozen=True, slots=True)
class Place:
    """A name for a sidecar; `replaces` is the hash of our own untouched file that has it now."""

    path: str
    replaces: str | None


class Names:
    """The names in a directory. Those that differ only in capitals or in how accents are encoded are one place."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(names)

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def there(self, name: str) -> str | None:
        """The name as it is there, if it is."""
        return name if name in self._names else self._alike.get(folded(name))

    @cached_property
    def _alike(self) -> dict[str, str]:
        return {folded(name): name for name in self._names}


@dataclass(frozen=True, slots=True)
class Seat:
    """The place of one source's sidecars, `where` as the state file has it."""

    store: Store
    source: Source
    where: str
    root: Root
    beside: Root  # the source's own
    suffix: str
    access: FileAccess

    @property
    def mirrored(self) -> bool:
        return self.where != self.source.folder

    def candidates(self, output: str) -> tuple[str, str]:
        return candidates(self.source.path, output, self.suffix)

    def every(self, output: str) -> tuple[str, ...]:
        """Also those for what was paid for already."""
        return tuple(every(self.source.path, output, self.suffix))

    def names(self) -> Names:
        """What lies there; a directory without the source may be the bare one under a mount: SourceMissing."""
        found = Names(entry.name for entry in self.beside.listing(self.source.directory))
        if self.source.name not in found:
            raise SourceMissing(f"{shown(self.source.path)} is not in its directory", "sidecars wait until it is back")
        if not self.mirrored:
            return found
        try:
            return Names(entry.name for entry in self.root.listing(self.source.directory))
        except SourceMissing:
            return Names(())

    def probe(self, outputs: Collection[str]) -> None:
        """Show that the sidecars could be written. TargetTrouble, or NameTaken if their names are not free."""
        names = self.names()
        for output in outputs:
            if not any(self._usable(path, names, frozenset()) for path in self.candidates(output)):
                first, second = map(shown, self.candidates(output))
                raise NameTaken(
                    f"{shown(self.source.path)} would get {first} or {second}, and both are somebody else's",
                    "move one of them away, then: scriptixd retry FILE",
                )
        directory = self.source.directory
        while True:
            try:
                self.root.probe(directory, self.access)
            except SourceMissing:  # it is made when there is something to put there: the one above has to do
                if not (self.mirrored and directory):
                    raise
                directory = parent(directory)
            else:
                return

    def make_ready(self) -> None:
        """Make the directory, where there is none in the one for outputs yet."""
        if self.mirrored:
            self.root.make(self.source.directory)

    def places(self, output: str, came_along: str, inherited: Collection[int]) -> Iterator[Place]:
        """The names that are free, or ours to replace, the best one first; after paying there is a third one.

        A file that holds the very bytes `came_along` is one of ours that came with its renamed or copied directory.
        Beside one of ours that a person has edited, the new text is put aside.
        """
        names = self.names()
        nearest, last = aside(self.source.path, output, self.suffix)
        for path in self.candidates(output):
            place = self._usable(path, names, inherited, came_along)
            if place is not None:
                yield place
            elif self._is_edited(path, names):
                beside = [nearest, last]
                break
        else:
            beside = [last]
        for path in beside:
            place = self._usable(path, names, inherited, came_along)
            if place is not None:
                yield place

    def _is_edited(self, path: str, names: Names) -> bool:
        """Whether what lies there was ours, and is not as we wrote it."""
        ours = self.store.deliveries.sidecar_at(self.where, path)
        if ours is None or ours.written_at is None:
            return False
        return name_of(path) in names and self._is_own(ours, ())

    def _usable(
        self, path: str, names: Names, inherited: Collection[int], came_along: str | None = None
    ) -> Place | None:
        """A name is ours if nobody has it, or if it is this source's own sidecar as we wrote it.

        So are the sidecars of the deliveries that are `inherited`.
        """
        there = names.there(name_of(path))
        if there is not None:
            path = joined(parent(path), there)
        ours = self.store.deliveries.sidecar_at(self.where, path)
        if there is None:
            return Place(path, None) if ours is None or self._is_own(ours, inherited) else None
        known: set[str | None]
        if ours is None and came_along is not None:
            known = {came_along}
        elif ours is not None and self._is_own(ours, inherited):
            # A crash between the intent and the write leaves the file that was to be replaced.
            known = {ours.sha256, ours.replaces}
        else:
            return None
        digest = digest_at(self.root, path)
        return Place(path, digest) if digest is not None and digest in known else None

    def _is_own(self, sidecar: Sidecar, inherited: Collection[int]) -> bool:
        delivery = self.store.deliveries.get(sidecar.delivery_id)
        return delivery is not None and (delivery.source_id == self.source.id or delivery.id in inherited)


def seat_of(store: Store, folders: Folders, source: Source, terms: Terms, language: str) -> Seat:
    """Where today's settings put the sidecars of a source; Stopped if the configuration has changed a moment ago."""
    output = terms.output
    where = output.directory or source.folder
    root, beside = folders.root(where), folders.root(source.folder)
    if root is None or beside is None:
        raise Stopped(source.folder)
    return Seat(store, source, where, root, beside, suffixed(output.suffix, language), output.access)
