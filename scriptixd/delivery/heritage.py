"""What a renamed file, or an earlier rendering, has left behind: sidecars under names that are not wanted any more.

Takes away only what is as we wrote it, after it was written anew; what a person has edited stays.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from scriptixd.delivery.lying import LARGEST, Fate, bytes_at, fate_of
from scriptixd.delivery.seat import Folders, Names
from scriptixd.errors import FileTrouble, ShareTrouble, SourceMissing, TargetTrouble
from scriptixd.jobs.clock import Now
from scriptixd.jobs.delivering import Unwanted
from scriptixd.jobs.job import Delivery, DeliveryState, Sidecar
from scriptixd.jobs.source import Source
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.paths import shown
from scriptixd.roots.place import Place

LOG = logging.getLogger("scriptixd.delivery")


@dataclass(frozen=True, slots=True)
class Left:
    """The delivery of a file under its old name, and its sidecars by output, with what became of them."""

    delivery: Delivery
    source: Source
    sidecars: Mapping[str, tuple[Sidecar, Fate]]

    def untouched(self, output: str) -> Sidecar | None:
        sidecar, fate = self.sidecars.get(output, (None, None))
        return sidecar if fate is Fate.UNTOUCHED else None

    def deleted(self, output: str) -> Sidecar | None:
        sidecar, fate = self.sidecars.get(output, (None, None))
        return sidecar if fate is Fate.DELETED else None


class Heritage:
    """Finds what was left, and takes it away."""

    def __init__(self, store: Store, folders: Folders) -> None:
        self._store = store
        self._folders = folders

    def of(self, delivery: Delivery, source: Source) -> Left | None:
        """What the file of a source has left under another name, which it does not have any more."""
        for other, old in self._store.deliveries.siblings(delivery):
            if old.stat.same_content(source.stat) and self._is_gone(other, old):
                left = self._sidecars(other)
                if left is not None:
                    return Left(other, old, left)
        return None

    def text(self, sidecar: Sidecar) -> bytes | None:
        """The bytes of an untouched sidecar; None if they cannot be had any more."""
        root = self._folders.root(sidecar.folder)
        return bytes_at(root, sidecar.path, LARGEST) if root is not None else None

    def take_away(self, left: Left, to: Source, now: Now) -> None:
        """Everything that was taken along is at its new place: at the old one only stays what was edited."""
        for sidecar, fate in left.sidecars.values():
            root = self._folders.root(sidecar.folder)
            taken = self._store.deliveries.sidecar_at(sidecar.folder, sidecar.path)
            if fate is Fate.EDITED or root is None or taken is None or taken.id != sidecar.id:
                continue
            try:
                root.remove(sidecar.path, sidecar.sha256)
            except (TargetTrouble, ShareTrouble) as trouble:
                LOG.warning(
                    "%s was written anew for %s and stays: %s",
                    Place(sidecar.folder, sidecar.path),
                    Place(to.folder, to.path),
                    trouble,
                )
                continue
            self._store.deliveries.release(sidecar)
        current = self._store.deliveries.get(left.delivery.id)
        if current is not None and current.state is not DeliveryState.DROPPED:
            self._store.deliveries.apply(current, Unwanted(f"its file is {_shown(to)} by now"), now.wall)

    def clear(self, delivery: Delivery) -> None:
        """Everything was made anew: of what its source had before only stays what was edited. ShareTrouble."""
        for sidecar in self._store.deliveries.sidecars_of(delivery.source_id):
            if sidecar.delivery_id == delivery.id and not sidecar.former:
                continue
            root = self._folders.root(sidecar.folder)
            if root is None:
                place = Place(sidecar.folder, sidecar.path)
                LOG.warning("%s stays: its directory is configured no more", place)
            elif (fate := fate_of(root, sidecar)) is Fate.EDITED:
                continue
            elif fate is Fate.UNTOUCHED:
                try:
                    root.remove(sidecar.path, sidecar.sha256)
                except TargetTrouble as trouble:
                    LOG.warning("%s is not wanted any more and stays: %s", Place(sidecar.folder, sidecar.path), trouble)
            self._store.deliveries.release(sidecar)

    def _is_gone(self, delivery: Delivery, source: Source) -> bool:
        """Whether the name means another file by now, or none, as the listing has it; what cannot be read is there."""
        newest = self._store.jobs.newest_of(source.id)
        if newest is not None and newest.id != delivery.job_id:
            return True
        root = self._folders.root(source.folder)
        try:
            return root is not None and source.name not in Names(one.name for one in root.listing(source.directory))
        except SourceMissing:
            return True
        except (ShareTrouble, FileTrouble):
            return False

    def _sidecars(self, delivery: Delivery) -> Mapping[str, tuple[Sidecar, Fate]] | None:
        """None where that cannot be told."""
        found: dict[str, tuple[Sidecar, Fate]] = {}
        for sidecar in self._store.deliveries.sidecars(delivery.id):
            root = self._folders.root(sidecar.folder)
            if root is not None and sidecar.written_at is not None:
                try:
                    found[sidecar.output] = sidecar, fate_of(root, sidecar)
                except ShareTrouble:
                    return None
        return found or None


def _shown(source: Source) -> str:
    return shown(f"{source.folder}/{source.path}")
