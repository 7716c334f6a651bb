"""What keeps a folder, or one directory in it, from going on, as far as a verb can tell by looking.

Compares the state file with today's mounts and with the claim that lies there. Writes nothing and asks nothing:
where a daemon runs, it knows better, and what it has told is taken for true.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from scriptixd.config.settings import Folder
from scriptixd.daemon.approving import way_on, yes
from scriptixd.daemon.folders import filter_of
from scriptixd.errors import FileTrouble, ShareTrouble, SourceMissing, with_hint
from scriptixd.jobs.source import Question, QuestionKind
from scriptixd.jobs.store.rows import told
from scriptixd.jobs.store.tables import Store
from scriptixd.observe.live import LiveFolder
from scriptixd.roots.paths import components, is_within, shown
from scriptixd.roots.root import Disk, Root
from scriptixd.watch.claim import foreign_claim
from scriptixd.watch.ground import (
    NOT_ITS_DISK,
    another,
    asked_about,
    exchange,
    exchanged_below,
    unmounted_below,
)

ONE_DAEMON: Final = (
    "one folder is for one scriptixd: stop the other one; a claim that nobody renews is found out within a minute or "
    "two, and asked about"
)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why nothing goes on in a directory, and what to do; "" is the folder as a whole."""

    directory: str
    sentence: str
    hint: str = ""
    asks: bool = False  # a person's yes to the folder is what it waits for
    away: bool = False  # the disk that it is about is not there
    other: bool = False  # what is there now may not be what was there when it was last looked at

    def __str__(self) -> str:
        return with_hint(f"its folder asks: {self.sentence}" if self.asks else self.sentence, self.hint)

    def concerns(self, path: str) -> bool:
        return is_within(path, self.directory)


def obstacles(folder: Folder, store: Store | None, root: Root, live: LiveFolder | None) -> Sequence[Obstacle]:
    """All of them, those of the whole folder first; a disk that cannot be reached is one."""
    question, answered = (store.views.question(folder.name) if store else None) or (None, False)
    last = store.sources.last_disk(folder.name) if store else None
    if live is not None and live.offline and not live.asks:
        away = Obstacle("", f"the folder is offline: {live.offline}", away=True)
    else:
        try:
            about = _About(folder, root, root.disk(), last, question, answered)
            return [*_of_the_whole(about, store, live), *(_below(about, store) if store else ())]
        except ShareTrouble as trouble:
            away = Obstacle("", f"its folder cannot be reached: {trouble.what}", trouble.hint, away=True)
    if question is None or answered or asked_about(question, last.nested if last else ()):
        return [away]
    return [_asking(folder, question), away]


@dataclass(frozen=True, slots=True)
class _About:
    """One folder: its disk now and at the last complete pass, and what it has asked."""

    folder: Folder
    root: Root
    disk: Disk
    last: Disk | None
    question: Question | None
    answered: bool

    def is_agreed(self, kind: QuestionKind, about: str) -> bool:
        """Whether a person has said yes to just this, and the daemon has not used it up yet."""
        asked = self.question
        return self.answered and asked is not None and (asked.kind, asked.about) == (kind, told(about))

    @property
    def open(self) -> Question | None:
        """The question of the folder as a whole that waits for a person, if it has one.

        One about a disk below the root is none, and one about a disk that is not there any more takes itself back.
        """
        asked, last = self.question, self.last
        if asked is None or self.answered or asked_about(asked, last.nested if last else ()):
            return None
        is_as_before = last is not None and last.identity == self.disk.identity
        is_about_now = asked.about == told(self.disk.identity.key)
        return None if asked.kind is QuestionKind.DISK and is_as_before and not is_about_now else asked


def _of_the_whole(about: _About, store: Store | None, live: LiveFolder | None) -> Iterator[Obstacle]:
    folder, disk, last = about.folder, about.disk, about.last
    if about.open is not None:
        yield _asking(folder, about.open)
    elif last is not None and last.identity != disk.identity and store is not None and store.sources.knows(folder.name):
        if not about.is_agreed(QuestionKind.DISK, disk.identity.key):
            yield Obstacle("", another(disk, last), NOT_ITS_DISK + yes(folder.name), asks=True, other=True)
    elif live is None:
        foreign = foreign_claim(about.root, store.instance() if store else "")
        if foreign is not None and not about.is_agreed(QuestionKind.CLAIM, foreign.about):
            since = f"{shown(foreign.host)} since {shown(foreign.since)}"
            yield Obstacle("", f"the claim in it says that it is watched by {since}", ONE_DAEMON)


def _below(about: _About, store: Store) -> Iterator[Obstacle]:
    folder, before = about.folder, about.last.nested if about.last else ()
    for directory, sentence in unmounted_below(about.disk, before).items():
        if _is_looked_at(about, directory):
            yield Obstacle(directory, sentence, away=True)
    known = store.sources.directories(folder.name)
    for one in exchanged_below(about.disk, before):
        has_sources = any(is_within(place, one.directory) for place in known)
        if has_sources and not about.is_agreed(QuestionKind.DISK, one.identity.key):
            yield Obstacle(one.directory, exchange(one), NOT_ITS_DISK + yes(folder.name), asks=True, other=True)


def _is_looked_at(about: _About, directory: str) -> bool:
    """Whether the directory is there, and the settings let anybody enter it: nobody misses it otherwise."""
    way = components(directory)
    filter_ = filter_of(about.folder)
    if not all(filter_.enters("/".join(way[:depth])) for depth in range(1, len(way) + 1)):
        return False
    with suppress(FileTrouble):
        try:
            about.root.listing(directory)
        except SourceMissing:
            return False
    return True


def _asking(folder: Folder, question: Question) -> Obstacle:
    other = question.kind is not QuestionKind.CLAIM
    return Obstacle("", question.sentence, way_on(folder.name, question), asks=True, other=other)
