"""Owns when a cue appears and disappears: durations, gaps, reading speed, in whole milliseconds.

Must never let two cues overlap or touch, or move one further from its first word than `IN_SYNC_MS` without need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scriptixd.captions.layout import Layout

# Netflix: a cue may start up to two frames before or after the first sound; at 25 frames a second.
IN_SYNC_MS = 80
# The least that is seen at all, two frames: only words on top of each other push a cue's start out of time for it.
FLASH_MS = 80


@dataclass(frozen=True, slots=True)
class Span:
    """From the first word's start to the last word's stop, and the number of characters to be read meanwhile."""

    start_ms: int
    stop_ms: int
    chars: int


def times(spans: Sequence[Span], layout: Layout) -> list[tuple[int, int]]:
    """The start and the end of each cue; starts of the spans must not fall."""
    starts = _starts(spans, layout)
    found: list[tuple[int, int]] = []
    for index, (span, start) in enumerate(zip(spans, starts, strict=True)):
        wanted = max(span.stop_ms, start + _needed_ms(span, layout))
        end = min(wanted, start + layout.max_ms)
        if index + 1 < len(starts):
            until = starts[index + 1] - layout.gap_ms
            if until < end or (until + layout.gap_ms - end < layout.chain_ms and until <= start + layout.max_ms):
                end = until
        found.append((start, end))
    return found


def _needed_ms(span: Span, layout: Layout) -> int:
    """The time that it takes to notice and to read."""
    return max(layout.min_ms, -int(-span.chars * 1000 // layout.chars_per_second))


def _starts(spans: Sequence[Span], layout: Layout) -> list[int]:
    """The first words' starts, moved within what counts as in time where a cue would be too short otherwise."""
    starts = [span.start_ms for span in spans]
    least = layout.min_ms + layout.gap_ms
    for index in range(len(starts)):
        earliest = starts[index - 1] + FLASH_MS + layout.gap_ms if index else 0
        starts[index] = max(starts[index], earliest)
        if index + 1 == len(starts):
            break
        lacking = least - (starts[index + 1] - starts[index])
        if lacking > 0 and index + 2 < len(starts):
            spare = starts[index + 2] - starts[index + 1] - least
            later = max(0, min(lacking, IN_SYNC_MS, spare))
        else:
            later = max(0, min(lacking, IN_SYNC_MS))
        starts[index + 1] += later
        lacking -= later
        if lacking > 0:
            silent_since = max(spans[index - 1].stop_ms, starts[index - 1] + least - layout.gap_ms) if index else 0
            spare = min(starts[index], spans[index].start_ms) - layout.gap_ms - silent_since
            starts[index] -= max(0, min(lacking, IN_SYNC_MS, spare))
    return starts
