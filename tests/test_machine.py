"""Files come, grow, move and go, the service falters, the daemon is restarted, time passes: in any order.

Nothing is ever paid for twice, nothing is sent that was not on the disk, and when the trouble is over
everything comes to its end.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Final

from fakes import BOOT, ENGLISH, Call, Service, World, memory_disk, refused_key, sha256
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from scriptixd.errors import Away, QuotaTrouble, Trouble
from scriptixd.jobs.job import State
from scriptixd.jobs.source import Existing
from scriptixd.watch.comparison import Judge, Moment
from scriptixd.watch.filters import Filter

WINDOW: Final = 10.0  # s in which a file may not change
FOLDERS = ("one", "two")
NAMES = st.sampled_from(["a.wav", "b.wav", "c.wav"])
PLACES = st.tuples(st.sampled_from(FOLDERS), NAMES)
# Few contents, and few sizes: copies and twins are the rule here.
CONTENTS = st.sampled_from([b"x" * 8, b"y" * 8, b"x" * 30, b"y" * 30, b"z" * 55])
TROUBLES = st.sampled_from([Away("503"), QuotaTrouble("402"), refused_key()])
FAILING = st.sampled_from([Call.CREATE, Call.OFFSET, Call.SEND, Call.DISCARD, Call.SESSION_OF, Call.LOOK])


class Machine(RuleBasedStateMachine):
    """The real store, pipeline and worker, the scanner's own judgement, and a service that keeps count."""

    @initialize(same_request=st.booleans(), looks=st.integers(0, 2), late=st.integers(0, 2))
    def begin(self, same_request: bool, looks: int, late: int) -> None:
        self.base = Path(tempfile.mkdtemp(dir=memory_disk()))
        self.world = World(self.base, folders=FOLDERS, service=Service(looks=looks, session_after=late))
        if not same_request:
            self.world.folders.requests["two"] = ENGLISH
        self.ever: set[bytes] = set()
        self.judges = {name: self.judge(name) for name in FOLDERS}

    def judge(self, folder: str) -> Judge:
        requests = self.world.folders.requests
        return Judge(Filter(min_size=1), Existing.PROCESS, WINDOW, BOOT, lambda _path: requests[folder])

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

    @rule(place=PLACES)
    def delete(self, place: tuple[str, str]) -> None:
        self.world.path(place[1], place[0]).unlink(missing_ok=True)

    # What the network does

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
        known = self.world.store.sources.in_directory(folder, "")
        entries = self.world.folders.roots[folder].listing("")
        found = self.judges[folder].compare("", entries, known, Moment(self.world.now, first_contact=False))
        self.world.store.sources.record(folder, "", found.sightings, self.world.now.wall)

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

    def converge(self) -> None:
        world = self.world
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
            assert job.state in {State.READY, State.FAILED, State.GONE}, job
        undecided = sum(job.closing_at is not None and job.uploaded_at is None for job in world.jobs())
        assert world.count("ledger") <= world.service.completed <= world.count("ledger") + undecided

    def check(self, path: Path, folder: str, name: str) -> None:
        """Every file that is there has a job, and if that is ready it is its own transcript."""
        job, content = self.world.job_of(name, folder), path.read_bytes()
        if job.state is State.READY:
            assert job.sha256 == sha256(content)
            assert sha256(content).encode() in (self.world.store.jobs.result(job.id) or b"")
        else:
            assert job.state is State.FAILED, job  # a key refused for it alone, or undecidable: a person's matter


Machine.TestCase.settings = settings(
    max_examples=120,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
TestMachine = Machine.TestCase
