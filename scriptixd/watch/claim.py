"""A file in a root that shows other daemons that somebody watches it, and whether that one is alive.

Every daemon goes by its own clock: alive is whose claim changes while it is looked at, whatever the other
one's clock says. A claim of somebody else is never replaced without a person's yes to exactly that one.
"""

from __future__ import annotations

import hashlib
import json
import math
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from scriptixd import __version__
from scriptixd.errors import FileTrouble, Hung, NameTaken, ShareTrouble, SourceMissing, TargetTrouble, Trouble
from scriptixd.jobs.clock import Now
from scriptixd.roots.root import TEMPORARY_PREFIX, Root

NAME: Final = f"{TEMPORARY_PREFIX}claim"  # hidden like our temporaries, and not swept like them

RENEW = 20.0  # s between two writes: three are missed before anybody takes us for dead
DEAD_AFTER = 60.0  # s of looking in which a claim did not change
LOOK = 10.0  # s between two looks at somebody else's
COUNTED_MOST = 30.0  # s of a pause between two looks: who lives has renewed within it, and a machine's sleep is none
TRIES = 3  # at a file that changes between looking and writing
MOST_BYTES = 4096  # a claim has some 200
MOST_LETTERS = 100  # of what another one says of itself: it is shown to people

UNKNOWN_HOST, UNKNOWN_TIME = "an unknown host", "an unknown time"


@dataclass(frozen=True, slots=True)
class Ours:
    """Others can see that this daemon watches the root."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Somebody else watches the root, or did. `about` is this very claim, for the question whether it may be replaced.

    `alive` None: it is not known yet. `host` and `since` are that one's own words, for people.
    """

    host: str
    since: str
    alive: bool | None
    about: str


@dataclass(frozen=True, slots=True)
class NoClaim:
    """Ours to watch, but no claim can be written: others cannot see that we do."""

    reason: str


Holding = Ours | Foreign | NoClaim


@dataclass(frozen=True, slots=True)
class _Seen:
    """The claim that lies there, of whomever; one that cannot be read says nothing about itself."""

    sha256: str
    instance: str = ""
    run: str = ""
    host: str = UNKNOWN_HOST
    since: str = UNKNOWN_TIME
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class _Watch:
    """How a claim of somebody else has been looked at until now."""

    seen: _Seen
    at: float  # s, CLOCK_BOOTTIME of the last look
    unchanged: float  # s of looking since it changed
    alive: bool | None

    def again(self, seen: _Seen, now: Now) -> _Watch:
        if seen.sha256 != self.seen.sha256:
            return _Watch(seen, now.boot, 0.0, True)
        unchanged = self.unchanged + min(max(now.boot - self.at, 0.0), COUNTED_MOST)
        return _Watch(seen, now.boot, unchanged, False if unchanged >= DEAD_AFTER else self.alive)


class Claim:
    """One daemon's claim on one root; `instance` is the state file's, so that a restart finds its own again.

    Where the root takes none, `otherwise` does: the directory for the outputs of this root alone. To be asked by one
    thread at a time.
    """

    def __init__(self, root: Root, instance: str, host: str, otherwise: Root | None = None) -> None:
        self._root = root
        self._otherwise = otherwise
        self._instance = instance
        self._host = host
        self._run = secrets.token_hex(8)  # tells this process from one with a copy of the state file
        self._beat = 0
        self._since = ""  # of the claim that we have written; empty before
        self._made_again = False
        self._watch: _Watch | None = None
        self._granted = ""  # the claim that a person has given to us
        self._holding: Holding = NoClaim("it was not asked for yet")
        self._due_at = 0.0
        self._lapses_at = math.inf

    @property
    def due_at(self) -> float:
        """CLOCK_BOOTTIME from which `hold` wants to be called again; before that it costs nothing."""
        return self._due_at

    def doubt(self, now: Now) -> ShareTrouble | None:
        """Why the root may be another one's by now, who has seen nothing of us for long enough; from any thread.

        None before the first claim, and where others cannot see one: there is nothing to be taken over.
        """
        if now.boot < self._lapses_at:
            return None
        return ShareTrouble(
            "scriptixd stood still for so long that another one may have taken over",
            "it goes on by itself once that has been looked at",
        )

    def hold(self, now: Now) -> Holding:
        """Make or renew the claim where it is free or ours, else look whether the other one lives.

        ShareTrouble where the root is not there; the next call tries at once.
        """
        if now.boot < self._due_at:
            return self._holding
        self._holding = self._settle(now)
        self._lapses_at = now.boot + DEAD_AFTER if isinstance(self._holding, Ours) else math.inf
        self._due_at = now.boot + (LOOK if isinstance(self._holding, Foreign) else RENEW)
        return self._holding

    def take_over(self, now: Now) -> Holding:
        """A person gives us the claim that `hold` last told to be dead: it is replaced if it has not moved since."""
        if isinstance(self._holding, Foreign) and self._holding.alive is False:
            self._granted = self._holding.about
            self._due_at = 0.0
        return self.hold(now)

    def is_there(self) -> bool:
        """Whether our claim lies there as it has since we came: a root that has it is the one that we know.

        One that somebody removed, and that we made again, proves nothing. ShareTrouble as in `hold`.
        """
        seen = _lying(self._root)
        return seen is not None and seen.instance == self._instance and not self._made_again

    def give_up(self, now: Now) -> str:
        """Leave the root to whoever comes next, as far as it allows; returns why not, or nothing.

        The file stays: by it the next run knows an emptied root from one that is not there.
        """
        try:
            for place in filter(None, (self._root, self._otherwise)):
                seen = _lying(place)
                if seen is not None and self._since and self._is_ours(seen):
                    self._write(place, seen, now, given_up=True)
        except Trouble as trouble:
            return str(trouble)
        finally:
            self._holding, self._due_at, self._lapses_at = NoClaim("it was given up"), 0.0, math.inf
        return ""

    def _settle(self, now: Now) -> Holding:
        holding = self._settle_in(self._root, now)
        if self._otherwise is None or not isinstance(holding, NoClaim):
            return holding
        try:
            return self._settle_in(self._otherwise, now)
        except ShareTrouble as trouble:  # the root itself is there
            return NoClaim(f"{holding.reason}; {trouble}")

    def _settle_in(self, place: Root, now: Now) -> Holding:
        for _ in range(TRIES):
            seen = _lying(place)
            if seen is None or seen.given_up or self._is_ours(seen):
                self._watch = None
            else:
                watch = self._watch = self._watch.again(seen, now) if self._watch else _Watch(seen, now.boot, 0.0, None)
                if seen.sha256 != self._granted:
                    self._granted = ""
                    return Foreign(seen.host, seen.since, watch.alive, seen.sha256)
            try:
                self._write(place, seen, now)
            except NameTaken:
                continue
            except (TargetTrouble, SourceMissing) as trouble:
                return NoClaim(str(trouble))
            except Hung:
                raise
            except ShareTrouble as trouble:  # a share that is there may refuse all writing with EIO
                place.listing("")
                return NoClaim(str(trouble))
            self._granted = ""
            return Ours()
        return Foreign(UNKNOWN_HOST, UNKNOWN_TIME, None, "")

    def _is_ours(self, seen: _Seen) -> bool:
        """Ours from before a restart at first; later only what this very process has written."""
        return seen.instance == self._instance and (not self._since or seen.run == self._run)

    def _write(self, place: Root, seen: _Seen | None, now: Now, *, given_up: bool = False) -> None:
        self._made_again = self._made_again or (seen is None and bool(self._since))
        kept = seen.since if seen is not None and seen.instance == self._instance else ""
        since = kept or datetime.fromtimestamp(now.wall, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._beat += 1
        claim = {
            "about": "scriptixd watches this folder; one folder is for one scriptixd",
            "instance": self._instance,
            "host": self._host,
            "since": since,
            "run": self._run,
            "beat": self._beat,
            "given_up": given_up,
            "version": __version__,
        }
        data = json.dumps(claim, indent=2).encode("ascii") + b"\n"
        if kept and not self._since:  # what a crash left here; while nobody has the root, temporaries may be another's
            self._root.sweep("")
        place.write(NAME, data, seen.sha256 if seen is not None else None)
        self._since = since


def foreign_claim(root: Root, instance: str) -> Foreign | None:
    """What one look tells of somebody else's claim, None where there is none: nobody knows by it whether he lives."""
    seen = _lying(root)
    if seen is None or seen.given_up or seen.instance == instance:
        return None
    return Foreign(seen.host, seen.since, None, seen.sha256)


def _lying(root: Root) -> _Seen | None:
    """The claim there now, None where there is none."""
    try:
        with root.open(NAME) as reader:
            data = reader.read(0, MOST_BYTES)
    except SourceMissing:
        return None
    except FileTrouble as trouble:  # a directory, a link, or not for us to read
        return _Seen(hashlib.sha256(trouble.what.encode("utf-8", "replace")).hexdigest())
    return _parsed(data)


def _parsed(data: bytes) -> _Seen:
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):  # a hand-made file, or what a power cut left
        return _Seen(sha256)
    if not isinstance(found, dict):
        return _Seen(sha256)

    def told(key: str, otherwise: str) -> str:
        value = found.get(key)
        if not isinstance(value, str) or not value:
            return otherwise
        return value[:MOST_LETTERS].encode("utf-8", "replace").decode("utf-8")

    host, since = told("host", UNKNOWN_HOST), told("since", UNKNOWN_TIME)
    return _Seen(sha256, told("instance", ""), told("run", ""), host, since, found.get("given_up") is True)
