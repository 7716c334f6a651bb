"""Captions and texts of six languages, byte for byte, as they were reviewed by eye; `GOLDEN=renew pytest` writes them.

`tests/golden/LANGUAGE.json` is what a service answers to two people who talk in a council or a studio: long sentences,
asides, abbreviations, numbers, quotes and answers of one word. What was renewed is read again before it is committed.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Final

import pytest

from scriptixd.captions.manner import Manner
from scriptixd.captions.result import read_result
from scriptixd.captions.writing import Spoken, formatted

GOLDEN: Final = Path(__file__).parent / "golden"
LANGUAGES: Final = ("en", "nl", "de", "fr", "ja", "ar")


@pytest.mark.parametrize("format_name", ["srt", "vtt", "txt"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_it_is_as_it_was_reviewed(language: str, format_name: str) -> None:
    transcript = read_result((GOLDEN / f"{language}.json").read_bytes())
    manner = Manner().of(language)
    written = formatted(format_name, Spoken(transcript, "meeting", manner.style), manner.writing)
    assert written is not None
    reviewed = GOLDEN / f"{language}.{format_name}"
    if os.environ.get("GOLDEN") == "renew":
        reviewed.write_bytes(written)
    difference = difflib.unified_diff(
        reviewed.read_text(encoding="utf-8").splitlines(), written.decode().splitlines(), "reviewed", "now", lineterm=""
    )
    assert not list(difference), "\n".join(difference)
    assert written == reviewed.read_bytes()
