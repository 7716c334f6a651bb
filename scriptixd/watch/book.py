"""What the scanner needs written down, and read again: the store implements it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from scriptixd.jobs.source import Sighting, Source


class Book(Protocol):
    """The sources of all folders, and which disks were met. `at` is in Unix seconds."""

    def in_directory(self, folder: str, directory: str) -> Mapping[str, Source]:
        """Every source that was ever seen in a directory, by name, also those that are there no more."""

    def directories(self, folder: str) -> Sequence[str]:
        """The directories in which sources are present."""

    def unsettled(self, folder: str) -> Sequence[Source]:
        """The sources that are present and not settled."""

    def record(self, folder: str, directory: str, sightings: Sequence[Sighting], at: float) -> None:
        """Write down what a look at a directory changed, or a part of it, in one transaction."""

    def begin_contact(self, folder: str, identity: str, at: float) -> bool:
        """Whether the first contact with this disk is still going on; begins it if it never did."""

    def complete_contact(self, folder: str, identity: str, at: float) -> None:
        """One complete pass was made over this disk, which is the folder's disk from now on."""

    def last_disk(self, folder: str) -> str | None:
        """The identity of which `complete_contact` was told last."""
