"""Owns the tolerant reading of a Scriptix result, wrapped or bare, or of our JSON sidecar, which is the same and more.

Must never guess about single words (units are decided once for the whole result), nor fail over a word that is odd.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from math import isfinite
from typing import Any

from scriptixd.captions.manner import Units
from scriptixd.captions.repair import Draft, Heard, milliseconds, utterances
from scriptixd.captions.transcript import Transcript
from scriptixd.captions.wording import one_line, words_of
from scriptixd.errors import FileTrouble

# A median word of 10 is 10 ms or 10 s: no word lasts the one, hardly any the other.
MILLISECONDS_FROM_MEDIAN = 10
# With fewer timed words than this the median is chance, and the media's length is a better witness ...
FEW_WORDS = 5
MILLISECONDS_FROM_DURATIONS = 10
# ... except that no single word lasts a minute.
MILLISECONDS_FROM_FEW_MEDIAN = 60

UNKNOWN_SPEAKERS = frozenset({"", "unk", "unknown", "none", "null"})
NUMERIC = (int, float, str)  # what a time may be; as a tuple, since every word asks twice
FAILED_STATUSES = frozenset({"error", "failed"})
EXPECTED = "give the answer of /speech-to-text/session/<id>/result, or the JSON that scriptixd wrote beside a recording"


def read_result(payload: bytes | str, units: Units = Units.AUTO) -> Transcript:
    """The transcript in the service's answer as it came, or in a JSON sidecar of ours.

    Raises FileTrouble where there is no result at all: not JSON, no list of results, or a transcription that failed.
    """
    answer = _answer(payload)
    duration_s = _number(answer.get("duration"))
    drafts = [_draft(item) for item in answer["results"] if isinstance(item, dict)]
    factor = _milliseconds_per_unit(units, drafts, duration_s)
    duration_ms = milliseconds(duration_s, 1000)
    return Transcript(utterances(drafts, factor, duration_ms), duration_ms)


def _answer(payload: bytes | str) -> dict[str, Any]:
    if isinstance(payload, str):
        payload = payload.removeprefix("\ufeff")
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError) as error:
        page = payload.lstrip()[:1] in ("<", b"<")
        raise FileTrouble(f"this is no result: it is {'a web page' if page else 'not JSON'}", EXPECTED) from error
    if isinstance(found, dict) and isinstance(found.get("result"), dict):
        found = found["result"]
    if not isinstance(found, dict):
        raise FileTrouble("this is no result: there is no list of results in it", EXPECTED)
    status = found.get("status")
    reason = _reason(found.get("error"))
    if reason or (isinstance(status, str) and status.lower() in FAILED_STATUSES):
        told = f": {reason}" if reason else ""
        raise FileTrouble(
            f"the service could not transcribe this recording{told}", "does it play, and is there speech in it?"
        )
    if not isinstance(found.get("results"), list):
        told = f" (its status is {one_line(status)})" if isinstance(status, str) and status else ""
        raise FileTrouble(f"this is no result: there is no list of results in it{told}", EXPECTED)
    return found


def _reason(error: object) -> str:
    if isinstance(error, dict):
        error = error.get("message") or json.dumps(error)
    return one_line(str(error)) if error else ""


def _draft(item: dict[str, Any]) -> Draft:
    words = item.get("result")
    heard = tuple(_heard(words)) if isinstance(words, list) else ()
    text = item.get("text")
    if not heard and isinstance(text, str):
        heard = tuple(Heard(word) for word in words_of(text))
    channel, stop = item.get("channel"), item.get("stop")
    return Draft(
        heard=heard,
        speaker=_speaker(item.get("speaker")),
        channel=channel if isinstance(channel, int) else 0,
        start=_number(item.get("start")),
        stop=_number(item.get("end") if stop is None else stop),
    )


def _heard(words: Sequence[object]) -> Iterator[Heard]:
    for word in words:
        match word:
            case [str() | int() | float() as text, *times] if not isinstance(text, bool):
                start, stop = (*map(_number, times[:2]), None, None)[:2]
            case str() as text:
                start = stop = None
            case _:
                continue
        shown = words_of(str(text))
        if len(shown) == 1:
            yield Heard(shown[0], start, stop)
        elif shown:
            yield from _shared(shown, start, stop)


def _shared(words: Sequence[str], start: float | None, stop: float | None) -> Iterator[Heard]:
    """One entry with several words in it: its time is shared over them by length."""
    if start is None or stop is None or stop <= start:
        yield Heard(words[0], start, None)
        yield from map(Heard, words[1:])
        return
    letters, done = sum(map(len, words)), 0
    for word in words:
        begin = start + (stop - start) * done / letters
        done += len(word)
        yield Heard(word, begin, start + (stop - start) * done / letters)


def _number(value: object) -> float | None:
    """A finite time, those before the beginning taken as the beginning; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, NUMERIC):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return max(0.0, number) if isfinite(number) else None


def _speaker(name: object) -> str | None:
    shown = one_line(name) if isinstance(name, str) else str(name) if isinstance(name, int) else ""
    return None if shown.lower() in UNKNOWN_SPEAKERS else shown


def _median(numbers: Sequence[float]) -> float:
    """The upper one of two middle numbers; the module `statistics` takes longer to import than a file to convert."""
    return sorted(numbers)[len(numbers) // 2]


def _milliseconds_per_unit(units: Units, drafts: Sequence[Draft], duration_s: float | None) -> int:
    if units is not Units.AUTO:
        return 1 if units is Units.MILLISECONDS else 1000
    times = [(word.start, word.stop) for draft in drafts for word in draft.heard]
    lengths = [stop - start for start, stop in times if start is not None and stop is not None and stop > start]
    if len(lengths) >= FEW_WORDS:
        return 1 if _median(lengths) >= MILLISECONDS_FROM_MEDIAN else 1000
    stops = [stop for _, stop in times if stop is not None]
    stops += [draft.stop for draft in drafts if draft.stop is not None]
    if duration_s and stops and max(stops) > MILLISECONDS_FROM_DURATIONS * duration_s:
        return 1
    return 1 if lengths and _median(lengths) >= MILLISECONDS_FROM_FEW_MEDIAN else 1000
