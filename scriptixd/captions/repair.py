"""Owns times that are missing, out of order or overlapping, and the order of utterances from several channels.

Must never drop a word or change the order of the words inside an utterance.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, islice, pairwise

from scriptixd.captions.transcript import Utterance, Word

# How long a letter takes where nobody says: 165 words a minute, as in the BBC's subtitle guidelines.
SPOKEN_MS_PER_CHARACTER = 65
# Four times slower than that is no speech, but the silence around it.
SLOWEST_MS_PER_CHARACTER = 4 * SPOKEN_MS_PER_CHARACTER
# Where two speak at once, their words take turns at pauses of this length and at the ends of sentences.
PHRASE_PAUSE_MS = 300
PHRASE_ENDS = (".", "?", "!", "…", "。", "？", "！")
# Beyond 9999 hours a time is damage, and would only push the times after it away.
MAX_TIME_MS = 9_999 * 3_600_000


@dataclass(frozen=True, slots=True)
class Heard:
    """A word as the result has it, in the result's unit; what it does not have, or is no time, is None."""

    text: str
    start: float | None = None
    stop: float | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """An utterance as the result has it; its own start and stop are given by few results."""

    heard: tuple[Heard, ...]
    speaker: str | None
    channel: int
    start: float | None
    stop: float | None


def milliseconds(time: float | None, factor: int) -> int | None:
    """A time in a unit of `factor` milliseconds, rounded once; None where there is no believable one."""
    if time is None or time * factor > MAX_TIME_MS:
        return None
    return round(time * factor)


@dataclass(frozen=True, slots=True)
class _Placed:
    """A draft in the order of time; `words` is filled later where nobody timed it."""

    since_ms: int
    draft: Draft
    words: list[Word]


def utterances(drafts: Sequence[Draft], factor: int, duration_ms: int | None) -> tuple[Utterance, ...]:
    """The drafts that say something, each word with its time, in the order in which they are heard."""
    placed: list[_Placed] = []
    since_ms = 0
    for draft in drafts:
        if draft.heard:
            words = _timed(draft, factor)
            # An utterance that nobody timed stays behind the one that it came after.
            since_ms = words[0].start_ms if words else since_ms
            placed.append(_Placed(since_ms, draft, words))
    placed.sort(key=lambda one: (one.since_ms, one.draft.channel))
    _time_the_rest(placed, duration_ms)
    return tuple(_in_turns([Utterance(tuple(one.words), one.draft.speaker, one.draft.channel) for one in placed]))


def _timed(draft: Draft, factor: int) -> list[Word]:
    """The words with their times; empty if neither they nor the utterance have any."""
    texts = [word.text for word in draft.heard]
    starts = _rising([milliseconds(word.start, factor) for word in draft.heard])
    if any(start is not None for start in starts):
        return _words(texts, starts, [milliseconds(word.stop, factor) for word in draft.heard])
    begin, end = milliseconds(draft.start, factor), milliseconds(draft.stop, factor)
    if begin is None:
        return []
    return _shared(texts, begin, end if end is not None and end > begin else begin + _spoken_ms(texts))


def _rising(starts: list[int | None]) -> list[int | None]:
    """The starts without those that stand against the order of most others (all but a longest rising subsequence)."""
    known = [(index, start) for index, start in enumerate(starts) if start is not None]
    if all(one[1] <= other[1] for one, other in pairwise(known)):
        return starts
    lowest_ends: list[int] = []
    ends: list[int] = []
    before: list[int] = []
    for place, (_, start) in enumerate(known):
        length = bisect_right(lowest_ends, start)
        before.append(ends[length - 1] if length else -1)
        lowest_ends[length : length + 1] = [start]
        ends[length : length + 1] = [place]
    kept: list[int | None] = [None] * len(starts)
    place = ends[-1]
    while place >= 0:
        index, start = known[place]
        kept[index] = start
        place = before[place]
    return kept


def _words(texts: Sequence[str], starts: Sequence[int | None], stops: Sequence[int | None]) -> list[Word]:
    """Words of which at least one has a start; those without get the time between their neighbours."""
    words: list[Word] = []
    missing: list[str] = []
    for text, start, stop in zip(texts, starts, stops, strict=True):
        if start is None:
            missing.append(text)
            continue
        if words and words[-1].stop_ms > start:
            words[-1] = Word(words[-1].text, words[-1].start_ms, start)
        if missing:
            begin = words[-1].stop_ms if words else max(0, start - _spoken_ms(missing))
            words += _shared(missing, begin, start)
            missing = []
        words.append(Word(text, start, stop if stop is not None and stop >= start else start + _spoken_ms([text])))
    if missing:
        words += _shared(missing, words[-1].stop_ms, words[-1].stop_ms + _spoken_ms(missing))
    return words


def _time_the_rest(placed: Sequence[_Placed], duration_ms: int | None) -> None:
    """Gives the words that nobody timed the silence between those that somebody did."""
    begin = 0
    runs = [(timed, list(run)) for timed, run in groupby(placed, key=lambda one: bool(one.words))]
    for index, (timed, run) in enumerate(runs):
        if timed:
            begin = max(begin, *(one.words[-1].stop_ms for one in run))
            continue
        texts = [word.text for one in run for word in one.draft.heard]
        end = runs[index + 1][1][0].words[0].start_ms if index + 1 < len(runs) else duration_ms
        if end is None:
            end = begin + _spoken_ms(texts)
        if len(runs) > 1:
            end = min(end, begin + _spoken_ms(texts, SLOWEST_MS_PER_CHARACTER))
        shared = iter(_shared(texts, begin, max(begin, end)))
        for one in run:
            one.words.extend(islice(shared, len(one.draft.heard)))


def _shared(texts: Sequence[str], start_ms: int, stop_ms: int) -> list[Word]:
    """A stretch of time shared out over words by their length."""
    edges = list(accumulate(map(len, texts), initial=0))
    times = [start_ms + (stop_ms - start_ms) * edge // edges[-1] for edge in edges]
    return [Word(text, begin, end) for text, begin, end in zip(texts, times, times[1:], strict=False)]


def _spoken_ms(texts: Sequence[str], per_character: int = SPOKEN_MS_PER_CHARACTER) -> int:
    return per_character * (sum(map(len, texts)) + len(texts))


def _in_turns(said: list[Utterance]) -> list[Utterance]:
    """Utterances that overlap, cut into phrases that take turns as they begin; all others as they are."""
    cut = [False] * len(said)
    furthest = 0
    for index in range(1, len(said)):
        if said[index].start_ms < said[furthest].stop_ms:
            cut[index] = cut[furthest] = True
        if said[index].stop_ms > said[furthest].stop_ms:
            furthest = index
    if not any(cut):
        return said
    turns: list[Utterance] = []
    for utterance, overlaps in zip(said, cut, strict=True):
        turns += _phrases(utterance) if overlaps else [utterance]
    turns.sort(key=lambda phrase: phrase.start_ms)
    return turns


def _phrases(utterance: Utterance) -> Iterator[Utterance]:
    first = 0
    for index, (word, following) in enumerate(pairwise(utterance.words), 1):
        if following.start_ms - word.stop_ms >= PHRASE_PAUSE_MS or word.text.endswith(PHRASE_ENDS):
            yield Utterance(utterance.words[first:index], utterance.speaker, utterance.channel)
            first = index
    yield Utterance(utterance.words[first:], utterance.speaker, utterance.channel)
