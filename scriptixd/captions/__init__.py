"""Captions: a result's words → cues → formats. Pure: bytes and records in, records and text out.

Must never touch a file, the network or the clock, and imports nothing but the standard library and errors; docx.py
alone needs a library.
"""

from scriptixd.captions.cue import Cue, cues
from scriptixd.captions.formats import FORMATS, Format, Manner, Spoken, Writing
from scriptixd.captions.layout import NETFLIX, Layout, Numbers, Profile
from scriptixd.captions.result import Units, read_result
from scriptixd.captions.srt import srt
from scriptixd.captions.style import SpeakerLabels, Style
from scriptixd.captions.transcript import Transcript, Utterance, Word
from scriptixd.captions.wishes import NO_WISHES, Wishes

__all__ = [
    "FORMATS",
    "NETFLIX",
    "NO_WISHES",
    "Cue",
    "Format",
    "Layout",
    "Manner",
    "Numbers",
    "Profile",
    "SpeakerLabels",
    "Spoken",
    "Style",
    "Transcript",
    "Units",
    "Utterance",
    "Wishes",
    "Word",
    "Writing",
    "cues",
    "read_result",
    "srt",
]
