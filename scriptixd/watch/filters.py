"""Which paths are picked up, and for any other path the sentence why not.

Pure: knows names and sizes, never looks at a disk. Litter is left alone whatever a configuration says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from scriptixd.roots.globs import covers, matches
from scriptixd.roots.paths import name_of, parent, shown

# Left out on purpose: lrv (a camera's small copy of each recording), cda (a list of tracks), ps (a page to print).
_AUDIO = """
    3ga aac ac3 adts aif aifc aiff alac amr ape au awb caf dss ds2 dts eac3 flac gsm m4a m4b m4r mka mp1 mp2 mp3 mpa
    mpc mpga msv oga ogg opus ra rf64 snd spx tta voc w64 wav wave weba wma wv
"""
_VIDEO = """
    264 265 3g2 3gp 3gp2 3gpp amv asf avi braw divx dv dvr-ms f4v flv gxf h264 h265 hevc ismv lxf m1v m2p m2t m2ts m2v
    m4v mk3d mkv mod mov mp4 mpe mpeg mpg mpg4 mpv mts mxf nsv nut ogm ogv qt rm rmvb tod trp ts vob webm wmv wtv xvid
"""
EXTENSIONS = frozenset((_AUDIO + _VIDEO).split())

# A sidecar that was sent would get sidecars of its own, each of them paid for, without an end.
TRANSCRIPTS = frozenset({"json", "srt", "vtt", "txt", "docx"})

# Names in lower case: of directories and files that servers, desktops and other programs keep for themselves.
LITTER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "@eadir": "the file server keeps thumbnails there",
        "#recycle": "it is the file server's recycle bin",
        "@recycle": "it is the file server's recycle bin",
        "$recycle.bin": "it is Windows' recycle bin",
        "recycler": "it is Windows' recycle bin",
        "system volume information": "Windows keeps its own data there",
        "#snapshot": "the file server keeps older versions there",
        "~snapshot": "the file server keeps older versions there",
        "@recently-snapshot": "the file server keeps older versions there",
        "dfsrprivate": "Windows' replication keeps its own data there",
        "lost+found": "a file system check keeps fragments there",
        "thumbs.db": "Windows keeps thumbnails there",
        "ehthumbs.db": "Windows keeps thumbnails there",
        "desktop.ini": "Windows keeps settings of a folder there",
    }
)
LITTER_PREFIXES = MappingProxyType({"~$": "an office program has it open", "~syncthing~": "Syncthing is writing it"})
LITTER_SUFFIXES: Mapping[str, str] = MappingProxyType(
    {
        ".tmp": "it is a temporary file",
        ".temp": "it is a temporary file",
        ".part": "it is still being downloaded",
        ".partial": "it is still being downloaded",
        ".filepart": "it is still being copied",
        ".crdownload": "it is still being downloaded",
        ".opdownload": "it is still being downloaded",
        ".download": "it is still being downloaded",
        ".aria2": "it is still being downloaded",
        ".!ut": "it is still being downloaded",
        ".bc!": "it is still being downloaded",
    }
)


@dataclass(frozen=True, slots=True)
class Filter:
    """What one folder's configuration picks up."""

    include: tuple[str, ...] | None = None  # globs; None: the known audio and video extensions, in any case
    exclude: tuple[str, ...] = ()
    recursive: bool = True
    min_size: int = 1024  # bytes

    def enters(self, directory: str) -> bool:
        """Whether anything below a directory could be picked up."""
        return self._why_not_enter(directory) is None

    def why_not(self, path: str, size: int | None) -> str | None:
        """The sentence why a file is not picked up, None if it is; a size of None is not judged."""
        return self._why_not_enter(parent(path)) or self._why_not_named(path) or self._why_not_sized(size)

    def _why_not_enter(self, directory: str) -> str | None:
        return _outside(directory, self.recursive, self.exclude) if directory else None

    def _why_not_named(self, path: str) -> str | None:
        name = name_of(path)
        if (litter := _litter(name) or _unfinished(name)) is not None:
            return litter
        if (pattern := _matching(self.exclude, path)) is not None:
            return f"it matches the exclude pattern {pattern}"
        if self.include is not None and _extension(name) in TRANSCRIPTS:
            return f"it is a transcript or a text, no recording, whatever `include` says: .{_extension(name)}"
        if self.include is not None:
            return None if _matching(self.include, path) else "it matches no include pattern"
        extension = _extension(name)
        if extension in EXTENSIONS:
            return None
        described = f".{shown(extension)}" if extension else "a name without one"
        return f"{described} is not one of the known audio and video extensions; `include` can name it"

    def _why_not_sized(self, size: int | None) -> str | None:
        if size is None:
            return None
        if size == 0:
            return "it is empty"
        if size < self.min_size:
            return f"its {size} bytes are less than min_size, which is {self.min_size}"
        return None


@lru_cache(maxsize=4096)  # a scan asks for the same directory once a file
def _outside(directory: str, recursive: bool, exclude: tuple[str, ...]) -> str | None:
    if not recursive:
        return "it is in a sub-folder, and recursive is off"
    above = parent(directory)
    if above and (reason := _outside(above, recursive, exclude)) is not None:
        return reason
    if (litter := _litter(name_of(directory))) is not None:
        return litter
    for pattern in exclude:
        if covers(pattern, directory):
            return f"its folder {shown(directory)} matches the exclude pattern {pattern}"
    return None


def _litter(name: str) -> str | None:
    if name.startswith("."):
        return f"{shown(name)} is ignored: it is hidden"
    reason = LITTER_NAMES.get(name.lower())
    return None if reason is None else f"{shown(name)} is ignored: {reason}"


def _unfinished(name: str) -> str | None:
    lowered = name.lower()
    for prefix, reason in LITTER_PREFIXES.items():
        if lowered.startswith(prefix):
            return f"{shown(name)} is ignored: {reason}"
    unfinished = LITTER_SUFFIXES.get("." + _extension(lowered))
    return None if unfinished is None else f"{shown(name)} is ignored: {unfinished}"


def _matching(patterns: tuple[str, ...], path: str) -> str | None:
    return next((pattern for pattern in patterns if matches(pattern, path)), None)


def _extension(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return extension.lower() if dot and stem else ""
