"""What a line of the log is about, and its figures: typed, so that the log knows where names are and can veil them.

Pure. A text from anywhere else counts as one that may hold a name; only these types are known to hold none, or where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from scriptixd.roots.paths import shown, veiled

FIGURES: Final = "scriptixd_figures"  # the attribute of a record that has them


@dataclass(frozen=True, slots=True)
class Place:
    """A folder, or a path in it."""

    folder: str  # its configured name, the administrator's word; or a directory for outputs, by its absolute path
    path: str = ""  # relative; empty for the folder as a whole

    def __str__(self) -> str:
        return shown(f"{self.folder}/{self.path}" if self.path else self.folder)

    @property
    def veiled(self) -> str:
        """As it is called where names must not be read: the same in the log and in messages."""
        whole = f"{self.folder}/{self.path}" if self.path else self.folder
        if self.folder.startswith("/"):
            return veiled(whole)
        return f"{shown(self.folder)}/{veiled(whole)}" if self.path else shown(self.folder)


class Words(str):
    """A text of ours without a name from a disk in it; names of folders may be."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Figures:
    """The fields behind a line; None is not told."""

    job: int | None = None
    session: str | None = None  # at Scriptix
    upload: str | None = None  # at Scriptix, as long as there is no session
    bytes: int | None = None
    media: float | None = None  # s
    took: float | None = None  # s


def figures(
    job: int | None = None,
    session: str | None = None,
    upload: str | None = None,
    size: int | None = None,
    media: float | None = None,
    took: float | None = None,
) -> Mapping[str, Figures]:
    """For `extra` of a call that logs."""
    return {FIGURES: Figures(job, session, upload, size, media, took)}
