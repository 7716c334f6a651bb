"""The benchmark of captions runs, and no library writes them faster: ratios between what runs in turns, never times."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from benchmarks import captions
from benchmarks.captions import CONTESTS, Work, make, utterances

WORDS = "Well, the committee has considered what you asked for on Tuesday, and it agreed that nobody can wait longer."
CUES = 1_000
ROUNDS = 15
NOT_SLOWER = 1.2  # times the fastest library, on a machine that does other things meanwhile


@pytest.fixture
def fixture(tmp_path: Path) -> Path:
    said = [[word, number * 0.4, number * 0.4 + 0.3, 0.9] for number, word in enumerate(WORDS.split())]
    spoken = [{"speaker": "Ann", "result": said[:9]}, {"speaker": "Bob", "result": said[9:]}]
    path = tmp_path / "fixture.json"
    path.write_text(json.dumps({"result": {"results": spoken}}))
    return path


def test_the_benchmark_tells_of_every_peer_whether_it_is_installed_or_not(fixture: Path) -> None:
    size = ["--words", "200", "--cues", "30", "--rounds", "1", "--fixture", str(fixture)]
    done = subprocess.run(
        [sys.executable, captions.__file__, *size], check=False, capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stderr
    for peers, _ in CONTESTS.values():
        for name, peer in peers.items():
            row = next(line for line in done.stdout.splitlines() if line.startswith(f"| {name} "))
            assert ("not installed" in row) == bool(peer.lacking), row
    assert "scriptixd convert on 200 words" in done.stdout
    assert "| convert, peak MiB " in done.stdout


def test_a_long_recording_has_as_many_words_as_were_asked_for_and_their_starts_rise() -> None:
    base = [{"speaker": "Ann", "result": [[word, 0.5 * at, 0.5 * at + 0.4] for at, word in enumerate(WORDS.split())]}]
    words = [word for one in utterances(base, 500) for word in one["result"]]
    assert len(words) == 500
    assert words == sorted(words, key=lambda word: word[1])
    assert len({word[0] for word in words}) > 2 * len(set(WORDS.split()))


@pytest.mark.parametrize("contest", ["srt", "vtt"])
def test_no_library_writes_cues_faster(contest: str, fixture: Path, tmp_path: Path) -> None:
    make(fixture, 100, CUES, "en", tmp_path)
    peers, file = CONTESTS[contest]
    works = {name: peer.prepare(tmp_path / file, "en") for name, peer in peers.items() if not peer.lacking}
    best = dict.fromkeys(works, float("inf"))
    for _ in range(ROUNDS):
        for name, work in works.items():
            best[name] = min(best[name], seconds(work))
    ours = best.pop("scriptixd")
    if not best:
        pytest.skip("no library that writes captions is installed")
    assert ours <= NOT_SLOWER * min(best.values()), best


def seconds(work: Work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
