"""Owns which characters a transcript's words and a cue's lines may hold; everything else about a word stays as it came.

Must never change what a person reads: it removes controls and takes white space for what it is.
"""

from __future__ import annotations

from unicodedata import category

# These hold a number and its unit together ("10 000"), so they do not end a word.
NON_BREAKING_SPACES = "\u00a0\u2007\u202f"
BYTE_ORDER_MARK = "\ufeff"
NO_CHARACTERS = "\ufffe\uffff"  # Unicode has none there, and XML allows none


class _Characters(dict[int, int | str | None]):
    """A table for str.translate that is worked out character by character, as they are met."""

    def __missing__(self, code: int) -> int | str | None:
        self[code] = decided = _decided(code)
        return decided


def _decided(code: int) -> int | str | None:
    character = chr(code)
    kind = category(character)
    if kind in ("Zl", "Zp") or (character.isspace() and character not in NON_BREAKING_SPACES):
        return " "
    # A lone surrogate (Cs) cannot be written as UTF-8 at all.
    if kind in ("Cc", "Cs") or character == BYTE_ORDER_MARK or character in NO_CHARACTERS:
        return None
    return code


_CHARACTERS = _Characters()


def words_of(text: str) -> list[str]:
    """The visible words of any text, none of them empty, none with a space, a break or a control character in it."""
    if text.isprintable():
        return text.split()
    found = (word.strip() for word in text.translate(_CHARACTERS).split(" "))
    return [word for word in found if word and not all(category(character) == "Cf" for character in word)]


def one_line(text: str) -> str:
    """The same words with single spaces between them; empty if there is nothing to see."""
    if text.isprintable() and "  " not in text and text == text.strip():  # as nearly every one is
        return text
    return " ".join(words_of(text))
