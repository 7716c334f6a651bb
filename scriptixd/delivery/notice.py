"""The one file that tells people who only see the share what waits there, and whom to ask.

Written only while something waits, and never over a file that is not ours as we wrote it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from enum import StrEnum

from scriptixd.delivery.lying import digest_at
from scriptixd.delivery.seat import Folders
from scriptixd.errors import NameTaken, TargetTrouble
from scriptixd.jobs.store.notices import Notices, Waits
from scriptixd.roots.paths import shown
from scriptixd.roots.place import Place
from scriptixd.roots.root import LIKE_ITS_DIRECTORY, NOTICE

LOG = logging.getLogger("scriptixd.delivery")

NEWLINE = "\r\n"  # who sees only the share reads it on any system


class Kind(StrEnum):
    """Why files have no transcript, in the order in which it is told."""

    HELD = "Waiting for somebody's yes"
    FAILED = "Not transcribed"
    UNSENT = "Waiting to be sent"
    UNDELIVERED = "Transcribed, but the transcript cannot be written"
    RESTLESS = "Not complete: still being changed"
    STRANGE = "Not known as a recording"


def notice(waiting: Mapping[Kind, Waits], contact: str) -> str | None:
    """What the file says; None where nothing waits. It names no moment: it changes only when something does."""
    told = [(kind, waiting[kind]) for kind in Kind if kind in waiting and waiting[kind].count]
    if not told:
        return None
    lines = [
        "Some recordings here have no transcript, and will not get one by themselves.",
        f"Whom to ask: {shown(contact) if contact else 'whoever looks after the transcripts (scriptixd)'}",
        "",
    ]
    for kind, waits in told:
        lines += [f"{kind} ({waits.count}):", *_group(waits), ""]
    lines += [
        "scriptixd keeps this file up to date, and removes it when nothing waits any more.",
        "Recordings are not touched. Changing or deleting this file changes nothing else.",
    ]
    return NEWLINE.join([*lines, ""])


def _group(waits: Waits) -> Sequence[str]:
    by_reason: dict[str, list[str]] = {}
    for path, reason in waits.first:
        by_reason.setdefault(reason, []).append(path)
    lines = []
    for reason, paths in by_reason.items():
        lines += [f"  {shown(path)}" for path in paths]
        lines += [f"      {shown(reason)}"] if reason else []
    more = waits.count - len(waits.first)
    return [*lines, f"  and {more} more"] if more > 0 else lines


class NoticeBoard:
    """Keeps the file in each folder as it is to be."""

    def __init__(self, notices: Notices, folders: Folders) -> None:
        self._notices = notices
        self._folders = folders
        self._refused: dict[str, str] = {}  # by folder, what was told about it last

    def keep(self, folder: str, text: str | None) -> None:
        """Write, replace or remove it, if need be. ShareTrouble; what a disk refuses is told once, and tried again."""
        try:
            if text is None:
                self._remove(folder)
            else:
                self._put(folder, text.encode("utf-8"))
        except TargetTrouble as trouble:
            if self._refused.get(folder) != trouble.what:
                LOG.warning("%s: %s", Place(folder), trouble)
            self._refused[folder] = trouble.what
        else:
            if self._refused.pop(folder, None) is not None:
                LOG.info("%s: what its disk refused is done", Place(folder))

    def _put(self, folder: str, data: bytes) -> None:
        root, known = self._folders.root(folder), self._notices.get(folder)
        if root is None:
            return
        digest, there = hashlib.sha256(data).hexdigest(), digest_at(root, NOTICE)
        if there == digest or (known is not None and known.written and (known.sha256, there) == (digest, None)):
            return  # as it is to be, or deleted by somebody who has read it
        if there is not None and (known is None or there not in (known.sha256, known.replaces)):
            raise NameTaken(f"{NOTICE} is not as scriptixd wrote it, and stays", "delete it, and it is written anew")
        self._notices.intend(folder, digest, there)
        root.write(NOTICE, data, there, LIKE_ITS_DIRECTORY)
        self._notices.written(folder)

    def _remove(self, folder: str) -> None:
        root, known = self._folders.root(folder), self._notices.get(folder)
        if root is None or known is None:
            return
        there = digest_at(root, NOTICE)
        if there is not None and there in (known.sha256, known.replaces):
            root.remove(NOTICE, there)
        self._notices.forget(folder)
