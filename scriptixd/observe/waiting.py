"""Files that wait: for a person, for time, or for each other, as `status` and the page tell of them.

A crowd that waits for one reason is one line, so that it hides nothing else; decides and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from scriptixd.jobs.job import State
from scriptixd.jobs.source import CIRCUMSTANCES
from scriptixd.jobs.store.views import SourceView
from scriptixd.roots.paths import typed

AT_MOST: Final = 10  # under each heading, for people; programs get all
CROWD: Final = 3  # files that wait for one yes and are still named, each with its own
# Until somebody decides, nothing more happens to these; whatever else waits is tried again by itself.
DECIDED_BY_PEOPLE: Final = frozenset({State.FAILED, State.HELD})


@dataclass(frozen=True, slots=True)
class Line:
    """One entry below a heading: a file, or several that wait for the same."""

    state: str
    at: float  # Unix seconds: since when, the latest of them
    whom: str  # a path; of several the name of their folder
    why: str
    way_on: str  # empty where there is nothing to do


@dataclass(frozen=True, slots=True)
class Heading:
    """What some files wait for, the first of them, and the verbs that list all, if there are more."""

    title: str
    lines: Sequence[Line]
    all_of_them: str  # empty where nothing was left out


def waiting(
    problems: Sequence[SourceView],
    twins: Sequence[tuple[SourceView, str]],
    located: Callable[[SourceView], str],
) -> Sequence[Heading]:
    """Everything that waits, under a heading for each that it waits for; `twins`: files, and those that they await."""
    for_people = [view for view in problems if view.state in DECIDED_BY_PEOPLE]
    others = [view for view in problems if view.state not in DECIDED_BY_PEOPLE]
    more = "scriptixd list --state failed, scriptixd list --state held"
    alone = (_alone(view, located) for view in others)
    paired = (Line(view.state, view.updated_at, located(view), f"waits for {other}", "") for view, other in twins)
    headings = (
        _heading("Waiting for a person", _lines(for_people, located), more),
        _heading("Waiting, and tried again by itself", alone, "scriptixd list"),
        _heading("Waiting for another file, whose content may be the same", paired, "scriptixd list --state found"),
    )
    return [heading for heading in headings if heading.lines]


def _heading(title: str, lines: Iterator[Line], all_of_them: str) -> Heading:
    """The first of them: the others, which may be a hundred thousand, are not even put into words."""
    first = list(islice(lines, AT_MOST))
    return Heading(title, first, all_of_them if next(lines, None) is not None else "")


def _lines(problems: Sequence[SourceView], located: Callable[[SourceView], str]) -> Iterator[Line]:
    """In the order that they came in; a crowd stands where its first one stood."""
    crowds: dict[tuple[str, str], list[SourceView]] = {}
    for view in problems:
        if view.state == State.HELD and view.reason in CIRCUMSTANCES:
            crowds.setdefault((view.folder, view.reason), []).append(view)
    for view in problems:
        crowd = crowds.get((view.folder, view.reason), []) if view.state == State.HELD else []
        if len(crowd) <= CROWD:
            yield _alone(view, located)
        elif view is crowd[0]:
            why = f"{len(crowd)} files, each of which {view.reason}"
            yield Line(view.state, view.updated_at, view.folder, why, _words("approve", typed(view.folder)))


def _alone(view: SourceView, located: Callable[[SourceView], str]) -> Line:
    return Line(view.state, view.updated_at, located(view), view.reason, way_on(view))


def way_on(view: SourceView) -> str:
    """What to do about a file, and what a person may type where nothing goes on without one; empty if nothing."""
    return "; ".join(filter(None, (view.hint, _verbs(view))))


def _verbs(view: SourceView) -> str:
    if view.state not in DECIDED_BY_PEOPLE or "scriptixd " in view.hint:
        return ""
    return _words("approve" if view.state == State.HELD else "retry", view.typed)


def _words(verb: str, name: str) -> str:
    return f"scriptixd {verb} {name}, or scriptixd dismiss {name}"
