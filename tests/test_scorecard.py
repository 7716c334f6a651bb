"""The scorecard of captions, from outside: what guides ask of cues, and breaks that treebanks call wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

SHARED: Final = Path(__file__).resolve().parents[2] / "shared" / "captions"
AT_LEAST: Final = {
    "hard": 99.5, "lines": 100.0, "gap": 100.0, "one_speaker_per_line": 100.0, "duration": 99.5, "in_sync": 100.0,
    "chained": 99.0, "out_sync": 99.0,
}  # fmt: skip
NO_SENTENCE_MIX: Final = {"en": 95.0, "nl": 97.0, "de": 97.0, "fr": 97.0}
CUE_END_BAD: Final = {"en": 2.5, "nl": 4.5, "de": 5.0, "fr": 4.0}
LINE_BREAK_BAD: Final = {"en": 9.0, "nl": 14.0, "de": 14.0, "fr": 14.0}
WORDS_OVER_CPS: Final = 2.5

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason=f"the scorecard's fixtures are not in {SHARED}")


@pytest.mark.parametrize("language", ["en", "nl", "de", "fr"])
def test_every_figure_of_the_scorecard_is_at_its_goal(language: str) -> None:
    program = [sys.executable, "-m", "scriptixd", "convert", "{result}", "-f", "srt", "--language", "{language}"]
    command = [sys.executable, str(SHARED / "score.py"), str(SHARED / f"{language}.json.gz"), "--", *program]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    score = json.loads(done.stdout)
    assert {name: score[name] for name, goal in AT_LEAST.items() if score[name] < goal} == {}
    assert score["no_sentence_mix"] >= NO_SENTENCE_MIX[language]
    assert score["cue_end_bad"] <= CUE_END_BAD[language]
    assert score["line_break_bad"] <= LINE_BREAK_BAD[language]
    assert score["words_over_cps"] <= WORDS_OVER_CPS
