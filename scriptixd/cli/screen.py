"""How things stand, as a screen for people: drawn by rich, for whatever width the terminal has.

Only imported where there is a terminal. Every text is escaped here and taken as it is, never as markup; colour only
repeats what a word or a sign says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scriptixd.cli.sight import Sight
from scriptixd.jobs.job import State
from scriptixd.jobs.store.views import DELIVERING, DONE, SETTLING
from scriptixd.observe.standing import Place, Upload, by_state, in_groups
from scriptixd.observe.telling import (
    SIGNS,
    TONES,
    Said,
    Tone,
    of_account,
    of_allowance,
    of_backlogs,
    of_budget,
    of_daemon,
    of_damage,
    of_folder,
    of_others,
    of_pace,
    of_pause,
    of_payments,
    of_watching,
)
from scriptixd.observe.waiting import Heading, Line, waiting
from scriptixd.observe.wording import moment, size
from scriptixd.roots.paths import shown

TABLE_FROM: Final = 76  # columns that a folder's figures take beside each other; with less they are a line of words
BAR: Final = 24  # columns
MARK: Final = 12  # columns of the word in front of a line, as "transcribing"

_STYLES: Final[Mapping[Tone, str]] = {
    Tone.PLAIN: "", Tone.GOOD: "green", Tone.CAUTION: "yellow", Tone.BAD: "red",
}  # fmt: skip
_ASCII: Final[Mapping[Tone, str]] = {Tone.PLAIN: "-", Tone.GOOD: "+", Tone.CAUTION: "!", Tone.BAD: "x"}


def show(seen: Sight) -> None:
    """Print it once."""
    Console().print(Screen(seen))


@dataclass(frozen=True, slots=True)
class Screen:
    """All of it, from what everybody has to know to what one file waits for."""

    seen: Sight

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        del console
        pen = _Pen(options.max_width, ascii_only=options.ascii_only)
        parts = [part for part in _parts(self.seen, pen) if part is not None]
        for part in parts[:-1]:
            yield part
            yield Text()
        yield parts[-1]


@dataclass(frozen=True, slots=True)
class _Pen:
    """What can be drawn with."""

    width: int
    ascii_only: bool

    def sign(self, tone: Tone) -> Text:
        return Text((_ASCII if self.ascii_only else SIGNS)[tone], style=_STYLES[tone] or "dim")

    @property
    def nothing(self) -> Text:
        return Text("." if self.ascii_only else "·", style="dim")

    @property
    def between(self) -> str:
        return ", " if self.ascii_only else " · "


def _parts(seen: Sight, pen: _Pen) -> Iterator[RenderableType | None]:
    standing, facts = seen.standing, seen.standing.facts
    yield _marked(pen, list(_of_all(seen)))
    yield _table(seen, pen) if pen.width >= TABLE_FROM else _cards(seen, pen)
    yield _notes(pen, list(_of_folders(seen)))
    if standing.uploads:
        yield Group(_title("Uploading"), *(_upload(seen, pen, upload) for upload in standing.uploads))
    for heading in waiting(facts.problems, facts.twins, standing.located):
        yield _heading(seen, pen, heading)


def _plain(text: str, style: str = "") -> Text:
    """A text that is nothing but itself; what is longer than its place goes on in the next line."""
    return Text(shown(text), style=style, overflow="fold")


def _title(text: str) -> Text:
    return _plain(text, "bold")


# What concerns more than one file


def _of_all(seen: Sight) -> Iterator[Said]:
    standing, facts, now = seen.standing, seen.standing.facts, seen.now
    yield of_daemon(standing, now)
    for remark in seen.remarks:
        yield Said("", Tone.PLAIN, remark)
    if damage := of_damage(standing):
        yield damage
    yield of_account(standing)
    for pause in standing.pauses:
        yield of_pause(pause, now)
    yield from of_backlogs(facts.erasures, facts.errands)
    yield Said("today", Tone.PLAIN, f"{sum(facts.done_today.values())} file(s) done, {of_payments(facts.paid)}")
    for allowance in facts.allowances:
        tone = Tone.CAUTION if allowance.used >= allowance.most else Tone.PLAIN
        yield Said("limit", tone, of_allowance(allowance))
    if standing.live and standing.live.requests:
        yield Said("budget", Tone.PLAIN, of_budget(standing.live.requests, now))


def _marked(pen: _Pen, rows: Sequence[Said]) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(min_width=7, no_wrap=True)
    grid.add_column(ratio=1)
    for said in rows:
        grid.add_row(pen.sign(said.tone), _plain(said.mark, f"bold {_STYLES[said.tone]}"), _plain(said.text))
    return grid


# Folders


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of the table of folders, and from which width on there is room for it."""

    name: str
    count: Callable[[Mapping[str, int], int], int]  # from the files by state, and those that were done today
    tone: Tone = Tone.PLAIN
    wide: int = 0


def _group(name: str) -> Callable[[Mapping[str, int], int], int]:
    return lambda counts, _: in_groups(counts)[name]


_COLUMNS: Final = (
    _Column("settling", lambda counts, _: counts.get(SETTLING, 0), wide=116),
    _Column("waiting", _group("waiting")),
    _Column("uploading", _group("uploading")),
    _Column("transcribing", _group("transcribing")),
    _Column("delivering", lambda counts, _: counts.get(DELIVERING, 0), wide=104),
    _Column("done\ntoday", lambda _, today: today),
    _Column("done", lambda counts, _: counts.get(DONE, 0), wide=92),
    _Column("failed", lambda counts, _: counts.get(State.FAILED, 0), TONES["failed"]),
    _Column("held", lambda counts, _: counts.get(State.HELD, 0), TONES["held"]),
)
_PATH_FROM: Final = 150  # columns


def _table(seen: Sight, pen: _Pen) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0), header_style="dim")
    places = ("folder", "path") if pen.width >= _PATH_FROM else ("folder",)
    for heading in places:
        table.add_column(_heading_of(heading), overflow="fold")
    for heading in ("watched", "last look"):
        table.add_column(_heading_of(heading), no_wrap=True)
    columns = [column for column in _COLUMNS if pen.width >= column.wide]
    for column in columns:
        table.add_column(_heading_of(column.name), justify="right", no_wrap=True)
    for place in seen.standing.places:
        table.add_row(*_row(seen, pen, place, columns))
    if len(seen.standing.places) > 1:
        table.add_section()
        facts = seen.standing.facts
        cells = _cells(pen, columns, by_state(facts.counts), sum(facts.done_today.values()))
        table.add_row("all", *([""] * (len(places) + 1)), *cells)
    return table


def _heading_of(name: str) -> str:
    """Two lines, of which the second is never empty."""
    return name if "\n" in name else f"\n{name}"


def _row(seen: Sight, pen: _Pen, place: Place, columns: Sequence[_Column]) -> Iterator[RenderableType]:
    facts, live = seen.standing.facts, seen.standing.watched.get(place.name)
    yield _plain(place.name, "bold")
    if pen.width >= _PATH_FROM:
        yield _plain(place.path)
    yield _watched(pen, seen, place)
    yield _plain(moment(live.last_scan, seen.now)) if live and live.last_scan else pen.nothing
    yield from _cells(pen, columns, by_state(facts.counts, place.name), facts.done_today.get(place.name, 0))


def _watched(pen: _Pen, seen: Sight, place: Place) -> Text:
    """How a folder is doing, and how it is watched."""
    live = seen.standing.watched.get(place.name)
    state = of_folder(live, seen.standing.facts.questions.get(place.name))
    mode = f" {live.mode}" if live and live.mode and state.tone is Tone.GOOD else ""
    word = mode.strip() or state.mark
    return Text.assemble(pen.sign(state.tone), " ", _plain(word, _STYLES[state.tone]))


def _cells(pen: _Pen, columns: Sequence[_Column], counts: Mapping[str, int], today: int) -> Iterator[Text]:
    for column in columns:
        number = column.count(counts, today)
        yield Text(f"{number:,}", style=_STYLES[column.tone]) if number else pen.nothing


def _cards(seen: Sight, pen: _Pen) -> RenderableType:
    facts = seen.standing.facts
    cards: list[RenderableType] = []
    for place in seen.standing.places:
        live = seen.standing.watched.get(place.name)
        state = of_folder(live, facts.questions.get(place.name))
        word = f"watched by {live.mode}" if live and live.mode and state.tone is Tone.GOOD else state.mark
        cards.append(Text.assemble(pen.sign(state.tone), " ", _title(place.name), f"  {word}", overflow="fold"))
        look = [_plain(f"last look {moment(live.last_scan, seen.now)}")] if live and live.last_scan else []
        counts = by_state(facts.counts, place.name)
        figures = [*look, *_figures(counts, facts.done_today.get(place.name, 0))]
        line = Text(pen.between).join(figures) if figures else _plain("no files yet", "dim")
        cards.append(Padding(line, (0, 0, 0, 2)))
    return Group(*cards)


def _figures(counts: Mapping[str, int], today: int) -> Iterator[Text]:
    for column in _COLUMNS[1:]:
        number = column.count(counts, today)
        if number:
            name = column.name.replace("\n", " ")
            yield Text(f"{name} {number:,}", style=_STYLES[column.tone])


def _of_folders(seen: Sight) -> Iterator[tuple[Said, str]]:
    """What is to be known of folders beyond their figures, each with what to do."""
    for place in seen.standing.places:
        asked = seen.standing.facts.questions.get(place.name)
        if asked is not None:
            sentence = f"{place.name} asks: {asked.sentence}"
            yield Said("", Tone.CAUTION, sentence), seen.ways_on.get(place.name, "")
        for said in of_watching(seen.standing.watched.get(place.name), asked, seen.now):
            if said.tone is not Tone.PLAIN:
                yield Said("", said.tone, f"{place.name}: {said.text}"), ""


def _notes(pen: _Pen, notes: Sequence[tuple[Said, str]]) -> Table | None:
    if not notes:
        return None
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    grid.add_column(ratio=1)
    for said, way_on in notes:
        grid.add_row(pen.sign(said.tone), _plain(said.text))
        if way_on:
            grid.add_row("", _plain(way_on, "dim"))
    return grid


# Files


def _upload(seen: Sight, pen: _Pen, upload: Upload) -> RenderableType:
    figures = upload.figures
    whole = max(1, figures.size)
    pace = of_pace(upload, seen.standing.watched.get(upload.folder), seen.now)
    percent = int(100 * min(figures.offset, whole) / whole)
    still = figures.still_since is not None
    line = _plain(
        ", ".join(filter(None, (f"{percent} % of {size(figures.size)}", pace))), _STYLES[Tone.CAUTION] if still else ""
    )
    colour = _STYLES[Tone.CAUTION] if still else "cyan"
    bar = ProgressBar(whole, min(figures.offset, whole), BAR, style="dim", complete_style=colour, finished_style=colour)
    lines: list[RenderableType] = [_plain(upload.path), _beside(bar, line, pen)]
    if upload.others:
        lines.append(_plain(of_others(upload), "dim"))
    return Padding(Group(*lines), (0, 0, 0, 2))


def _beside(bar: ProgressBar, line: Text, pen: _Pen) -> Table:
    """What a bar shows, in words behind it, or below where there is no room."""
    grid = Table.grid(padding=(0, 2))
    if pen.width >= TABLE_FROM:
        grid.add_column(width=BAR)
        grid.add_column(ratio=1)
        grid.add_row(bar, line)
    else:
        grid.add_row(bar)
        grid.add_row(line)
    return grid


def _heading(seen: Sight, pen: _Pen, heading: Heading) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    narrow = pen.width < TABLE_FROM
    if not narrow:
        grid.add_column(width=MARK)
    grid.add_column(ratio=1)
    for line in heading.lines:
        grid.add_row(*_line(pen, line, seen.now, narrow=narrow))
    rest = [_plain(f"and more: {heading.all_of_them}", "dim")] if heading.all_of_them else []
    return Group(_title(heading.title), grid, *rest)


def _line(pen: _Pen, line: Line, now: float, *, narrow: bool) -> Iterator[RenderableType]:
    tone = TONES.get(line.state, Tone.PLAIN)
    yield pen.sign(tone)
    state = _plain(line.state, _STYLES[tone])
    if not narrow:
        yield state
    said = _plain(f"{moment(line.at, now)}  {line.whom}: {line.why}")
    told: list[RenderableType] = [state, said] if narrow else [said]
    yield Group(*told, *([_plain(line.way_on, "dim")] if line.way_on else []))
