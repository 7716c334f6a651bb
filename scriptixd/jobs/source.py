"""A source: a media file under a folder as the scanner sees it, and what it makes of it.

Pure records; the scanner decides, the store writes down.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scriptixd.jobs.job import Request
from scriptixd.roots.root import Stat


class Existing(StrEnum):
    """What becomes of files that the first contact with a folder finds."""

    HOLD = "hold"
    PROCESS = "process"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Look:
    """How long a file has looked the same: valid only within the boot that it was counted in."""

    boot_id: str
    since: float  # s, CLOCK_BOOTTIME of the first look at this stat
    looks: int


@dataclass(frozen=True, slots=True)
class Source:
    """One row of the sources table."""

    id: int
    folder: str
    path: str  # relative to the root, "/" between, surrogate escapes for bytes that are not UTF-8
    stat: Stat
    look: Look
    settled: bool
    present: bool  # in its directory at the last listing
    existing: bool  # found by the first contact with this root
    ignored: bool  # left alone by `existing: ignore`

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def directory(self) -> str:
        return self.path.rpartition("/")[0]


@dataclass(frozen=True, slots=True)
class Admission:
    """What becomes of a source that has settled, and was not asked for before."""

    request: Request
    held_for: str = ""  # a sentence: why a person's yes is needed first
    ignored: bool = False
    marked: bool = False  # what lies beside it may be its transcript: that is looked at before a yes is asked for


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one look at a name changes. `stat` None: it is not in the directory any more.

    `admission` is given exactly when the file has just settled. A stat without a look: only its inode is another,
    as on disks that number their files anew each time that they are mounted.
    """

    name: str
    stat: Stat | None
    look: Look | None = None
    existing: bool = False
    admission: Admission | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """What a look has come to for one job: `event` as history names it, `detail` in words."""

    folder: str
    path: str  # of a source of it
    job_id: int
    event: str
    detail: str


# Why a file waits for a yes whatever is in it; a touch makes it no other file.
HELD_FOR_EXISTING: Final = "was there before this folder was first watched, or before the settings that let it in"
HELD_FOR_FLOOD: Final = "came with more files within an hour than ask_above allows"
HELD_FOR_HOURS: Final = "came with more hours of media within an hour than ask_above allows"
CIRCUMSTANCES: Final = frozenset({HELD_FOR_EXISTING, HELD_FOR_FLOOD, HELD_FOR_HOURS})
FLOOD_WITHIN: Final = 3600.0  # s, in which more than ask_above arrives


class QuestionKind(StrEnum):
    """What a folder as a whole may ask a person; `scriptixd approve FOLDER` says yes."""

    DISK = "disk"  # another disk than before: is it the folder's new one?
    CLAIM = "claim"  # another scriptixd watched it, and seems to have died: is it ours now?
    EMPTY = "empty"  # nothing is left on it: has it really been emptied?


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a folder. A yes holds for exactly this one: `about` tells it from the next."""

    kind: QuestionKind
    about: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Restless:
    """A file that has not stopped changing for long."""

    path: str
    since: float  # Unix seconds
