"""`approve`, `dismiss`, `retry` and `redo`: what a person decides, handed to whoever has the state file.

Asks before money is spent a second time; changes nothing itself, but writes requests that the daemon applies.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from scriptixd.cli.finding import absolute, folder_named, moment_named, sources_meant
from scriptixd.cli.installation import become_owner, settings_in
from scriptixd.cli.opening import reading
from scriptixd.cli.output import complain, say
from scriptixd.config.settings import Settings
from scriptixd.config.values import LANGUAGE_CODE
from scriptixd.daemon.folders import ConfiguredFolders
from scriptixd.errors import StartError, StateHeld
from scriptixd.jobs.clock import read_clock
from scriptixd.jobs.job import State
from scriptixd.jobs.store.database import is_held, open_beside, open_state
from scriptixd.jobs.store.requests import Verb
from scriptixd.jobs.store.tables import Store
from scriptixd.jobs.store.views import IGNORED, SourceView, Views
from scriptixd.jobs.verbs import DECIDED, IMPOSSIBLE, apply_open_requests
from scriptixd.observe.telling import NO_DAEMON
from scriptixd.roots.paths import shown

OUTCOME_WITHIN: Final = 5.0  # s: the daemon looks for requests several times a second
LOOK_EVERY: Final = 0.1  # s
NAMES_IN_QUESTION: Final = 5  # more would bury the question

# What a folder stands for: all that is in this state.
_MEANT: Final[Mapping[Verb, State]] = {Verb.APPROVE: State.HELD, Verb.DISMISS: State.HELD, Verb.RETRY: State.FAILED}


@dataclass(frozen=True, slots=True)
class Choice:
    """One source that is decided about; `named`: by itself, not as part of a folder."""

    view: SourceView
    named: bool


@dataclass(frozen=True, slots=True)
class Decision:
    """What is handed over: sources by their jobs, with their paths, and folders whose own question gets its yes."""

    verb: Verb
    jobs: Mapping[int, str]
    folders: Sequence[str]
    ignored: Mapping[int, str] = field(default_factory=dict)  # by themselves, with their paths: they have no job
    language: str | None = None  # of `redo`, instead of the folder's

    @property
    def about(self) -> Sequence[str]:
        """What it concerns, in words, in the order in which it is asked."""
        return [*(f"folder {name}" for name in self.folders), *self.jobs.values(), *self.ignored.values()]

    def ask(self, store: Store, at: float) -> Sequence[int]:
        """Folders first."""
        folders = [store.requests.ask_folder(self.verb, name, at) for name in self.folders]
        jobs = store.requests.ask(self.verb, list(self.jobs), at, self.language)
        return [*folders, *jobs, *(store.requests.ask_file(self.verb, id_, True, at) for id_ in self.ignored)]


class Errand(Protocol):
    """What is asked of whoever has the state file."""

    def ask(self, store: Store, at: float) -> Sequence[int]:
        """Write it down, in the transaction that is open; returns the requests' ids."""


def decide(
    config: str,
    verb: Verb,
    names: Sequence[str],
    *,
    since: str | None = None,
    failed: bool = False,
    language: str | None = None,
    yes: bool = False,
) -> int:
    """Resolve, ask where it costs again, hand over, and print what came of each; the exit code is 1 if one cannot."""
    if not names and not failed:
        raise StartError("nothing was named", f"scriptixd {verb} FILE, a FOLDER, or --failed")
    if language is not None and not LANGUAGE_CODE.fullmatch(language):
        raise StartError(f"--language {shown(language)} is no language code", "name one such as nl, en or en-US")
    settings = settings_in(config)  # and its time zone, by which a date is meant
    earliest = moment_named(since, read_clock().wall) if since is not None else None
    with reading(settings) as store:
        choices = _chosen(settings, store.views, verb, names, failed=failed)
        folders = _asking(settings, store, names) if verb is Verb.APPROVE and since is None else ()
    # A yes to a new disk is none to what is held on it.
    later = [choice for choice in choices if not choice.named and choice.view.folder in folders]
    choices = [choice for choice in choices if choice not in later]
    if earliest is not None:
        choices = [choice for choice in choices if choice.view.mtime >= earliest]
    if not choices and not folders:
        say(f"there is nothing to {verb}" + (f" that was changed since {since}" if since else ""))
        return 0
    agreed = choices if yes else _agreed(settings, verb, choices)
    ignored = [choice for choice in agreed if verb is Verb.APPROVE and choice.view.state == IGNORED]
    others = [choice for choice in agreed if choice not in ignored]
    places = {choice.view.source_id: _place(settings, choice) for choice in ignored}
    decision = Decision(verb, _jobs(settings, others), folders, places, language)
    if not decision.about:
        return 0
    outcomes = hand_over(settings, decision)
    for what, outcome in zip(decision.about, outcomes, strict=True):
        say(f"{what}: {outcome or 'it is written down, and the daemon does it as soon as it can'}")
    if later:
        say(f"{len(later)} file(s) that are held wait for a yes of their own: the same command once more")
    if verb is not Verb.DISMISS and DECIDED.intersection(outcomes):
        complain_if_alone(settings)
    return 1 if IMPOSSIBLE.intersection(outcomes) else 0


def complain_if_alone(settings: Settings) -> None:
    """What a person has decided is written down, and nobody is there who does it."""
    if not is_held(settings.state):
        complain(NO_DAEMON)


def _asking(settings: Settings, store: Store, names: Sequence[str]) -> Sequence[str]:
    """The named folders that ask something themselves."""
    named = [folder.name for text in names if (folder := folder_named(settings, text)) is not None]
    return [name for name in dict.fromkeys(named) if store.sources.open_question(name) is not None]


def _jobs(settings: Settings, choices: Sequence[Choice]) -> Mapping[int, str]:
    """The jobs behind sources, each once, with the path that it was first named by."""
    jobs: dict[int, str] = {}
    for choice in choices:
        job = choice.view.job_id
        if job is None:
            raise StartError(_jobless(settings, choice.view), "scriptixd explain tells more")
        jobs.setdefault(job, _place(settings, choice))
    return jobs


def _chosen(settings: Settings, views: Views, verb: Verb, names: Sequence[str], *, failed: bool) -> Sequence[Choice]:
    choices = [choice for text in names for choice in _meant(settings, views, verb, text)]
    if failed:
        choices += [Choice(view, named=False) for view in views.sources(state=State.FAILED)]
    unique = {choice.view.source_id: choice for choice in reversed(choices)}
    return list(reversed(unique.values()))


def _meant(settings: Settings, views: Views, verb: Verb, text: str) -> Sequence[Choice]:
    """What is decided about by one argument; of a folder only what is in the state that the verb is for."""
    found, named = sources_meant(settings, views, text)
    if named:
        return [Choice(view, named=True) for view in found]
    if verb not in _MEANT:
        raise StartError(f"{text} is a folder", f"scriptixd {verb} pays again: name each file")
    return [Choice(view, named=False) for view in found if view.state == _MEANT[verb]]


def _agreed(settings: Settings, verb: Verb, choices: Sequence[Choice]) -> Sequence[Choice]:
    """The choices without those that would cost again and are not wanted so."""
    costly = [choice for choice in choices if _costs_again(verb, choice.view)]
    free = [choice for choice in choices if choice not in costly]
    if not costly:
        return choices
    if sys.stdin.isatty():
        return choices if _says_yes(settings, costly) else free
    # Nobody can be asked. Naming a file in `retry` says yes to it; `redo` and whole folders need the word itself.
    wanted = [choice for choice in costly if verb is Verb.RETRY and choice.named]
    left = [choice for choice in costly if choice not in wanted]
    for choice in left:
        complain(f"{_place(settings, choice)}: left as it is, because it would be paid for again")
    if left and not free and not wanted:
        raise StartError("nothing was done: paying again needs a yes", f"scriptixd {verb} --yes …")
    return [*free, *wanted]


def _costs_again(verb: Verb, view: SourceView) -> bool:
    """Whether money was spent for it before, and nothing of that can be used."""
    return verb is Verb.REDO or (verb is Verb.RETRY and view.paid and view.file_id is None)


def _says_yes(settings: Settings, costly: Sequence[Choice]) -> bool:
    names = ", ".join(shown(_place(settings, choice)) for choice in costly[:NAMES_IN_QUESTION])
    more = f" and {len(costly) - NAMES_IN_QUESTION} more" if len(costly) > NAMES_IN_QUESTION else ""
    print(f"This is sent again, and paid for again: {names}{more}", file=sys.stderr)
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _place(settings: Settings, choice: Choice) -> str:
    return absolute(settings, choice.view.folder, choice.view.path)


def _jobless(settings: Settings, view: SourceView) -> str:
    return f"{absolute(settings, view.folder, view.path)} is {view.state}: there is nothing to decide about yet"


def hand_over(settings: Settings, errand: Errand) -> Sequence[str | None]:
    """What came of each request, as they were asked; None where the daemon has not answered yet."""
    become_owner(settings.state)
    if not is_held(settings.state):
        try:
            store = Store(open_state(settings.state))
        except StateHeld:
            pass  # a daemon was started in this moment
        else:
            try:
                return _do(store, settings, errand)
            finally:
                store.close()
    store = Store(open_beside(settings.state))
    try:
        return _wait_for(store, _ask(store, errand, read_clock().wall))
    finally:
        store.close()


def _do(store: Store, settings: Settings, errand: Errand) -> Sequence[str | None]:
    now = read_clock()
    asked = _ask(store, errand, now.wall)
    apply_open_requests(store, ConfiguredFolders(settings).request_of, now)
    return store.requests.outcomes(asked)


def _ask(store: Store, errand: Errand, at: float) -> Sequence[int]:
    """Write it down, all of it or nothing; returns the requests' ids."""
    with store.database.transaction():
        return errand.ask(store, at)


def _wait_for(store: Store, asked: Sequence[int]) -> Sequence[str | None]:
    deadline = read_clock().boot + OUTCOME_WITHIN
    outcomes = store.requests.outcomes(asked)
    while None in outcomes and read_clock().boot < deadline:
        time.sleep(LOOK_EVERY)
        outcomes = store.requests.outcomes(asked)
    return outcomes
