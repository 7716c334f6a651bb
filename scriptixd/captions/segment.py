"""Owns where cues and lines break: the cheapest way through a transcript, found by dynamic programming.

Must never drop, change or reorder a word, nor decide on a cue's times: it only sees to it that good ones are possible.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf

from scriptixd.captions.layout import Layout
from scriptixd.captions.lexicon import lexicon
from scriptixd.captions.prices import CLAUSE, SENTENCE, Shape, ends_sentence, price, shape
from scriptixd.captions.script import joints_of, pieces, width, without_spaces
from scriptixd.captions.style import SpeakerLabels
from scriptixd.captions.transcript import Transcript, Word

# A silence after which a cue never goes on.
LONG_PAUSE_MS = 1500
# One after which a capital letter begins a sentence, although nothing marks the end of the one before: longer than
# speakers make at a comma.
SENTENCE_PAUSE_MS = 350

# Columns: a word without spaces that is wider than this is cut where a line may end; half of the shortest usual line.
WIDEST_WORD = 12

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

    `labels[i]` says who speaks where a cue begins with word i, and `leads[i]` is its width.
    `joints[i]` stands between word i and the next one: a space, or nothing where a script has none. `edges[i]` is the
    width of all text before word i, joints included, and `ends[i]` without the last joint; `sentences[i]` counts the
    sentences that ended before it; `barriers` are the boundaries that no cue may cross, the two outer ones included.
    """

    texts: list[str]
    starts: list[int]
    stops: list[int]
    speakers: list[str | None]
    prices: list[float]
    joints: list[str]
    labels: list[str]
    leads: list[int]
    edges: list[int]
    ends: list[int]
    sentences: list[int]
    barriers: list[int]


def stream(transcript: Transcript, language: str = "", labels: SpeakerLabels = SpeakerLabels.NEVER) -> Stream:
    """The transcript as the segmenter looks at it; where two speak at once, starts move so that they never fall."""
    cut = _cut if without_spaces(language) else list
    said = [cut(utterance.words) for utterance in transcript.utterances]
    spoken = [word for words_said in said for word in words_said]
    texts = [word.text for word in spoken]
    speakers = [one.speaker for one, words_said in zip(transcript.utterances, said, strict=True) for _ in words_said]
    starts = list(accumulate((word.start_ms for word in spoken), max))
    stops = [max(start, word.stop_ms) for start, word in zip(starts, spoken, strict=True)]
    words = lexicon(language)
    known: dict[str, Shape] = {}
    for text in texts:
        if text not in known:
            known[text] = shape(text, words)
    shapes = [known[text] for text in texts]
    turns = set(_turns(transcript, said))
    utterance_ends = set(accumulate(map(len, said)))
    joints = joints_of(texts, language)
    shown = [""] * len(texts) if labels is SpeakerLabels.NEVER else list(_labels(speakers, labels))
    widths = {text: width(text, language) for text in known}
    edges = list(accumulate((widths[text] + len(joint) for text, joint in zip(texts, joints, strict=True)), initial=0))
    prices, sentences, barriers = [0.0], [0], [0]
    for index, (word, following) in enumerate(pairwise(shapes), 1):
        pause = starts[index] - stops[index - 1]
        cost = price(word, following, pause, words)
        ended = ends_sentence(word, following)
        if (
            following.capital
            and pause >= SENTENCE_PAUSE_MS
            and not (words.nouns_are_capital or following.always_capital)
        ):
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
        joints=joints,
        labels=shown,
        leads=[width(label, language) if label else 0 for label in shown],
        edges=edges,
        ends=[0, *(edge - len(joint) for edge, joint in zip(edges[1:], joints, strict=True))],
        sentences=[*sentences, sentences[-1] + 1],
        barriers=[*barriers, len(texts)],
    )


def _cut(words: Sequence[Word]) -> list[Word]:
    """The words, those in a script without spaces that are whole sentences in parts, their time shared by length."""
    found: list[Word] = []
    for word in words:
        parts = pieces(word.text, WIDEST_WORD)
        if len(parts) == 1:
            found.append(word)
            continue
        done, length, time = 0, len(word.text), word.stop_ms - word.start_ms
        for part in parts:
            start = word.start_ms + time * done // length
            done += len(part)
            found.append(Word(part, start, word.start_ms + time * done // length))
    return found


def _labels(speakers: Sequence[str | None], labels: SpeakerLabels) -> Iterator[str]:
    """What a cue that begins with each word says of its speaker; nothing of one whom nobody named."""
    before = None
    for speaker in speakers:
        told = labels is SpeakerLabels.ALWAYS or (labels is SpeakerLabels.CHANGES and speaker != before)
        yield f"[{speaker}] " if told and speaker else ""
        before = speaker


def _turns(transcript: Transcript, said: list[list[Word]]) -> Iterator[int]:
    """The boundaries at which another speaker, or another channel, goes on."""
    index = 0
    for (utterance, words), (following, _) in pairwise(zip(transcript.utterances, said, strict=True)):
        index += len(words)
        if (utterance.speaker, utterance.channel) != (following.speaker, following.channel):
            yield index


def segment(words: Stream, layout: Layout) -> list[Passage]:
    """The passages that together cover all words, in order; a cue's first line has room for its label."""
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
        # Where a cue that begins at each boundary has its left edge: its label stands before it.
        self._heads = [edge - lead for edge, lead in zip(words.edges, [*words.leads, 0], strict=True)]
        self._reach, self._back = self._line_limits()
        self._cost = [0.0] * (len(words.texts) + 1)

    def _line_limits(self) -> tuple[list[int], list[int]]:
        """For each boundary, how far a line that begins there reaches, and how far back one that ends there."""
        edges, ends, room = self._words.edges, self._words.ends, self._layout.max_chars
        reach = [max(begin, bisect_right(ends, head + room) - 1) for begin, head in enumerate(self._heads)]
        return reach, [bisect_left(edges, edge - room) for edge in ends]

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
        words, layout, cost, heads, reach = self._words, self._layout, self._cost, self._heads, self._reach
        starts, stops, sentences = words.starts, words.stops, words.sentences
        room, longest, shortest = (layout.max_chars + 1) * layout.max_lines - 1, layout.max_ms, layout.min_ms
        reading = 1000 / layout.chars_per_second
        origin = [first]
        cost[first] = 0.0
        earliest = first
        for end in range(first + 1, last + 1):
            final, edge = end - 1, words.ends[end]
            while earliest < final and (edge - heads[earliest] > room or stops[final] - starts[earliest] > longest):
                earliest += 1
            until = starts[end] - layout.gap_ms if end < len(starts) else inf
            mixes = sentences[end] == sentences[final]
            best, chosen = inf, final
            for begin in range(earliest, end):
                total = cost[begin]
                if total >= best:
                    continue
                chars = edge - heads[begin]
                time = min(until - starts[begin], longest)
                if time < shortest:
                    total += TOO_SHORT * (1 - max(time, 0) / shortest)
                needed = chars * reading
                if needed > time:
                    excess = needed / max(time, 1) - 1
                    total += TOO_FAST * excess * excess
                if mixes and sentences[final] != sentences[begin]:
                    total += SENTENCES_MIXED
                if chars < SMALL_CUE_CHARS:
                    total += SMALL_CUE * (SMALL_CUE_CHARS - chars)
                if begin == final:
                    total += LONE_WORD
                elif reach[begin] < end and total < best:
                    total += self._split(begin, end)[0]
                if total < best:
                    best, chosen = total, begin
            cost[end] = best + PER_CUE + self._cue_end[end]
            origin.append(chosen)
        return origin

    def _split(self, begin: int, end: int) -> tuple[float, int | None]:
        """The price and the place of the best break into two lines; infinitely dear where there is none."""
        edges, ends, line_end = self._words.edges, self._words.ends, self._line_end
        farthest = self._reach[begin]
        # A line that is only a number, above the number of the next cue, is taken for one by some readers of SRT.
        if farthest == end - 1 and self._words.texts[farthest].isdigit():
            farthest -= 1
        best, place = inf, None
        whole = self._heads[begin] + ends[end]
        for at in range(max(self._back[end], begin + 1), farthest + 1):
            longer = ends[at] + edges[at] - whole
            cost = line_end[at] + (UNEVEN_LINES * longer + UPPER_LONGER if longer > 0 else -UNEVEN_LINES * longer)
            if cost < best:
                best, place = cost, at
        return best, place
