"""What lies at a path on somebody's disk: its hash, or all of it. Never changes anything there."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Final

from scriptixd.errors import FileTrouble, SourceMissing
from scriptixd.jobs.job import Sidecar
from scriptixd.roots.root import Root

NOT_OURS: Final = ""  # the hash of what cannot be read as a file: a directory, a link, a file of somebody else's alone
BLOCK: Final = 1024 * 1024  # bytes read at a time
LARGEST: Final = 256 * 1024 * 1024  # bytes of a sidecar that is read whole: a day of speech has some 10 MB


class Fate(StrEnum):
    """What became of a sidecar that we wrote."""

    UNTOUCHED = "as it was written"
    EDITED = "edited since it was written: it is never written over"
    DELETED = "deleted since it was written: it is not written again by itself"


def fate_of(root: Root, sidecar: Sidecar) -> Fate:
    """What became of a sidecar on its disk. ShareTrouble."""
    found = digest_at(root, sidecar.path)
    if found is None:
        return Fate.DELETED
    return Fate.UNTOUCHED if found == sidecar.sha256 else Fate.EDITED


def digest_at(root: Root, path: str) -> str | None:
    """SHA-256 of what lies at a path, None if nothing does, NOT_OURS if it cannot be read. ShareTrouble."""
    digest, offset = hashlib.sha256(), 0
    try:
        with root.open(path) as reader:
            while block := reader.read(offset, BLOCK):
                digest.update(block)
                offset += len(block)
    except SourceMissing:
        return None
    except FileTrouble:
        return NOT_OURS
    return digest.hexdigest()


def bytes_at(root: Root, path: str, most: int) -> bytes | None:
    """What lies at a path; None if nothing does, or more than `most` bytes, or what cannot be read. ShareTrouble."""
    parts, offset = [], 0
    try:
        with root.open(path) as reader:
            while block := reader.read(offset, BLOCK):
                parts.append(block)
                offset += len(block)
                if offset > most:
                    return None
    except (SourceMissing, FileTrouble):
        return None
    return b"".join(parts)
