"""The configured folders, as the rooms below ask for them.

Owns the way to each folder's disk, and the gate in it; decides nothing about what lies there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from scriptixd.config.settings import Folder, Settings, WatchMode
from scriptixd.delivery.adoption import is_marked
from scriptixd.delivery.names import suffixed
from scriptixd.errors import ShareTrouble, Stopped
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


@dataclass(frozen=True, slots=True)
class _Ways:
    """Everything about the folders of one configuration, so that it can be exchanged in one go."""

    folders: Mapping[str, Folder]
    filters: Mapping[str, Filter]
    reached: Mapping[str, FolderRoot]
    gates: Mapping[str, Gate]
    outputs: Mapping[str, FolderRoot]  # by absolute path
    output_gates: Mapping[str, Gate]
    leaving: frozenset[str]  # configured no more, and not done with


class ConfiguredFolders:
    """A root for each folder, and the settings that hold for a path below it."""

    def __init__(self, settings: Settings) -> None:
        self._ways = _ways(settings.folders, (), None)

    def adopt(self, settings: Settings, leaving: Collection[str]) -> Sequence[FolderRoot]:
        """Go by other settings, and by the old ones for those that are `leaving`.

        What is where it was is reached as before; returns the ways that nobody takes any more, to be closed.
        """
        before = self._ways
        left = [before.folders[name] for name in leaving if name in before.folders]
        self._ways = after = _ways(settings.folders, left, before)
        kept = {id(root) for root in (*after.reached.values(), *after.outputs.values())}
        return [root for root in (*before.reached.values(), *before.outputs.values()) if id(root) not in kept]

    def close(self) -> None:
        """Let go of every disk, in the time that one takes also where all of them hang."""
        close_together([*self._ways.reached.values(), *self._ways.outputs.values()])

    def every(self) -> Collection[str]:
        """All that are configured."""
        return [name for name in self._ways.folders if name not in self._ways.leaving]

    def names(self) -> Sequence[str]:
        """Those whose files may be touched just now; where somebody waits for an answer, nobody is sent after him."""
        stuck = self.stuck()
        return [name for name, gate in self._ways.gates.items() if gate.shut is None and name not in stuck]

    def stuck(self) -> Collection[str]:
        """Those whose disk keeps somebody waiting, and may have begun to hang."""
        ways = self._ways
        return {
            name
            for name, folder in ways.folders.items()
            if ways.reached[name].slow or any(ways.outputs[directory].slow for directory in folder.output_directories)
        }

    def root(self, folder: str) -> Root | None:
        """The way through the gate, for all but the scanner; None for a folder that is not configured.

        A directory for outputs goes by its absolute path, which is no name of a folder.
        """
        ways = self._ways
        return ways.gates.get(folder) or ways.output_gates.get(folder)

    def output_gates(self) -> Mapping[str, Gate]:
        """The way to each directory for outputs, by its absolute path."""
        return self._ways.output_gates

    def place(self, folder: str) -> str:
        """The absolute path of a folder, or of a directory for outputs, which goes by it."""
        configured = self._ways.folders.get(folder)
        return str(configured.path) if configured is not None else folder

    def output(self, folder: Folder) -> FolderRoot | None:
        """The directory for the outputs of a folder as a whole, if they have one."""
        directory = folder.output.directory
        return self._ways.outputs[directory] if directory is not None else None

    def reached(self, folder: str) -> FolderRoot:
        """The way around the gate, for the scanner, which opens and shuts it."""
        return self._ways.reached[folder]

    def gate(self, folder: str) -> Gate:
        return self._ways.gates[folder]

    def terms(self, folder: str, path: str) -> Terms:
        """The settings that hold for a path; FileTrouble where they do not say what is asked for it."""
        configured = self._ways.folders.get(folder)
        if configured is None:
            raise Stopped(folder)  # it was taken out of the configuration a moment ago
        return configured.terms(path)

    def picks_up(self, source: Source) -> bool:
        """Whether a source would be picked up today, by its folder's settings."""
        return self.request_of(source) is not None

    def request_of(self, source: Source) -> Request | None:
        """What would be asked for a source today; None if it would not be picked up."""
        ways = self._ways
        folder = ways.folders.get(source.folder)
        if folder is None or source.folder in ways.leaving:
            return None
        if ways.filters[source.folder].why_not(source.path, source.stat.size) is not None:
            return None
        settings = folder.at(source.path)
        return settings.request if settings is not None else None


def _ways(folders: Sequence[Folder], leaving: Sequence[Folder], before: _Ways | None) -> _Ways:
    """As it is configured; what is where it was before is reached in the same way."""
    every = {folder.name: folder for folder in (*leaving, *folders)}
    reached: dict[str, FolderRoot] = {}
    gates: dict[str, Gate] = {}
    for name, folder in every.items():
        if before is not None and name in before.folders and before.folders[name].path == folder.path:
            reached[name], gates[name] = before.reached[name], before.gates[name]
            continue
        reached[name] = FolderRoot(folder.path)
        gates[name] = Gate(reached[name])
        gates[name].closed = ShareTrouble(f"the first look at {shown(name)} has not begun")
    known = before.outputs if before is not None else {}
    used = {directory for folder in every.values() for directory in folder.output_directories}
    outputs = {directory: known.get(directory) or FolderRoot(directory) for directory in used}
    known_gates = before.output_gates if before is not None else {}
    return _Ways(
        folders=every,
        filters={name: filter_of(folder) for name, folder in every.items()},
        reached=reached,
        gates=gates,
        outputs=outputs,
        output_gates={directory: known_gates.get(directory) or Gate(root) for directory, root in outputs.items()},
        leaving=frozenset(folder.name for folder in leaving),
    )


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
