"""What it takes to have scriptixd as a service, and not to have it any more: steps, each a sentence and an action.

Pure: the plan is made of what was wished and what was found; looking and doing are performing.py's.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scriptixd.cli.first_configuration import EXAMPLE, First, first_configuration
from scriptixd.cli.units import ETC, STATE, Instance, changes, writable

SHELL: Final = "/usr/sbin/nologin"
LINK: Final = Path("/usr/local/bin/scriptixd")  # on everybody's path, and on sudo's
READABLE: Final = 0o644
FOR_THE_GROUP: Final = 0o640  # the configuration may hold addresses and secrets of webhooks
FOR_ROOT: Final = 0o600
PASTE_THE_KEY: Final = "# … paste the key, then Enter and Ctrl-D; only then what follows, or it becomes part of the key"


@dataclass(frozen=True, slots=True)
class User:
    """A system user with a group of his own."""

    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a further group."""

    user: str
    group: str


@dataclass(frozen=True, slots=True)
class Directory:
    path: Path
    mode: int
    owner: str
    group: str


@dataclass(frozen=True, slots=True)
class Configuration:
    """A file that is a person's as soon as it is there."""

    path: Path
    text: str
    group: str  # which may read it


@dataclass(frozen=True, slots=True)
class Key:
    """The key's own file; where it comes from, or None where it is typed or pasted."""

    path: Path
    source: str | None


@dataclass(frozen=True, slots=True)
class UnitFile:
    """The shipped unit, with what has to be another here; ours, and replaced."""

    path: Path
    shipped: Path
    changed: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Places:
    """Where else the service may write; ours, and replaced."""

    path: Path
    text: str


@dataclass(frozen=True, slots=True)
class Link:
    path: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Start:
    """Running now, and at every boot."""

    unit: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Neither."""

    unit: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Files that go for good, and directories that are empty then."""

    files: tuple[Path, ...]
    directories: tuple[Path, ...] = ()


Action = User | Member | Directory | Configuration | Key | UnitFile | Places | Link | Start | Stop | Remove


@dataclass(frozen=True, slots=True)
class Step:
    sentence: str
    action: Action


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asked for."""

    instance: Instance
    first: First | None  # None: not said, which is enough where a configuration is there
    key_source: str | None  # a file; None: typed or pasted


@dataclass(frozen=True, slots=True)
class Media:
    """A folder, or a directory for outputs, as it was found."""

    path: str
    group: str | None  # by which the service's user will be let in; None: it is not by a group


@dataclass(frozen=True, slots=True)
class Found:
    """What of the machine the plan goes by."""

    program: Path  # of this very installation
    shipped: Path  # its unit
    unit: str  # and what is in it
    user: str
    group: str
    media: tuple[Media, ...]  # of the configuration that is there, else of the wish


def installation(wish: Wish, found: Found) -> tuple[Step, ...]:
    """Everything there has to be, in the order in which it can be made."""
    instance, user, group = wish.instance, found.user, found.group
    steps = [Step(f"The service runs as the user {user}.", User(user))]
    for media in found.media:
        if media.group is not None:
            sentence = f"{user} joins the group {media.group}, which may write in {media.path}."
            steps.append(Step(sentence, Member(user, media.group)))
    steps.append(Step(f"Configuration and key lie in {ETC}.", Directory(ETC, 0o755, "root", "root")))
    steps += [
        Step(f"What it remembers lies in {path}.", Directory(path, 0o750, user, group))
        for path in dict.fromkeys((STATE, instance.state.parent))
    ]
    text = first_configuration(instance, wish.first or EXAMPLE)
    about = (
        "names the folder and what is asked for" if wish.first else "names your folders: put them in place of this one"
    )
    steps += [
        Step(
            f"The configuration {instance.configuration} {about}.",
            Configuration(instance.configuration, text, group),
        ),
        Step(
            f"The key is in {instance.key}, for root alone; systemd hands it over.", Key(instance.key, wish.key_source)
        ),
        Step(
            f"The unit {instance.file_name} starts this installation, and shuts it in.",
            UnitFile(instance.unit_file, found.shipped, changes(found.unit, str(found.program), user, group)),
        ),
    ]
    outside = _outside(found)
    if outside:
        sentence = f"It may write to {', '.join(outside)}, too: the unit itself names other places."
        steps.append(Step(sentence, Places(instance.places_file, _places(outside))))
    if found.program.parent not in {LINK.parent, Path("/usr/bin")}:
        steps.append(Step("The word `scriptixd` alone is enough to ask it.", Link(LINK, found.program)))
    steps.append(Step(f"{instance.unit} runs, now and after every boot.", Start(instance.unit)))
    return tuple(steps)


def _outside(found: Found) -> tuple[str, ...]:
    """The folders that the shipped unit does not let it write to."""
    open_to_it = writable(found.unit)
    paths = dict.fromkeys(media.path for media in found.media)
    return tuple(path for path in paths if not any(Path(path).is_relative_to(place) for place in open_to_it))


def _places(paths: Sequence[str]) -> str:
    """A drop-in; a path with both kinds of quotes cannot be told to systemd, which `check` will notice."""
    quoted = [(path.replace("%", "%%"), "'" if '"' in path else '"') for path in paths if path.isprintable()]
    lines = "".join(f"ReadWritePaths={quote}-{path}{quote}\n" for path, quote in quoted if quote not in path)
    return f"# Written by `scriptixd install`: the folders of the configuration that lie elsewhere.\n[Service]\n{lines}"


def removal(instance: Instance, *, last: bool, linked: bool, purged: Sequence[Path]) -> tuple[Step, ...]:
    """The way back. `last`: nothing else goes by its unit's file; `linked`: the word on the path leads to us."""
    steps = [Step(f"{instance.unit} stops, and does not start again.", Stop(instance.unit))]
    files = (instance.places_file, *((instance.unit_file,) if last else ()), *((LINK,) if linked and last else ()))
    sentence = "Its unit is gone." if last else "What was written for it alone is gone; others go by the same unit."
    steps.append(Step(sentence, Remove(files, (instance.places_file.parent,))))
    if purged:
        directories = tuple(dict.fromkeys((instance.state.parent, STATE, ETC)))
        steps.append(Step("State, configuration and key are gone.", Remove(tuple(purged), directories)))
    return tuple(steps)


def shell(action: Action, sudo: str) -> tuple[str, ...]:
    """The same for a person to paste, in lines; `sudo` stands before what only root may do."""
    match action:
        case User(name):
            lines = [f"{sudo}useradd --system --user-group --home-dir {STATE} --shell {SHELL} {name}"]
        case Member(user, group):
            lines = [f"{sudo}usermod -aG {shlex.quote(group)} {user}"]
        case Directory(path, mode, owner, group):
            lines = [f"{sudo}install -d -m {mode:04o} -o {owner} -g {group} {path}"]
        case Configuration(path, text, group):
            to = f"{sudo}install -m {FOR_THE_GROUP:04o} -g {group} /dev/stdin {path}"
            lines = [f"{to} <<'END'", *text.splitlines(), "END"]
        case Key(path, source):
            come = "/dev/stdin" if source is None else shlex.quote(source)
            lines = [f"{sudo}install -m {FOR_ROOT:04o} {come} {path}"]
            lines += [PASTE_THE_KEY] * (source is None)
        case UnitFile(path, shipped, changed):
            come = _come(shipped, changed)
            lines = [f"{come} | {sudo}install -m {READABLE:04o} /dev/stdin {path}"]
        case Places(path, text):
            lines = [f"{sudo}install -D -m {READABLE:04o} /dev/stdin {path} <<'END'", *text.splitlines(), "END"]
        case Link(path, target):
            lines = [f"{sudo}ln -s {target} {path}"]
        case Start(unit):
            lines = [f"{sudo}systemctl {what}" for what in ("daemon-reload", f"enable {unit}", f"restart {unit}")]
        case Stop(unit):
            lines = [f"{sudo}systemctl disable --now {unit}"]
        case Remove(files, directories):
            lines = [f"{sudo}rm -f {shlex.join(map(str, files))}"]
            lines += [f"{sudo}rmdir --ignore-fail-on-non-empty {path}" for path in directories]
    return tuple(lines)


def _come(shipped: Path, changed: Sequence[tuple[str, str]]) -> str:
    """What prints the unit as it is to be here."""
    edits = "".join(f" -e {shlex.quote(f's|{pattern}|{text}|')}" for pattern, text in changed)
    return f"{f'sed{edits}' if edits else 'cat'} {shlex.quote(str(shipped))}"
