"""Whether what lies under a folder's path is its disk, and ours to watch: decided before anything is inferred.

Raises ShareTrouble where it is not; where a person has to say yes first, the question is written down, and
`scriptixd approve FOLDER` answers it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from scriptixd.errors import ShareTrouble
from scriptixd.jobs.clock import Now
from scriptixd.jobs.source import Question, QuestionKind
from scriptixd.roots.paths import is_within, shown, typed
from scriptixd.roots.place import Place
from scriptixd.roots.root import Disk, Kind, Nested, Root
from scriptixd.watch.book import Book
from scriptixd.watch.claim import Claim, Foreign, NoClaim, Ours
from scriptixd.watch.filters import Filter

LOG = logging.getLogger("scriptixd.watch")

NOT_ITS_DISK: Final = "mount its disk again, nothing is forgotten meanwhile; if this is its place now: "
WAS_EMPTIED: Final = "nothing is forgotten, and it goes on with the next file; if it was emptied: "
OUT_OF_USE: Final = "if that one is out of use: "


class Asks(ShareTrouble):
    """Nothing goes on in a folder until a person has said yes."""


@dataclass(frozen=True, slots=True)
class Footing:
    """The disk that a look may trust."""

    disk: Disk
    first_contact: bool
    unmounted: Mapping[str, str]  # directories whose own disk is not there, or waits for a yes, each with the sentence
    fresh: frozenset[str]  # directories with a disk of their own that was never looked at as a whole
    exchanged: tuple[Nested, ...] = ()  # disks below the root that are others than before, and wait for a yes

    def after(self, unreached: Collection[str], last: Disk | None) -> Disk:
        """What is to be remembered of a complete pass: a disk that was not looked at is not forgotten, nor known."""

        places = {*unreached, *(one.directory for one in self.exchanged)}

        def is_reached(one: Nested) -> bool:
            return not any(is_within(one.directory, place) for place in places)

        today = [one for one in self.disk.nested if is_reached(one)]
        away = [one for one in (last.nested if last else ()) if not is_reached(one)]
        return replace(self.disk, nested=tuple(sorted((*today, *away), key=lambda one: one.directory)))


class Ground:
    """One folder's ground."""

    def __init__(
        self, folder: str, root: Root, book: Book, filter_: Filter, claim: Claim, witnessed: Callable[[], bool]
    ) -> None:
        self._folder = folder
        self._root = root
        self._book = book
        self._filter = filter_
        self._claim = claim
        self._witnessed = witnessed  # whether somebody was seen deleting in the root itself
        self._claimed = False  # our claim lay there the last time
        self._unclaimed = ""
        self._footing: Footing | None = None  # as long as the disk is the same, nothing else about it is asked anew
        self._may_ask = True  # a question of an earlier run may be open
        self._asked: Question | None = None
        self._waits = False  # for an answer that only a part of the folder needs

    def stand(self, now: Now) -> Footing:
        """The folder's disk as it is now; raises ShareTrouble, or Asks, where it is not to be trusted."""
        disk, footing = self._root.disk(), self._footing
        self._footing = None
        doubtful = self._claimed  # where none can be written, that there is none tells nothing new
        if footing is None or footing.disk != disk:
            footing, doubtful = self._judge(disk, now), True
        if doubtful and self._book.knows(self._folder) and not self._claim.is_there() and self._is_bare():
            self.refuse_empty(now)  # before a claim is made anew
        self.hold_claim(now)
        self._footing = footing
        return self._without_exchanged(footing, now)

    def stood(self) -> None:
        """A complete look was made: what it was about is known from now on."""
        self._footing = None

    def over(self, *, accounted: bool) -> None:
        """The question was no obstacle any more; `accounted`: and nothing is still to be looked for.

        A yes to "was it emptied?" holds until then: what is missing is gone only once it was missing twice.
        """
        emptied = self._asked is not None and self._asked.kind is QuestionKind.EMPTY
        if self._may_ask and not self._waits and (accounted or not emptied):
            self._book.ask_nothing(self._folder)
            self._may_ask, self._asked = False, None

    def _judge(self, disk: Disk, now: Now) -> Footing:
        last = self._book.last_disk(self._folder)
        if last is not None and last.identity != disk.identity:
            self._accept_another(disk, last, now)
        nested_before = last.nested if last is not None else ()
        exchanged = (one for one in exchanged_below(disk, nested_before) if self._has_sources(one.directory))
        first_contact = self._book.begin_contact(self._folder, disk.identity.key, now.wall)
        fresh = (
            nested.directory
            for nested in disk.nested
            if self._book.begin_contact(self._folder, nested.identity.key, now.wall)
        )
        unmounted = unmounted_below(disk, nested_before)
        return Footing(disk, first_contact, unmounted, frozenset(fresh), tuple(exchanged))

    def _without_exchanged(self, footing: Footing, now: Now) -> Footing:
        """What may be looked at of it: a disk below the root that is another one than before waits for a person's yes.

        One question at a time, and none while the yes to another one is not used up.
        """
        waiting, self._waits = list(footing.exchanged), False
        if waiting:
            sentence = exchange(waiting[0])
            question = Question(QuestionKind.DISK, waiting[0].identity.key, sentence)
            if self._asked in (None, question):
                self._may_ask, self._asked = True, question
                if self._book.ask(self._folder, question, now.wall):
                    waiting = waiting[1:]
                else:
                    self._waits = True
        sentences = {one.directory: f"{exchange(one)} ({NOT_ITS_DISK}{self._yes})" for one in waiting}
        return replace(footing, unmounted={**footing.unmounted, **sentences}, exchanged=tuple(waiting))

    @property
    def due_at(self) -> float:
        """CLOCK_BOOTTIME at which the claim wants to be renewed, or somebody else's to be looked at again."""
        return self._claim.due_at

    def hold_claim(self, now: Now) -> None:
        """Show other daemons that we watch this; raises ShareTrouble if one of them does."""
        held = self._claim.hold(now)
        if isinstance(held, Foreign) and held.alive is False:
            sentence = f"was watched by {shown(held.host)} since {held.since}, of whom nothing is seen any more"
            self._ask(Question(QuestionKind.CLAIM, held.about, sentence), OUT_OF_USE, now)
            held = self._claim.take_over(now)
        if isinstance(held, Foreign):
            looking = "" if held.alive else "; whether that one is alive is being looked at"
            hint = "one folder is for one scriptixd; stop the other one, or take the folder out of one of them"
            raise ShareTrouble(f"watched by {shown(held.host)} since {held.since}{looking}", hint)
        self._claimed = isinstance(held, Ours)
        unclaimed = held.reason if isinstance(held, NoClaim) else ""
        if unclaimed and unclaimed != self._unclaimed:
            LOG.warning("%s: other daemons cannot see that this one watches it: %s", Place(self._folder), unclaimed)
        if self._unclaimed and not unclaimed:
            LOG.info("%s: other daemons can see again that this one watches it", Place(self._folder))
        self._unclaimed = unclaimed

    def leave(self, now: Now) -> None:
        """The end: whoever comes next may watch it."""
        why_not = self._claim.give_up(now)
        if why_not:
            LOG.info("%s: its claim could not be given up: %s", Place(self._folder), why_not)

    def refuse_empty(self, now: Now) -> None:
        """Nothing is left where files were: people's doing, or a disk that is not there?

        People's, where our claim is still there, where somebody was seen deleting, or where a person said so.
        """
        if self._book.knows(self._folder) and not self._claim.is_there() and not self._witnessed():
            question = Question(QuestionKind.EMPTY, self._root.disk().identity.key, "it is empty, and was not")
            self._ask(question, WAS_EMPTIED, now)

    def _accept_another(self, disk: Disk, last: Disk, now: Now) -> None:
        """Another disk than before: the bare directory under a mount, the first one that has files, or a new one."""
        if not self._book.knows(self._folder):
            return  # no media was ever seen here, so there is nothing to be taken for gone
        if self._is_bare():
            raise ShareTrouble(
                f"{shown(self._folder)} is empty, and not the disk that it was ({shown(str(last.identity))})",
                "mount its disk again; nothing is forgotten meanwhile",
            )
        self._ask(Question(QuestionKind.DISK, disk.identity.key, another(disk, last)), NOT_ITS_DISK, now)

    def _has_sources(self, directory: str) -> bool:
        return any(is_within(known, directory) for known in self._book.directories(self._folder))

    def _ask(self, question: Question, hint: str, now: Now) -> None:
        """Go on only with a person's yes to just this."""
        self._may_ask, self._asked = True, question
        if not self._book.ask(self._folder, question, now.wall):
            raise Asks(question.sentence, hint + self._yes)

    @property
    def _yes(self) -> str:
        return f"scriptixd approve {typed(self._folder)}"

    def _is_bare(self) -> bool:
        """Whether there is nothing on the disk that could be picked up or entered."""
        for entry in self._root.listing(""):
            if entry.kind is Kind.DIRECTORY and self._filter.enters(entry.name):
                return False
            if entry.kind is Kind.FILE and self._filter.why_not(entry.name, None) is None:
                return False
        return True


def another(disk: Disk, last: Disk) -> str:
    """The sentence that a folder is on another disk than before."""
    if _missing(disk, last):
        return f"{shown(str(last.identity))}, its disk, is not mounted"
    return f"it is another disk now: {shown(str(disk.identity))}"


def _missing(disk: Disk, last: Disk) -> bool:
    """Whether what is seen now is what lies under the mount of before."""
    under = bool(last.mountpoint) and is_within(last.mountpoint, disk.mountpoint.rstrip("/"))
    return under and disk.mountpoint != last.mountpoint


def exchanged_below(disk: Disk, before: Collection[Nested]) -> Sequence[Nested]:
    """The disks below a root that are others than before."""
    then = {one.directory: one for one in before}
    return [one for one in disk.nested if then.get(one.directory, one) != one]


def exchange(nested: Nested) -> str:
    """The sentence that a disk below a root is another one than before."""
    return f"{_exchanged_at(nested)} {shown(str(nested.identity))}"


def asked_about(question: Question, before: Collection[Nested]) -> str:
    """The directory of the disk below the root that a question is about, by its sentence; "" is the root itself."""
    below = (one.directory for one in before if question.sentence.startswith(_exchanged_at(one)))
    return next(below, "") if question.kind is QuestionKind.DISK else ""


def _exchanged_at(nested: Nested) -> str:
    return f"{shown(nested.directory)} in it is another disk now:"


def unmounted_below(disk: Disk, before: Collection[Nested]) -> Mapping[str, str]:
    """The directories below a root whose own disks are not there, each with the sentence."""
    today = {one.directory for one in disk.nested}
    return {one.directory: _unmounted(one) for one in before if one.directory not in today}


def _unmounted(nested: Nested) -> str:
    return (
        f"{shown(nested.directory)} is not mounted ({shown(str(nested.identity))}): nothing in it is taken for gone "
        "(mount it again, or remove its directory if it is not to come back)"
    )
