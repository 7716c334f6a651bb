"""The directories for outputs: nothing is written to the bare one that shows while its disk is not mounted.

Only remembers where a directory's disk was mounted, and decides by the table of mounts; never asks the disk.
"""

from __future__ import annotations

from scriptixd.daemon.folders import ConfiguredFolders
from scriptixd.errors import ShareTrouble
from scriptixd.jobs.store.tables import Store
from scriptixd.roots.mounts import mount_of
from scriptixd.roots.paths import is_within, shown


class OutputGround:
    """What one directory stood on when it was last written to."""

    def __init__(self, directory: str, store: Store) -> None:
        self._directory = directory
        self._store = store
        self._known: str | None = None
        self._looked = False

    def doubt(self) -> ShareTrouble | None:
        """Why it is not to be written to now, if it is not."""
        if not self._looked:
            self._known, self._looked = self._store.sources.output_mountpoint(self._directory), True
        mountpoint = mount_of(self._directory).mountpoint
        if mountpoint == self._known:
            return None
        if self._known is not None and is_within(self._known, mountpoint.rstrip("/")):
            return ShareTrouble(
                f"{shown(self._directory)}, for outputs, was on the disk at {shown(self._known)}, which is not mounted",
                "mount it, and transcripts are written as soon as it is there; or name another output.directory",
            )
        self._store.sources.output_stands_on(self._directory, mountpoint)
        self._known = mountpoint
        return None


def guard_outputs(folders: ConfiguredFolders, store: Store) -> None:
    """Put a guard at the gate of every directory for outputs."""
    for directory, gate in folders.output_gates().items():
        gate.doubt = OutputGround(directory, store).doubt
