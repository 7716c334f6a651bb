"""Owns what a break between two words costs, from punctuation, capitals, numbers, length and pauses in any language.

Must never know about cues or lines: it looks at two neighbours and at the silence between them.
"""

from __future__ import annotations

from dataclasses import dataclass

from scriptixd.captions.lexicon import NONE, Lexicon
from scriptixd.captions.script import leans_back, no_beginning, unspaced

SENTENCE = 0.0
CLAUSE = 1.2
BRACKET = 2.0
BEFORE_SHORT = 2.4  # a conjunction or preposition opens what follows: break before it
PLAIN = 3.5
AFTER_SHORT = 6.0  # an article, preposition or pronoun leans on what follows
AFTER_SHORTISH = 4.5
NAME = 7.0  # between two capitals: first and last name
NUMBER = 7.0  # a number leans on what it counts
LEANS = 8.0  # an article, a preposition, an auxiliary, a pronoun: known words that belong to what follows
ADJECTIVE = 6.0
PARTICLE = 5.5  # "ran / out": before the second half of a verb
BEFORE_NOUN = 6.0  # where nouns are capital, what stands before one belongs to it more often than not
CLINGS = 25.0  # a lone mark stays with its word

# In the languages with spaces, words of up to three letters are mostly articles, prepositions and pronouns, and words
# of four still often enough.
SHORT_WORD = 3
SHORTISH_WORD = 4
# A pause makes a break cheaper, up to this, fully so when it is half a second longer than the noticeable quarter.
PAUSE_DISCOUNT = 2.0
PAUSE_FROM_MS = 250
PAUSE_FULL_MS = 750

SENTENCE_MARKS = ".!?…。！？؟।"
CLAUSE_MARKS = ",;:–—、，；：،؛"
CLOSING = "\"'”’»›)]}」』）*"
OPENING = "\"'“„‚‘«‹([{¿¡「『（"
ONLY_OPENING = frozenset("“„‚‘«‹([{¿¡「『（") | {",,", "``"}


@dataclass(frozen=True, slots=True)
class Shape:
    """What can be seen of a word without knowing its language."""

    ends_sentence: bool
    ends_with_stop: bool  # a full stop, which may be an abbreviation's
    abbreviated: bool  # an initial, an ordinal, "U.S."
    ends_clause: bool
    opens: bool
    lone_mark: bool
    lone_opening: bool
    capital: bool
    lower: bool
    letters: int  # 0 unless it is a word of letters alone
    number: bool
    leans: bool = False  # on what follows: an article, a preposition, an auxiliary
    introduces: bool = False  # a conjunction or preposition
    describes: bool = False  # likely an adjective
    particle: bool = False  # the second half of a verb, or a preposition that nothing follows
    no_beginning: bool = False  # of a line, by the rules of Japanese and Chinese
    leans_back: bool = False  # on the word before, in a script without spaces
    always_capital: bool = False  # the English "I", which begins a sentence no more than any other word
    knows_abbreviations: bool = False  # so any other full stop ends a sentence, however the next one begins


def shape(text: str, words: Lexicon = NONE) -> Shape:
    """The shape of one word, its punctuation included; and what it does in a sentence, where the language is known."""
    core = text.rstrip(CLOSING)
    end = core[-1:]
    bare = core.lstrip(OPENING)
    stem = bare.rstrip(SENTENCE_MARKS + CLAUSE_MARKS)
    lone = not any(character.isalnum() for character in text)
    opening = text in ONLY_OPENING
    stop = end == "."
    known = stem.lower()
    # With a comma or a full stop behind it, it begins nothing: "what are you waiting for?", "hij wijst het af."
    trails = end != "" and end in SENTENCE_MARKS + CLAUSE_MARKS and known in words.prepositions
    return Shape(
        ends_sentence=end != "" and end in SENTENCE_MARKS,
        ends_with_stop=stop,
        abbreviated=stop and not bare.endswith("..") and _abbreviated(bare, stem, words),
        ends_clause=end != "" and end in CLAUSE_MARKS and not opening,
        opens=text[0] in OPENING and not lone,
        lone_mark=lone and not opening,
        lone_opening=opening,
        capital=stem[:1].isupper(),
        lower=stem[:1].islower(),
        letters=len(stem) if stem.isalpha() and not unspaced(stem) else 0,
        number=stem[:1].isdigit() and stem[-1:].isdigit(),
        leans=known.replace("’", "'") in words.leaning,
        introduces=known in words.opening and not trails,
        describes=words.is_adjective(known),
        particle=known in words.particles or trails,
        no_beginning=no_beginning(text),
        leans_back=not text.isascii() and leans_back(stem),
        always_capital=stem.partition("'")[0] == "I",
        knows_abbreviations=bool(words.abbreviations),
    )


def _abbreviated(bare: str, stem: str, words: Lexicon) -> bool:
    """Whether a full stop after this is more likely not the end of a sentence: M. U.S. p.m. 15."""
    if bare in words.abbreviations:
        return True
    if stem.isdigit():
        return len(stem) <= 2 and words.ordinals_have_stops
    parts = stem.split(".")
    return all(part.isalpha() and len(part) <= 2 for part in parts) and (len(parts) > 1 or len(stem) == 1)


def ends_sentence(word: Shape, following: Shape) -> bool:
    """Whether a sentence ends between these two words."""
    if not word.ends_sentence or following.lone_mark:
        return False
    return not word.ends_with_stop or not (word.abbreviated or (following.lower and not word.knows_abbreviations))


def price(word: Shape, following: Shape, pause_ms: int, words: Lexicon = NONE) -> float:
    """What a break between these two words costs, from SENTENCE to CLINGS."""
    if following.lone_mark or word.lone_opening or following.no_beginning:
        return CLINGS
    if ends_sentence(word, following):
        return SENTENCE
    cost = _by_shape(word, following) if words is NONE else _by_word(word, following, words)
    if pause_ms > PAUSE_FROM_MS:
        share = (min(pause_ms, PAUSE_FULL_MS) - PAUSE_FROM_MS) / (PAUSE_FULL_MS - PAUSE_FROM_MS)
        cost = max(SENTENCE, cost - PAUSE_DISCOUNT * share)
    return cost


def _by_word(word: Shape, following: Shape, words: Lexicon) -> float:  # noqa: PLR0911 - flat: one case a reason
    """In a language whose little words are known."""
    if word.ends_clause:
        return CLAUSE
    if word.leans:
        return LEANS
    if following.opens or following.lone_opening:
        return BRACKET
    if following.particle:
        return PARTICLE
    if following.introduces:
        return BEFORE_SHORT
    if word.describes:
        return ADJECTIVE
    if following.capital and (word.capital or words.nouns_are_capital):
        return NAME if word.capital else BEFORE_NOUN
    if word.number:
        return NUMBER
    return PLAIN


def _by_shape(word: Shape, following: Shape) -> float:
    if word.ends_clause:
        return CLAUSE
    if following.opens or following.lone_opening:
        return BRACKET
    if word.capital and following.capital:
        return NAME
    if word.number:
        return NUMBER
    if following.leans_back:
        return AFTER_SHORT
    if 0 < word.letters <= SHORTISH_WORD:
        return AFTER_SHORT if word.letters <= SHORT_WORD else AFTER_SHORTISH
    return BEFORE_SHORT if 0 < following.letters <= SHORT_WORD else PLAIN
