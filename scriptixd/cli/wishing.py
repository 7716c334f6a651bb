"""What somebody says of captions on the command line, as the wishes that it means.

Imports only what captions need: `convert` starts with it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from scriptixd.captions.layout import Numbers, Profile
from scriptixd.captions.style import SpeakerLabels
from scriptixd.captions.wishes import Wishes
from scriptixd.errors import StartError

Choice = TypeVar("Choice", bound=StrEnum)
NEWLINES = {"lf": False, "crlf": True}


def wishes_said(
    profile: str | None,
    speaker_labels: str | None,
    numbers: Numbers,
    srt_bom: bool | None,
    srt_newline: str | None,
    vtt_note: str | None,
) -> Wishes:
    """None is what was not said; raises StartError for what there is not."""
    if srt_newline is not None and srt_newline not in NEWLINES:
        raise StartError(f"there is no kind of newline '{srt_newline}'", f"there are: {', '.join(NEWLINES)}")
    return Wishes(
        None if profile is None else one_of("profile", profile, Profile),
        None if speaker_labels is None else one_of("kind of speaker labels", speaker_labels, SpeakerLabels),
        numbers,
        srt_bom,
        None if srt_newline is None else NEWLINES[srt_newline],
        vtt_note,
    )


def one_of(what: str, said: str, known: type[Choice]) -> Choice:
    """Raises StartError, with the choices, for what is none of them."""
    if said not in set(known):
        raise StartError(f"there is no {what} '{said}'", f"there are: {', '.join(known)}")
    return known(said)
