"""Directories listed ahead of their turn, as many at once as a root can use: on a network each call waits.

Says of each listing between which two moments it was taken; what fails, fails when its turn comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from scriptixd.jobs.clock import Now
from scriptixd.roots.root import Listing, Root
from scriptixd.watch.settle import Span


@dataclass(frozen=True, slots=True)
class Seen:
    """One listing, and when it was taken."""

    listing: Listing
    span: Span


class Listings:
    """Use it with `with`: afterwards nobody waits for anything any more."""

    def __init__(self, root: Root, clock: Callable[[], Now], cover: Callable[[str], None]) -> None:
        self._root = root
        self._clock = clock
        self._cover = cover
        self.width = root.at_once
        self._pool = ThreadPoolExecutor(self.width, "list") if self.width > 1 else None
        self._asked: dict[str, Future[Seen]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is under way is left to its deadline: nobody can call a thread back from a dead disk."""
        if self._pool is not None:
            self._pool.shutdown(wait=error is None, cancel_futures=True)

    def ahead(self, directories: Iterable[str]) -> None:
        """These are wanted next; the first ones are asked for."""
        if self._pool is not None:
            for directory in directories:
                if len(self._asked) >= 2 * self.width:
                    return
                if directory not in self._asked:
                    self._asked[directory] = self._pool.submit(self._seen, directory)

    def take(self, directory: str) -> Seen:
        """The listing of a directory; raises what the root does."""
        asked = self._asked.pop(directory, None)
        return asked.result() if asked is not None else self._seen(directory)

    def _seen(self, directory: str) -> Seen:
        # Covered before it is listed, so that what comes in between rings.
        self._cover(directory)
        began = self._clock()
        listing = self._root.listing(directory)
        return Seen(listing, Span(began, self._clock()))
