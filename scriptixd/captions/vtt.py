"""Owns WebVTT (W3C): escaped text, voices, and the note that nobody has reviewed it."""

from __future__ import annotations

from collections.abc import Sequence

from scriptixd.captions.cue import Cue
from scriptixd.captions.srt import ARROW, clock_time
from scriptixd.captions.wording import one_line


def vtt(cues: Sequence[Cue], note: str = "") -> str:
    """`WEBVTT`, the note if there is one, and a blank line after every cue; empty where no cue shows anything."""
    blocks = [block for cue in cues if (block := _block(cue))]
    if not blocks:
        return ""
    remark = one_line(note.replace(ARROW, "→"))
    return "\n".join(["WEBVTT\n", *([f"NOTE {remark}\n"] if remark else []), *blocks])


def _block(cue: Cue) -> str:
    lines = [_escaped(one_line(text)) for text in cue.lines]
    if cue.speakers:
        lines = [_voiced(line, speaker) for line, speaker in zip(lines, cue.speakers, strict=True)]
    text = "\n".join(filter(None, lines))
    if not text:
        return ""
    text = text if cue.speakers else _voiced(text, cue.speaker, lasts=True)
    return f"{clock_time(cue.start_ms, '.')} {ARROW} {clock_time(cue.end_ms, '.')}\n{text}\n"


def _voiced(text: str, speaker: str | None, *, lasts: bool = False) -> str:
    """With its voice; one that does not last to the end of the cue is closed."""
    name = one_line(speaker or "")
    if not (name and text):
        return text
    return f"<v {_escaped(name)}>{text}" + ("" if lasts else "</v>")


def _escaped(text: str) -> str:
    """With these three nothing in it is a tag, an entity, the end of a voice or an arrow."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
