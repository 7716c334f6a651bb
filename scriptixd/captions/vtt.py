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
    speakers = cue.speakers or (cue.speaker, *[None] * (len(cue.lines) - 1))  # a voice lasts until the next one
    lines = [
        f"{_voice(speaker)}{_escaped(line)}"
        for text, speaker in zip(cue.lines, speakers, strict=True)
        if (line := one_line(text))
    ]
    if not lines:
        return ""
    text = "\n".join(lines)
    return f"{clock_time(cue.start_ms, '.')} {ARROW} {clock_time(cue.end_ms, '.')}\n{text}\n"


def _voice(speaker: str | None) -> str:
    name = one_line(speaker or "")
    return f"<v {_escaped(name)}>" if name else ""


def _escaped(text: str) -> str:
    """With these three nothing in it is a tag, an entity, the end of a voice or an arrow."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
