"""The configured folders, as the rooms below ask for them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from scriptixd.config.settings import Folder, Settings
from scriptixd.jobs.job import Request, Terms
from scriptixd.jobs.source import Source
from scriptixd.roots.local import LocalRoot
from scriptixd.roots.root import Root
from scriptixd.watch.filters import Filter
from scriptixd.watch.mode import Mode
from scriptixd.watch.scanner import Watched


class ConfiguredFolders:
    """A root for each folder, and the settings that hold for a path below it."""

    def __init__(self, settings: Settings) -> None:
        self._folders = {folder.name: folder for folder in settings.folders}
        self._roots = {name: LocalRoot(folder.path) for name, folder in self._folders.items()}

    def names(self) -> Collection[str]:
        return self._folders.keys()

    def root(self, folder: str) -> Root | None:
        return self._roots.get(folder)

    def terms(self, folder: str, path: str) -> Terms:
        return self._folders[folder].terms(path)

    def request_of(self, source: Source) -> Request | None:
        """What would be asked for a source today; None if its folder is not configured."""
        folder = self._folders.get(source.folder)
        return folder.terms(source.path).request if folder else None

    def request_in(self, folder: str) -> Callable[[str], Request]:
        """What is asked for a path of one folder."""
        return lambda path: self._folders[folder].terms(path).request


def watched(folder: Folder) -> Watched:
    """What the scanner needs to know of a folder."""
    return Watched(
        name=folder.name,
        filter=filter_of(folder),
        existing=folder.existing,
        watch=None if folder.watch.value == "auto" else Mode(folder.watch.value),
        settle_window=folder.settle,
        scan_interval=folder.scan_interval,
    )


def filter_of(folder: Folder) -> Filter:
    """Which paths of a folder are picked up."""
    return Filter(include=folder.include, exclude=folder.exclude, recursive=folder.recursive, min_size=folder.min_size)
