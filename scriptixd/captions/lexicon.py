"""Owns what a language's words do in a sentence: which lean on the next one, which open what follows.

The words are data: `languages/*.txt`, one small file a language. Must never guess: a language without a file has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final

# A break after one of these parts it from what it belongs to.
LEANING: Final = (
    "articles", "determiners", "prepositions", "conjunctions", "auxiliaries", "pronouns", "negations", "numerals",
    "adverbs", "titles", "names",
)  # fmt: skip
PREPOSITIONS: Final = "prepositions"
OPENING: Final = (PREPOSITIONS, "conjunctions")  # a break before one of these is where a reader would breathe
ADJECTIVES: Final = "adjectives"
ENDINGS: Final = "adjective-endings"  # of words that are longer than these by MORE letters
PARTICLES: Final = "particles"  # the second half of a verb: a break before one of these parts it from the first
ABBREVIATIONS: Final = "abbreviations"
MANNERS: Final = "manners"  # capital-nouns, ordinal-stops, dash-spaced, dash-second
CLASSES: Final = frozenset({*LEANING, ADJECTIVES, ENDINGS, PARTICLES, ABBREVIATIONS, MANNERS})
MORE: Final = 3
LONGEST_TAG: Final = 8  # letters of a language in a tag (RFC 5646); no disk has a file of any length
SAME: Final = {"nb": "no", "nn": "no"}  # languages that are written alike, as far as their little words go


class Dash(StrEnum):
    """How two speakers in one cue are told apart: captions of that language do it so."""

    BOTH = "both"  # -A / -B
    SPACED = "spaced"  # - A / - B
    SECOND = "second"  # A / -B


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words in lower case, without punctuation; abbreviations as they are written, with their full stop."""

    leaning: frozenset[str] = frozenset()
    opening: frozenset[str] = frozenset()
    prepositions: frozenset[str] = frozenset()
    adjectives: frozenset[str] = frozenset()
    endings: tuple[str, ...] = ()
    particles: frozenset[str] = frozenset()
    abbreviations: frozenset[str] = frozenset()
    nouns_are_capital: bool = False  # German: what is capital in the middle of a sentence is no name
    ordinals_have_stops: bool = True  # "15. Mai"; where nothing is known, it is no end of a sentence
    dash: Dash = Dash.BOTH

    def is_adjective(self, word: str) -> bool:
        """Whether a word is likely one, by itself or by its ending."""
        if word in self.adjectives:
            return True
        ending = next((one for one in self.endings if word.endswith(one)), "")
        return bool(ending) and len(word) >= len(ending) + MORE


NONE: Final = Lexicon()


@cache
def lexicon(language: str) -> Lexicon:
    """The words of a language tag as `nl-NL`, `nl_BE` or `nl`; NONE for a language without a file."""
    primary = language.replace("_", "-").partition("-")[0].lower()
    primary = SAME.get(primary, primary)
    file = files("scriptixd.captions.languages") / f"{primary}.txt"
    if not primary.isalpha() or len(primary) > LONGEST_TAG or not file.is_file():
        return NONE
    words = _parsed(file.read_text("utf-8"))

    def of(*classes: str) -> frozenset[str]:
        return frozenset().union(*(words.get(name, ()) for name in classes))

    return Lexicon(
        leaning=of(*LEANING),
        opening=of(*OPENING),
        prepositions=of(PREPOSITIONS),
        adjectives=of(ADJECTIVES),
        endings=tuple(sorted(of(ENDINGS))),
        particles=of(PARTICLES),
        abbreviations=of(ABBREVIATIONS),
        nouns_are_capital="capital-nouns" in words.get(MANNERS, ()),
        ordinals_have_stops="ordinal-stops" in words.get(MANNERS, ()),
        dash=next((dash for dash in Dash if f"dash-{dash}" in words.get(MANNERS, ())), Dash.BOTH),
    )


def _parsed(text: str) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for line in text.splitlines():
        name, _, words = line.partition("#")[0].partition(":")
        if words:
            found[name.strip()] = frozenset(words.split())
    return found
