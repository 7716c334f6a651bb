"""`status --watch`: the screen again and again, in place, until somebody ends it.

Works on the terminal's other screen, which it leaves as it found the first: with its cursor, its echo and its lines.
The signals of a terminal are waited for, not handled, so that nothing ends in the middle of a drawing.
"""

from __future__ import annotations

import os
import signal
import sys
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.control import Control
from rich.segment import Segment, Segments
from rich.text import Text

from scriptixd.cli.installation import settings_in
from scriptixd.cli.screen import Screen
from scriptixd.cli.sight import Known, Sight, known, sight
from scriptixd.errors import ConfigurationError, StateTrouble
from scriptixd.observe.kept import Kept
from scriptixd.observe.wording import moment

EVERY: Final = 1.0  # s: as often as the daemon tells
_ENDS: Final = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT})
_WAITED_FOR: Final = _ENDS | {signal.SIGWINCH, signal.SIGTSTP}


def watch_status(config: str) -> None:
    """Draw until a signal ends it. ConfigurationError, StateError."""
    view = _View(config)
    console = Console()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED_FOR)
    try:
        while True:
            seen = view.look()  # before the terminal is touched: what is wrong at first is said on the first screen
            with _other_screen(console):
                if not _draw_on(console, view, seen):
                    return
            _stop_here()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _View:
    """What is looked at: dear facts not too often, and a configuration that is valid."""

    def __init__(self, config: str) -> None:
        self._config = config
        self._settings, self._read_at = settings_in(config), _changed_at(config)
        self._known = Kept(self._look)
        self._last = Known()
        self._remarks: Sequence[str] = ()

    def look(self) -> Sight:
        """How things stand now; while it is made, Ctrl-C ends it."""
        with _ended_by_ctrl_c():
            self._follow()
            return sight(self._settings, self._known.get().value, self._remarks)

    def _look(self) -> Known:
        try:
            self._last = known(self._settings)
        except StateTrouble as trouble:
            self._remarks = [f"what is known of files is of a while ago: {trouble}"]
        else:
            self._remarks = ()
        return self._last

    def _follow(self) -> None:
        """A changed configuration, as the daemon does: one that is refused changes nothing."""
        at = _changed_at(self._config)
        if at is not None and at != self._read_at:
            self._read_at = at
            try:
                self._settings = settings_in(self._config)
            except ConfigurationError:
                return
            self._known = Kept(self._look)


def _draw_on(console: Console, view: _View, seen: Sight) -> bool:
    """Draw until a signal comes; whether it was one that only stops for a while."""
    while True:
        _draw(console, seen)
        got = signal.sigtimedwait(_WAITED_FOR, EVERY)
        if got is not None and got.si_signo in _ENDS:
            return False
        if got is not None and got.si_signo == signal.SIGTSTP:
            return True
        try:
            seen = view.look()
        except KeyboardInterrupt:
            return False


def _draw(console: Console, seen: Sight) -> None:
    """One frame, over the last one, in one write: every cell is written anew, and none is cleared before."""
    width, height = _size(console)
    lines = console.render_lines(Screen(seen), console.options.update(width=width, height=None), pad=True)
    room = max(1, height - 1)
    foot = console.render_lines(_foot(seen, len(lines) - room), console.options.update(width=width))[0]
    shape = [*Segment.set_shape(lines[:room], width, room), Segment.adjust_line_length(foot, width)]
    frame = [segment for line in shape for segment in (*line, Segment.line())][:-1]
    with console:
        console.control(Control.home())
        console.print(Segments(frame), end="", soft_wrap=True)


def _size(console: Console) -> tuple[int, int]:
    """As it is now; variables that a shell has exported know nothing of a window that is drawn larger."""
    try:
        found = os.get_terminal_size(sys.stdout.fileno())
    except OSError:
        return console.size
    return (found.columns or console.width, found.lines or console.height)


def _foot(seen: Sight, hidden: int) -> Text:
    more = f", {hidden} more line(s)" if hidden > 0 else ""
    return Text(f"Ctrl-C ends; {moment(seen.now, seen.now)}{more}", style="dim")


@contextmanager
def _other_screen(console: Console) -> Iterator[None]:
    with _silent_keys(), console.screen(hide_cursor=True):
        yield


@contextmanager
def _silent_keys() -> Iterator[None]:
    """What is typed meanwhile is neither shown nor left to the shell, and no key throws away what is being drawn.

    Without NOFLSH Ctrl-C and Ctrl-Z discard what the terminal has not read yet: half an escape sequence, or the cursor.
    """
    if not sys.stdin.isatty():
        yield
        return
    keys = sys.stdin.fileno()
    before = termios.tcgetattr(keys)
    flags = before[3] & ~(termios.ECHO | termios.ICANON) | termios.NOFLSH
    silent = [*before[:3], flags, *before[4:]]
    termios.tcsetattr(keys, termios.TCSADRAIN, silent)
    try:
        yield
    finally:
        termios.tcsetattr(keys, termios.TCSAFLUSH, before)


def _stop_here() -> None:
    """Ctrl-Z: the shell has the terminal until it lets us go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


@contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _changed_at(config: str) -> int | None:
    try:
        return os.stat(config).st_mtime_ns
    except OSError:
        return None
