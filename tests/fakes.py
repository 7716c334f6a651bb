"""An honest Scriptix in memory, and a small world around the jobs: real state file, real files, injected time.

The service keeps the contract of jobs/ports.py (test_ports.py holds it to that) and counts what a
bill would count. Faults are scripted: before a call has its effect, or after it, as a lost reply.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from scriptixd.delivery.adoption import SidecarsBeside, is_marked
from scriptixd.errors import AccountTrouble, Away, OverBudget, Trouble
from scriptixd.jobs.asking import Asking
from scriptixd.jobs.breakers import Breakers
from scriptixd.jobs.claims import Claims
from scriptixd.jobs.clock import Now
from scriptixd.jobs.erasing import Erasing
from scriptixd.jobs.events import Event
from scriptixd.jobs.job import ACTIVE, DocumentType, Job, Labels, Request, State, Terms
from scriptixd.jobs.pipeline import Pipeline, Step
from scriptixd.jobs.ports import (
    Answer,
    Body,
    Complete,
    Fetchable,
    Finished,
    Lane,
    Listed,
    Opinion,
    Page,
    Polling,
    Refused,
    Running,
    Standstill,
    Unclear,
)
from scriptixd.jobs.queues import IDLE, AskQueue, UploadQueue
from scriptixd.jobs.recognition import Recognition
from scriptixd.jobs.rounds import PAGE, Rounds
from scriptixd.jobs.source import Admission, Look, Sighting, Source
from scriptixd.jobs.store.database import open_state
from scriptixd.jobs.store.requests import Verb
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.verbs import apply_open_requests
from scriptixd.jobs.worker import Worker
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.paths import joined
from scriptixd.roots.root import Kind, Reader, Root, Stat
from scriptixd.service.budget import Budget

BOOT = "6d1f2a5c-0000-4000-8000-000000000001"
# Of all moments of a journey at which it may end, every second one in each run, beginning by chance; with
# SCRIPTIXD_STRIDE=1 all of them.
STRIDE = int(os.environ.get("SCRIPTIXD_STRIDE", "2"))
START = Now(wall=1_700_000_000.0, boot=1_000.0)
DUTCH = Request("nl", DocumentType.CAPTION)
ENGLISH = Request("en", DocumentType.CAPTION)
LABELS = Labels(filename="meeting.wav")
BROKEN = b"BROKEN"  # content that begins so is none that can be transcribed


T = TypeVar("T")


def memory_disk() -> Path | None:
    """A disk in memory, where there is one: hundreds of worlds sync dozens of times each."""
    place = Path("/dev/shm")  # noqa: S108 - a directory of its own is made there
    return place if os.access(place, os.W_OK) else None


class Call(StrEnum):
    CREATE = "create"
    OFFSET = "offset"
    SEND = "send"
    DISCARD = "discard"
    ERASE = "erase"
    SESSION_OF = "session_of"
    LOOK = "look"
    LISTED = "listed"
    PROBE = "probe"


SENDING = (Call.CREATE, Call.OFFSET, Call.SEND)


@dataclass
class Upload:
    file_id: str
    size: int
    request: Request
    labels: Labels
    name: str
    data: bytearray = field(default_factory=bytearray)
    asked: int = 0  # how often for its session, since it is complete
    session_id: str | None = None


@dataclass(frozen=True)
class Fault:
    call: Call
    error: BaseException
    after: bool  # whether the call has its effect before it fails


class Service:
    """Uploads and Sessions of jobs/ports.py."""

    def __init__(self, looks: int = 1, session_after: int = 0) -> None:
        self.origin = "https://api.example.org"
        self.key_fingerprint = "0123abcd"
        self.looks = looks  # until a result is there
        self.session_after = session_after  # times of asking until a session is named
        self.forgets_complete = False  # whether HEAD of a complete upload finds nothing
        self.refused: Trouble | None = None  # what every call is answered with
        self.refusing: dict[Call, Trouble] = {}  # what these calls are answered with
        self.uploads: dict[str, Upload] = {}
        self.sessions: dict[str, Upload] = {}
        self.looked: Counter[str] = Counter()
        self.asked: Counter[Call] = Counter()
        self.paid: Counter[tuple[str, str]] = Counter()  # by content and request
        self.discarded: list[str] = []
        self.erased: list[str] = []
        self.busy = False  # whether others wait for requests
        self.budget: Budget | None = None  # without one, anybody may ask as much as he likes
        self.clock: Callable[[], Now] = lambda: START
        self.lists = True  # whether it offers the list of sessions
        self.unlisted: set[str] = set()  # sessions that its list lacks
        self.foreign: set[str] = set()  # uploads of another key: nothing is told of them, as the service does it
        self.answers: dict[str, deque[Answer]] = {}  # by session, before the ordinary ones
        self.cut_after: int | None = None  # bytes of the next PATCH after which the connection drops
        self.faults: list[Fault] = []
        self.watch: Callable[[str], None] = lambda _moment: None
        self._ids = 0

    def fail(self, call: Call, error: BaseException, *, after: bool = False, times: int = 1) -> None:
        """The next `times` calls of this kind fail."""
        self.faults += [Fault(call, error, after)] * times

    def forget(self, file_id: str) -> None:
        """The upload has expired, with everything that came of it."""
        upload = self.uploads.pop(file_id, None)
        if upload is not None and upload.session_id is not None:
            self.sessions.pop(upload.session_id, None)

    @property
    def completed(self) -> int:
        return sum(self.paid.values())

    def create(self, request: Request, labels: Labels, name: str, size: int) -> str:
        def effect() -> str:
            self._ids += 1
            upload = Upload(f"upload-{self._ids}", size, request, labels, name)
            self.uploads[upload.file_id] = upload
            return upload.file_id

        return self._ask(Call.CREATE, effect)

    def offset(self, file_id: str, size: int | None = None) -> int | None:
        def effect() -> int | None:
            upload = self.uploads.get(file_id)
            if upload is None or (self.forgets_complete and upload.session_id is not None) or file_id in self.foreign:
                return None
            if size is not None and len(upload.data) > size:
                raise Away(f"an upload of {size} bytes has {len(upload.data)}")
            return len(upload.data)

        return self._ask(Call.OFFSET, effect)

    def send(self, file_id: str, offset: int, body: Body) -> int:
        def effect() -> int:
            upload = self.uploads.get(file_id)
            if upload is None or file_id in self.foreign:
                raise Away("404")
            if offset != len(upload.data):
                raise Away("409", retry_after=0.0)
            left = len(body)
            while left:
                piece = body.read(min(left, 7 if len(body) < 1000 else 4096))
                if not piece:
                    raise Away("the body ended early")
                if self.cut_after is not None and self.cut_after < len(piece):
                    upload.data += piece[: self.cut_after]
                    self.cut_after = None
                    raise Away("connection lost")
                if self.cut_after is not None:
                    self.cut_after -= len(piece)
                upload.data += piece
                left -= len(piece)
                if len(upload.data) == upload.size:
                    self._complete(upload)
            return len(upload.data)

        return self._ask(Call.SEND, effect)

    def discard(self, file_id: str) -> str:
        def effect() -> str:
            upload = self.uploads.get(file_id)
            if upload is None:
                return "404"
            if upload.session_id is None:
                del self.uploads[file_id]
                self.discarded.append(file_id)
            return "204"

        return self._ask(Call.DISCARD, effect)

    def erase(self, session_id: str) -> str:
        def effect() -> str:
            if session_id in self.erased:
                return "400: already removed"
            if self.sessions.pop(session_id, None) is None:
                return "404"
            self.erased.append(session_id)
            return "200"

        return self._ask(Call.ERASE, effect)

    def session_of(self, file_id: str) -> str | None:
        def effect() -> str | None:
            upload = self.uploads.get(file_id)
            if upload is None or upload.session_id is None or file_id in self.foreign:
                return None
            upload.asked += 1
            return upload.session_id if upload.asked > self.session_after else None

        return self._ask(Call.SESSION_OF, effect)

    def look(self, session_id: str) -> Answer:
        def effect() -> Answer:
            scripted = self.answers.get(session_id)
            if scripted:
                return scripted.popleft()
            upload = self.sessions.get(session_id)
            if upload is None:
                return Unclear("404")
            if upload.file_id in self.foreign:
                raise refused_key()
            state = self._state_of(session_id)
            if not isinstance(state, Fetchable):
                return state
            said = [{"result": [["so", 0.5, 0.9, 0.9]], "speaker": "unk", "text": "so", "channel": 0}]
            digest = hashlib.sha256(upload.data).hexdigest()
            body = {"result": {"status": "done", "sha256": digest, "results": said}}
            return Finished(json.dumps(body).encode(), upload.size / 10)

        return self._ask(Call.LOOK, effect)

    def listed(self, offset: int) -> Page | None:
        def effect() -> Page | None:
            if not self.lists:
                return None
            hidden = self.unlisted | {f"session-of-{file_id}" for file_id in self.foreign}
            names = [name for name in reversed(self.sessions) if name not in hidden]
            shown = names[offset : offset + PAGE]
            return Page([Listed(name, self._state_of(name)) for name in shown], len(names) <= offset + PAGE)

        return self._ask(Call.LISTED, effect)

    def probe(self) -> None:
        self._ask(Call.PROBE, lambda: None)

    def ready_at(self, now: Now, lane: Lane) -> float:
        """The budget, where this service counts requests at all."""
        return now.boot if self.budget is None else self.budget.ready_at(now, lane)

    def waiting(self, _now: Now) -> bool:
        return self.busy

    def _state_of(self, session_id: str) -> Running | Refused | Fetchable:
        """What it is when it is looked at, alone or in a list, so many times."""
        self.looked[session_id] += 1
        if self.looked[session_id] <= self.looks:
            return Running("processing")
        if bytes(self.sessions[session_id].data).startswith(BROKEN):
            return Refused("this is no media")
        return Fetchable(None)

    def _complete(self, upload: Upload) -> None:
        upload.session_id = f"session-of-{upload.file_id}"
        self.sessions[upload.session_id] = upload
        self.paid[hashlib.sha256(upload.data).hexdigest(), upload.request.key] += 1

    def _ask(self, call: Call, effect: Callable[[], T]) -> T:
        if self.budget is not None:
            now = self.clock()
            ready = self.budget.take(now, Lane.UPLOAD if call in SENDING else Lane.ASK)
            if ready is not None:
                raise OverBudget("the request budget is used up", retry_after=ready - now.boot)
        self.asked[call] += 1
        self.watch(f"before {call}")
        refused = self.refused or self.refusing.get(call)
        if refused is not None:
            raise refused
        fault = next((fault for fault in self.faults if fault.call is call), None)
        if fault is not None:
            self.faults.remove(fault)
            if not fault.after:
                raise fault.error
        answer = effect()
        self.watch(f"after {call}")
        if fault is not None:
            raise fault.error
        return answer


class Folders:
    """Configured folders: a local root each, and one request for everything below it, but for what `rules` say."""

    def __init__(self, requests: dict[str, Request], base: Path) -> None:
        self.requests = requests
        self.rules: dict[tuple[str, str], Request] = {}  # by folder and path
        self.max_size = 10**9
        self.changed_holds = False
        self.excluded: set[str] = set()
        self.hours_unasked: float | None = None
        self.erase_after: dict[str, float | None] = {}  # by folder; as delete_remote: false, if it is not said
        self.closed: set[str] = set()  # whose disk may not be read now
        self.roots: dict[str, Root] = {name: LocalRoot(base / name) for name in requests}

    def names(self) -> Sequence[str]:
        return [name for name in self.requests if name not in self.closed]

    def root(self, folder: str) -> Root | None:
        return self.roots.get(folder)

    def request(self, folder: str, path: str) -> Request:
        return self.rules.get((folder, path), self.requests[folder])

    def picks_up(self, source: Source) -> bool:
        return source.path not in self.excluded and self.root(source.folder) is not None

    def terms(self, folder: str, path: str) -> Terms:
        labels = Labels(filename=path.rpartition("/")[2])
        return Terms(
            self.request(folder, path),
            labels,
            ("json", "srt"),
            self.max_size,
            self.changed_holds,
            self.hours_unasked,
            self.erase_after.get(folder),
        )


class Desk:
    """Where sidecars would be written: fails as it is told."""

    def __init__(self) -> None:
        self.faults: deque[Exception] = deque()
        self.probed: list[str] = []
        self.watch: Callable[[str], None] = lambda _moment: None

    def probe(self, source: Source, _outputs: tuple[str, ...]) -> None:
        self.watch("before probe of the desk")
        self.probed.append(source.path)
        if self.faults:
            raise self.faults.popleft()
        self.watch("after probe of the desk")


class Examiner:
    """Finds everything whole, but for what it is told of a path or of a content."""

    def __init__(self) -> None:
        self.opinions: dict[str, Opinion] = {}  # by path
        self.doubtful: dict[bytes, Opinion] = {}  # by content
        self.asked: list[str] = []
        self.watch: Callable[[str], None] = lambda _moment: None

    def opinion(self, source: Source, reader: Reader, _now: Now) -> Opinion:
        self.watch("before an opinion")
        self.asked.append(source.path)
        content = reader.read(0, source.stat.size) if self.doubtful else b""
        return self.opinions.get(source.path) or self.doubtful.get(content) or Complete()


class FakeLimits:
    """Limits of jobs/ports.py: nothing speaks against anything, but for what is said of a folder."""

    def __init__(self) -> None:
        self.closed: dict[str, Standstill] = {}  # no upload may be opened
        self.starved: dict[str, Standstill] = {}  # none may go on, either
        self.refused: dict[int, Standstill] = {}  # by job, once its length is known
        self.asked: list[tuple[str, float | None]] = []  # the lengths that were asked about
        self.waits: deque[float] = deque()

    def opening(self, folder: str, now: Now) -> Standstill | None:
        return _lasting(self.closed.get(folder), now) or self.feeding(folder, now)

    def feeding(self, folder: str, now: Now) -> Standstill | None:
        return _lasting(self.starved.get(folder), now)

    def admits(self, job: Job, folder: str, seconds: float | None, now: Now) -> Standstill | None:
        self.asked.append((folder, seconds))
        return _lasting(self.refused.get(job.id), now)

    def wait(self, _folder: str, _count: int) -> float:
        return self.waits.popleft() if self.waits else 0.0


def _lasting(standstill: Standstill | None, now: Now) -> Standstill | None:
    over = standstill is not None and standstill.until is not None and standstill.until <= now.wall
    return None if over else standstill


class Gauge:
    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.beats = 0
        self.on_sent: Callable[[int], None] = lambda _offset: None

    def beat(self) -> None:
        self.beats += 1

    def sent(self, _job: Job, offset: int) -> None:
        self.offsets.append(offset)
        self.on_sent(offset)


class World:
    """Folders on a disk, a state file, a service, and the workers between; time passes only as it is told to."""

    def __init__(
        self, base: Path, *, folders: Sequence[str] = ("council",), chunk_size: int = 20, service: Service | None = None
    ) -> None:
        self.base = base
        for name in folders:
            (base / name).mkdir(parents=True, exist_ok=True)
        self.service = service or Service()
        self.folders = Folders(dict.fromkeys(folders, DUTCH), base)
        self.desk = Desk()
        self.examiner = Examiner()
        self.limits = FakeLimits()
        self.gauge = Gauge()
        self.now = START
        self.service.clock = lambda: self.now
        self.polling = Polling.AUTO
        self.chunk_size = chunk_size
        self.deadline = 86_400.0
        self.stopped = False
        self.chance = 0.5
        self.held_for = ""
        self.reported: list[Event] = []
        self._mtime = 1_600_000_000_000_000_000
        self.start()

    def start(self) -> None:
        """The daemon's memory is new, its state file is not."""
        self.store = Store(open_state(self.base / "state.db"))
        self.breakers = Breakers()
        self.rounds = Rounds(self.store, self.service, self.service, self.polling)
        self.pipeline = Pipeline(
            self.store,
            self.folders,
            self.service,
            Asking(self.store, self.service, self.service, self.rounds, self.deadline),
            Recognition(self.store, SidecarsBeside(self.folders, self.store), self.service, self.service),
            self.desk,
            self.examiner,
            self.limits,
            self.gauge,
            lambda: self.stopped,
            lambda: self.now,
            self.pass_time,
            self.chunk_size,
        )
        self.uploader, self.asker = self.worker(Lane.UPLOAD), self.worker(Lane.ASK)
        self.eraser = Erasing(
            self.store, self.folders, self.service, self.service, self.breakers, self.service, lambda: self.chance
        )

    def worker(self, lane: Lane, claims: Claims[Job] | None = None) -> Worker:
        uploads = UploadQueue(self.store, self.breakers, self.limits, self.folders.names, self.pipeline.held_up)
        return Worker(
            lane,
            uploads if lane is Lane.UPLOAD else AskQueue(self.store),
            self.store,
            self.pipeline,
            self.service,
            self.service,
            self.breakers,
            self.service,
            claims or Claims(1, tuple),
            lambda: self.chance,
            lambda _job, event: self.reported.append(event),
        )

    def restart(self) -> None:
        self.store.close()
        self.start()

    def close(self) -> None:
        self.store.close()

    def path(self, name: str, folder: str = "council") -> Path:
        return self.base / folder / name

    def put(self, name: str, data: bytes, folder: str = "council") -> Path:
        """Write a file; every write has an mtime of its own."""
        path = self.path(name, folder)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        self.touch(name, folder)
        return path

    def touch(self, name: str, folder: str = "council") -> None:
        self._mtime += 1_000_000_000
        os.utime(self.path(name, folder), ns=(self._mtime, self._mtime))

    def scan(self, folder: str = "council", *directories: str, complete: bool = True) -> None:
        """One pass over directories, as a scanner makes it: first what is there, last what is there no more.

        With `complete`, what has changed has settled at once.
        """
        sources, gone = self.store.sources, []
        for directory in directories or ("",):
            found = self.found(folder, directory)
            known = sources.in_directory(folder, directory)
            sources.record(folder, directory, [*self._seen(folder, directory, known, found, complete)], self.now.wall)
            gone.append((directory, _missed(known, found)))
        for directory, missed in gone:
            sources.record(folder, directory, missed, self.now.wall)

    def found(self, folder: str, directory: str = "") -> dict[str, Stat]:
        """The files that are in a directory now."""
        if not (self.base / folder / directory).exists():
            return {}
        listing = self.folders.roots[folder].listing(directory)
        return {entry.name: entry.stat for entry in listing if entry.kind is Kind.FILE and entry.stat is not None}

    def rename(self, name: str, to: str, folder: str = "council") -> None:
        """As people do it: the file stays what it is."""
        target = self.path(to, folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path(name, folder).rename(target)

    def _seen(
        self, folder: str, directory: str, known: Mapping[str, Source], found: dict[str, Stat], complete: bool
    ) -> Iterable[Sighting]:
        for name, stat in found.items():
            source = known.get(name)
            same = source is not None and source.present and source.stat.same_content(stat)
            if source is not None and same and source.settled:
                continue
            if complete or same:
                path = joined(directory, name)
                marked = is_marked(path, os.listdir(self.base / folder / directory))
                admission = Admission(self.folders.request(folder, path), held_for=self.held_for, marked=marked)
                yield Sighting(name, stat, Look(BOOT, self.now.boot, 2), admission=admission)
            else:
                yield Sighting(name, stat, Look(BOOT, self.now.boot, 1))

    def settle(self) -> None:
        for folder in self.folders.requests:
            self.scan(folder)

    def drop(self, name: str, data: bytes, folder: str = "council") -> Job:
        """A file that has settled, and its job."""
        self.put(name, data, folder)
        self.scan(folder)
        return self.job_of(name, folder)

    def job_of(self, name: str, folder: str = "council") -> Job:
        source = self.store.sources.at(folder, name)
        assert source is not None
        job = self.store.jobs.newest_of(source.id)
        assert job is not None
        return job

    def state_of(self, name: str, folder: str = "council") -> State:
        return self.job_of(name, folder).state

    def step(self, job: Job) -> Step:
        """One step of the pipeline, of the job as it is now."""
        current = self.store.jobs.get(job.id)
        assert current is not None
        return self.pipeline.step(current, self.now)

    def step_until(self, job: Job, state: State, most: int = 30) -> Job:
        for _ in range(most):
            current = self.store.jobs.get(job.id)
            assert current is not None
            if current.state is state:
                return current
            self.step(current)
        raise AssertionError(f"job {job.id} did not become {state} in {most} steps")

    def jobs(self) -> list[Job]:
        with self.store.database.reading() as connection:
            ids = [row[0] for row in connection.execute("SELECT id FROM jobs ORDER BY id")]
        return [job for id_ in ids if (job := self.store.jobs.get(id_)) is not None]

    def active(self) -> list[Job]:
        return [job for job in self.jobs() if job.state in ACTIVE]

    def at_work(self) -> bool:
        """Whether any job is active: asked at every turn."""
        states = ", ".join(f"'{state}'" for state in ACTIVE)
        with self.store.database.reading() as connection:
            return connection.execute(f"SELECT 1 FROM jobs WHERE state IN ({states}) LIMIT 1").fetchone() is not None

    def history(self) -> list[tuple[str, str]]:
        with self.store.database.reading() as connection:
            return list(connection.execute("SELECT event, detail FROM history ORDER BY id"))

    def count(self, table: str) -> int:
        with self.store.database.reading() as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def retry(self, ids: Sequence[int]) -> None:
        """What a person types."""
        self.store.requests.ask(Verb.RETRY, ids, self.now.wall)
        apply_open_requests(self.store, lambda source: self.folders.requests[source.folder], self.now)

    def pass_time(self, seconds: float) -> None:
        self.now = Now(self.now.wall + seconds, self.now.boot + seconds)

    def turn(self) -> float:
        """Both lanes once; when they want to be called again, in seconds from now."""
        return min(self.uploader.run_once(self.now), self.asker.run_once(self.now)) - self.now.boot

    def erase(self, most: int = 100) -> float:
        """Erase whatever can be erased now; when the eraser wants to be called again, in seconds from now."""
        for _ in range(most):
            rest = self.eraser.run_once(self.now) - self.now.boot
            if rest > 0:
                return rest
        raise AssertionError(f"no end after {most} steps")

    def erase_all(self, most: int = 200) -> None:
        """Erase, and let time pass while it has to wait, until nothing is left to be erased."""
        for _ in range(most):
            rest = self.erase()
            if not self.store.erasures.backlog().planned:
                return
            self.pass_time(rest + 0.001)
        raise AssertionError(f"no end after {most} turns: {self.store.erasures.backlog()}")

    def drive(self, most: int = 400) -> int:
        """Work, and let time pass while there is nothing to do, until no job is active; returns the turns it took."""
        for turns in range(most):
            if not self.at_work():
                return turns
            rest = self.turn()
            assert rest < IDLE or self.breakers.view(), f"nobody comes back for {self.active()}"
            if rest > 0:
                self.pass_time(rest + 0.001)
        raise AssertionError(f"no end after {most} turns: {self.active()}")


def _missed(known: Mapping[str, Source], found: dict[str, Stat]) -> Sequence[Sighting]:
    return [Sighting(name, None) for name, source in known.items() if source.present and name not in found]


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def refused_key() -> AccountTrouble:
    return AccountTrouble("https://api.example.org refuses the key (401)", "check the key")
