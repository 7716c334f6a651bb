"""Whether a settled file is whole: the second opinion, before a cent is spent on it.

A veto and never a proof: somebody who still has it open, and a container that contradicts its own length.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from scriptixd.jobs.clock import Now, boot_id
from scriptixd.jobs.ports import Complete, Doubt, Opinion, Wait
from scriptixd.jobs.source import Source
from scriptixd.roots.root import Reader
from scriptixd.watch.container import Agreement, verdict

PATIENCE = 10  # settle windows without a change, after which a contradiction is a person's to decide
SHORTEST_WAIT = 1.0  # s: a window of nothing must not become a question without end

HELD_OPEN: Final = "somebody still has it open for writing"
HELD_OPEN_HINT: Final = "close it in the program that writes it; it goes on by itself"
UNFINISHED_HINT: Final = "it is looked at again; if it stays as it is, you are asked"


class Completeness:
    """Gives the pipeline its opinion; `window` tells the settle window of a source's folder, in seconds."""

    def __init__(self, window: Callable[[Source], float], boot: str | None = None) -> None:
        self._window = window
        self._boot = boot_id() if boot is None else boot

    def opinion(self, source: Source, reader: Reader, now: Now) -> Opinion:
        """Whether anything speaks against the open file, which is as the source has it. Errors are the reader's."""
        window = max(self._window(source), SHORTEST_WAIT)
        if reader.written_to():
            return Wait(window, HELD_OPEN, HELD_OPEN_HINT)
        said = verdict(reader, source.stat.size)
        if said.agreement is not Agreement.CONTRADICTS:
            return Complete()
        wait = window * PATIENCE - self._unchanged(source, now)
        return Wait(min(wait, window * PATIENCE), said.sentence, UNFINISHED_HINT) if wait > 0 else Doubt(said.sentence)

    def _unchanged(self, source: Source, now: Now) -> float:
        """Seconds for which the file is known not to have changed.

        One that settled within another boot has not changed since this one began.
        """
        return now.boot - source.look.since if source.look.boot_id == self._boot else now.boot
