"""What the daemon shows over HTTP: metrics, health and a page, put together from the house and its state file.

Only looks: with a connection of its own, so that counting a million files keeps nobody from writing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from scriptixd import __version__
from scriptixd.config.settings import Http
from scriptixd.daemon.approving import way_on
from scriptixd.daemon.house import House
from scriptixd.jobs.clock import Now, local_day, read_clock
from scriptixd.jobs.source import Question
from scriptixd.jobs.store.erasures import Backlog
from scriptixd.jobs.store.errands import Unrun
from scriptixd.jobs.store.glance import glance_at
from scriptixd.jobs.timetable import Calendar
from scriptixd.observe.kept import Kept
from scriptixd.observe.live import Live, is_fresh
from scriptixd.observe.metrics import Reading, exposition
from scriptixd.observe.page import HTML, POLICY, Scene, page
from scriptixd.observe.standing import Facts, Place, Standing, facts_in
from scriptixd.observe.web import Answer, Asked, Places, Web, plain
from scriptixd.roots.paths import shown


@dataclass(frozen=True, slots=True)
class _Sums:
    """What of the state file is measured."""

    counts: Mapping[tuple[str, str], int]
    questions: Mapping[str, Question]
    erasures: Backlog
    errands: Unrun
    paid: tuple[int, float]


class Window:
    """Implements nothing but `run_once` of a loop. StartError if the port cannot be had."""

    def __init__(
        self,
        http: Http,
        house: House,
        told: Callable[[], Live | None],
        still: Callable[[], Sequence[str]],
    ) -> None:
        """`told`: the last live figures; `still`: what should move and does not."""
        self._state = house.settings.state
        self._house = house
        self._told = told
        self._still = still
        self._host = socket.gethostname()
        self._sums = Kept(self._count)
        self._facts = Kept(self._look)
        places: Places = {"/metrics": self._metrics, "/healthz": self._health}
        if http.page:
            places = {**places, "/": self._page}
        token = http.token.reveal() if http.token is not None else None
        self._web = Web(http.host, http.port, token, places)

    @property
    def _places(self) -> Sequence[Place]:
        return [Place(folder.name, os.fspath(folder.path)) for folder in self._house.settings.folders]

    def run_once(self, now: Now) -> float:
        return self._web.run_once(now)

    def close(self) -> None:
        self._web.close()

    def _metrics(self, asked: Asked) -> Answer:
        now, sums, traffic = read_clock(), self._sums.get().value, self._house.service.traffic
        reading = Reading(
            version=__version__,
            folders=[place.name for place in self._places],
            live=self._live(now.wall),
            still=self._still(),
            counts=sums.counts,
            asking=list(sums.questions),
            erasures=sums.erasures,
            errands=sums.errands,
            paid=sums.paid,
            sent=traffic.bytes_sent(),
            requests=traffic.requests(),
            uploads=self._house.meters.uploads.read(),
            transcriptions=self._house.meters.transcriptions.read(),
        )
        return Answer(HTTPStatus.OK, *exposition(reading, asked.accept, now.wall))

    def _health(self, _asked: Asked) -> Answer:
        if still := self._still():
            names = ", ".join(map(shown, still))
            return plain(HTTPStatus.SERVICE_UNAVAILABLE, f"no sign of life from: {names}")
        return plain(HTTPStatus.OK, "ok")

    def _page(self, asked: Asked) -> Answer:
        facts, now = self._facts.get(), read_clock()
        live = self._live(now.wall)
        standing = Standing(self._places, True, live, live.pauses if live else (), facts.value)
        ways = {name: way_on(name, question) for name, question in facts.value.questions.items()}
        refreshes = asked.query.get("refresh") != "off"
        scene = Scene(standing, ways, tuple(self._still()), self._host, now.wall, facts.at.wall, refreshes)
        return Answer(HTTPStatus.OK, HTML, page(scene).encode(), POLICY)

    def _live(self, wall: float) -> Live | None:
        told = self._told()
        return told if told is not None and is_fresh(told, wall) else None

    def _count(self) -> _Sums:
        with glance_at(self._state) as known:
            return _Sums(
                known.views.counts(),
                known.disks.questions(),
                known.erasures.backlog(),
                known.errands.unrun(),
                known.views.paid(local_day(read_clock().wall)),
            )

    def _look(self) -> Facts:
        settings = self._house.settings
        with glance_at(self._state) as known:
            return facts_in(known, read_clock().wall, settings.bounds, Calendar(settings.timezone))
