"""The daemon and the sandbox of the tests, for benchmarks of the whole: they are kept one directory higher."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType

sys.path.insert(0, str(Path(__file__).parents[1]))

import house
from house import SandboxProcess, eventually, tone

__all__ = ["House", "eventually", "tone"]


class House(house.House):
    """A house whose sandbox has a process of its own, and that shows its log only where something went wrong."""

    def __init__(self, place: Path) -> None:
        super().__init__(place, SandboxProcess(place / "sandbox"))
        self.typed_start = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.log.unlink(missing_ok=True)
        super().__exit__(kind, error, trace)
