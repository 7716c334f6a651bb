"""What a sidecar may be called: pure, in the order of preference."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from typing import Final

from scriptixd.jobs.job import LANGUAGE

WHOLE_SET_MARK: Final = "json"  # written last: where it lies, the set is complete
LONGEST: Final = 255  # bytes of a name: what Linux's file systems, and SMB in its own units, can hold at the least
DIGEST: Final = 12  # hex digits in a name that was shortened: no two of a million share them
SCRIPT: Final = 4  # letters of a script in a language tag (RFC 5646): Hant, Latn
# Regions that players tell apart, as what is written there is not what is written elsewhere.
WRITTEN_APART: Final = {"pt-br": "pt-BR", "zh-cn": "zh-CN", "zh-hk": "zh-HK", "zh-tw": "zh-TW", "es-419": "es-419"}


def candidates(source_path: str, output: str, suffix: str = "") -> tuple[str, str]:
    """`talk.srt`, or `talk.mp4.srt` where that is somebody else's; decided before anything is paid."""
    directory, slash, name = source_path.rpartition("/")
    stem = name.rpartition(".")[0] or name
    ending = f"{suffix}.{output}"
    return f"{directory}{slash}{_fitted(stem, ending)}", f"{directory}{slash}{_fitted(name, ending)}"


def aside(source_path: str, output: str, suffix: str = "") -> tuple[str, str]:
    """`talk.scriptix.srt`, beside one of ours that a person has edited; the second also where both others were taken
    after the job was paid for.
    """
    return candidates(source_path, output, f".scriptix{suffix}")


def every(source_path: str, output: str, suffix: str = "") -> Iterator[str]:
    """All of them."""
    yield from candidates(source_path, output, suffix)
    yield from aside(source_path, output, suffix)


def in_order(outputs: tuple[str, ...]) -> tuple[str, ...]:
    """The order of writing: the JSON last."""
    return tuple(sorted(outputs, key=lambda output: output == WHOLE_SET_MARK))


def suffixed(suffix: str, language: str) -> str:
    """A suffix with the language in it."""
    return suffix.replace(LANGUAGE, player_language(language))


def player_language(language: str) -> str:
    """What players read in a name: nl-nl is nl, zh-hant is zh-Hant, pt-br is pt-BR."""
    tag = language.replace("_", "-").lower()
    if tag in WRITTEN_APART:
        return WRITTEN_APART[tag]
    first, *others = tag.split("-")
    script = next((part.title() for part in others if len(part) == SCRIPT and part.isalpha()), None)
    return f"{first}-{script}" if script else first


def _fitted(stem: str, ending: str) -> str:
    """The stem and its ending; a stem that is too long is cut, with a hash by which it differs from any other."""
    whole = stem + ending
    if len(os.fsencode(whole)) <= LONGEST:
        return whole
    mark = f"~{hashlib.sha256(os.fsencode(whole)).hexdigest()[:DIGEST]}{ending}"
    room = LONGEST - len(os.fsencode(mark))
    cut = stem[:room]
    while len(os.fsencode(cut)) > room:
        cut = cut[:-1]
    return cut + mark
