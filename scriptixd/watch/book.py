"""What the scanner needs written down, and read again: the store implements it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from scriptixd.jobs.source import Question, Restless, Sighting, Source
from scriptixd.roots.root import Disk


class Book(Protocol):
    """The sources of all folders, and which disks were met. `at` and `since` are in Unix seconds."""

    def in_directory(self, folder: str, directory: str) -> Mapping[str, Source]:
        """Every source that was ever seen in a directory, by name, also those that are there no more."""

    def knows(self, folder: str) -> bool:
        """Whether any source is present."""

    def directories(self, folder: str) -> Sequence[str]:
        """The directories in which sources are present."""

    def unsettled(self, folder: str) -> int:
        """How many sources are present and not settled."""

    def restless(self, folder: str, since: float, most: int) -> Sequence[Restless]:
        """The sources that have been unsettled without a break since before `since`, the longest first."""

    def arrived(self, folder: str, since: float, most: int) -> int:
        """How many recordings came within the hour from then on, or are coming: what has not settled since it came.

        But for what was there before, or was renamed, and what came before one of a flood that a person decided about.
        Of more than `most`, one more than that is told.
        """

    def record(self, folder: str, directory: str, sightings: Sequence[Sighting], at: float) -> int:
        """Write down what a look at a directory changed, or a part of it, in one transaction.

        Returns how many files wait for a person's yes by it.

        What is gone from one path and there under another, by its inode, size and mtime, was renamed.
        """

    def begin_contact(self, folder: str, identity: str, at: float) -> bool:
        """Whether the first contact with this disk is still going on; begins it if it never did."""

    def complete_pass(self, folder: str, disk: Disk, scope: str, at: float, unread: Collection[str] = ()) -> None:
        """One complete pass was made over this disk, which is the folder's from now on, within this scope.

        But for the paths in `unread`: files, and directories of which not everything could be seen.
        """

    def unread(self, folder: str) -> Collection[str]:
        """What the last complete pass could not see, files, or directories not as a whole: it was all there before."""

    def last_disk(self, folder: str) -> Disk | None:
        """The disk of which `complete_pass` was told last."""

    def scope(self, folder: str) -> str | None:
        """The scope of which `complete_pass` was told last: what was picked up then."""

    def ask(self, folder: str, question: Question, at: float) -> bool:
        """Whether a person has said yes to this question; the folder asks it from now on, and no other."""

    def ask_nothing(self, folder: str) -> None:
        """The folder has no question any more."""
