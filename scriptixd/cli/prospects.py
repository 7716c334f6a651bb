"""What a file is waiting for, why, and what comes next: one sentence a state, and one a reason to leave it alone.

Decides nothing; says what the rooms would decide, with the figures of today's configuration.
"""

from __future__ import annotations

import os
import shlex
import stat
from dataclasses import dataclass

from scriptixd.cli.output import duration, moment, size
from scriptixd.config.settings import Folder
from scriptixd.daemon.folders import filter_of
from scriptixd.errors import ShareTrouble, with_hint
from scriptixd.jobs.job import State
from scriptixd.jobs.store import views
from scriptixd.jobs.store.views import SourceView
from scriptixd.observe.live import Live
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.paths import components, shown
from scriptixd.watch.mode import settle_window

NO_DAEMON = "no daemon is running: nothing happens until one is started"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What stands around a file: its folder's settings, and the daemon if one runs."""

    folder: Folder | None
    held: bool
    live: Live | None

    @property
    def obstacle(self) -> str:
        """What keeps everything from going on, empty if nothing does."""
        if not self.held:
            return NO_DAEMON
        name = self.folder.name if self.folder else ""
        offline = next((one.offline for one in self.live.folders if one.name == name), "") if self.live else ""
        return f"the folder is offline: {offline}" if offline else ""

    @property
    def pause(self) -> str:
        """Why nothing is asked of Scriptix just now."""
        name = self.folder.name if self.folder else ""
        pauses = [pause for pause in self.live.pauses if pause.folder in ("", name)] if self.live else []
        return "; ".join(with_hint(pause.sentence, pause.hint) for pause in pauses)


@dataclass(frozen=True, slots=True)
class Prospect:
    """Three sentences: what is now, why, and what comes next; the last two may be empty."""

    now: str
    why: str
    next: str


def prospect(view: SourceView, around: Circumstances, now: float) -> Prospect:
    """The outlook of a source that is known."""
    told = _of_state(view, around, now)
    if around.folder is None:
        return Prospect(told.now, f"its folder {view.folder} is not configured any more", "")
    going_on = view.state in {views.SETTLING, views.DELIVERING, *_STEPS}
    obstacle = around.obstacle or (around.pause if view.state in _STEPS else "")
    if going_on and obstacle:
        why = told.why if obstacle in told.why else "; ".join(filter(None, (told.why, obstacle)))
        return Prospect(told.now, why, told.next)
    return told


# What an active job is at, and what comes next.
_STEPS = {
    State.FOUND: ("it waits to be uploaded", "it is uploaded when its turn comes"),
    State.UPLOADING: ("it is being uploaded", "the upload goes on where it was"),
    State.CLOSING: ("the last part of it is being uploaded", "Scriptix is asked whether it has everything"),
    State.UPLOADED: ("it is uploaded, and paid for", "Scriptix is asked for its transcription"),
    State.TRANSCRIBING: ("Scriptix transcribes it", "Scriptix is asked for the transcript"),
}


def _of_state(view: SourceView, around: Circumstances, now: float) -> Prospect:
    why = with_hint(view.reason, view.hint) if view.reason else ""
    name = shown(shlex.quote(f"{view.folder}/{view.path}"))
    at = f", at {moment(view.due_at, now)}" if view.due_at and view.due_at > now else ""
    match view.state:
        case str() as state if state in _STEPS:
            at_work, then = _STEPS[State(state)]
            return Prospect(at_work, why, then + at)
        case views.SETTLING:
            return Prospect("it is seen, and may still be written", "", f"it is complete {_settling(around)}")
        case State.HELD:
            return Prospect("it waits for your yes", why, f"scriptixd approve {name}, or scriptixd dismiss {name}")
        case State.FAILED:
            return Prospect("it has failed", why, f"scriptixd retry {name}, or scriptixd dismiss {name}")
        case State.DISMISSED:
            return Prospect("it is left alone", "somebody dismissed it", f"nothing, until: scriptixd retry {name}")
        case State.GONE:
            return Prospect("its file is gone", why, "it goes on when the file is back")
    return _at_the_end(view, why, at)


def _at_the_end(view: SourceView, why: str, at: str) -> Prospect:
    """The states after which nothing more is asked of Scriptix."""
    match view.state:
        case views.DELIVERING:
            return Prospect("the transcript is here, its sidecars are not written yet", why, f"they are written{at}")
        case views.DONE if view.reason:
            return Prospect("it is done", view.reason, "")
        case views.DONE:
            return Prospect("it is done: its sidecars lie beside it", "", "")
        case views.IGNORED:
            reason = "it was there when the folder was first seen, and `existing` is ignore"
            return Prospect("it is left alone", reason, "new content under its name is transcribed")
        case _:
            return Prospect("its file is not there any more", why, "")


def _settling(around: Circumstances) -> str:
    folder = around.folder
    if folder is None:
        return "when it has not changed for a while"
    window = folder.settle
    if window is None:
        try:
            window = settle_window(None, LocalRoot(folder.path).identity().filesystem)
        except ShareTrouble:
            return "when it has not changed for a while"
    return f"when it has not changed for {duration(window)}"


def never_seen(folder: Folder, path: str, around: Circumstances, *, scanned: bool) -> Prospect:
    """The outlook of a path below a folder of which the state file knows nothing."""
    if not path:
        return Prospect("it is a folder that is watched", "", "scriptixd status tells how it is doing")
    ignored = "it is not picked up"
    reason = _why_not(folder, path)
    if reason is not None:
        return Prospect(ignored, reason, "")
    following = "it is picked up by the next look at the folder"
    if around.obstacle:
        return Prospect("it has not been seen yet", around.obstacle, following)
    if not scanned:
        return Prospect("it has not been seen yet", "the first look at its folder is not over", following)
    return Prospect("it has not been seen yet", "", f"{following}, {_next_look(folder)}")


def _next_look(folder: Folder) -> str:
    if folder.scan_interval is None:
        return "within seconds where the kernel tells of it, else within 30 s to 15 min"
    return f"at most {duration(folder.scan_interval)} after the last"


def _why_not(folder: Folder, path: str) -> str | None:
    """What keeps a path from being picked up: the disk first, then the configuration."""
    place = os.fspath(folder.path)
    try:
        os.stat(place)
    except OSError as error:
        return f"its folder {shown(place)} cannot be reached: {error.strerror}"
    *above, _ = components(path)
    for name in above:
        place = os.path.join(place, name)
        if os.path.islink(place):
            return f"{shown(place)} is a link, and links below a folder are not followed"
    return _why_not_this(folder, path)


def _why_not_this(folder: Folder, path: str) -> str | None:
    try:
        found = os.lstat(os.path.join(folder.path, path))
    except (FileNotFoundError, NotADirectoryError):
        return filter_of(folder).why_not(path, None) or "there is no such file"
    except OSError as error:
        return f"it cannot be looked at: {error.strerror}"
    if stat.S_ISLNK(found.st_mode):
        return "it is a link, and links below a folder are not followed"
    if stat.S_ISDIR(found.st_mode):
        return "it is a directory: explain a file in it"
    if not stat.S_ISREG(found.st_mode):
        return "it is no plain file"
    if found.st_size > folder.max_size:
        return f"its {size(found.st_size)} are more than max_size, which is {size(folder.max_size)}"
    return filter_of(folder).why_not(path, found.st_size)
