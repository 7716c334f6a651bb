"""Owns WebVTT (W3C): escaped text, voices, and the note that nobody has reviewed it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

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
    if cue.speakers:
        said = (_voiced(_escaped(one_line(line)), who) for line, who in zip(cue.lines, cue.speakers, strict=True))
        text = "\n".join(filter(None, said))
    else:
        text = _voiced(_escaped("\n".join(filter(None, map(one_line, cue.lines)))), cue.speaker, lasts=True)
    if not text:
        return ""
    return f"{clock_time(cue.start_ms, '.')} {ARROW} {clock_time(cue.end_ms, '.')}\n{text}\n"


def _voiced(text: str, speaker: str | None, *, lasts: bool = False) -> str:
    """With its voice; one that does not last to the end of the cue is closed."""
    voice = _voice(speaker or "") if text else ""
    return f"{voice}{text}" + ("</v>" if voice and not lasts else "")


@lru_cache(maxsize=64)  # more than speak in a recording, and each of them in many cues
def _voice(speaker: str) -> str:
    name = one_line(speaker)
    return f"<v {_escaped(name)}>" if name else ""


def _escaped(text: str) -> str:
    """With these three nothing in it is a tag, an entity, the end of a voice or an arrow."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
