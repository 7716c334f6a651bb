"""The little words of a language, as a translator can edit them; and what cues make of them, and of short turns."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files

import pytest

from scriptixd.captions.cue import Cue, cues
from scriptixd.captions.layout import Numbers
from scriptixd.captions.lexicon import CLASSES, NONE, Dash, lexicon
from scriptixd.captions.result import read_result
from scriptixd.captions.style import Style
from scriptixd.captions.transcript import Transcript
from scriptixd.captions.vtt import vtt

FILES = files("scriptixd.captions.languages")
LANGUAGES = sorted(one.name.removesuffix(".txt") for one in FILES.iterdir() if one.name.endswith(".txt"))
MANNERS = {"capital-nouns", "ordinal-stops", "dash-spaced", "dash-second"}


def said(*turns: tuple[str | None, str, float], pace: float = 0.28) -> Transcript:
    results = []
    for speaker, text, start in turns:
        words = [[word, start + n * pace, start + (n + 1) * pace - 0.02, 0.9] for n, word in enumerate(text.split())]
        results.append({"result": words, "speaker": speaker, "channel": 0})
    return read_result(json.dumps({"results": results}))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_file_holds_known_classes_of_words_each_once_and_in_lower_case(language: str) -> None:
    seen: dict[str, list[str]] = {}
    for line in (FILES / f"{language}.txt").read_text("utf-8").splitlines():
        name, _, words = line.partition("#")[0].partition(":")
        if words:
            assert name not in seen, f"{name} is there twice"
            seen[name] = words.split()
    assert set(seen) <= CLASSES
    assert set(seen.get("manners", ())) <= MANNERS
    for name, words in seen.items():
        if name not in ("abbreviations", "manners"):
            assert [word for word in words if word != word.lower()] == []


@pytest.mark.parametrize("tag", ["nl", "nl-nl", "nl_BE", "NL", "nl-Latn-NL"])
def test_a_language_is_known_by_the_first_part_of_its_tag(tag: str) -> None:
    assert lexicon(tag) == lexicon("nl")
    assert "de" in lexicon(tag).leaning


@pytest.mark.parametrize("tag", ["", "xx", "../nl", "n", "nl.txt", "-nl", "n" * 300])
def test_a_language_without_a_file_has_no_words(tag: str) -> None:
    assert lexicon(tag) is NONE


def ends(text: str, language: str) -> list[str]:
    """The last word of every line but the last one."""
    lines = [line for cue in cues(said((None, text, 0.0)), Style(language)) for line in cue.lines]
    return [line.split()[-1] for line in lines[:-1]]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "She has been living in the house of her grandmother since the summer of the year before the war"),
        (
            "nl",
            "Zij woont sinds de zomer van het jaar voor de oorlog in het oude huis van haar grootmoeder bij de kerk",
        ),
        ("de", "Sie wohnt seit dem Sommer des Jahres vor dem Krieg in dem alten Haus ihrer Großmutter an der Kirche"),
        ("fr", "Elle habite depuis l'été de cette année dans la grande maison de sa famille au bord de la mer à Nice"),
    ],
)
def test_no_line_ends_with_a_word_that_leans_on_the_next(language: str, text: str) -> None:
    assert [word for word in ends(text, language) if word.lower() in lexicon(language).leaning] == []


@pytest.mark.parametrize(
    ("language", "text", "parted"),
    [
        ("nl", "want daar is de meeste belangstelling voor.", "belangstelling"),
        ("en", "nobody knows what the committee is waiting for.", "waiting"),
        ("de", "deshalb lehnen wir den neuen Antrag heute ab.", "heute"),
    ],
)
def test_a_preposition_that_nothing_follows_stays_with_what_came_before(language: str, text: str, parted: str) -> None:
    assert parted not in ends(text, language)


def test_a_sentence_ends_where_its_language_says_so() -> None:
    text = "We met on the thirteenth of May 13. Nobody came to the meeting that had been announced to everybody."
    assert "13." in ends(text, "en")
    assert "Mr." not in ends("It was said that everybody in the whole village knew what had become of Mr. Brown", "en")


# Two speakers


def test_a_turn_that_would_flash_by_shares_a_cue_with_its_neighbour() -> None:
    turns = said(("A", "Is the report ready?", 0.0), ("B", "Yes.", 1.2), ("A", "Then we can begin with it now.", 1.5))
    first = cues(turns, Style("en"))[0]
    assert first.lines == ("-Is the report ready?", "-Yes.")
    assert (first.speaker, first.speakers) == (None, ("A", "B"))
    assert vtt([first]).endswith("\n<v A>-Is the report ready?</v>\n<v B>-Yes.</v>\n")
    assert vtt([replace(first, speakers=("A", None))]).endswith("\n<v A>-Is the report ready?</v>\n-Yes.\n")


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        ("en", ("-Klaar?", "-Ja.")),
        ("nl", ("Klaar?", "-Ja.")),
        ("fr", ("- Klaar?", "- Ja.")),
        ("xx", ("-Klaar?", "-Ja.")),
    ],
)
def test_the_dashes_are_those_of_the_language(language: str, lines: tuple[str, str]) -> None:
    turns = said(("A", "Klaar?", 0.0), ("B", "Ja.", 0.3), ("A", "Dan gaan we nu naar huis.", 5.0))
    assert cues(turns, Style(language))[0].lines == lines


def shown(found: list[Cue]) -> list[int]:
    return [len(cue.lines) for cue in found]


def test_turns_that_do_not_fit_or_are_far_apart_stay_alone() -> None:
    long = "This is a line that is a little longer than that."
    assert all(not cue.speakers for cue in cues(said(("A", long, 0.0), ("B", "Yes.", 14 * 0.28), ("C", long, 4.3))))
    apart = said(("A", "Ready?", 0.0), ("B", "Yes.", 9.0), ("A", "Good.", 20.0))
    assert all(not cue.speakers for cue in cues(apart))
    one_line = Style(numbers=Numbers(max_lines=1))
    assert all(not cue.speakers for cue in cues(said(("A", "Ready?", 0.0), ("B", "Yes.", 0.3)), one_line))


def test_every_dash_is_of_some_language() -> None:
    assert {lexicon(language).dash for language in LANGUAGES} == set(Dash)
