"""Puts sidecars beside their source: one file a step, its name and hash committed before it is written.

Never writes over a file that is not known to be ours and untouched; a result that cannot be written
waits for as long as it takes.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from scriptixd.captions.manner import Manner, Units
from scriptixd.captions.wishes import Wishes
from scriptixd.delivery.adoption import Adoption
from scriptixd.delivery.heritage import Heritage, Left
from scriptixd.delivery.lying import digest_at
from scriptixd.delivery.names import WHOLE_SET_MARK, in_order
from scriptixd.delivery.seat import Folders, Seat, seat_of
from scriptixd.delivery.sidecar import render
from scriptixd.errors import NameTaken, SourceMissing, StateTrouble, Stopped, TargetTrouble, Trouble
from scriptixd.jobs import pacing
from scriptixd.jobs.claims import Claims
from scriptixd.jobs.clock import Now
from scriptixd.jobs.delivering import Delivered, DeliveryEvent, Unwanted
from scriptixd.jobs.events import Postponed
from scriptixd.jobs.job import Delivery, Job, Sidecar, Terms
from scriptixd.jobs.source import Source
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.paths import shown
from scriptixd.roots.place import Figures, Place, figures

LOG = logging.getLogger("scriptixd.delivery")

IDLE = 3600.0  # s: whoever makes work wakes us
DAY = 86_400.0  # s until a transcript that was kept nowhere is looked for again
NO_SPEECH = "there is no speech in it"
ADOPTED = "the set that lay there was taken for it, as it is"
NOT_KEPT = "its transcript is kept nowhere any more"
NOT_MADE_ANEW = f"{NOT_KEPT}, so its sidecars stay as they are: scriptixd redo FILE pays for a new one"
PAY_AGAIN = "scriptixd redo FILE pays for a new one"
BUG = ("scriptixd ran into a bug of its own with this transcript", "its log has the details; the transcript is kept")
TAKEN_AWAY = 3  # failures after which a sidecar that the disk confirmed, and that is not there, counts as taken away


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
    seat: Seat
    terms: Terms
    manner: Manner

    @property
    def source(self) -> Source:
        return self.seat.source


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
        kept_elsewhere: Callable[[Job], bytes | None],
    ) -> None:
        self._store = store
        self._folders = folders
        self._units = units
        self._chance = chance
        self._beat = beat
        self._claims = claims
        self._kept_elsewhere = kept_elsewhere
        self._adoption = Adoption(store, units)
        self._heritage = Heritage(store, folders)
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
                LOG.error(
                    "delivery %d ran into a bug of scriptixd", delivery.id, exc_info=bug, extra=figures(delivery.job_id)
                )
            event = self._postponed(delivery, Trouble(*BUG), now)
        if event is not None:
            self._store.deliveries.apply(delivery, event, now.wall)

    def probe(self, source: Source, outputs: tuple[str, ...]) -> None:
        """Show that the sidecars could be written where they belong. TargetTrouble or NameTaken if not."""
        terms = self._folders.terms(source.folder, source.path)
        seat_of(self._store, self._folders, source, terms, terms.request.language).probe(outputs)

    def _step(self, delivery: Delivery, now: Now) -> DeliveryEvent | None:
        order = self._order(delivery)
        if order is None:
            return Unwanted("its source has other content by now")
        written = {sidecar.output: sidecar for sidecar in self._store.deliveries.sidecars(delivery.id)}
        anew = delivery.wishes is not None
        if not written and not anew and (set_there := self._adopted(order)):
            names = ", ".join(shown(name) for name in set_there)
            LOG.info("%s: adopted %s", _place(order.source), names, extra=figures(order.job.id))
            return Delivered(ADOPTED, order.terms.erase_after)
        if not self._is_kept(order, now):
            if not anew:
                return Postponed(now.wall + DAY, NOT_KEPT, PAY_AGAIN)
            self._store.deliveries.leave_as_it_was(delivery)
            return Delivered(NOT_MADE_ANEW)
        left = self._heritage.of(delivery, order.source)
        note = ""
        for output in in_order(tuple({**dict.fromkeys(order.terms.outputs), **(left.sidecars if left else {})})):
            sidecar = written.get(output)
            if sidecar is not None and sidecar.written_at is not None:
                continue
            if left is not None and (deleted := left.deleted(output)) is not None:
                self._keep_deleted(order, left, deleted, now)
                return None
            data = self._text(order, output, left)
            if data is not None:
                self._write(order, output, data, sidecar, left, now)
                return None
            note = note if output not in order.terms.outputs else NO_SPEECH
        if left is not None:
            self._heritage.take_away(left, order.source, now)
            note = note or f"its sidecars were taken along from {shown(left.source.path)}"
        if anew:
            self._heritage.clear(delivery)
        made = [sidecar.path.rpartition("/")[2] for sidecar in written.values()]
        names = ", ".join(shown(name) for name in made)
        LOG.info("%s: wrote %s", _place(order.source), names, extra=self._figures(order, now))
        return Delivered(note, order.terms.erase_after, errand=order.terms.after_done is not None)

    def _adopted(self, order: Order) -> Sequence[str]:
        return self._adoption.adopt(order.delivery, order.job, order.seat, order.terms, order.seat.names())

    def _text(self, order: Order, output: str, left: Left | None) -> bytes | None:
        """What an output holds, None for nothing. What is taken along stays as it is, but for the JSON's source."""
        untouched = left.untouched(output) if left is not None else None
        kept = self._heritage.text(untouched) if untouched is not None and output != WHOLE_SET_MARK else None
        if kept is not None:
            return kept
        if output not in order.terms.outputs and untouched is None:
            return None
        return render(output, self._reply(order), order.job, order.source, self._units, order.manner)

    def _keep_deleted(self, order: Order, left: Left, deleted: Sidecar, now: Now) -> None:
        """What a person has deleted is not written under the new name either; what came along by itself is taken."""
        places = list(order.seat.places(deleted.output, deleted.sha256, {left.delivery.id}))
        place = next((one for one in places if one.replaces == deleted.sha256), places[0] if places else None)
        path = place.path if place is not None else order.seat.every(deleted.output)[-1]
        with self._store.database.transaction():
            ours = self._store.deliveries.intend(
                order.delivery, order.seat.where, path, deleted.output, deleted.sha256, None
            )
            self._store.deliveries.written(ours, now.wall)

    def _write(
        self, order: Order, output: str, data: bytes, intended: Sidecar | None, left: Left | None, now: Now
    ) -> None:
        seat = order.seat
        seat.make_ready()
        self._sweep(order)
        digest = hashlib.sha256(data).hexdigest()
        if intended is not None and intended.sha256 == digest and self._lies_there(intended):
            self._store.deliveries.written(intended, now.wall)  # the end of it was not recorded
            return
        for place in seat.places(output, digest, {left.delivery.id} if left is not None else ()):
            sidecar = self._store.deliveries.intend(
                order.delivery, seat.where, place.path, output, digest, place.replaces
            )
            try:
                seat.root.write(place.path, data, place.replaces, seat.access)
            except NameTaken:  # somebody was quicker, or the disk takes MEETING.SRT for the same name
                self._store.deliveries.release(sidecar)
                continue
            _read_back(order, sidecar)
            self._store.deliveries.written(sidecar, now.wall)
            if not self._store.deliveries.stands(order.delivery):  # nobody knows any more that this lies there
                seat.root.remove(place.path, digest)
            return
        raise NameTaken(
            f"every name for the {output} of {shown(order.source.path)} is somebody else's",
            f"move one of the files away; the transcript is kept until then ({shown(order.source.name)}.*{output})",
        )

    def _lies_there(self, sidecar: Sidecar) -> bool:
        root = self._folders.root(sidecar.folder)
        return root is not None and digest_at(root, sidecar.path) == sidecar.sha256

    def _order(self, delivery: Delivery) -> Order | None:
        """What a delivery is about; None if its source's content is another job's by now."""
        job, source = self._store.jobs.get(delivery.job_id), self._store.sources.get(delivery.source_id)
        if job is None or source is None:
            return None
        newest = self._store.jobs.newest_of(source.id)
        if newest is None or newest.id != job.id:
            return None
        if self._folders.root(source.folder) is None:
            raise Stopped(source.folder)  # the folder was taken out of the configuration a moment ago
        terms = self._folders.terms(source.folder, source.path)
        manner = _manner(delivery, terms)
        seat = seat_of(self._store, self._folders, source, terms, job.request.language)
        return Order(delivery, job, seat, terms, manner)

    def _is_kept(self, order: Order, now: Now) -> bool:
        """Whether the transcript is stored, or was found elsewhere and is stored again."""
        if self._store.jobs.has_result(order.job.id):
            return True
        reply = self._kept_elsewhere(order.job)
        if reply is not None:
            self._store.jobs.keep_result(order.job, reply, now.wall)
        return reply is not None

    def _reply(self, order: Order) -> bytes:
        reply = self._store.jobs.result(order.job.id)
        if reply is None:
            raise AssertionError(f"job {order.job.id} is ready and has no result")
        return reply

    def _sweep(self, order: Order) -> None:
        """What a crash left of our temporaries in this directory, once in a run."""
        where = (order.seat.where, order.source.directory)
        if where not in self._swept:
            self._swept.add(where)
            order.seat.root.sweep(order.source.directory)

    def _figures(self, order: Order, now: Now) -> Mapping[str, Figures]:
        """Of a file that is done: `took` is counted from when its content was found complete.

        Of what is made anew, or comes to another file of known content, that would be the content's age.
        """
        job = order.job
        first = order.delivery.wishes is None and not self._store.deliveries.siblings(order.delivery)
        took = max(0.0, now.wall - job.created_at) if first else None
        return figures(job.id, job.session_id, None, job.stat.size, job.media_seconds, took)

    def _postponed(self, delivery: Delivery, trouble: Trouble, now: Now) -> Postponed:
        """A paid result is never given up: it waits, and says why."""
        if isinstance(trouble, SourceMissing):
            return Postponed(now.wall + pacing.BACKOFF_CAP, trouble.what, trouble.hint, failed=False)
        if delivery.failures == 0:
            LOG.warning("a transcript waits to be written: %s", trouble, extra=figures(delivery.job_id))
        wait = pacing.backoff(delivery.failures, trouble.retry_after, self._chance())
        return Postponed(now.wall + wait, trouble.what, trouble.hint)


def _read_back(order: Order, sidecar: Sidecar) -> None:
    """Show that what was written is what lies there: what the service has may be erased for it.

    Raises TargetTrouble if it is not. One that is gone each time is taken away by somebody as soon as it appears.
    """
    found = digest_at(order.seat.root, sidecar.path)
    if found == sidecar.sha256 or (found is None and order.delivery.failures >= TAKEN_AWAY):
        return
    raise TargetTrouble(
        f"{shown(sidecar.path)} was written, and "
        + ("is not there" if found is None else "reads back as something else"),
        "see whether its disk is in order, and whether another program changes it; the transcript is kept",
    )


def _manner(delivery: Delivery, terms: Terms) -> Manner:
    """How it is to be made, for this once too; TargetTrouble where the settings have changed and both cannot be."""
    if delivery.wishes is None:
        return terms.manner
    try:
        return Wishes.read(delivery.wishes).over(terms.manner)
    except ValueError as error:
        raise TargetTrouble(
            f"what scriptixd render was asked for does not go with today's settings: {error}",
            "mend the settings, or ask again: scriptixd render FILE",
        ) from error


def _place(source: Source) -> Place:
    return Place(source.folder, source.path)
