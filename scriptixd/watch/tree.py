"""The directories of a root as the last looks found them, and which of them need no comparison while they stay so.

In memory only: a fresh scanner compares everything with the book once. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from scriptixd.roots.paths import parent
from scriptixd.watch.strangers import Stranger


@dataclass(frozen=True, slots=True)
class Calm:
    """A directory in which nothing was to be done: as long as its listing has this signature, nothing is."""

    signature: int
    files: int
    directories: tuple[str, ...]
    strangers: tuple[Stranger, ...] = ()


class Tree:
    """The directories that are known, each under its parent; "" is the root and always known."""

    def __init__(self, directories: Iterable[str] = ()) -> None:
        self._children: dict[str, set[str]] = {"": set()}
        self._calm: dict[str, Calm] = {}
        for directory in directories:
            self.add(directory)

    def __contains__(self, directory: str) -> bool:
        return directory in self._children

    def __len__(self) -> int:
        return len(self._children)

    def add(self, directory: str) -> None:
        while directory not in self._children:
            self._children[directory] = set()
            above = parent(directory)
            known = above in self._children
            if known:
                self._children[above].add(directory)
                return
            self.add(above)
            self._children[above].add(directory)

    def children(self, directory: str) -> frozenset[str]:
        return frozenset(self._children.get(directory, ()))

    def cut(self, directory: str) -> list[str]:
        """Forget a directory with everything below it; returns them all."""
        self._children.get(parent(directory), set()).discard(directory)
        gone, pending = [], [directory]
        while pending:
            one = pending.pop()
            gone.append(one)
            self._calm.pop(one, None)
            pending += self._children.pop(one, set())
        return gone

    def calm(self, directory: str, signature: int) -> Calm | None:
        """What is known of a directory in which nothing has changed since nothing was to be done."""
        known = self._calm.get(directory)
        return known if known is not None and known.signature == signature else None

    def calmed(self, directory: str, calm: Calm | None) -> None:
        """Remember it, or that something is going on there."""
        if calm is None:
            self._calm.pop(directory, None)
        else:
            self._calm[directory] = calm
