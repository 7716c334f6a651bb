"""What `status` tells of files that wait: for a person, for time, or for each other.

A crowd that waits for one reason is one line, so that it hides nothing else; decides and changes nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from scriptixd.cli.finding import absolute
from scriptixd.cli.output import Colour, moment, say, say_marked
from scriptixd.config.settings import Settings
from scriptixd.jobs.job import State
from scriptixd.jobs.source import CIRCUMSTANCES
from scriptixd.jobs.store.views import SourceView

AT_MOST: Final = 10  # under each heading, for people; programs get all
CROWD: Final = 3  # files that wait for one yes and are still named, each with its own
INDENT: Final = " " * 11  # below what stands behind the state
# Until somebody decides, nothing more happens to these; whatever else waits is tried again by itself.
DECIDED_BY_PEOPLE: Final = frozenset({State.FAILED, State.HELD})


@dataclass(frozen=True, slots=True)
class _Line:
    """One entry below a heading: a file, or several that wait for the same."""

    state: str
    at: float  # Unix seconds: since when, the latest of them
    text: str
    way_on: str


def tell_waiting(
    settings: Settings, problems: Sequence[SourceView], twins: Sequence[tuple[SourceView, str]], now: float
) -> None:
    """Everything that waits, under a heading for each that it waits for; `twins`: files, and those that they await."""
    for_people = [view for view in problems if view.state in DECIDED_BY_PEOPLE]
    others = [view for view in problems if view not in for_people]
    more = "scriptixd list --state failed, scriptixd list --state held"
    _tell("Waiting for a person", list(_lines(settings, for_people)), more, now)
    alone = [_alone(settings, view) for view in others]
    _tell("Waiting, and tried again by itself", alone, "scriptixd list", now)
    paired = [_Line(view.state, view.updated_at, _awaiting(settings, view, other), "") for view, other in twins]
    _tell("Waiting for another file, whose content may be the same", paired, "scriptixd list --state found", now)


def _tell(heading: str, lines: Sequence[_Line], all_of_them: str, now: float) -> None:
    if lines:
        say()
        say(heading, colour=Colour.BOLD)
    for line in lines[:AT_MOST]:
        say_marked(line.state, Colour.YELLOW, f"{moment(line.at, now)}  {line.text}", width=len(INDENT) - 1)
        if line.way_on:
            say(INDENT + line.way_on)
    if len(lines) > AT_MOST:
        say(f"and more: {all_of_them}")


def _lines(settings: Settings, problems: Sequence[SourceView]) -> Iterator[_Line]:
    """In the order that they came in; a crowd stands where its first one stood."""
    crowds: dict[tuple[str, str], list[SourceView]] = {}
    for view in problems:
        if view.state == State.HELD and view.reason in CIRCUMSTANCES:
            crowds.setdefault((view.folder, view.reason), []).append(view)
    for view in problems:
        crowd = crowds.get((view.folder, view.reason), []) if view.state == State.HELD else []
        if len(crowd) <= CROWD:
            yield _alone(settings, view)
        elif view is crowd[0]:
            text = f"{view.folder}: {len(crowd)} files, each of which {view.reason}"
            yield _Line(view.state, view.updated_at, text, _words("approve", view.folder))


def _alone(settings: Settings, view: SourceView) -> _Line:
    place = absolute(settings, view.folder, view.path)
    hint = "; ".join(filter(None, (view.hint, _way_on(view))))
    return _Line(view.state, view.updated_at, f"{place}: {view.reason}", hint)


def _awaiting(settings: Settings, view: SourceView, other: str) -> str:
    return f"{absolute(settings, view.folder, view.path)}: waits for {other}"


def _way_on(view: SourceView) -> str:
    """What a person may type where nothing goes on without one."""
    if view.state not in DECIDED_BY_PEOPLE or "scriptixd " in view.hint:
        return ""
    return _words("approve" if view.state == State.HELD else "retry", f"{view.folder}/{view.path}")


def _words(verb: str, name: str) -> str:
    quoted = shlex.quote(name)
    return f"scriptixd {verb} {quoted}, or scriptixd dismiss {quoted}"
