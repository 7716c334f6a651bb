"""Owns the cue and the way from a transcript to cues: segment, then time; must never read or write a file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from scriptixd.captions.dialogue import Turn, paired
from scriptixd.captions.layout import Layout
from scriptixd.captions.lexicon import lexicon
from scriptixd.captions.script import WIDE, directed, primary, width
from scriptixd.captions.segment import Passage, Stream, segment, stream
from scriptixd.captions.style import PLAIN_STYLE, Style
from scriptixd.captions.timing import Span, times
from scriptixd.captions.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle event; `speaker` is None where the result names nobody, or where each line has a speaker of its own.

    `speakers` names those of the two lines then, and is empty otherwise.
    """

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None
    speakers: tuple[str | None, ...] = ()


def cues(transcript: Transcript, style: Style = PLAIN_STYLE) -> list[Cue]:
    """The transcript as cues in the order of their times, which never overlap; none where there is no speech."""
    language, layout = style.language, _in_columns(style.layout, style.language)
    words = stream(transcript, language, style.speaker_labels)
    found = [_turn(words, passage, layout.max_chars, language) for passage in segment(words, layout)]
    turns = paired(found, layout, lexicon(language).dash)
    shown = times([turn.span for turn in turns], layout)
    return [_cue(turn, start, end, language) for turn, (start, end) in zip(turns, shown, strict=True)]


def _in_columns(layout: Layout, language: str) -> Layout:
    """The layout with full-width characters counted as two columns."""
    if primary(language) not in WIDE:
        return layout
    return replace(layout, max_chars=2 * layout.max_chars, chars_per_second=2 * layout.chars_per_second)


def _cue(turn: Turn, start_ms: int, end_ms: int, language: str) -> Cue:
    lines = tuple(directed(line, language) for line in turn.lines)
    if len(turn.speakers) > 1:
        return Cue(start_ms, end_ms, lines, None, turn.speakers)
    return Cue(start_ms, end_ms, lines, turn.speakers[0])


def _turn(words: Stream, passage: Passage, room: int, language: str) -> Turn:
    lines = _lines(words, passage)
    label = words.labels[passage.first]
    # Beside a word that fills the line there is no room for a name.
    if label and words.leads[passage.first] + width(lines[0], language) <= room:
        lines = label + lines[0], *lines[1:]
    columns = sum(width(line, language) for line in lines)
    span = Span(words.starts[passage.first], words.stops[passage.last - 1], columns)
    return Turn(lines, (words.speakers[passage.first],), span)


def _lines(words: Stream, passage: Passage) -> tuple[str, ...]:
    if passage.split is None:
        return (_line(words, passage.first, passage.last),)
    return _line(words, passage.first, passage.split), _line(words, passage.split, passage.last)


def _line(words: Stream, first: int, last: int) -> str:
    joints = *words.joints[first : last - 1], ""
    return "".join(text + joint for text, joint in zip(words.texts[first:last], joints, strict=True))
