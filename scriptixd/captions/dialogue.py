"""Owns cues of two speakers: a turn too short to be read by itself shares one with its neighbour, a line for each.

Must never put two speakers on one line, nor make a cue that is longer than the layout allows, or much faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scriptixd.captions.layout import Layout
from scriptixd.captions.lexicon import Dash
from scriptixd.captions.timing import Span, times

FASTER: Final = 1.5  # times the reading speed, at which two together are still read better than one that flashes by
DASHES: Final = {Dash.BOTH: ("-", "-"), Dash.SPACED: ("- ", "- "), Dash.SECOND: ("", "-")}


@dataclass(frozen=True, slots=True)
class Turn:
    """What one cue shows: its lines, and who says them; of two speakers, each has a line."""

    lines: tuple[str, ...]
    speakers: tuple[str | None, ...]
    span: Span


def paired(turns: Sequence[Turn], layout: Layout, dash: Dash) -> list[Turn]:
    """The turns, but that one that would flash by is joined with the one before or after it, where both fit."""
    shown = times([turn.span for turn in turns], layout)
    short = [end - start < layout.min_ms for start, end in shown]
    found: list[Turn] = []
    free = False  # whether the last one found is nobody's partner yet
    index = 0
    while index < len(turns):
        joined = None
        if free and short[index]:
            joined = _joined(found[-1], turns[index], layout, dash)
        if joined is not None:
            found[-1], free = joined, False
            index += 1
            continue
        if short[index] and index + 1 < len(turns):
            joined = _joined(turns[index], turns[index + 1], layout, dash)
        found.append(joined or turns[index])
        free = joined is None
        index += 1 if joined is None else 2
    return found


def _joined(upper: Turn, lower: Turn, layout: Layout, dash: Dash) -> Turn | None:
    """Both in one cue; None where they do not fit, or are not two people."""
    if layout.max_lines < 2 or len(upper.lines) + len(lower.lines) > 2 or upper.speakers == lower.speakers:
        return None
    first, second = DASHES[dash]
    lines = first + upper.lines[0], second + lower.lines[0]
    columns = len(first) + upper.span.chars, len(second) + lower.span.chars
    span = Span(upper.span.start_ms, max(upper.span.stop_ms, lower.span.stop_ms), sum(columns))
    time = span.stop_ms - span.start_ms
    apart = lower.span.start_ms - upper.span.stop_ms
    if max(columns) > layout.max_chars or time > layout.max_ms or apart > layout.chain_ms:
        return None
    if sum(columns) * 1000 > layout.chars_per_second * max(time, layout.min_ms) * FASTER:
        return None
    return Turn(lines, (upper.speakers[0], lower.speakers[0]), span)
