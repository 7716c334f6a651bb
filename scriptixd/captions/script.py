"""Owns how a writing system is set: the room that its characters take, which words stand together without a space,
where a word without spaces may be cut, and the marks that keep punctuation in its place where text runs to the left.

Must never drop or change a character; what it adds are U+200F marks at the edges of lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Final
from unicodedata import bidirectional, category, east_asian_width

# A guide counts their characters full-width (Netflix: 13 in a line for ja, 16 for ko and zh): two columns each.
WIDE: Final = frozenset({"ja", "zh", "yue", "ko"})
UNSPACED_WIDE: Final = frozenset({"ja", "zh", "yue"})
UNSPACED_NARROW: Final = frozenset({"th", "lo", "km", "my"})
RIGHT_TO_LEFT: Final = frozenset({"ar", "he", "fa", "ur"})
RIGHT_TO_LEFT_MARK: Final = "\u200f"

_STRONG_RIGHT: Final = ("R", "AL")
# No line begins with one of these, and none ends with the second lot (JIS X 4051 and GB/T 15834, the common part).
NO_BEGINNING: Final = frozenset(
    "、。，．・：；？！ー…‥」』）】〉》〕］｝〟ゝゞ々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ,.:;?!)]}%’”"
)
NO_END: Final = frozenset("「『（【〈《〔［｛〝([{‘“")
LONG_PARTICLES: Final = ("について", "によって", "による", "として", "という", "ました")
PARTICLES: Final = frozenset((*"的了吗嗎呢吧啊着著过過们們得地", *LONG_PARTICLES))
_STOPS: Final = frozenset("、。，．：；？！…,;?!")


def primary(language: str) -> str:
    """`zh` of `zh-Hant`, `zh_TW` or `ZH`."""
    return language.replace("_", "-").partition("-")[0].lower()


def width(text: str, language: str = "") -> int:
    """Columns: two for a full-width character, none for what stands above or below another one in Thai and its like."""
    if text.isascii():
        return len(text)
    narrow = primary(language) in UNSPACED_NARROW
    return sum(0 if narrow and category(one) == "Mn" else _columns(one) for one in text)


@cache
def _columns(character: str) -> int:
    return 2 if east_asian_width(character) in "WF" else 1


def without_spaces(language: str) -> bool:
    """Whether it is written without spaces between words; a language that is not known has them."""
    return primary(language) in UNSPACED_WIDE | UNSPACED_NARROW


def joints_of(texts: Sequence[str], language: str) -> list[str]:
    """What stands after each word: a space, or nothing; and nothing after the last."""
    if not without_spaces(language):
        return [*[" "] * (len(texts) - 1), *[""] * min(1, len(texts))]
    return [
        *("" if together(one, other, language) else " " for one, other in pairwise(texts)),
        *[""] * min(1, len(texts)),
    ]


def together(word: str, following: str, language: str) -> bool:
    """Whether two words are written without a space between them."""
    last, first = word[-1], following[0]
    if primary(language) in UNSPACED_WIDE:
        return not (_spaced(last) and _spaced(first))
    return without_spaces(language) and not (_spaced(last) or _spaced(first))


def _spaced(character: str) -> bool:
    """Of a script that is written with spaces: a Latin letter or a digit in the middle of Japanese or Thai."""
    return character.isascii() or (character.isalnum() and not _unspaced(character))


@cache
def _unspaced(character: str) -> bool:
    code = ord(character)
    return _ideographic(character) or 0x0E00 <= code <= 0x0EFF or 0x1000 <= code <= 0x109F or 0x1780 <= code <= 0x17FF


@cache
def _ideographic(character: str) -> bool:
    """Han, kana and their punctuation, full-width letters too; not Hangul, which has spaces."""
    return _columns(character) == 2 and not (
        0x1100 <= ord(character) <= 0x11FF or 0x3130 <= ord(character) <= 0x318F or 0xAC00 <= ord(character) <= 0xD7FF
    )


def unspaced(text: str) -> bool:
    """Whether it is written in a script without spaces."""
    return not text.isascii() and any(map(_unspaced, text))


def no_beginning(text: str) -> bool:
    """Whether no line may begin with this word."""
    return not text.isascii() and (text[0] in NO_BEGINNING or category(text[0]) == "Mn")


def leans_back(text: str) -> bool:
    """Whether a break before this word parts it from the one that it belongs to: particles and endings in ja and zh."""
    return text in PARTICLES or (0 < len(text) <= 2 and all(map(_hiragana, text)))


def pieces(text: str, columns: int) -> list[str]:
    """A word without spaces that is wider than `columns`, cut where a line may end; any other as it is.

    It is cut after punctuation, and in Japanese where kana give way to the next word; what is still too wide, in any
    place that the rules of line breaking leave.
    """
    if 2 * len(text) <= columns or text.isascii() or not unspaced(text) or width(text) <= columns:
        return [text]
    found: list[str] = []
    piece = text[0]
    for before, character in pairwise(text):
        if _may_part(before, character) and (_good_end(before, character) or width(piece + character) > columns):
            found.append(piece)
            piece = ""
        piece += character
    return [*found, piece]


def _may_part(before: str, after: str) -> bool:
    if before in NO_END or after in NO_BEGINNING or category(after) in ("Mn", "Mc", "Cf") or category(before) == "Cf":
        return False
    if 0x0E40 <= ord(before) <= 0x0E44:  # a Thai vowel that is written before its consonant
        return False
    return _unspaced(before) or _unspaced(after)


def _good_end(before: str, after: str) -> bool:
    return before in _STOPS or (_hiragana(before) and not _hiragana(after))


def _hiragana(character: str) -> bool:
    return 0x3041 <= ord(character) <= 0x309F


def directed(line: str, language: str) -> str:
    """The line with marks where a player that takes it for left-to-right would move its edges to the wrong side."""
    if primary(language) not in RIGHT_TO_LEFT or not any(bidirectional(one) in _STRONG_RIGHT for one in line):
        return line
    before = "" if bidirectional(line[0]) in _STRONG_RIGHT else RIGHT_TO_LEFT_MARK
    after = "" if bidirectional(line[-1]) in _STRONG_RIGHT else RIGHT_TO_LEFT_MARK
    return f"{before}{line}{after}"
