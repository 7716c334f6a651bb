"""Owns where cues and lines break: the cheapest way through a transcript, found by dynamic programming.

Must never drop, change or reorder a word, nor decide on a cue's times: it only sees to it that good ones are possible.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf

from scriptixd.captions.layout import Layout
from scriptixd.captions.lexicon import lexicon
from scriptixd.captions.prices import CLAUSE, SENTENCE, Shape, ends_sentence, price, shape
from scriptixd.captions.transcript import Transcript

# A silence after which a cue never goes on.
LONG_PAUSE_MS = 1500
# One after which a capital letter begins a sentence, although nothing marks the end of the one before: longer than
# speakers make at a comma.
SENTENCE_PAUSE_MS = 350

# The weights of the programme. A cue's end weighs more than a line's, and both grow with the square of the price:
# one bad break is worse than several fair ones.
PER_CUE = 1.6
CUE_END = 0.35
LINE_END = 0.25
UNEVEN_LINES = 0.02  # per character of difference
UPPER_LONGER = 0.4  # a pyramid covers less of the picture
TOO_SHORT = 12.0  # for a cue with no time at all; in proportion for one with some
TOO_FAST = 30.0  # times the square of the excess over the reading speed
SENTENCES_MIXED = 6.0  # the end of one sentence with the beginning of the next
LONE_WORD = 2.5
SMALL_CUE = 0.04  # for each character that a cue has less than this:
SMALL_CUE_CHARS = 20


@dataclass(frozen=True, slots=True)
class Passage:
    """The words first <= i < last of one cue; the second line begins at `split`, if there is one."""

    first: int
    split: int | None
    last: int


@dataclass(frozen=True, slots=True)
class Stream:
    """A transcript's words in one row, and what is known about the boundary before each of them and after the last.

    `edges[i]` is the length of all text before word i with a space after every word; `sentences[i]` counts the
    sentences that ended before it; `barriers` are the boundaries that no cue may cross, the two outer ones included.
    """

    texts: list[str]
    starts: list[int]
    stops: list[int]
    speakers: list[str | None]
    prices: list[float]
    edges: list[int]
    sentences: list[int]
    barriers: list[int]


def stream(transcript: Transcript, language: str = "") -> Stream:
    """The transcript as the segmenter looks at it; where two speak at once, starts move so that they never fall."""
    spoken = [word for utterance in transcript.utterances for word in utterance.words]
    texts = [word.text for word in spoken]
    speakers = [utterance.speaker for utterance in transcript.utterances for _ in utterance.words]
    starts = list(accumulate((word.start_ms for word in spoken), max))
    stops = [max(start, word.stop_ms) for start, word in zip(starts, spoken, strict=True)]
    words = lexicon(language)
    known: dict[str, Shape] = {}
    for text in texts:
        if text not in known:
            known[text] = shape(text, words)
    shapes = [known[text] for text in texts]
    turns = set(_turns(transcript))
    utterance_ends = set(accumulate(len(utterance.words) for utterance in transcript.utterances))
    prices, sentences, barriers = [0.0], [0], [0]
    for index, (word, following) in enumerate(pairwise(shapes), 1):
        pause = starts[index] - stops[index - 1]
        cost = price(word, following, pause, words)
        ended = ends_sentence(word, following)
        if following.capital and pause >= SENTENCE_PAUSE_MS and not words.nouns_are_capital and not following.lone_mark:
            cost, ended = min(cost, SENTENCE), True
        if index in utterance_ends:
            cost = min(cost, CLAUSE)
        if index in turns or (pause >= LONG_PAUSE_MS and not following.lone_mark):
            barriers.append(index)
            cost, ended = 0.0, True
        prices.append(cost)
        sentences.append(sentences[-1] + ended)
    return Stream(
        texts=texts,
        starts=starts,
        stops=stops,
        speakers=speakers,
        prices=[*prices, 0.0],
        edges=list(accumulate((len(text) + 1 for text in texts), initial=0)),
        sentences=[*sentences, sentences[-1] + 1],
        barriers=[*barriers, len(texts)],
    )


def _turns(transcript: Transcript) -> Iterator[int]:
    """The boundaries at which another speaker, or another channel, goes on."""
    index = 0
    for utterance, following in pairwise(transcript.utterances):
        index += len(utterance.words)
        if (utterance.speaker, utterance.channel) != (following.speaker, following.channel):
            yield index


def segment(words: Stream, layout: Layout) -> list[Passage]:
    """The passages that together cover all words, in order."""
    if not words.texts:
        return []
    programme = _Programme(words, layout)
    passages: list[Passage] = []
    for first, last in pairwise(words.barriers):
        passages += programme.passages(first, last)
    return passages


class _Programme:
    """One run over a stream; everything that depends on one boundary alone is worked out once, before."""

    def __init__(self, words: Stream, layout: Layout) -> None:
        self._words, self._layout = words, layout
        self._cue_end = [CUE_END * cost * cost for cost in words.prices]
        self._line_end = [LINE_END * cost * cost for cost in words.prices]
        self._reach, self._back = self._line_limits()
        self._cost = [0.0] * (len(words.texts) + 1)

    def _line_limits(self) -> tuple[list[int], list[int]]:
        """For each boundary, how far a line that begins there reaches, and how far back one that ends there."""
        edges, width = self._words.edges, self._layout.max_chars + 1
        reach, back = [0] * len(edges), [0] * len(edges)
        end = 0
        for begin, edge in enumerate(edges):
            while end + 1 < len(edges) and edges[end + 1] - edge <= width:
                end += 1
            reach[begin] = end
        begin = 0
        for end, edge in enumerate(edges):
            while edge - edges[begin] > width:
                begin += 1
            back[end] = begin
        return reach, back

    def passages(self, first: int, last: int) -> list[Passage]:
        """The cheapest cues for the words first <= i < last, between two barriers."""
        origin = self._cheapest(first, last)
        found: list[Passage] = []
        end = last
        while end > first:
            begin = origin[end - first]
            split = self._split(begin, end)[1] if self._reach[begin] < end else None
            found.append(Passage(begin, split, end))
            end = begin
        found.reverse()
        return found

    def _cheapest(self, first: int, last: int) -> list[int]:
        """For each boundary after `first`, where the last cue of the cheapest way to it begins."""
        words, layout, cost = self._words, self._layout, self._cost
        starts, stops, edges, sentences = words.starts, words.stops, words.edges, words.sentences
        room = (layout.max_chars + 1) * layout.max_lines
        reading = 1000 / layout.chars_per_second
        origin = [first]
        cost[first] = 0.0
        earliest = first
        for end in range(first + 1, last + 1):
            final = end - 1
            while earliest < final and (
                edges[end] - edges[earliest] > room or stops[final] - starts[earliest] > layout.max_ms
            ):
                earliest += 1
            until = starts[end] - layout.gap_ms if end < len(starts) else inf
            mixes = sentences[end] == sentences[final]
            best, chosen = inf, final
            for begin in range(earliest, end):
                total = cost[begin]
                if total >= best:
                    continue
                chars = edges[end] - edges[begin] - 1
                time = min(until - starts[begin], layout.max_ms)
                if time < layout.min_ms:
                    total += TOO_SHORT * (1 - max(time, 0) / layout.min_ms)
                if chars * reading > time:
                    excess = chars * reading / max(time, 1) - 1
                    total += TOO_FAST * excess * excess
                if mixes and sentences[final] != sentences[begin]:
                    total += SENTENCES_MIXED
                if chars < SMALL_CUE_CHARS:
                    total += SMALL_CUE * (SMALL_CUE_CHARS - chars)
                if begin == final:
                    total += LONE_WORD
                elif self._reach[begin] < end and total < best:
                    total += self._split(begin, end)[0]
                if total < best:
                    best, chosen = total, begin
            cost[end] = best + PER_CUE + self._cue_end[end]
            origin.append(chosen)
        return origin

    def _split(self, begin: int, end: int) -> tuple[float, int | None]:
        """The price and the place of the best break into two lines; infinitely dear where there is none."""
        edges, line_end = self._words.edges, self._line_end
        farthest = self._reach[begin]
        # A line that is only a number, above the number of the next cue, is taken for one by some readers of SRT.
        if farthest == end - 1 and self._words.texts[farthest].isdigit():
            farthest -= 1
        best, place = inf, None
        whole = edges[begin] + edges[end]
        for at in range(max(self._back[end], begin + 1), farthest + 1):
            longer = 2 * edges[at] - whole
            cost = line_end[at] + (UNEVEN_LINES * longer + UPPER_LONGER if longer > 0 else -UNEVEN_LINES * longer)
            if cost < best:
                best, place = cost, at
        return best, place
