"""Owns what somebody wants of captions otherwise than the settings have it, for this once; keeps nothing in mind."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace

from scriptixd.captions.layout import Numbers, Profile
from scriptixd.captions.manner import Manner, Writing
from scriptixd.captions.style import AS_THE_PROFILE, SpeakerLabels


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is None is as the settings have it."""

    profile: Profile | None = None
    speaker_labels: SpeakerLabels | None = None
    numbers: Numbers = AS_THE_PROFILE
    srt_bom: bool | None = None
    srt_crlf: bool | None = None
    vtt_note: str | None = None

    def over(self, manner: Manner) -> Manner:
        """The manner with these wishes; raises ValueError for numbers with which no cue could be made."""
        style, writing = manner.style, manner.writing
        return Manner(
            replace(
                style,
                profile=style.profile if self.profile is None else self.profile,
                numbers=self.numbers.before(style.numbers),
                speaker_labels=style.speaker_labels if self.speaker_labels is None else self.speaker_labels,
            ),
            Writing(
                srt_bom=writing.srt_bom if self.srt_bom is None else self.srt_bom,
                srt_crlf=writing.srt_crlf if self.srt_crlf is None else self.srt_crlf,
                vtt_note=writing.vtt_note if self.vtt_note is None else self.vtt_note,
            ),
        )

    @property
    def text(self) -> str:
        """All of them as JSON, for `read` to read again."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def read(cls, text: str) -> Wishes:
        """What `text` has written."""
        said = json.loads(text)
        return cls(
            **{
                **said,
                "profile": None if said["profile"] is None else Profile(said["profile"]),
                "speaker_labels": None if said["speaker_labels"] is None else SpeakerLabels(said["speaker_labels"]),
                "numbers": Numbers(**said["numbers"]),
            }
        )


NO_WISHES = Wishes()
