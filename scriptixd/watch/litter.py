"""Names that are left alone whatever a configuration says: what servers, desktops and programs keep for themselves.

Pure, and the same for files and directories. Capitals do not matter: a share may be asked from Windows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from scriptixd.roots.paths import shown
from scriptixd.roots.root import NOTICE, TEMPORARY_PREFIX

_BIN = "it is the file server's recycle bin"
_WINDOWS_BIN = "it is Windows' recycle bin"
_VERSIONS = "the file server keeps older versions there"
_DOWNLOADED = "it is still being downloaded"
_TEMPORARY = "it is a temporary file"
_SYNCTHING = "Syncthing is writing it"
_OPEN = "an office program has a file open"
_DELETED = "it was deleted while a program had it open"
_MACOS = "macOS keeps its own data there"

# Names in lower case.
NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "@eadir": "the file server keeps thumbnails there",
        ".@__thumb": "the file server keeps thumbnails there",
        "#recycle": _BIN,
        "@recycle": _BIN,
        ".recycle": _BIN,
        "$recycle.bin": _WINDOWS_BIN,
        "recycler": _WINDOWS_BIN,
        "system volume information": "Windows keeps its own data there",
        "#snapshot": _VERSIONS,
        "~snapshot": _VERSIONS,
        ".snapshot": _VERSIONS,
        ".snapshots": _VERSIONS,
        "@recently-snapshot": _VERSIONS,
        ".zfs": _VERSIONS,
        "dfsrprivate": "Windows' replication keeps its own data there",
        ".stversions": "Syncthing keeps older versions there",
        ".stfolder": "Syncthing marks its folder with it",
        ".sync": "Resilio Sync keeps its own data there",
        ".~tmp~": "rsync keeps files there until all of them are complete",
        ".rsync-partial": "rsync keeps files there that are not complete",
        "lost+found": "a file system check keeps fragments there",
        NOTICE.lower(): "scriptixd tells there what waits for somebody",
        "thumbs.db": "Windows keeps thumbnails there",
        "ehthumbs.db": "Windows keeps thumbnails there",
        "desktop.ini": "Windows keeps settings of a folder there",
        ".ds_store": "macOS keeps settings of a folder there",
        ".spotlight-v100": _MACOS,
        ".fseventsd": _MACOS,
        ".documentrevisions-v100": _MACOS,
        ".temporaryitems": _MACOS,
    }
)
# How a name begins, in lower case; the first that fits tells.
PREFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        TEMPORARY_PREFIX: "scriptixd keeps it for itself",
        "._": "macOS keeps a file's attributes there",
        ".trash": "it is a desktop's bin",
        ".syncthing.": _SYNCTHING,
        "~syncthing~": _SYNCTHING,
        "~$": _OPEN,
        ".~lock.": _OPEN,
        ".nfs0": _DELETED,  # and a number that begins with zeros
        ".fuse_hidden": _DELETED,
        ".smbdelete": _DELETED,
        ".goutputstream-": "a desktop is writing it",
    }
)
# What follows the last dot, in lower case.
SUFFIXES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tmp": _TEMPORARY,
        "temp": _TEMPORARY,
        "part": _DOWNLOADED,
        "partial": _DOWNLOADED,
        "filepart": "it is still being copied",
        "crdownload": _DOWNLOADED,
        "opdownload": _DOWNLOADED,
        "download": _DOWNLOADED,
        "aria2": _DOWNLOADED,
        "!ut": _DOWNLOADED,
        "!qb": _DOWNLOADED,
        "bc!": _DOWNLOADED,
    }
)

_TELLING = (".", *(prefix for prefix in PREFIXES if not prefix.startswith(".")))
_RSYNC = re.compile(r"\..+\.[A-Za-z0-9]{6}", re.DOTALL)  # rsync(1), --temp-dir: the name, hidden, and six of mktemp's


def litter(name: str) -> str | None:
    """The sentence why a name is left alone, None if it is not."""
    reason = _reason(name.lower(), name)
    return None if reason is None else f"{shown(name)} is ignored: {reason}"


def _reason(lowered: str, name: str) -> str | None:
    if (reason := NAMES.get(lowered)) is not None:
        return reason
    if lowered.startswith(_TELLING):
        return _by_its_beginning(lowered, name)
    stem, _, extension = lowered.rpartition(".")
    return SUFFIXES.get(extension) if stem else None


def _by_its_beginning(lowered: str, name: str) -> str:
    for prefix, reason in PREFIXES.items():
        if lowered.startswith(prefix):
            return reason
    if _RSYNC.fullmatch(name):
        return "it is hidden, as the files that rsync is writing are"
    return "it is hidden"
