"""What a file is waiting for, why, and what comes next: one sentence a state.

Decides nothing; says what the rooms would decide, with the figures of today's configuration.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from scriptixd.cli.obstacles import Obstacle
from scriptixd.cli.output import duration, moment, size
from scriptixd.config.settings import Folder
from scriptixd.delivery.lying import Fate
from scriptixd.errors import ShareTrouble, with_hint
from scriptixd.jobs.bounds import HOLDING_BACK, Limit
from scriptixd.jobs.job import State
from scriptixd.jobs.source import CIRCUMSTANCES
from scriptixd.jobs.store import views
from scriptixd.jobs.store.views import SourceView
from scriptixd.observe.live import Live, LiveFolder, LivePause
from scriptixd.observe.standing import Upload
from scriptixd.observe.telling import NO_DAEMON, of_pace, told_of
from scriptixd.roots.paths import shown
from scriptixd.roots.reaching import FolderRoot
from scriptixd.watch.mode import settle_window


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What stands around a file: its folder's settings, what stops its directory, and the daemon if one runs."""

    folder: Folder | None
    held: bool
    live: Live | None
    pauses: Sequence[LivePause] = ()  # whatever is paused, of all folders
    stops: Sequence[Obstacle] = ()  # those that concern it
    waits_for: str = ""  # another file that may have the same content, and is on its way
    fates: frozenset[Fate | None] = frozenset()  # what became of its sidecars

    @property
    def watched(self) -> LiveFolder | None:
        """Its folder, as the running daemon sees it."""
        told = self.live.folders if self.live and self.folder else ()
        return next((one for one in told if self.folder is not None and one.name == self.folder.name), None)

    @property
    def last_look(self) -> float | None:
        """When its folder was looked at as a whole, in Unix seconds; None where no daemon tells."""
        return self.watched.last_scan if self.watched else None

    @property
    def stop(self) -> str:
        """What stops its directory, empty if nothing does."""
        return "; ".join(map(str, self.stops))

    @property
    def away(self) -> bool:
        """Whether its disk is not there, so that nobody can look at it."""
        return any(one.away for one in self.stops)

    @property
    def unseen(self) -> bool:
        """Whether what is known of it is not about what lies there now."""
        return any(one.away or one.other for one in self.stops)

    @property
    def obstacle(self) -> str:
        """What keeps everything from going on, empty if nothing does."""
        return "; ".join(filter(None, (self.stop, "" if self.held else NO_DAEMON)))

    @property
    def twin(self) -> str:
        """Which other file it waits for, empty if it waits for none."""
        if not self.waits_for:
            return ""
        return f"it waits for {shown(self.waits_for)}, which may have the same content: equal content is sent once"

    def pauses_of(self, state: str) -> Sequence[LivePause]:
        """What keeps a file of this folder and in this state from being sent or asked for just now."""
        name = self.folder.name if self.folder else ""
        return [pause for pause in self.pauses if pause.folder in ("", name) and _holds_up(pause, state)]


def _of_pause(pause: LivePause, why: str, now: float) -> str:
    """The same, where the job may have told the reason itself."""
    if pause.sentence not in why:
        return told_of(pause, now)
    return f"it goes on at {moment(pause.until, now)}" if pause.until else ""


def _holds_up(pause: LivePause, state: str) -> bool:
    """Limits are about what is to be uploaded, and most of them about what is not begun."""
    if pause.what in HOLDING_BACK:
        return state in (State.FOUND, State.UPLOADING, State.CLOSING)
    return state == State.FOUND or pause.what not in set(Limit)


@dataclass(frozen=True, slots=True)
class Prospect:
    """Three sentences: what is now, why, and what comes next; the last two may be empty."""

    now: str
    why: str
    next: str


@dataclass(frozen=True, slots=True)
class Growth:
    """What is known of a file that may still be written."""

    changing_since: float | None = None  # Unix seconds
    same_for: float | None = None  # s, by our own looks

    def told(self, now: float) -> str:
        parts = []
        if self.changing_since is not None and now - self.changing_since > (self.same_for or 0.0) + 1.0:
            parts.append(f"it has been changing since {moment(self.changing_since, now)}")
        if self.same_for is not None:
            parts.append(f"it has looked the same for {duration(round(self.same_for))}")
        return "; ".join(parts)

    def over(self, window: float, now: float) -> str:
        """When it may be complete, if it stays as it is, for a window in seconds."""
        left = window - (self.same_for or 0.0)
        return (
            f", which is at {moment(now + left, now)} at the earliest" if self.same_for is not None and left > 0 else ""
        )


def prospect(view: SourceView, around: Circumstances, growth: Growth, now: float) -> Prospect:
    """The outlook of a source that is known."""
    told = _of_state(view, around, growth, now)
    if around.folder is None:
        return Prospect(told.now, f"its folder {view.folder} is not configured any more", "")
    going_on = view.state in {views.SETTLING, views.DELIVERING, *_STEPS}
    obstacle = around.obstacle if going_on else ""
    unseen = around.stop if around.unseen and view.state in _LEFT_THERE else ""
    twin = around.twin if view.state == State.FOUND else ""
    added = [one for one in (twin, obstacle, unseen) if one and one not in told.why]
    if view.state in _STEPS:
        added += [_of_pause(pause, told.why, now) for pause in around.pauses_of(view.state)]
    return Prospect(told.now, "; ".join(filter(None, (told.why, *added))), told.next)


# Of these it is told what lies, or lay, on the disk, or what a yes to them would begin there.
_LEFT_THERE = frozenset({views.DONE, views.MISSING, State.GONE, State.HELD, State.FAILED})
# What an active job is at, and what comes next.
_STEPS = {
    State.FOUND: ("it waits to be uploaded", "it is uploaded when its turn comes"),
    State.UPLOADING: ("it is being uploaded", "the upload goes on where it was"),
    State.CLOSING: ("the last part of it is being uploaded", "Scriptix is asked whether it has everything"),
    State.UPLOADED: ("it is uploaded, and paid for", "Scriptix is asked for its transcription"),
    State.TRANSCRIBING: ("Scriptix transcribes it", "Scriptix is asked for the transcript"),
}


def _of_state(view: SourceView, around: Circumstances, growth: Growth, now: float) -> Prospect:
    why, name = _why(view), view.typed
    at = f", at {moment(view.due_at, now)}" if view.due_at and view.due_at > now else ""
    match view.state:
        case str() as state if state in _STEPS:
            at_work, then = _STEPS[State(state)]
            return Prospect(at_work + _progress(view, around, now), why, then + at)
        case views.SETTLING:
            at_work = "it is seen, and may still be written"
            window = _settling(around, view.path)
            if window is None:
                return Prospect(at_work, growth.told(now), "it is complete when it has not changed for a while")
            told = f"it is complete when it has not changed for {duration(window)}{growth.over(window, now)}"
            return Prospect(at_work, growth.told(now), told)
        case State.HELD:
            return Prospect("it waits for your yes", why, f"scriptixd approve {name}, or scriptixd dismiss {name}")
        case State.FAILED:
            return Prospect("it has failed", why, f"scriptixd retry {name}, or scriptixd dismiss {name}")
        case State.DISMISSED:
            return Prospect("it is left alone", "somebody dismissed it", f"nothing, until: scriptixd retry {name}")
        case State.GONE:
            return Prospect("its file is gone", why, "it goes on when the file is back")
    return _at_the_end(view, around, why, at)


# What became of sidecars that are made anew for whoever asks; an edited one stays, and the new one lies beside it.
_MENDED_BY_RENDER: Final = frozenset({Fate.EDITED, Fate.DELETED})


def _at_the_end(view: SourceView, around: Circumstances, why: str, at: str) -> Prospect:
    """The states after which nothing more is asked of Scriptix."""
    match view.state:
        case views.DELIVERING:
            return Prospect("the transcript is here, its sidecars are not written yet", why, f"they are written{at}")
        case views.DONE if around.unseen and (view.sidecars or not view.reason):
            return Prospect("it is done: its sidecars lay beside it when its disk was last seen", view.reason, "")
        case views.DONE if around.fates - {Fate.UNTOUCHED}:
            anew = f"nothing, until: scriptixd render {view.typed}" if around.fates & _MENDED_BY_RENDER else ""
            return Prospect("it is done, but not every sidecar is as it was written", view.reason, anew)
        case views.DONE if view.reason:
            return Prospect("it is done", view.reason, "")
        case views.DONE if any(one.startswith("/") for one in view.sidecars):
            return Prospect("it is done: its sidecars lie in their own directory", "", "")
        case views.DONE:
            return Prospect("it is done: its sidecars lie beside it", "", "")
        case views.IGNORED:
            anew = f"nothing, until: scriptixd approve {view.typed}; new content under its name is transcribed"
            return Prospect("it is left alone", why, anew)
        case _:
            paid = "its content is known, and is not paid for again if it comes back" if view.sha256 else ""
            return Prospect("its file is not there any more", why, paid)


def _why(view: SourceView) -> str:
    """The reason of its last standstill, with how often it was tried since the last progress."""
    if not view.reason:
        return ""
    reason = f"it {view.reason}" if view.reason in CIRCUMSTANCES else view.reason
    why = with_hint(reason, view.hint)
    return f"{why}; {view.attempts} attempts have failed" if view.attempts > 1 else why


def _progress(view: SourceView, around: Circumstances, now: float) -> str:
    """How far the upload is, if one is on its way."""
    uploads = around.live.uploads if around.live else ()
    figures = next((one for one in uploads if one.job_id == view.job_id), None)
    if figures is None or not figures.size:
        return ""
    done = f"{int(100 * figures.offset / figures.size)} % of {size(figures.size)}"
    pace = of_pace(Upload(view.path, view.folder, figures), around.watched, now)
    return f": {done}, {pace}" if pace else f": {done}"


def _settling(around: Circumstances, path: str) -> float | None:
    """Seconds for which it must not change; None where its disk, which decides it, cannot be asked."""
    folder = around.folder
    here = folder.at(path) if folder else None
    window = here.settle if here else folder.settle if folder else None
    if window is not None or folder is None or around.away:
        return window
    try:
        with closing(FolderRoot(folder.path)) as root:
            return settle_window(None, root.disk())
    except ShareTrouble:
        return None
