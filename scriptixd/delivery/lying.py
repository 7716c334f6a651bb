"""What lies at a path on somebody's disk: its hash, or all of it. Never changes anything there."""

from __future__ import annotations

import hashlib
from typing import Final

from scriptixd.errors import FileTrouble, SourceMissing
from scriptixd.roots.root import Root

NOT_OURS: Final = ""  # the hash of what cannot be read as a file: a directory, a link, a file of somebody else's alone
BLOCK: Final = 1024 * 1024  # bytes read at a time


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
