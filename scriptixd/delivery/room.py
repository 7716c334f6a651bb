"""Puts sidecars beside their source: one file a step, its name and hash committed before it is written.

Never writes over a file that is not known to be ours and untouched; a result that cannot be written
waits for as long as it takes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from scriptixd.captions import Units
from scriptixd.delivery.adoption import Adoption
from scriptixd.delivery.lying import digest_at
from scriptixd.delivery.names import candidates, in_order, last_resort
from scriptixd.delivery.sidecar import render
from scriptixd.errors import NameTaken, SourceMissing, StateTrouble, Stopped, TargetTrouble, Trouble
from scriptixd.jobs import pacing
from scriptixd.jobs.claims import Claims
from scriptixd.jobs.clock import Now
from scriptixd.jobs.delivering import Delivered, DeliveryEvent, Unwanted
from scriptixd.jobs.events import Postponed
from scriptixd.jobs.job import Delivery, Job, Sidecar, Terms
from scriptixd.jobs.source import Source
from scriptixd.jobs.store import Store
from scriptixd.roots.paths import shown
from scriptixd.roots.root import Root

LOG = logging.getLogger("scriptixd.delivery")

IDLE = 3600.0  # s: whoever makes work wakes us
NO_SPEECH = "there is no speech in it"
ADOPTED = "the set that lay there was taken for it, as it is"
BUG = ("scriptixd ran into a bug of its own with this transcript", "its log has the details; the transcript is kept")
TAKEN_AWAY = 3  # failures after which a sidecar that the disk confirmed, and that is not there, counts as taken away


class Folders(Protocol):
    """What today's configuration says, and the way to a folder's files."""

    def names(self) -> Collection[str]:
        """The configured folders."""

    def root(self, folder: str) -> Root | None: ...

    def terms(self, folder: str, path: str) -> Terms: ...


@dataclass(frozen=True, slots=True)
class Place:
    """A name for a sidecar; `replaces` is the hash of our own untouched file that has it now."""

    path: str
    replaces: str | None


@dataclass(frozen=True, slots=True)
class Due:
    """A delivery that wants a step, and the folder that it is for."""

    delivery: Delivery
    folder: str

    @property
    def id(self) -> int:
        return self.delivery.id


@dataclass(frozen=True, slots=True)
class Order:
    """One delivery with all that it is about."""

    delivery: Delivery
    job: Job
    source: Source
    root: Root


class DeliveryRoom:
    """The loop that delivers, and the probe that the pipeline makes before anything is paid."""

    def __init__(
        self,
        store: Store,
        folders: Folders,
        units: Units,
        chance: Callable[[], float],
        beat: Callable[[], None],
        claims: Claims[Due],
    ) -> None:
        self._store = store
        self._folders = folders
        self._units = units
        self._chance = chance
        self._beat = beat
        self._claims = claims
        self._adoption = Adoption(store, units)
        self._swept: set[tuple[str, str]] = set()

    def run_once(self, now: Now) -> float:
        """One step of one delivery; returns when the next one is wanted, in seconds of CLOCK_BOOTTIME."""
        with self._claims.take(lambda claimed, _: self._pick(claimed, now), lambda _: True) as due:
            if due is None:
                at = self._store.deliveries.next_due(now.wall)
                return now.boot + (IDLE if at is None else min(IDLE, at - now.wall))
            self._beat()
            self._deliver(due.delivery, now)
        return now.boot

    def _pick(self, claimed: Collection[int], now: Now) -> Due | None:
        delivery = self._store.deliveries.due(now.wall, self._folders.names(), claimed)
        source = self._store.sources.get(delivery.source_id) if delivery else None
        return Due(delivery, source.folder) if delivery and source else None

    def _deliver(self, delivery: Delivery, now: Now) -> None:
        try:
            event = self._step(delivery, now)
        except Stopped:
            return
        except StateTrouble:
            raise
        except Trouble as trouble:
            event = self._postponed(delivery, trouble, now)
        except Exception as bug:  # that transcript alone: the others are delivered, and this one is kept
            if delivery.failures == 0:
                LOG.error("delivery %d ran into a bug of scriptixd", delivery.id, exc_info=bug)
            event = self._postponed(delivery, Trouble(*BUG), now)
        if event is not None:
            self._store.deliveries.apply(delivery, event, now.wall)

    def probe(self, source: Source, outputs: tuple[str, ...]) -> None:
        """Show that the sidecars could be written beside the source. TargetTrouble or NameTaken if not."""
        root = self._root(source)
        names = self._names_in(root, source)
        for output in outputs:
            if self._free(root, source, output, names) is None:
                first, second = candidates(source.path, output)
                raise NameTaken(
                    f"{shown(source.path)} would get {shown(first)} or {shown(second)}, and both are somebody else's",
                    "move one of them away, then: scriptixd retry",
                )
        root.probe(source.directory)

    def _step(self, delivery: Delivery, now: Now) -> DeliveryEvent | None:
        order = self._order(delivery)
        if order is None:
            return Unwanted("its source has other content by now")
        terms = self._folders.terms(order.source.folder, order.source.path)
        written = {sidecar.output: sidecar for sidecar in self._store.deliveries.sidecars(delivery.id)}
        if not written and (set_there := self._adopted(order, terms)):
            LOG.info("%s: adopted %s", _place(order.source), ", ".join(shown(name) for name in set_there))
            return Delivered(ADOPTED, terms.erase_after)
        note = ""
        for output in in_order(terms.outputs):
            sidecar = written.get(output)
            if sidecar is not None and sidecar.written_at is not None:
                continue
            data = render(output, self._reply(order), order.job, order.source, self._units)
            if data is None:
                note = NO_SPEECH
                continue
            self._write(order, output, data, sidecar, now)
            return None
        made = [sidecar.path.rpartition("/")[2] for sidecar in written.values()]
        LOG.info("%s: wrote %s", _place(order.source), ", ".join(shown(name) for name in made))
        return Delivered(note, terms.erase_after)

    def _adopted(self, order: Order, terms: Terms) -> Sequence[str]:
        names = self._names_in(order.root, order.source)
        return self._adoption.adopt(order.delivery, order.job, order.source, order.root, terms.outputs, names)

    def _write(self, order: Order, output: str, data: bytes, intended: Sidecar | None, now: Now) -> None:
        self._sweep(order)
        digest = hashlib.sha256(data).hexdigest()
        if intended is not None and digest_at(order.root, intended.path) == intended.sha256:
            self._store.deliveries.written(intended, now.wall)  # the end of it was not recorded
            return
        for place in self._places(order, output, digest):
            sidecar = self._store.deliveries.intend(
                order.delivery, order.source.folder, place.path, output, digest, place.replaces
            )
            try:
                order.root.write(place.path, data, place.replaces)
            except NameTaken:  # somebody was quicker, or the disk takes MEETING.SRT for the same name
                self._store.deliveries.release(sidecar)
                continue
            _read_back(order, sidecar)
            self._store.deliveries.written(sidecar, now.wall)
            return
        raise NameTaken(
            f"every name for the {output} of {shown(order.source.path)} is somebody else's",
            f"move one of the files away; the transcript is kept until then ({shown(order.source.name)}.*{output})",
        )

    def _places(self, order: Order, output: str, digest: str) -> Iterator[Place]:
        """The names that are free, or ours to replace, the best one first; after paying there is a third one.

        A file that holds the very bytes is one of ours that came along with its renamed or copied directory.
        """
        names = self._names_in(order.root, order.source)
        for path in (*candidates(order.source.path, output), last_resort(order.source.path, output)):
            place = self._usable(order.root, order.source, path, names, came_along=digest)
            if place is not None:
                yield place

    def _free(self, root: Root, source: Source, output: str, names: Collection[str]) -> Place | None:
        for path in candidates(source.path, output):
            place = self._usable(root, source, path, names)
            if place is not None:
                return place
        return None

    def _usable(
        self, root: Root, source: Source, path: str, names: Collection[str], came_along: str | None = None
    ) -> Place | None:
        """A name is ours if nobody has it, or if it is this source's own sidecar as we wrote it."""
        ours = self._store.deliveries.sidecar_at(source.folder, path)
        delivery = self._store.deliveries.get(ours.delivery_id) if ours else None
        of_this_source = delivery is not None and delivery.source_id == source.id
        lies_there = path.rpartition("/")[2] in names
        if not lies_there:
            return Place(path, None) if ours is None or of_this_source else None
        known: set[str | None]
        if ours is None and came_along is not None:
            known = {came_along}
        elif ours is not None and of_this_source:
            # A crash between the intent and the write leaves the file that was to be replaced.
            known = {ours.sha256, ours.replaces}
        else:
            return None
        digest = digest_at(root, path)
        return Place(path, digest) if digest is not None and digest in known else None

    def _names_in(self, root: Root, source: Source) -> Collection[str]:
        """What lies in the source's directory; a directory without the source may be the bare one under a mount."""
        names = {entry.name for entry in root.listing(source.directory)}
        if source.name not in names:
            raise SourceMissing(f"{shown(source.path)} is not in its directory", "sidecars wait until it is back")
        return names

    def _order(self, delivery: Delivery) -> Order | None:
        """What a delivery is about; None if its source's content is another job's by now."""
        job, source = self._store.jobs.get(delivery.job_id), self._store.sources.get(delivery.source_id)
        if job is None or source is None:
            return None
        newest = self._store.jobs.newest_of(source.id)
        if newest is None or newest.id != job.id:
            return None
        return Order(delivery, job, source, self._root(source))

    def _reply(self, order: Order) -> bytes:
        reply = self._store.jobs.result(order.job.id)
        if reply is None:
            raise AssertionError(f"job {order.job.id} is ready and has no result")
        return reply

    def _root(self, source: Source) -> Root:
        root = self._folders.root(source.folder)
        if root is None:
            raise Stopped(source.folder)  # the folder was taken out of the configuration a moment ago
        return root

    def _sweep(self, order: Order) -> None:
        """What a crash left of our temporaries in this directory, once in a run."""
        where = (order.source.folder, order.source.directory)
        if where not in self._swept:
            self._swept.add(where)
            order.root.sweep(order.source.directory)

    def _postponed(self, delivery: Delivery, trouble: Trouble, now: Now) -> Postponed:
        """A paid result is never given up: it waits, and says why."""
        if isinstance(trouble, SourceMissing):
            return Postponed(now.wall + pacing.BACKOFF_CAP, trouble.what, trouble.hint, failed=False)
        if delivery.failures == 0:
            LOG.warning("a transcript waits to be written: %s", trouble)
        wait = pacing.backoff(delivery.failures, trouble.retry_after, self._chance())
        return Postponed(now.wall + wait, trouble.what, trouble.hint)


def _read_back(order: Order, sidecar: Sidecar) -> None:
    """Show that what was written is what lies there: what the service has may be erased for it.

    Raises TargetTrouble if it is not. One that is gone each time is taken away by somebody as soon as it appears.
    """
    found = digest_at(order.root, sidecar.path)
    if found == sidecar.sha256 or (found is None and order.delivery.failures >= TAKEN_AWAY):
        return
    raise TargetTrouble(
        f"{shown(sidecar.path)} was written, and "
        + ("is not there" if found is None else "reads back as something else"),
        "see whether its disk is in order, and whether another program changes it; the transcript is kept",
    )


def _place(source: Source) -> str:
    return shown(f"{source.folder}/{source.path}")
