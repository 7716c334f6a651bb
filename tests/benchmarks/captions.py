"""Captions of a long recording: its words to cues, cues to files, and `scriptixd convert` as a whole.

`python tests/benchmarks/captions.py [--language en] [--words 100000] [--cues 100000] [--rounds 5] [--fixture FILE]`

The words are those of the scorecard's fixture, again and again, with later times, other speakers and ever new long
words, so that there are as many different ones as in so long a talk. What a peer takes is made before it is timed;
what it makes is only counted. A peer that is not installed says how to install it; none of them needs its models.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from itertools import count, islice
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import Rounds, Timing, a_place, peer, table, verdict

FIXTURES = Path(__file__).resolve().parents[3] / "shared" / "captions"
WORDS_A_SECOND = 40_000
CONVERT_SECONDS = 6.0  # for 100,000 words
CONVERT_MIB = 150.0
LONG_WORD = 7  # letters: every fourth such word is a new one in a repetition, as vocabulary grows while people talk
LETTERS = "abcdefghijklmnopqrstuvwxyz"
LINE, LINES = 42, 2
CALIBRATION = 2_000_000  # turns of a loop that is always the same, to compare machines by

Work = Callable[[], int]  # how many cues, or characters, it made


@dataclass(frozen=True, slots=True)
class Peer:
    """A way to do it: from a file with what there is to do, the work that is timed."""

    prepare: Callable[[Path, str], Work]
    needs: tuple[str, ...] = ()
    pip: str = ""

    @property
    def lacking(self) -> str:
        missing = [module for module in self.needs if find_spec(module) is None]
        return f"not installed ({', '.join(missing)}): {self.pip}" if missing else ""


def utterances(base: Sequence[dict[str, Any]], words: int) -> Iterator[dict[str, Any]]:
    """So many words of a fixture's utterances, from its beginning again when it ends."""
    length = max(utterance["result"][-1][2] for utterance in base) + 1
    left = words
    for again in count():
        for utterance in base:
            said = [_later(word, index, again, length) for index, word in enumerate(utterance["result"][:left])]
            left -= len(said)
            yield utterance | {"result": said, "speaker": f"{utterance.get('speaker')}.{again}"}
            if not left:
                return


def _later(word: Sequence[Any], index: int, again: int, length: float) -> list[Any]:
    text, start, stop, *rest = word
    if again and len(text) >= LONG_WORD and (index + again) % 4 == 0:
        text = text[:3] + LETTERS[again % len(LETTERS)] + text[3:]
    return [text, round(start + again * length, 3), round(stop + again * length, 3), *rest]


def make(fixture: Path, words: int, cues: int, language: str, place: Path) -> None:
    """The result of a long recording, and cues for the renderers, one a line."""
    from scriptixd.captions.cue import cues as cues_of
    from scriptixd.captions.result import read_result
    from scriptixd.captions.style import Style

    opened = gzip.open if fixture.suffix == ".gz" else open
    with opened(fixture, "rt", encoding="utf-8") as file:
        found = json.load(file)["result"]
    said = list(utterances(found.get("result", found)["results"], words))
    answer = {"status": "done", "duration": said[-1]["result"][-1][2], "results": said}
    (place / "result.json").write_text(json.dumps({"result": answer}), encoding="utf-8")
    shown = cues_of(read_result((place / "result.json").read_bytes()), Style(language=language))
    length = shown[-1].end_ms + 1000
    many = ((cue, again * length) for again in count() for cue in shown)
    with (place / "cues.jsonl").open("w", encoding="utf-8") as file:
        for cue, later in islice(many, cues):
            # Twice as fast, to end before the hundredth hour, at which some libraries stop counting.
            times = (cue.start_ms + later) // 2, (cue.end_ms + later) // 2
            file.write(json.dumps([*times, cue.lines, cue.speaker]) + "\n")


# To cues


def said_in(result: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.read_bytes())["result"]["results"]
    return found


def our_segmenter(result: Path, language: str) -> Work:
    from scriptixd.captions.cue import cues
    from scriptixd.captions.result import read_result
    from scriptixd.captions.style import Style

    transcript, style = read_result(result.read_bytes()), Style(language=language)
    return lambda: len(cues(transcript, style))


def greedy(result: Path, _language: str) -> Work:
    """Words into a line while they fit, lines into a cue while there are two; a new cue for another utterance."""
    said = said_in(result)

    def cues() -> int:
        found: list[tuple[float, float, str]] = []
        for utterance in said:
            lines, since, until = [""], 0.0, 0.0
            for text, start, stop, _ in utterance["result"]:
                if not lines[0]:
                    lines, since = [text], start
                elif len(lines[-1]) + 1 + len(text) <= LINE:
                    lines[-1] += " " + text
                elif len(lines) < LINES:
                    lines.append(text)
                else:
                    found.append((since, until, "\n".join(lines)))
                    lines, since = [text], start
                until = stop
            found.append((since, until, "\n".join(lines)))
        return len(found)

    return cues


def whisperx(result: Path, language: str) -> Work:
    from whisperx.SubtitlesProcessor import SubtitlesProcessor

    segments = [
        {
            "start": words[0]["start"],
            "end": words[-1]["end"],
            "text": " ".join(word["word"] for word in words),
            "words": words,
        }
        for utterance in said_in(result)
        for words in ([{"word": text, "start": start, "end": stop} for text, start, stop, _ in utterance["result"]],)
    ]
    return lambda: len(SubtitlesProcessor(segments, language, max_line_length=LINE).process_segments())


def deepgram(result: Path, _language: str) -> Work:
    """With the writing of them: its lines are slices of what it got until then."""
    from deepgram_captions import DeepgramConverter, srt

    names: dict[str, int] = {}
    spoken = [
        {
            "words": [
                {"word": text, "punctuated_word": text, "start": start, "end": stop, "speaker": speaker}
                for text, start, stop, _ in utterance["result"]
            ],
            "transcript": " ".join(word[0] for word in utterance["result"]),
        }
        for utterance in said_in(result)
        for speaker in (names.setdefault(utterance["speaker"], len(names)),)
    ]
    alternative = {"transcript": " ".join(one["transcript"] for one in spoken)}
    answer = {"results": {"utterances": spoken, "channels": [{"alternatives": [alternative]}]}}
    return lambda: len(srt(DeepgramConverter(answer), 8))


def stable_ts(result: Path, language: str) -> Work:
    """As it regroups whatever it has transcribed."""
    from stable_whisper.result import WhisperResult

    segments = [
        {"words": [{"word": f" {text}", "start": start, "end": stop} for text, start, stop, _ in utterance["result"]]}
        for utterance in said_in(result)
    ]
    found = WhisperResult({"segments": segments, "language": language}, check_sorted=False)
    return lambda: len(found.regroup().segments)


# To files


def rows(cues: Path) -> Iterator[tuple[int, int, list[str], str | None]]:
    with cues.open(encoding="utf-8") as file:
        for line in file:
            start, end, lines, speaker = json.loads(line)
            yield start, end, lines, speaker


def our_srt(file: Path, _language: str) -> Work:
    from scriptixd.captions.cue import Cue
    from scriptixd.captions.srt import srt

    cues = [Cue(start, end, tuple(lines), speaker) for start, end, lines, speaker in rows(file)]
    return lambda: len(srt(cues))


def our_vtt(file: Path, _language: str) -> Work:
    """With escaped text and voices."""
    from scriptixd.captions.cue import Cue
    from scriptixd.captions.vtt import vtt

    cues = [Cue(start, end, tuple(lines), speaker) for start, end, lines, speaker in rows(file)]
    return lambda: len(vtt(cues, "automatic, not reviewed"))


def srt_library(file: Path, _language: str) -> Work:
    from datetime import timedelta

    import srt

    subtitles = [
        srt.Subtitle(number, timedelta(milliseconds=start), timedelta(milliseconds=end), "\n".join(lines))
        for number, (start, end, lines, _) in enumerate(rows(file), 1)
    ]
    return lambda: len(srt.compose(subtitles))


def pysubs2(file: Path, kind: str) -> Work:
    from pysubs2 import SSAEvent, SSAFile

    subtitles = SSAFile()
    subtitles.events = [SSAEvent(start, end, r"\N".join(lines)) for start, end, lines, _ in rows(file)]
    return lambda: len(subtitles.to_string(kind))


def webvtt(file: Path, kind: str) -> Work:
    from webvtt import Caption, WebVTT

    from scriptixd.captions.srt import clock_time

    captions = [
        Caption(clock_time(start, "."), clock_time(end, "."), "\n".join(lines)) for start, end, lines, _ in rows(file)
    ]
    subtitles, written = WebVTT(captions=captions), StringIO()

    def write() -> int:
        subtitles.write(written, format=kind)
        return written.tell()

    return write


SEGMENTERS = {
    "scriptixd": Peer(our_segmenter),
    "greedy 42 × 2": Peer(greedy),
    "whisperX, SubtitlesProcessor": Peer(whisperx, ("whisperx",), "pip install --no-deps whisperx"),
    "deepgram-captions, 8 words, to SRT": Peer(deepgram, ("deepgram_captions",), "pip install deepgram-captions"),
    "stable-ts, regroup": Peer(stable_ts, ("torch", "stable_whisper"), "pip install stable-ts, which brings torch"),
}
SRT = {
    "scriptixd": Peer(our_srt),
    "srt": Peer(srt_library, ("srt",), "pip install srt"),
    "pysubs2": Peer(lambda file, _: pysubs2(file, "srt"), ("pysubs2",), "pip install pysubs2"),
    "webvtt-py": Peer(lambda file, _: webvtt(file, "srt"), ("webvtt",), "pip install webvtt-py"),
}
VTT = {
    "scriptixd": Peer(our_vtt),
    "pysubs2": Peer(lambda file, _: pysubs2(file, "vtt"), ("pysubs2",), "pip install pysubs2"),
    "webvtt-py": Peer(lambda file, _: webvtt(file, "vtt"), ("webvtt",), "pip install webvtt-py"),
}
CONTESTS = {"cues": (SEGMENTERS, "result.json"), "srt": (SRT, "cues.jsonl"), "vtt": (VTT, "cues.jsonl")}


def as_peer(contest: str, name: str, place: Path, language: str, rounds: int) -> None:
    """In a process of its own; the first round finds its imports done and its tables empty, as a user's does."""
    peers, file = CONTESTS[contest]
    timed = Rounds()
    for _ in range(rounds):
        work = peers[name].prepare(place / file, language)
        with timed.one():
            made = work()
        if not made:
            raise SystemExit(f"{name} made nothing")
    timed.tell()


def compared(contest: str, place: Path, given: argparse.Namespace) -> dict[str, Timing]:
    """Each peer that is installed; in any order, so that nobody always runs when the machine is warm."""
    peers, _ = CONTESTS[contest]
    installed = [name for name, one in peers.items() if not one.lacking]
    random.SystemRandom().shuffle(installed)
    common = ("--place", str(place), "--language", given.language, "--rounds", str(given.rounds))
    return {name: peer(__file__, "--contest", contest, "--peer", name, *common) for name in installed}


def show(contest: str, title: str, size: int, unit: str, found: dict[str, Timing]) -> None:
    ours = found["scriptixd"].seconds
    told = []
    for name, one in CONTESTS[contest][0].items():
        if name not in found:
            told.append((name, "", "", "", "", one.lacking))
            continue
        it = found[name]
        speed = f"{size / it.seconds:,.0f}"
        told.append((name, f"{it.seconds:.2f}", speed, f"{it.seconds / ours:.2f}", f"{it.peak:.0f}", ""))
    table(title, ("", "seconds", f"{unit}/s", "× ours", "peak MiB", ""), told)


@dataclass(frozen=True, slots=True)
class Conversion:
    """One `scriptixd convert`, its start and its end included."""

    seconds: float
    peak: float  # MiB


def convert(result: Path, format_name: str, language: str) -> Conversion:
    """As somebody runs it. This process stays small: a child's peak begins with what its parent had when it began."""
    command = [sys.executable, "-m", "scriptixd", "convert", str(result), "-f", format_name, "--language", language]
    output = result.with_name("captions")
    with output.open("wb") as written:
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=written) as process:
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or not output.stat().st_size:
        raise SystemExit(f"{' '.join(command)} failed")
    return Conversion(seconds, used.ru_maxrss / 1024)


def converted(result: Path, given: argparse.Namespace) -> Conversion:
    """The medians of its seconds, the most memory of any; and a row for each format."""
    found = {
        name: [convert(result, name, given.language) for _ in range(given.rounds)] for name in ("srt", "vtt", "txt")
    }
    told = {
        name: Conversion(statistics.median(one.seconds for one in them), max(one.peak for one in them))
        for name, them in found.items()
    }
    table(
        f"scriptixd convert on {given.words:,} words, medians of {given.rounds}",
        ("", "seconds", "words/s", "peak MiB"),
        [
            (name, f"{it.seconds:.2f}", f"{given.words / it.seconds:,.0f}", f"{it.peak:.0f}")
            for name, it in told.items()
        ],
    )
    return Conversion(max(it.seconds for it in told.values()), max(it.peak for it in told.values()))


def calibration() -> float:
    """Seconds of a loop that no machine can make shorter but by being faster; the best of three."""
    best = float("inf")
    for _ in range(3):
        began, total = time.perf_counter(), 0
        for number in range(CALIBRATION):
            total += number * number % 7
        best = min(best, time.perf_counter() - began)
    return best


def measure(place: Path, given: argparse.Namespace) -> None:
    before = calibration()
    found = {contest: compared(contest, place, given) for contest in CONTESTS}
    show("cues", f"{given.words:,} words to cues, medians of {given.rounds}", given.words, "words", found["cues"])
    for contest in ("srt", "vtt"):
        title = f"{given.cues:,} cues to {contest.upper()}, medians of {given.rounds}"
        show(contest, title, given.cues, "cues", found[contest])
    whole = converted(place / "result.json", given)
    speed = given.words / found["cues"]["scriptixd"].seconds
    goals = [("words/s to cues", f"{speed:,.0f}", f"≥ {WORDS_A_SECOND:,}", verdict(WORDS_A_SECOND, speed))]
    for contest in ("srt", "vtt"):
        others = [it.seconds for name, it in found[contest].items() if name != "scriptixd"]
        if others:
            ratio = found[contest]["scriptixd"].seconds / min(others)
            goals.append((f"{contest.upper()}, × the fastest library", f"{ratio:.2f}", "≤ 1", verdict(ratio, 1.0)))
    goals += [
        ("convert, seconds", f"{whole.seconds:.2f}", f"≤ {CONVERT_SECONDS:g}", verdict(whole.seconds, CONVERT_SECONDS)),
        ("convert, peak MiB", f"{whole.peak:.0f}", f"≤ {CONVERT_MIB:g}", verdict(whole.peak, CONVERT_MIB)),
    ]
    table("Goals", ("", "figure", "goal", ""), goals)
    print(f"A bare loop of {CALIBRATION:,} turns took {before:.3f} s before and {calibration():.3f} s afterwards.")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--language", default="en")
    options.add_argument("--words", type=int, default=100_000)
    options.add_argument("--cues", type=int, default=100_000)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--fixture", type=Path, help="one of the scorecard's, or any result")
    options.add_argument("--contest", choices=CONTESTS, help=argparse.SUPPRESS)
    options.add_argument("--peer", help=argparse.SUPPRESS)
    options.add_argument("--place", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    fixture = given.fixture or FIXTURES / f"{given.language}.json.gz"
    if given.contest:
        as_peer(given.contest, given.peer, given.place, given.language, given.rounds)
    elif given.make:
        make(fixture, given.words, given.cues, given.language, given.place)
    elif not fixture.is_file():
        sys.exit(f"{fixture} is not there: name a result or a fixture of the scorecard with --fixture")
    else:
        with a_place() as place:
            making = ("--make", "--place", str(place), "--fixture", str(fixture), "--language", given.language)
            size = ("--words", str(given.words), "--cues", str(given.cues))
            subprocess.run([sys.executable, __file__, *making, *size], check=True)
            measure(place, given)


if __name__ == "__main__":
    main()
