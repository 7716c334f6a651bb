"""Files that may be recordings, and are left alone only because nobody knows their extension. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

RECORDING: Final = 2**20  # bytes: a minute of speech is seldom less, and few other files are as large
MOST: Final = 20  # that are named; more would tell nothing else

# What people keep beside recordings, and nobody takes for one.
_OTHERS: Final = """
pdf doc docx dot dotx odt rtf txt md tex pages epub xls xlsx xlsm ods numbers csv tsv ppt pptx pps ppsx odp key
html htm xml json yaml yml ini cfg conf log jpg jpeg png gif tif tiff bmp webp heic heif svg psd ai eps indd raw
cr2 cr3 nef arw dng zip rar 7z gz tgz bz2 xz zst tar iso img dmg exe msi dll bat cmd sh ps1 py jar apk deb rpm
lnk url webloc db sqlite mdb accdb eml msg pst ics vcf srt vtt ass ssa sub idx sbv ttml dfxp stl scc lrc
prproj aep drp veg kdenlive mlt aup aup3 sesx ptx als cpr flp xmp thm lrv pek cfa mcf md5 sha1 sha256 torrent
ttf otf bak old swp
"""
OTHERS: Final = frozenset(_OTHERS.split())


@dataclass(frozen=True, slots=True)
class Stranger:
    """One of them; `since`: Unix seconds of its last change."""

    path: str  # below its folder
    since: float


def is_stranger(name: str, size: int) -> bool:
    """Whether somebody may wait for the transcript of a file whose extension is not known."""
    stem, _, extension = name.lower().rpartition(".")
    return size >= RECORDING and (extension if stem else "") not in OTHERS
