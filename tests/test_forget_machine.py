"""Files come, move and go in any order, the service falters, and any of them is forgotten at any moment.

Nothing is paid for twice, nothing that was forgotten is known by its name, and whatever else lies there comes to its
end.
"""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import rule
from test_machine import PLACES, Machine

from scriptixd.jobs.job import State
from scriptixd.jobs.recognition import NOT_KEPT
from scriptixd.jobs.store.requests import Verb
from scriptixd.jobs.verbs import apply_open_requests


class Forgetful(Machine):
    """The same, and somebody who has files forgotten."""

    ends = Machine.ends | {State.DISMISSED}  # type: ignore[operator]

    @rule(place=PLACES)
    def forget(self, place: tuple[str, str]) -> None:
        """Whatever it is at, and whether or not it lies there still."""
        folder, name = place
        store, now = self.world.store, self.world.now
        source = store.sources.at(folder, name)
        if source is not None:
            store.requests.ask_file(Verb.FORGET, source.id, self.world.path(name, folder).exists(), now.wall)
            apply_open_requests(store, lambda one: self.world.folders.requests[one.folder], now)
            assert store.sources.at(folder, name) is None

    @rule(place=PLACES)
    def forget_on_its_way(self, place: tuple[str, str]) -> None:
        self.live(place, b"z" * 55, 3)
        self.forget(place)

    @rule(place=PLACES)
    def approve(self, place: tuple[str, str]) -> None:
        """But nobody pays again on purpose."""
        source = self.world.store.sources.at(*place)
        job = self.world.store.jobs.newest_of(source.id) if source else None
        if job is not None and job.held_for != NOT_KEPT:
            super().approve(place)

    @rule()
    def erase(self) -> None:
        self.world.eraser.run_once(self.world.now)

    def converge(self) -> None:
        super().converge()
        for _ in range(80):  # an hour and more
            self.world.pass_time(min(60.0, self.world.erase()) + 0.001)
        with self.world.store.database.reading() as connection:
            waits = connection.execute("SELECT count(*) FROM erasures WHERE ordered = 1 AND reason = ''").fetchone()
            assert waits == (0,), "what was ordered is done, or belongs to another key and says so"
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
            nobodys = "SELECT count(*) FROM results WHERE job_id NOT IN (SELECT job_id FROM deliveries)"
            assert connection.execute(nobodys).fetchone() == (0,)
        self.nothing_is_paid_for_twice()

    def check(self, path: Path, folder: str, name: str) -> None:
        """Nothing is asked of what was left alone, or known and kept nowhere: everything else is as ever."""
        left = self.world.store.sources.forgotten.known(folder)(name)
        if self.world.store.sources.at(folder, name) is None:
            assert left is not None
            assert left.size == path.stat().st_size
        elif self.world.job_of(name, folder).state not in (State.HELD, State.DISMISSED):
            super().check(path, folder, name)


Forgetful.TestCase.settings = settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)
TestForgetful = Forgetful.TestCase
