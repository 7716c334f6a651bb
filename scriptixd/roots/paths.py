"""Paths relative to a root: taken apart, put together, shown to people.

Pure: never touches a disk. A path that leaves its root is our own bug and raises ValueError.
"""

from __future__ import annotations

import hashlib
import shlex
import unicodedata
from typing import Final

VEILED: Final = 10  # hex digits: a million files share none


def components(path: str) -> tuple[str, ...]:
    """The names that lead from the root to a path; none for "", the root itself."""
    if not path:
        return ()
    names = tuple(path.split("/"))
    if any(name in {"", ".", ".."} or "\0" in name for name in names):
        raise ValueError(f"not a path below a root: {path!r}")
    return names


def parent(path: str) -> str:
    return path.rpartition("/")[0]


def name_of(path: str) -> str:
    return path.rpartition("/")[2]


def joined(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def is_within(path: str, directory: str) -> bool:
    """Whether a path is the directory, or lies anywhere below it."""
    return not directory or path == directory or path.startswith(directory + "/")


def folded(name: str) -> str:
    """A name without what macOS and Windows spell as they like: how accents are encoded, and capitals."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def shown(path: str) -> str:
    """A path as a sentence can hold it: printable, and nothing that a text cannot encode."""
    encoded = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in encoded)


def typed(name: str) -> str:
    """A path behind the name of its folder, or a folder's name, as a person types it behind a verb."""
    return shown(shlex.quote(name))


def veiled(path: str) -> str:
    """What stands for a path where its name must not be read; always the same for the same path."""
    return "#" + hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:VEILED]
