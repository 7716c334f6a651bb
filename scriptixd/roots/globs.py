"""Patterns on paths relative to a root, as `include`, `exclude` and rules use them.

`*` and `?` stay within one name, `**` stands for any number of whole directories, `[a-z]` and `[!a-z]` for
one letter; upper and lower case differ. A pattern without a slash is about the name, at any depth; one with
a slash is about the whole path from the root; a slash at its end stands for everything below.
"""

from __future__ import annotations

import re
from functools import cache

from scriptixd.roots.paths import name_of


def matches(pattern: str, path: str) -> bool:
    """Whether a path is one that the pattern means."""
    if "/" not in pattern:
        return _compiled(pattern).fullmatch(name_of(path)) is not None
    return _compiled(pattern).fullmatch(path) is not None


def covers(pattern: str, directory: str) -> bool:
    """Whether a pattern means everything below a directory, so that it need not be entered."""
    if matches(pattern, directory):
        return True
    whole = _normal(pattern)
    return whole.endswith("/**") and _compiled(whole.removesuffix("/**")).fullmatch(directory) is not None


def _normal(pattern: str) -> str:
    anchored = pattern.removeprefix("/")
    return anchored + "**" if anchored.endswith("/") else anchored


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    names = _normal(pattern).split("/")
    last = len(names) - 1
    expression = ""
    for place, name in enumerate(names):
        if name != "**":
            expression += _one_name(name) + ("" if place == last else "/")
        elif place == last:
            expression += ".+"
        else:
            expression += "(?:[^/]+/)*"
    return re.compile(expression, re.DOTALL)


def _one_name(name: str) -> str:
    expression, rest = "", name
    while rest:
        letter, rest = rest[0], rest[1:]
        if letter == "*":
            expression += "[^/]*"
        elif letter == "?":
            expression += "[^/]"
        elif letter == "[" and "]" in rest[1:]:
            end = rest.index("]", 1)
            expression += _one_letter(rest[:end])
            rest = rest[end + 1 :]
        else:
            expression += re.escape(letter)
    return expression


def _one_letter(inside: str) -> str:
    negated = inside[0] in "!^" and len(inside) > 1
    letters = inside[1:] if negated else inside
    escaped = re.sub(r"([\\\[\]^&~|])", r"\\\1", letters)
    expression = f"(?!/)[{'^' if negated else ''}{escaped}]"
    try:
        re.compile(expression)
    except re.error:  # a range that runs backwards means just what is written
        return re.escape(f"[{inside}]")
    return expression
