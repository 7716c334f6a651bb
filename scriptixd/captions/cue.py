"""Owns the cue and the way from a transcript to cues: segment, then time; must never read or write a file."""

from __future__ import annotations

from dataclasses import dataclass

from scriptixd.captions.layout import NETFLIX, Layout
from scriptixd.captions.segment import Passage, Stream, segment, stream
from scriptixd.captions.timing import Span, times
from scriptixd.captions.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle event; `speaker` is None where the result names nobody."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]
    speaker: str | None


def cues(transcript: Transcript, layout: Layout = NETFLIX) -> list[Cue]:
    """The transcript as cues in the order of their times, which never overlap; none where there is no speech."""
    words = stream(transcript)
    passages = segment(words, layout)
    texts = [_lines(words, passage) for passage in passages]
    spans = [
        Span(words.starts[passage.first], words.stops[passage.last - 1], sum(map(len, lines)))
        for passage, lines in zip(passages, texts, strict=True)
    ]
    return [
        Cue(start, end, lines, words.speakers[passage.first])
        for passage, lines, (start, end) in zip(passages, texts, times(spans, layout), strict=True)
    ]


def _lines(words: Stream, passage: Passage) -> tuple[str, ...]:
    if passage.split is None:
        return (" ".join(words.texts[passage.first : passage.last]),)
    upper = words.texts[passage.first : passage.split]
    return " ".join(upper), " ".join(words.texts[passage.split : passage.last])
