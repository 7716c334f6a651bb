"""A delivery room over real files: sources that settle, are ready at once, renamed and looked at again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from scriptixd.captions.manner import Manner, Units
from scriptixd.delivery.adoption import SidecarsBeside
from scriptixd.delivery.room import DeliveryRoom
from scriptixd.jobs.claims import Claims
from scriptixd.jobs.clock import Now
from scriptixd.jobs.events import Closing, Event, Hashed, ResultReady, SessionKnown, UploadFinished, UploadOpened
from scriptixd.jobs.job import DeliveryState, DocumentType, Job, Labels, OutputPlace, Request, Terms
from scriptixd.jobs.recognition import kept_beside
from scriptixd.jobs.source import Admission, Look, Sighting, Source
from scriptixd.jobs.store.database import open_state
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.root import Root, Stat

REQUEST = Request("en", DocumentType.CAPTION)
REPLY = {
    "count": 1,
    "total_results": 1,
    "result": {
        "session_id": "s1", "status": "done", "error": None, "duration": 2.0, "filename": "talk.mp4",
        "results": [{"result": [["hello", 0.2, 0.6, 0.93], ["there.", 0.64, 1.02, 0.88]],
                     "speaker": "unk", "text": "hello there.", "sconf": 0.85, "channel": 0}],
    },
}  # fmt: skip
SILENCE = {"count": 1, "total_results": 1, "result": {**REPLY["result"], "results": []}}  # type: ignore[dict-item]
SRT = "1\n00:00:00,200 --> 00:00:01,034\nhello there.\n"


class TwoFolders:
    """The folders `talks` and `more`, with outputs that a test may change."""

    def __init__(self, place: Path) -> None:
        self.disk: Root = LocalRoot(place)
        self.more: Root = LocalRoot(place.with_name("more"))
        self.outputs: tuple[str, ...] = ("json", "srt")
        self.output = OutputPlace()
        self.manner = Manner()

    def names(self) -> list[str]:
        return ["talks", "more"]

    def root(self, folder: str) -> Root | None:
        if folder.startswith("/"):
            return LocalRoot(folder)
        return {"talks": self.disk, "more": self.more}.get(folder)

    def picks_up(self, source: Source) -> bool:
        return self.root(source.folder) is not None

    def terms(self, folder: str, path: str) -> Terms:
        labels = Labels(path.rpartition("/")[2])
        return Terms(REQUEST, labels, self.outputs, 10**10, output=self.output, manner=self.manner)


class Room:
    """A delivery room with its store, and ready jobs on demand."""

    def __init__(self, place: Path, state: Path) -> None:
        self.place = place
        self.store = Store(open_state(state))
        self.folders = TwoFolders(place)
        self.clock = 1_700_000_000.0
        self.reopen()

    def reopen(self) -> None:
        self.beside = SidecarsBeside(self.folders, self.store)
        self.room = DeliveryRoom(
            self.store, self.folders, Units.AUTO, lambda: 0.5, lambda: None, Claims(1, tuple), self.kept_elsewhere
        )

    def kept_elsewhere(self, job: Job) -> bytes | None:
        return kept_beside(self.store, self.beside, job)

    def settle(self, name: str, content: bytes) -> Source:
        path = self.place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return self.seen(name)

    def seen(self, name: str, gone: Sequence[str] = (), folder: str = "talks") -> Source:
        """A file that has settled, and others in its directory that are not there any more, in one look."""
        found = (self.place.with_name(folder) / name).stat()
        directory, _, base = name.rpartition("/")
        stat = Stat(found.st_size, found.st_mtime_ns, found.st_ino)
        sighting = Sighting(base, stat, Look("boot", 0.0, 2), admission=Admission(REQUEST))
        missing = [Sighting(one, None) for one in gone]
        self.store.sources.record(folder, directory, [*missing, sighting], self.clock)
        source = self.store.sources.at(folder, name)
        assert source is not None
        return source

    def missing(self, name: str) -> None:
        """A file is not there any more."""
        directory, _, base = name.rpartition("/")
        self.store.sources.record("talks", directory, [Sighting(base, None)], self.clock)

    def recognised(self, source: Source) -> None:
        """The content of a new path is read, and turns out to be known."""
        job = self.store.jobs.newest_of(source.id)
        assert job is not None
        if job.sha256 is None:
            content = (self.place.with_name(source.folder) / source.path).read_bytes()
            assert self.store.jobs.fold(self.apply(job, Hashed(hashlib.sha256(content).hexdigest())), self.clock)

    def ready(self, name: str, content: bytes = b"sound", reply: object = REPLY) -> Source:
        source = self.settle(name, content)
        job = self.store.jobs.newest_of(source.id)
        assert job is not None
        body = json.dumps(reply).encode()
        for event in (
            UploadOpened("f1", "https://service.example", "0a1b2c3d", '{"filename": "talk.mp4"}', 2.0),
            Closing(hashlib.sha256(content).hexdigest()),
            UploadFinished(),
            SessionKnown("s1", 0.0),
            ResultReady(body, 2.0),
        ):
            job = self.apply(job, event)
        return source

    def apply(self, job: Job, event: Event) -> Job:
        after = self.store.jobs.apply(job, event, self.clock)
        assert after is not None
        return after

    def work(self, most: int = 40) -> None:
        """Until nothing is due."""
        for _ in range(most):
            wanted = self.room.run_once(Now(self.clock, 1000.0))
            if wanted > 1000.0:
                return
        raise AssertionError("the room never comes to rest")

    def state(self, source: Source) -> DeliveryState:
        view = self.store.views.source("talks", source.path)
        assert view is not None
        return DeliveryState.DELIVERED if view.state == "done" else DeliveryState.PENDING

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.place)): path.read_bytes() for path in self.place.rglob("*") if path.is_file()
        }
