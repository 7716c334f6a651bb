"""The transcripts that lie where a source's sidecars would be: ours from another time, host or state file.

Reads what they say of themselves and believes nothing of it: whether they are about a content is for whoever hashes it.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from scriptixd.captions.manner import Manner, Units
from scriptixd.delivery.lying import LARGEST, bytes_at, digest_at
from scriptixd.delivery.names import WHOLE_SET_MARK, every, suffixed
from scriptixd.delivery.seat import Names, Seat
from scriptixd.delivery.sidecar import KEY, render
from scriptixd.errors import FileTrouble
from scriptixd.jobs.job import Delivery, DocumentType, Job, OutputPlace, Request, Terms
from scriptixd.jobs.ports import Folders, Lying
from scriptixd.jobs.source import Source
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.paths import name_of
from scriptixd.roots.root import Root

_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")


class SidecarsBeside:
    """Implements Beside of jobs/ports.py."""

    def __init__(self, folders: Folders, store: Store) -> None:
        self._folders = folders
        self._store = store

    def transcripts(self, source: Source) -> Sequence[Lying]:
        """Those that can be read, the likeliest first; none where the folder is not configured. ShareTrouble."""
        return list(self._readable(source))

    def _readable(self, source: Source) -> Iterator[Lying]:
        beside = self._folders.root(source.folder)
        if beside is None:
            return
        for sidecar in self._store.deliveries.sidecars_of(source.id):  # also where no setting of today leads
            root = self._folders.root(sidecar.folder) if sidecar.output == WHOLE_SET_MARK else None
            if root is not None and (lying := read_transcript(root, sidecar.path)) is not None:
                yield lying
        output, suffix = OutputPlace(), ""
        with suppress(FileTrouble):  # no rule says what is asked for it today
            terms = self._folders.terms(source.folder, source.path)
            output, suffix = terms.output, suffixed(terms.output.suffix, terms.request.language)
        mirror = self._folders.root(output.directory) if output.directory is not None else None
        for root in filter(None, (mirror, beside)):
            for path in marks(source.path, suffix):
                lying = read_transcript(root, path)
                if lying is not None:
                    yield lying


class Adoption:
    """Takes a set that lies there for the one that would be written, as it is."""

    def __init__(self, store: Store, units: Units) -> None:
        self._store = store
        self._units = units

    def adopt(self, delivery: Delivery, job: Job, seat: Seat, terms: Terms, names: Names) -> Sequence[str]:
        """The names of the set of just this job that lies there, nobody's until now; none where none does.

        `names` are those in its directory. What differs from what would be written was edited by somebody,
        or made with other settings: it is remembered as such, and is never written over.
        """
        mark = next((path for path in self._nobodys(seat, WHOLE_SET_MARK, names) if _is_of(seat.root, path, job)), None)
        own = digest_at(seat.root, mark) if mark is not None else None
        if mark is None or not own:
            return ()
        found = [(WHOLE_SET_MARK, mark, own)]
        for output in terms.outputs:
            if output != WHOLE_SET_MARK:
                found += self._one(job, seat, output, names, terms.manner)
        with self._store.database.transaction():
            for output, path, digest in found:
                ours = self._store.deliveries.intend(delivery, seat.where, path, output, digest, None)
                self._store.deliveries.written(ours, job.updated_at)
        return [path.rpartition("/")[2] for _, path, _ in found]

    def _one(self, job: Job, seat: Seat, output: str, names: Names, manner: Manner) -> Iterator[tuple[str, str, str]]:
        """One file of the set: the one that is as it would be written, or else the likeliest."""
        data = None
        with suppress(FileTrouble):  # somebody has edited the JSON so that nothing can be made of it: it stays as it is
            data = render(output, self._store.jobs.result(job.id) or b"", job, seat.source, self._units, manner)
        wanted = hashlib.sha256(data or b"").hexdigest()
        there = list(self._nobodys(seat, output, names))
        same = next((path for path in there if digest_at(seat.root, path) == wanted), None)
        if there:
            yield output, same or there[0], wanted

    def _nobodys(self, seat: Seat, output: str, names: Names) -> Iterator[str]:
        """The paths at which an output may lie, does lie, and is not known as anybody's."""
        for path in seat.every(output):
            there = name_of(path) in names
            if there and self._store.deliveries.sidecar_at(seat.where, path) is None:
                yield path


def _is_of(root: Root, path: str, job: Job) -> bool:
    lying = read_transcript(root, path)
    return lying is not None and (lying.sha256, lying.size, lying.request) == (job.sha256, job.stat.size, job.request)


def marks(source_path: str, suffix: str = "") -> Iterator[str]:
    """Where the JSON of a set may lie: as today's names are, and without a suffix."""
    for one in dict.fromkeys((suffix, "")):
        yield from every(source_path, WHOLE_SET_MARK, one)


def is_marked(source_path: str, names: Collection[str], suffix: str = "") -> bool:
    """Whether a directory with these names may hold a set for this source."""
    return any(name_of(mark) in names for mark in marks(source_path, suffix))


def read_transcript(root: Root, path: str) -> Lying | None:
    """What a JSON sidecar says; None where there is none, or it is nobody's that we know. ShareTrouble."""
    text = bytes_at(root, path, LARGEST)
    try:
        said = json.loads(text) if text is not None else None
        return _lying(said) if isinstance(said, dict) else None
    except (ValueError, KeyError, TypeError, RecursionError):  # of whatever anybody calls .json
        return None


def _lying(said: dict[str, Any]) -> Lying | None:
    about = said.pop(KEY)
    source, request, session = about["source"], _request(about["request"]), about["session_id"]
    size, sha256 = source["size"], source["sha256"]
    if request is None or not _SHA256.match(sha256) or type(size) is not int or not isinstance(session, str):
        return None
    f"{session}{request.key}".encode()  # what is no UTF-8 cannot be remembered, and is ValueError
    fingerprint = about.get("key_fingerprint")
    return Lying(
        size,
        sha256,
        request,
        json.dumps(said, ensure_ascii=False).encode("utf-8", "backslashreplace"),  # half a character stays its escape
        session,
        fingerprint if isinstance(fingerprint, str) else None,
        _seconds(said.get("result")),
    )


def _request(said: dict[str, Any]) -> Request | None:
    """What was asked; None where it is nothing that we ask."""
    asked = Request(**{**said, "document_type": DocumentType(said["document_type"])})
    texts, flags = (asked.language, asked.document), (asked.punctuation, asked.multichannel)
    is_ours = all(isinstance(one, str) for one in texts) and all(isinstance(one, bool) for one in flags)
    return asked if is_ours and isinstance(asked.diarization, bool | None) else None


def _seconds(result: object) -> float | None:
    duration = result.get("duration") if isinstance(result, dict) else None
    if isinstance(duration, bool) or not isinstance(duration, int | float):
        return None
    return float(duration) if math.isfinite(duration) and duration > 0 else None
