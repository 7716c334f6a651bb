"""Files come, grow, move and go, the service falters, the daemon is restarted, time passes: in any order.

Nothing is ever paid for twice, nothing is sent that was not on the disk, and when the trouble
is over everything that nobody is asked about comes to its end.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Final

from fakes import BOOT, ENGLISH, Call, Service, World, memory_disk, refused_key, sha256
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from standings import wrong_standings, wrong_tallies

from scriptixd.errors import Away, OverBudget, QuotaTrouble, Trouble
from scriptixd.jobs.events import Approved
from scriptixd.jobs.job import State
from scriptixd.jobs.ports import Doubt, Standstill, Wait
from scriptixd.jobs.source import Existing, Sighting
from scriptixd.watch.comparison import Judge, Moment
from scriptixd.watch.filters import Filter
from scriptixd.watch.policy import Policy
from scriptixd.watch.settle import Span

WINDOW: Final = 10.0  # s in which a file may not change
FOLDERS = ("one", "two")
NAMES = st.sampled_from(["a.wav", "b.wav", "c.wav"])
PLACES = st.tuples(st.sampled_from(FOLDERS), NAMES)
# Few contents, and few sizes: copies and twins are the rule here.
CONTENTS = st.sampled_from([b"x" * 8, b"y" * 8, b"x" * 30, b"y" * 30, b"z" * 55])
TROUBLES = st.sampled_from([Away("503"), QuotaTrouble("402"), refused_key(), OverBudget("used up", retry_after=3.0)])
KEYS = ("0123abcd", "fedcba98")
FAILING = st.sampled_from([Call.CREATE, Call.OFFSET, Call.SEND, Call.SESSION_OF, Call.LOOK, Call.LISTED, Call.PROBE])


class Machine(RuleBasedStateMachine):
    """The real store, pipeline and worker, the scanner's own judgement, and a service that keeps count."""

    ends: Collection[State] = frozenset({State.READY, State.FAILED, State.GONE, State.HELD})

    @initialize(same_request=st.booleans(), looks=st.integers(0, 2), late=st.integers(0, 2))
    def begin(self, same_request: bool, looks: int, late: int) -> None:
        self.base = Path(tempfile.mkdtemp(dir=memory_disk()))
        self.world = World(self.base, folders=FOLDERS, service=Service(looks=looks, session_after=late))
        if not same_request:
            self.world.folders.requests["two"] = ENGLISH
        self.ever: set[bytes] = set()
        self.ever_doubted: set[bytes] = set()
        self.missing: dict[str, set[str]] = {name: set() for name in FOLDERS}
        self.judges = {name: self.judge(name) for name in FOLDERS}
        self.sent_by: dict[str, str] = {}  # by upload: the key that opened it

    def judge(self, folder: str) -> Judge:
        policy = Policy(self.world.folders.requests[folder], Existing.PROCESS, None)
        return Judge(Filter(min_size=1), None, lambda _path: policy, WINDOW, BOOT, lambda _path, _names: False)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.converge()
        finally:
            self.world.close()
            shutil.rmtree(self.base)

    # What people do

    @rule(place=PLACES, content=CONTENTS)
    def create(self, place: tuple[str, str], content: bytes) -> None:
        folder, name = place
        self.world.put(name, content, folder)
        self.ever.add(content)

    @rule(place=PLACES)
    def grow(self, place: tuple[str, str]) -> None:
        folder, name = place
        path = self.world.path(name, folder)
        if path.exists():
            self.create(place, path.read_bytes() + b"+")

    @rule(place=PLACES)
    def touch(self, place: tuple[str, str]) -> None:
        folder, name = place
        if self.world.path(name, folder).exists():
            self.world.touch(name, folder)

    @rule(place=PLACES, to=PLACES, keeps_time=st.booleans())
    def copy(self, place: tuple[str, str], to: tuple[str, str], keeps_time: bool) -> None:
        source, target = (self.world.path(name, folder) for folder, name in (place, to))
        if source.exists() and place != to:
            shutil.copy2(source, target)
            if not keeps_time:
                self.world.touch(to[1], to[0])

    @rule(place=PLACES, to=PLACES)
    def rename(self, place: tuple[str, str], to: tuple[str, str]) -> None:
        source, target = (self.world.path(name, folder) for folder, name in (place, to))
        if source.exists():
            source.rename(target)

    @rule(folder=st.sampled_from(FOLDERS), one=NAMES, other=NAMES)
    def swap(self, folder: str, one: str, other: str) -> None:
        if one != other and all(self.world.path(name, folder).exists() for name in (one, other)):
            self.world.path(one, folder).rename(self.world.path("between", folder))
            self.world.path(other, folder).rename(self.world.path(one, folder))
            self.world.path("between", folder).rename(self.world.path(other, folder))

    @rule(folder=st.sampled_from(FOLDERS), name=NAMES, to=NAMES, content=CONTENTS, turns=st.integers(0, 12))
    def rename_on_its_way(self, folder: str, name: str, to: str, content: bytes, turns: int) -> None:
        """Found, uploading, closing, transcribing or ready: wherever it is by then."""
        self.live((folder, name), content, turns)
        self.rename((folder, name), (folder, to))
        self.scan(folder)
        self.work(2)

    @rule(content=CONTENTS, gravely=st.booleans())
    def doubt(self, content: bytes, gravely: bool) -> None:
        self.ever_doubted |= {content} if gravely else set()
        opinion = Doubt("it contradicts itself") if gravely else Wait(7.0, "somebody writes to it")
        self.world.examiner.doubtful[content] = opinion

    @rule(place=PLACES)
    def approve(self, place: tuple[str, str]) -> None:
        source = self.world.store.sources.at(*place)
        job = self.world.store.jobs.newest_of(source.id) if source else None
        if job is not None and job.state is State.HELD:
            self.world.store.jobs.apply(job, Approved(), self.world.now.wall)

    @rule(place=PLACES)
    def delete(self, place: tuple[str, str]) -> None:
        self.world.path(place[1], place[0]).unlink(missing_ok=True)

    @rule(folder=st.sampled_from(FOLDERS), until=st.sampled_from([5.0, 500.0, None]))
    def pause(self, folder: str, until: float | None) -> None:
        ends = None if until is None else self.world.now.wall + until
        self.world.limits.starved[folder] = Standstill("not now", "wait", ends)

    @rule(folder=st.sampled_from(FOLDERS))
    def resume(self, folder: str) -> None:
        self.world.limits.starved.pop(folder, None)

    @rule(key=st.sampled_from(KEYS))
    def change_key(self, key: str) -> None:
        """With a restart, as it needs one; what another key sent is not told to this one."""
        service = self.world.service
        self.sent_by |= {id_: service.key_fingerprint for id_ in service.uploads if id_ not in self.sent_by}
        service.key_fingerprint = key
        service.foreign = {id_ for id_, by in self.sent_by.items() if by != key}
        self.world.restart()

    # What the network does

    @rule(offered=st.booleans())
    def offer_lists(self, offered: bool) -> None:
        self.world.service.lists = offered

    @rule(call=FAILING, trouble=TROUBLES, after=st.booleans())
    def fault(self, call: Call, trouble: Trouble, after: bool) -> None:
        self.world.service.fail(call, trouble if not after else Away("the reply was lost"), after=after)

    @rule(count=st.integers(0, 40))
    def cut(self, count: int) -> None:
        self.world.service.cut_after = count

    @rule()
    def expire(self) -> None:
        for upload in list(self.world.service.uploads.values()):
            if upload.session_id is None:
                self.world.service.forget(upload.file_id)

    # What the daemon does

    @rule(folder=st.sampled_from(FOLDERS))
    def scan(self, folder: str) -> None:
        """As the scanner does it: what is there first, and what is gone once it has been missed twice."""
        sources, now = self.world.store.sources, self.world.now
        known = sources.in_directory(folder, "")
        entries = self.world.folders.roots[folder].listing("")
        moment = Moment(Span(now, now), first_contact=False, flooded=False)
        found = self.judges[folder].compare("", entries, known, moment)
        sources.record(folder, "", found.sightings, now.wall)
        gone = [Sighting(name, None) for name in found.missing if name in self.missing[folder]]
        sources.record(folder, "", gone, now.wall)
        self.missing[folder] = set(found.missing)

    @rule(folder=st.sampled_from(FOLDERS))
    def close_or_open(self, folder: str) -> None:
        self.world.folders.closed ^= {folder}

    @rule(turns=st.integers(1, 6))
    def work(self, turns: int) -> None:
        for _ in range(turns):
            self.world.turn()

    @rule(seconds=st.sampled_from([0.1, 1.0, 11.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule()
    def settle(self) -> None:
        """As it mostly goes: nobody touches anything for a while, and the daemon looks."""
        for folder in FOLDERS:
            self.scan(folder)
        self.world.pass_time(WINDOW + 1)
        for folder in FOLDERS:
            self.scan(folder)

    @rule(place=PLACES, content=CONTENTS, turns=st.integers(0, 12))
    def live(self, place: tuple[str, str], content: bytes, turns: int) -> None:
        """A day as most are: a file is dropped, settles, and some of its way is gone."""
        self.create(place, content)
        self.settle()
        for _ in range(turns):
            self.world.pass_time(max(0.0, self.world.turn()))

    @rule()
    def restart(self) -> None:
        self.world.restart()

    # What must hold

    @invariant()
    def nothing_is_paid_for_twice(self) -> None:
        if hasattr(self, "world"):
            assert all(times == 1 for times in self.world.service.paid.values()), self.world.service.paid

    @invariant()
    def nothing_is_sent_that_never_was_on_the_disk(self) -> None:
        if hasattr(self, "world"):
            known = {sha256(content) for content in self.ever}
            assert {content for content, _ in self.world.service.paid} <= known

    @invariant()
    def what_a_source_is_at_is_what_its_job_is_at(self) -> None:
        if hasattr(self, "world"):
            with self.world.store.database.reading() as connection:
                assert wrong_standings(connection) == []
                assert wrong_tallies(connection) == []

    def doubted(self) -> set[bytes]:
        return {content for content, one in self.world.examiner.doubtful.items() if isinstance(one, Doubt)}

    def converge(self) -> None:
        world = self.world
        world.folders.closed = set()
        world.limits.starved.clear()
        world.examiner.doubtful = {content: Doubt("it contradicts itself") for content in self.doubted()}
        world.service.faults.clear()
        world.service.cut_after = None
        self.settle()
        world.drive(3000)
        self.settle()  # what was found to have changed while it was sent
        world.drive(3000)
        self.nothing_is_paid_for_twice()
        self.nothing_is_sent_that_never_was_on_the_disk()
        for folder in FOLDERS:
            for name in ("a.wav", "b.wav", "c.wav"):
                path = world.path(name, folder)
                if path.exists():
                    self.check(path, folder, name)
        for job in world.jobs():
            assert job.state in self.ends, job
        undecided = sum(job.closing_at is not None and job.uploaded_at is None for job in world.jobs())
        assert world.count("ledger") <= world.service.completed <= world.count("ledger") + undecided

    def check(self, path: Path, folder: str, name: str) -> None:
        """Every file that is there has a job, and if that is ready it is its own transcript."""
        job, content = self.world.job_of(name, folder), path.read_bytes()
        if job.state is State.READY:
            assert job.sha256 == sha256(content)
            assert sha256(content).encode() in (self.world.store.jobs.result(job.id) or b"")
        elif job.state is State.HELD:
            assert content in self.ever_doubted
        else:
            assert job.state is State.FAILED, job  # a key refused for it alone, or undecidable: a person's matter


Machine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
TestMachine = Machine.TestCase
