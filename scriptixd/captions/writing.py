"""Owns how each format is written: what is made of a transcript, and as which bytes.

A format decides itself whether there is anything to write: without speech there are no captions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from scriptixd.captions.cue import Cue, cues
from scriptixd.captions.docx import docx
from scriptixd.captions.manner import Writing
from scriptixd.captions.paragraphs import Paragraph, paragraphs
from scriptixd.captions.srt import srt
from scriptixd.captions.style import PLAIN_STYLE, Style
from scriptixd.captions.transcript import Transcript
from scriptixd.captions.txt import txt
from scriptixd.captions.vtt import vtt


class Spoken:
    """A transcript as the formats want it: in cues to be shown, or in paragraphs to be read."""

    def __init__(self, transcript: Transcript, title: str = "", style: Style = PLAIN_STYLE) -> None:
        self.title = title
        self._transcript = transcript
        self._style = style

    def cues(self) -> Sequence[Cue]:
        return cues(self._transcript, self._style)

    def paragraphs(self) -> Sequence[Paragraph]:
        return paragraphs(self._transcript, self._style.language)


def formatted(name: str, spoken: Spoken, writing: Writing) -> bytes | None:
    """The transcript in one of FORMATS; None where there is nothing to write."""
    return _WRITERS[name](spoken, writing)


def _srt(spoken: Spoken, writing: Writing) -> bytes | None:
    text = srt(spoken.cues())
    if writing.srt_crlf:
        text = text.replace("\n", "\r\n")
    return text.encode("utf-8-sig" if writing.srt_bom else "utf-8") if text else None


def _vtt(spoken: Spoken, writing: Writing) -> bytes | None:
    text = vtt(spoken.cues(), writing.vtt_note)
    return text.encode("utf-8") if text else None


def _txt(spoken: Spoken, _writing: Writing) -> bytes:
    return txt(spoken.paragraphs()).encode("utf-8")


def _docx(spoken: Spoken, _writing: Writing) -> bytes:
    return docx(spoken.paragraphs(), spoken.title)


_WRITERS: Mapping[str, Callable[[Spoken, Writing], bytes | None]] = MappingProxyType(
    {"srt": _srt, "vtt": _vtt, "txt": _txt, "docx": _docx}
)
