"""Which things are being worked on now, and by how many: in memory alone, so that nobody ever has to unlock one.

Whoever waits for a disk that may have begun to hang counts for no one: another goes on in his place.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar


class Claimable(Protocol):
    """A job, or a delivery."""

    @property
    def id(self) -> int: ...

    @property
    def folder(self) -> str: ...


T = TypeVar("T", bound=Claimable)


class Claims(Generic[T]):
    """What several threads take from, `most` at a time; `stuck` tells the folders whose disk keeps somebody waiting.

    `most_of` has the folders of which fewer may be worked on at a time.
    """

    def __init__(
        self, most: int, stuck: Callable[[], Collection[str]], most_of: Mapping[str, int] | None = None
    ) -> None:
        self._most = most
        self._stuck = stuck
        self._most_of = most_of or {}
        self._guard = threading.Lock()
        self._claimed: dict[int, str] = {}
        self._turns: dict[str, int] = {}
        self._turn = 0

    def adopt(self, most: int, most_of: Mapping[str, int]) -> None:
        """As many as these from now on; what is being worked on goes on."""
        with self._guard:
            self._most, self._most_of = most, most_of

    @contextmanager
    def take(
        self, pick: Callable[[Collection[int], Mapping[str, int]], T | None], takes_turn: Callable[[T], bool]
    ) -> Iterator[T | None]:
        """One that nobody else works on; None where there is none, or as many as may be are worked on.

        `pick` is given the claimed ones, and for each folder that had its turn when that was: the greater, the later.
        """
        with self._guard:
            taken = pick(self._claimed.keys(), self._turns) if self._has_room() else None
            if taken is not None:
                self._claimed[taken.id] = taken.folder
                if takes_turn(taken):
                    self._turn += 1
                    self._turns[taken.folder] = self._turn
        try:
            yield taken
        finally:
            if taken is not None:
                with self._guard:
                    del self._claimed[taken.id]

    def full(self) -> Collection[str]:
        """The folders of which no more may be worked on now: for whoever picks, while he does."""
        if not self._most_of:
            return ()
        at_work = Counter(self._claimed.values())
        return {folder for folder, most in self._most_of.items() if at_work[folder] >= most}

    def _has_room(self) -> bool:
        if len(self._claimed) < self._most:
            return True
        stuck = self._stuck()
        return sum(folder not in stuck for folder in self._claimed.values()) < self._most
