"""The configured folders, as the rooms below ask for them.

Owns the way to each folder's disk, and the gate in it; decides nothing about what lies there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from scriptixd.config.settings import Folder, Settings, WatchMode
from scriptixd.delivery.adoption import is_marked
from scriptixd.delivery.names import suffixed
from scriptixd.errors import ShareTrouble
from scriptixd.jobs.job import Request, Terms
from scriptixd.jobs.source import Source
from scriptixd.roots.gate import Gate
from scriptixd.roots.paths import shown
from scriptixd.roots.reaching import FolderRoot, close_together
from scriptixd.roots.root import Root
from scriptixd.watch.filters import Filter, FilterRule
from scriptixd.watch.mode import Mode
from scriptixd.watch.policy import Policy
from scriptixd.watch.scanner import Watched


class ConfiguredFolders:
    """A root for each folder, and the settings that hold for a path below it."""

    def __init__(self, settings: Settings) -> None:
        self._folders = {folder.name: folder for folder in settings.folders}
        self._filters = {name: filter_of(folder) for name, folder in self._folders.items()}
        self._reached = {name: FolderRoot(folder.path) for name, folder in self._folders.items()}
        self._gates = {name: Gate(root) for name, root in self._reached.items()}
        self._outputs = {name: _roots(folder.output_directories) for name, folder in self._folders.items()}
        self._output_gates = {
            directory: Gate(root) for roots in self._outputs.values() for directory, root in roots.items()
        }
        for name, gate in self._gates.items():
            gate.closed = ShareTrouble(f"the first look at {shown(name)} has not begun")

    def close(self) -> None:
        """Let go of every disk, in the time that one takes also where all of them hang."""
        outputs = (root for roots in self._outputs.values() for root in roots.values())
        close_together([*self._reached.values(), *outputs])

    def every(self) -> Collection[str]:
        """All that are configured."""
        return self._folders.keys()

    def names(self) -> Sequence[str]:
        """Those whose files may be touched just now; where somebody waits for an answer, nobody is sent after him."""
        stuck = self.stuck()
        return [name for name, gate in self._gates.items() if gate.shut is None and name not in stuck]

    def stuck(self) -> Collection[str]:
        """Those whose disk keeps somebody waiting, and may have begun to hang."""
        return {
            name
            for name, root in self._reached.items()
            if root.slow or any(output.slow for output in self._outputs[name].values())
        }

    def root(self, folder: str) -> Root | None:
        """The way through the gate, for all but the scanner; None for a folder that is not configured.

        A directory for outputs goes by its absolute path, which is no name of a folder.
        """
        if (gate := self._gates.get(folder)) is not None:
            return gate
        return self._output_gates.get(folder)

    def output_gates(self) -> Mapping[str, Gate]:
        """The way to each directory for outputs, by its absolute path."""
        return self._output_gates

    def place(self, folder: str) -> str:
        """The absolute path of a folder, or of a directory for outputs, which goes by it."""
        configured = self._folders.get(folder)
        return str(configured.path) if configured is not None else folder

    def output(self, folder: Folder) -> FolderRoot | None:
        """The directory for the outputs of a folder as a whole, if they have one."""
        directory = folder.output.directory
        return self._outputs[folder.name][directory] if directory is not None else None

    def reached(self, folder: str) -> FolderRoot:
        """The way around the gate, for the scanner, which opens and shuts it."""
        return self._reached[folder]

    def gate(self, folder: str) -> Gate:
        return self._gates[folder]

    def terms(self, folder: str, path: str) -> Terms:
        """The settings that hold for a path; FileTrouble where they do not say what is asked for it."""
        return self._folders[folder].terms(path)

    def picks_up(self, source: Source) -> bool:
        """Whether a source would be picked up today, by its folder's settings."""
        return self.request_of(source) is not None

    def request_of(self, source: Source) -> Request | None:
        """What would be asked for a source today; None if it would not be picked up."""
        folder = self._folders.get(source.folder)
        if folder is None or self._filters[source.folder].why_not(source.path, source.stat.size) is not None:
            return None
        settings = folder.at(source.path)
        return settings.request if settings is not None else None


def watched(folder: Folder) -> Watched:
    """What the scanner needs to know of a folder."""
    return Watched(
        name=folder.name,
        policy=policy_of(folder),
        filter=filter_of(folder),
        watch=None if folder.watch is WatchMode.AUTO else Mode(folder.watch.value),
        windows=tuple(dict.fromkeys((folder.settle, *(rule.settle for rule in folder.rules)))),
        scan_interval=folder.scan_interval,
        ask_above=folder.ask_above.files,
        marked=marked_in(folder),
    )


def policy_of(folder: Folder) -> Callable[[str], Policy]:
    """What holds for a path of a folder; FileTrouble for one that is not picked up because nothing is asked for it."""

    def policy(path: str) -> Policy:
        here = folder.holding(path)
        return Policy(here.request, here.existing, here.settle)

    return policy


def marked_in(folder: Folder) -> Callable[[str, Collection[str]], bool]:
    """Whether a file of a folder may have its set, by the names beside it; in another directory, that is looked at."""

    def marked(path: str, names: Collection[str]) -> bool:
        here = folder.at(path)
        if here is None:
            return False
        suffix = suffixed(here.output.suffix, here.request.language)
        return here.output.directory is not None or is_marked(path, names, suffix)

    return marked


def _roots(directories: Collection[str]) -> Mapping[str, FolderRoot]:
    return {directory: FolderRoot(directory) for directory in directories}


def filter_of(folder: Folder) -> Filter:
    """Which paths of a folder are picked up."""
    rules = [FilterRule(rule.rule, rule.include, rule.exclude, rule.min_size) for rule in folder.rules if rule.rule]
    return Filter(
        include=folder.include,
        exclude=folder.exclude,
        recursive=folder.recursive,
        min_size=folder.min_size,
        rules=tuple(rules),
        lacks=folder.lacks,
    )
