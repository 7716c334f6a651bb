"""Owns which formats there are, and what each is given; a further one is one function and one row in FORMATS.

A format decides itself whether there is anything to write: without speech there are no captions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from types import MappingProxyType

from scriptixd.captions.cue import Cue, cues
from scriptixd.captions.docx import docx
from scriptixd.captions.paragraphs import Paragraph, paragraphs
from scriptixd.captions.srt import srt
from scriptixd.captions.style import PLAIN_STYLE, Style
from scriptixd.captions.transcript import Transcript
from scriptixd.captions.txt import txt
from scriptixd.captions.vtt import vtt


@dataclass(frozen=True, slots=True)
class Writing:
    """How files are written, where somebody may want it otherwise."""

    srt_bom: bool = False  # a byte order mark, which some players need to see that it is UTF-8
    srt_crlf: bool = False  # line ends of Windows
    vtt_note: str = "automatic, not reviewed"  # empty: none


@dataclass(frozen=True, slots=True)
class Manner:
    """Everything that can be chosen about what is made of a transcript."""

    style: Style = PLAIN_STYLE
    writing: Writing = Writing()

    def of(self, language: str) -> Manner:
        """The same for a language."""
        return replace(self, style=replace(self.style, language=language))


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


Render = Callable[[Spoken, Writing], bytes | None]


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write a transcript. Its name is that of the setting and the ending of its files.

    `needs` is a module that is not installed by itself, and `extra` what installs it.
    """

    name: str
    render: Render
    needs: str = ""
    extra: str = ""

    @property
    def lacking(self) -> str:
        """What to install before it can be written; empty where nothing is missing."""
        return f"pip install 'scriptixd[{self.extra}]'" if self.needs and find_spec(self.needs) is None else ""


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


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        format_.name: format_
        for format_ in (
            Format("srt", _srt),
            Format("vtt", _vtt),
            Format("txt", _txt),
            Format("docx", _docx, needs="docx", extra="docx"),
        )
    }
)
