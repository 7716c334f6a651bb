"""Owns what can be chosen about captions, in one record; must never decide how a choice is carried out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scriptixd.captions.layout import Layout, Numbers, Profile, layout_of


class SpeakerLabels(StrEnum):
    """Which cues say who speaks, as `[Name] text`."""

    NEVER = "never"
    CHANGES = "changes"  # the first cue of another speaker
    ALWAYS = "always"


AS_THE_PROFILE: Final = Numbers()


@dataclass(frozen=True, slots=True)
class Style:
    """All settings of captions. `language` is a tag such as `nl`, `nl-NL` or `zh_TW`; empty: not known.

    Raises ValueError for numbers with which no cue could be made.
    """

    language: str = ""
    profile: Profile = Profile.NETFLIX
    numbers: Numbers = AS_THE_PROFILE  # those that the profile has otherwise
    speaker_labels: SpeakerLabels = SpeakerLabels.NEVER

    def __post_init__(self) -> None:
        self.numbers.over(layout_of(self.profile, self.language))

    @property
    def layout(self) -> Layout:
        return self.numbers.over(layout_of(self.profile, self.language))


PLAIN_STYLE: Final = Style()
