"""Steps done on this machine: whether one is there already, and doing it, as root.

Never writes over a configuration or a key, nor through a link; a file appears whole or not at all.
"""

from __future__ import annotations

import grp
import os
import pwd
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scriptixd.cli.steps import (
    FOR_ROOT,
    FOR_THE_GROUP,
    READABLE,
    SHELL,
    Action,
    Configuration,
    Directory,
    Key,
    Link,
    Member,
    Places,
    Remove,
    Start,
    Step,
    Stop,
    UnitFile,
    User,
)
from scriptixd.cli.units import STATE, rendered
from scriptixd.errors import StartError

SYSTEMCTL: Final = ("systemctl",)  # found by the path: distributions have it in different places
BOOTED: Final = Path("/run/systemd/system")  # sd_booted(3)
BUS: Final = Path("/run/dbus/system_bus_socket")  # by which systemd-run learns what became of a command


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether what a step is for is there already, and what is to be said of that."""

    there: bool
    remark: str = ""


MISSING: Final = Standing(False)


def needs_root(verb: str, option: str) -> None:
    """Raises StartError where what an option asks for could not be done: without root, or without systemd."""
    if os.geteuid() != 0:
        raise StartError(
            "only root can set up a service", f"sudo scriptixd {verb} {option} …; without {option} it only tells what"
        )
    if not BOOTED.is_dir():
        raise StartError(
            "this machine was not started by systemd, so there is nothing to run a service",
            f"start `scriptixd run` by what starts services here; without {option} the steps are only told",
        )


def standing(action: Action) -> Standing:
    """How far a step is done; what may not be looked at counts as missing."""
    try:
        return _standing(action)
    except PermissionError:
        return MISSING


def _standing(action: Action) -> Standing:
    remark = ""
    match action:
        case User(name):
            there = _is_user(name)
        case Member(user, group):
            there = _is_user(user) and group in groups_of(user)
        case Directory(path):
            there = path.is_dir()  # with the rights that somebody has given it, or systemd gives it at every start
        case Configuration(path):
            there, remark = os.path.lexists(path), "is there, and stays as it is"
        case Key(path):
            there, remark = os.path.lexists(path), "is there, and stays as it is; to give another, remove it first"
        case UnitFile(path, shipped, changed):
            there = _text(path) == rendered(shipped.read_text(encoding="utf-8"), changed)
        case Places(path, text):
            there = _text(path) == text
        case Link(path):
            there = os.path.lexists(path)
        case Start(unit):
            there = _says(unit, "is-enabled") == "enabled" and _says(unit, "is-active") == "active"
        case Stop(unit):
            there = _says(unit, "is-enabled") != "enabled" and _says(unit, "is-active") in {"inactive", ""}
        case Remove(files):
            there = not any(os.path.lexists(path) for path in files)
    return Standing(there, remark)


def perform(step: Step, key: Callable[[], str]) -> None:
    """Do one step that is not done yet; raises StartError where that fails. `key` is asked when it is its turn."""
    try:
        _perform(step.action, key)
    except OSError as error:
        raise StartError(f"{step.sentence} That could not be done: {error.strerror}: {error.filename}") from error


def _perform(action: Action, key: Callable[[], str]) -> None:
    match action:
        case User(name):
            run("useradd", "--system", "--user-group", "--home-dir", str(STATE), "--shell", SHELL, name)
        case Member(user, group):
            run("usermod", "-aG", group, user)
        case Directory(path, mode, owner, group):
            path.mkdir(exist_ok=True)
            os.chown(path, *_ids(owner, group), follow_symlinks=False)
            path.chmod(mode)
        case Configuration(path, text, group):
            _write(path, text, FOR_THE_GROUP, "root", group, ours=False)
        case Key(path, _):
            _write(path, f"{key()}\n", FOR_ROOT, "root", "root", ours=False)
        case UnitFile(path, shipped, changed):
            _write(path, rendered(shipped.read_text(encoding="utf-8"), changed), READABLE, "root", "root", ours=True)
        case Places(path, text):
            path.parent.mkdir(exist_ok=True)
            _write(path, text, READABLE, "root", "root", ours=True)
        case Link(path, target):
            path.symlink_to(target)
        case Start(unit):
            run("systemctl", "daemon-reload")
            run("systemctl", "enable", unit)
            run("systemctl", "restart", unit)
        case Stop(unit):
            run("systemctl", "disable", "--now", unit)
        case Remove(files, directories):
            _remove(files, directories)


def _remove(files: tuple[Path, ...], directories: tuple[Path, ...]) -> None:
    for path in files:
        path.unlink(missing_ok=True)
    for path in directories:
        with suppress(OSError):  # something else is in it, or it is gone
            path.rmdir()


def run(*command: str) -> str:
    """What a program says; raises StartError with its own words if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except FileNotFoundError as error:
        raise StartError(f"there is no program {command[0]} here") from error
    if done.returncode != 0:
        words = " ".join((done.stderr or done.stdout).split())
        raise StartError(f"`{' '.join(command)}` failed with exit code {done.returncode}: {words}")
    return done.stdout


def unit_text(unit: str) -> str:
    """A unit as systemd has it, with all its drop-ins."""
    return run("systemctl", "cat", "--no-pager", unit)


def primary_group(user: str) -> str:
    """Of a user who is there; useradd makes one of the same name for him who is not."""
    try:
        return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name
    except KeyError:
        return user


def groups_of(user: str) -> frozenset[str]:
    """Every group that a user is in."""
    numbers = os.getgrouplist(user, pwd.getpwnam(user).pw_gid)
    return frozenset(name for number in numbers if (name := group_named(number)) is not None)


def group_named(number: int) -> str | None:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return None


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _ids(owner: str, group: str) -> tuple[int, int]:
    return pwd.getpwnam(owner).pw_uid, grp.getgrnam(group).gr_gid


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def _says(unit: str, question: str) -> str:
    """One word of systemd's; empty where there is none to ask."""
    try:
        done = subprocess.run((*SYSTEMCTL, question, unit), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def _write(path: Path, text: str, mode: int, owner: str, group: str, *, ours: bool) -> None:
    """A file that appears whole; one that is not ours alone is never replaced."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchown(file.fileno(), *_ids(owner, group))
            os.fchmod(file.fileno(), mode)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if ours:
            os.replace(name, path)
        else:
            os.link(name, path)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)
