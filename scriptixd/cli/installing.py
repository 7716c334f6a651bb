"""`install`: tells what it takes to run as a service under systemd, or does it, and looks at it as the service would.

Never takes a key from the command line, and never changes what a person has written.
"""

from __future__ import annotations

import getpass
import os
import pwd
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import scriptixd
from scriptixd.cli.first_configuration import First
from scriptixd.cli.installation import live_figures
from scriptixd.cli.output import Colour, complain, say, say_marked
from scriptixd.cli.performing import BUS, group_named, needs_root, perform, primary_group, standing, unit_text
from scriptixd.cli.steps import Configuration, Found, Key, Media, Places, Start, Step, Wish, installation, shell
from scriptixd.cli.units import Instance, changes, instance_named, rendered, shipped_file, user_of, within
from scriptixd.config.key import LONGEST_FILE
from scriptixd.config.load import load
from scriptixd.config.settings import Settings
from scriptixd.config.values import key as key_in
from scriptixd.errors import ConfigurationError, StartError
from scriptixd.roots.mounts import is_local, mount_of

USER: Final = "scriptixd"
TYPED: Final = "-"  # as --key-file: from standard input
GIVE_THE_KEY: Final = "--key-file FILE, or --key-file - to type or paste it"

_USER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,30}")
_TAKEN_AS_IT_IS: Final = re.compile(r"[A-Za-z0-9/._+@-]+")  # by systemd, sed and a shell alike


@dataclass(frozen=True, slots=True)
class Asked:
    """The options, as they were given."""

    instance: str | None
    user: str | None
    folder: str | None
    language: str | None
    document_type: str
    key_file: str | None


def install(asked: Asked, *, apply: bool) -> int:
    """Returns the exit code, after --apply that of `check`. Raises StartError, if it can before anything is done."""
    if apply:
        needs_root("install", "--apply")
    instance = instance_named(asked.instance)
    wish, settings = _wish(instance, asked, apply=apply), present_settings(instance)
    found = _found(instance, asked, wish, settings)
    steps = installation(wish, found)
    if not apply:
        _tell(instance, found, steps)
        return 0
    _refuse_closed(found)
    return _do(instance, asked, found, steps, settings)


def _wish(instance: Instance, asked: Asked, *, apply: bool) -> Wish:
    source = asked.key_file if asked.key_file not in {None, TYPED} else None
    if apply and asked.key_file is None and not os.path.lexists(instance.key):
        raise StartError(f"there is no key in {instance.key} yet", GIVE_THE_KEY)
    if asked.folder is None:
        if asked.language is not None:
            raise StartError("it is not said in which folder that is spoken", "--folder /srv/media/council")
        if apply and not os.path.lexists(instance.configuration):
            raise StartError(
                f"there is no {instance.configuration} yet, and it is not said which folder is to be watched",
                "--folder /srv/media/council --language nl",
            )
        return Wish(instance, None, source)
    if asked.language is None:
        raise StartError("it is not said what is spoken in the folder", "--language nl")
    return Wish(instance, First(os.path.abspath(asked.folder), asked.language, asked.document_type), source)


def present_settings(instance: Instance) -> Settings | None:
    """Of the configuration that is there; `check` tells what is wrong with it."""
    try:
        return load(instance.configuration, os.environ, with_key=False)
    except ConfigurationError:
        return None


def _found(instance: Instance, asked: Asked, wish: Wish, settings: Settings | None) -> Found:
    shipped = shipped_file(instance)
    user = _user(instance, asked.user)
    if settings is not None:
        paths = [str(folder.path) for folder in settings.folders]
        paths += [directory for folder in settings.folders for directory in folder.output_directories]
    else:
        there = os.path.lexists(instance.configuration)
        paths = [wish.first.path] if wish.first is not None and not there else []
    media = tuple(Media(path, _letting_in(path, user)) for path in dict.fromkeys(paths))
    unit = shipped.read_text(encoding="utf-8")
    return Found(_program(), shipped, unit, user, primary_group(user), media)


def _user(instance: Instance, wished: str | None) -> str:
    """Whom it runs as: as wished, else as the unit that is there has it. All instances share their unit."""
    try:
        present = user_of(instance.unit_file.read_text(encoding="utf-8"))
    except OSError:
        present = None
    if wished is not None and not _USER.fullmatch(wished):
        raise StartError(f"no user can be called '{wished}'", "use letters, digits, - and _")
    if instance.name and wished is not None and present not in {None, wished}:
        raise StartError(
            f"the instances of this machine run as {present}, whose state directories lie in one",
            f"leave --user out; or give one instance another user with: systemctl edit {instance.unit}",
        )
    return wished or present or USER


def _letting_in(path: str, user: str) -> str | None:
    """The group by which a user may write in a directory who may not otherwise; a share is not asked, it may hang."""
    if not is_local(mount_of(path).filesystem):
        return None
    try:
        found = os.stat(path)
        owns = pwd.getpwnam(user).pw_uid == found.st_uid
    except OSError:
        return None
    except KeyError:
        owns = False
    writes = stat.S_IWGRP | stat.S_IXGRP
    if owns or found.st_gid == 0 or found.st_mode & stat.S_IWOTH or found.st_mode & writes != writes:
        return None
    name = group_named(found.st_gid)
    return name if name != primary_group(user) else None


def _program() -> Path:
    """The console script of this very installation."""
    beside = Path(sys.executable).with_name("scriptixd")
    called = shutil.which(sys.argv[0]) if Path(sys.argv[0]).name == "scriptixd" else None
    program = beside if beside.is_file() else Path(called).absolute() if called else None
    if program is None or not program.is_file():
        raise StartError(
            "this scriptixd is not installed: no unit can start it", "pip install it, best in /opt/scriptixd"
        )
    if not _TAKEN_AS_IT_IS.fullmatch(str(program)):
        raise StartError(f"{program} cannot be named in a unit", "install it in /opt/scriptixd")
    return program


def _refuse_closed(found: Found) -> None:
    """Raises StartError where the service's user could not even start the program."""
    if found.user == "root":
        return
    needed = (found.program, Path(sys.executable).resolve(), Path(scriptixd.__file__))
    for path in (around for one in needed for around in reversed(one.parents)):
        if not path.stat().st_mode & stat.S_IXOTH:
            raise StartError(
                f"scriptixd is installed in {path}, where {found.user} cannot go",
                "python3 -m venv /opt/scriptixd && /opt/scriptixd/bin/pip install …, and install from there",
            )


def _tell(instance: Instance, found: Found, steps: tuple[Step, ...]) -> None:
    """A script that a person can read, and paste line by line; as a whole, where the key comes from a file."""
    sudo = "" if os.geteuid() == 0 else "sudo "
    say("# What it takes; with --apply, scriptixd does it itself. What is there already is left out.")
    for step in steps:
        look = standing(step.action)
        say()
        for line in (f"# {step.sentence}", *(() if look.there else shell(step.action, sudo))):
            say(line)
        if look.there:
            say("# It is so already.")
    say()
    say("# Everything is looked at, as the service sees it.")
    unit = rendered(found.unit, changes(found.unit, str(found.program), found.user, found.group))
    places = "".join(step.action.text for step in steps if isinstance(step.action, Places))
    say(sudo + shlex.join(within(instance, unit + places, _check(instance, found))))


def _check(instance: Instance, found: Found) -> tuple[str, ...]:
    return (str(found.program), "check", "--here", "--config", str(instance.configuration))


def _do(instance: Instance, asked: Asked, found: Found, steps: tuple[Step, ...], settings: Settings | None) -> int:
    @cache
    def key() -> str:
        return _read_key(asked.key_file)

    if asked.key_file is not None and not os.path.lexists(instance.key):
        key()  # before anything is done
    changed = settings is not None and _runs_on(settings)
    try:
        for step in steps:
            look = standing(step.action)
            if look.there and not (changed and isinstance(step.action, Start)):
                _say_there(step, look.remark)
                continue
            perform(step, key)
            changed = True
            say_marked("done", Colour.GREEN, step.sentence)
    except StartError as error:
        if not isinstance(step.action, Start):
            raise
        say_marked("failed", Colour.RED, f"{step.sentence} {error.what}")
        say(f"The journal says why: journalctl -u {instance.unit}")
    for remark in _unheeded(instance, asked, settings):
        say_marked("note", Colour.YELLOW, remark)
    return _look(instance, found)


def _runs_on(settings: Settings) -> bool:
    """Whether a daemon runs that is not of this installation, or has other folders than the configuration names now."""
    live = live_figures(settings)
    if live is None:
        return False
    if live.version != scriptixd.__version__ or live.started_at < Path(scriptixd.__file__).stat().st_mtime:
        return True  # a newer clone may have the same version
    return {one.name for one in live.folders} != {one.name for one in settings.folders}


def _say_there(step: Step, remark: str) -> None:
    told = f"{step.action.path} {remark}." if isinstance(step.action, Configuration | Key) else step.sentence
    say_marked("there", Colour.GREEN, told)


def _unheeded(instance: Instance, asked: Asked, settings: Settings | None) -> Iterator[str]:
    """What was asked for, and is not so, because a person's file is left alone."""
    if asked.folder is None or settings is None:
        return
    path = os.path.abspath(asked.folder)
    if path not in {str(folder.path) for folder in settings.folders}:
        yield f"{instance.configuration} does not name {path}: add it to its folders, and run this again"


def _read_key(source: str | None) -> str:
    """One word, from a file, a pipe or a terminal, which does not show it."""
    if source is None:
        raise StartError("there is no key", GIVE_THE_KEY)
    try:
        if source != TYPED:
            with open(source, "rb") as file:
                content = file.read(LONGEST_FILE + 1)
        elif sys.stdin.isatty():
            content = getpass.getpass("Your Batch API key (it is not shown): ").encode()
        else:
            content = sys.stdin.buffer.read(LONGEST_FILE + 1)
        if len(content) > LONGEST_FILE:
            raise ValueError("is too long to be a key")
        return key_in(content.decode("utf-8-sig", errors="replace"))
    except OSError as error:
        raise StartError(f"the key cannot be read from {source}: {error.strerror}", "name another file") from error
    except (ValueError, EOFError) as error:
        where = "what was typed" if source == TYPED else source
        raise StartError(f"{where} {error or 'ended too soon'}", "give the key and nothing else") from error


def _look(instance: Instance, found: Found) -> int:
    """`check`, in the service's place."""
    say()
    say(f"As {found.user} sees it, in the confinement of {instance.unit}:", colour=Colour.BOLD)
    sys.stdout.flush()
    if not BUS.exists():
        complain("That cannot be looked at without D-Bus, which is not running here: install it (package dbus)")
        return 1
    code = subprocess.run(within(instance, unit_text(instance.unit), _check(instance, found)), check=False).returncode
    say()
    if code == 0:
        say(f"It works. How it is doing, at any time: scriptixd status{instance.asked}")
    else:
        complain(f"Not all is in order yet: mend what is told above, then: systemctl restart {instance.unit}")
    return code
