"""Directories for outputs: each belongs to one folder, and is none that is watched, nor in one, nor around one.

Looks at the file system only through paths.lead; a directory that is not there is waited for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path, PurePath

from scriptixd.config.findings import Findings
from scriptixd.config.paths import Place, lead, shares
from scriptixd.config.settings import Folder


@dataclass(frozen=True, slots=True)
class _Directory:
    """One that a folder uses: the watched one itself, or one for its outputs."""

    index: int
    folder: str
    path: str
    place: Place
    watched: bool

    @property
    def described(self) -> str:
        purpose = "" if self.watched else ", for outputs"
        return f"folders[{self.index}] '{self.folder}' ({self.path}{purpose})"


def check_outputs(folders: Sequence[tuple[int, Folder]], findings: Findings) -> None:
    """Note what is in another one's way; `folders` with their index in the configuration."""
    untouchable = shares()
    used = [one for index, folder in folders for one in _used(index, folder, untouchable)]
    for one, other in combinations(used, 2):
        of_one_folder = not one.watched and not other.watched and one.index == other.index
        relation = "" if of_one_folder or (one.watched and other.watched) else _relation(one, other)
        if relation:
            findings.add(
                ("folders", (other if one.watched else one).index, "output", "directory"),
                f"{one.described} {relation} {other.described}; a directory for outputs is for one folder alone, "
                "and apart from all that is watched",
            )


def _used(index: int, folder: Folder, untouchable: frozenset[str]) -> Iterator[_Directory]:
    yield _Directory(index, folder.name, str(folder.path), lead(folder.path, untouchable), watched=True)
    for path in folder.output_directories:
        yield _Directory(index, folder.name, path, lead(Path(path), untouchable), watched=False)


def _relation(one: _Directory, other: _Directory) -> str:
    """How the first lies to the second, as they are written or as they are on the disk; empty if they are apart."""
    same = one.place.identity is not None and one.place.identity == other.place.identity
    written = os.path.normpath(one.path), os.path.normpath(other.path)
    for first, second in (written, (one.place.path, other.place.path)):
        if same or first == second:
            return "is the same directory as"
        if PurePath(second) in PurePath(first).parents:
            return "lies inside"
        if PurePath(first) in PurePath(second).parents:
            return "holds"
    return ""
