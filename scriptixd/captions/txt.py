"""Owns plain text that can be read in a mail: paragraphs with whoever speaks before them, and an empty line between."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from scriptixd.captions.paragraphs import NO_SPEECH, Paragraph

WIDTH = 76  # characters: what a mail shows of a line without breaking it


def txt(paragraphs: Sequence[Paragraph]) -> str:
    """UTF-8 with LF; where there is no speech, a sentence that says so."""
    if not paragraphs:
        return NO_SPEECH + "\n"
    texts = (f"{one.speaker}: {one.text}" if one.speaker else one.text for one in paragraphs)
    return "\n".join(_wrapped(text) + "\n" for text in texts)


def _wrapped(text: str) -> str:
    return "\n".join(textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)) or text
