"""The units as they are shipped, where each installed instance has its things, and what a unit says.

Pure but for reading the shipped files; never asks systemd, and writes nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import scriptixd
from scriptixd.errors import StartError

ETC: Final = Path("/etc/scriptixd")
STATE: Final = Path("/var/lib/scriptixd")
UNITS: Final = Path("/etc/systemd/system")
SHIPPED_PROGRAM: Final = "/opt/scriptixd/bin/scriptixd"  # what the shipped units start

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_ONLY: Final = "config"  # the configuration of the one without a name is config.yaml
_CONTINUED: Final = re.compile(r"\\\n")
# What is about being a service, and means nothing to a command that runs once in its place. RemoveIPC would take away
# what the running service has.
_OF_THE_SERVICE: Final = re.compile(
    r"(Exec|Restart|Timeout|Watchdog|Kill|Syslog).*|Type|NotifyAccess|RemoveIPC|SuccessExitStatus"
)


@dataclass(frozen=True, slots=True)
class Instance:
    """One scriptixd of this machine; the name is empty for the one that most machines have."""

    name: str = ""

    @property
    def unit(self) -> str:
        return f"scriptixd@{self.name}.service" if self.name else "scriptixd.service"

    @property
    def file_name(self) -> str:
        """Of the unit's file, which all named instances share."""
        return "scriptixd@.service" if self.name else "scriptixd.service"

    @property
    def unit_file(self) -> Path:
        return UNITS / self.file_name

    @property
    def places_file(self) -> Path:
        """Where it is written to which further places the service may write."""
        return UNITS / f"{self.unit}.d" / "folders.conf"

    @property
    def configuration(self) -> Path:
        return ETC / f"{self.name or _ONLY}.yaml"

    @property
    def key(self) -> Path:
        return ETC / (f"{self.name}.api-key" if self.name else "api-key")

    @property
    def state(self) -> Path:
        return STATE / self.name / "state.db"

    @property
    def asked(self) -> str:
        """What a verb is told to ask this one."""
        return f" -c {self.configuration}" if self.name else ""


def instance_named(name: str | None) -> Instance:
    """Raises StartError for a name that systemd, or our own files, cannot have."""
    if name is None:
        return Instance()
    if not _NAME.fullmatch(name) or name == _ONLY:
        raise StartError(
            f"an instance cannot be called '{name}'",
            f"use letters, digits, - and _, but not '{_ONLY}'",
        )
    return Instance(name)


def instance_of(configuration: Path) -> Instance | None:
    """Whose configuration a file is, by where it lies; None for one that lies elsewhere."""
    name = configuration.stem
    for instance in (Instance(), Instance(name) if _NAME.fullmatch(name) and name != _ONLY else Instance()):
        if instance.configuration == configuration:
            return instance
    return None


def shipped_file(instance: Instance) -> Path:
    """The unit as it came: in the package where it was installed, beside it in a clone of the repository."""
    package = Path(scriptixd.__file__).parent
    installed = package / "systemd" / instance.file_name
    return installed if installed.exists() else package.parent / "systemd" / instance.file_name


def changes(shipped: str, program: str, user: str, group: str) -> tuple[tuple[str, str], ...]:
    """What of the shipped unit has to be another here: patterns that sed and re both know, and what stands for them."""
    wanted = ((SHIPPED_PROGRAM, program), ("^User=.*", f"User={user}"), ("^Group=.*", f"Group={group}"))
    return tuple(change for change in wanted if rendered(shipped, [change]) != shipped)


def rendered(shipped: str, changed: Sequence[tuple[str, str]]) -> str:
    for pattern, text in changed:
        shipped = re.sub(pattern, text, shipped, flags=re.MULTILINE)
    return shipped


def settings_of(text: str) -> tuple[tuple[str, str], ...]:
    """Every setting of a unit's [Service] section, with those of its drop-ins behind it."""
    section, found = "", []
    for raw in _CONTINUED.sub(" ", text).splitlines():
        line = raw.strip()
        if line.startswith("["):
            section = line
        elif section == "[Service]" and line and line[0] not in "#;":
            name, _, value = line.partition("=")
            found.append((name.strip(), value.strip()))
    return tuple(found)


def user_of(text: str) -> str | None:
    """Whom a unit runs as."""
    return dict(settings_of(text)).get("User") or None


def writable(text: str) -> tuple[Path, ...]:
    """The places that a shipped unit opens for writing; there, no path has a blank."""
    lists = [value for name, value in settings_of(text) if name == "ReadWritePaths"]
    return tuple(Path(place.lstrip("-")) for places in lists for place in places.split())


def opened(instance: Instance, text: str) -> tuple[Path, ...] | None:
    """The places that a whole unit, with its drop-ins, lets its service write to; None where it closes none."""
    settings = settings_of(text)
    if dict(settings).get("ProtectSystem") != "strict":
        return None
    places: list[Path] = []
    for name, value in settings:
        if name == "ReadWritePaths":  # an empty one takes back what was named before
            words = shlex.split(_known(instance, value))
            places = [*places, *(Path(word.lstrip("-+")) for word in words)] if words else []
    named = [word for name, value in settings if name == "StateDirectory" for word in shlex.split(value)]
    return (*places, *(STATE.parent / _known(instance, word).partition(":")[0] for word in named))


def _known(instance: Instance, value: str) -> str:
    return value.replace("%i", instance.name).replace("%I", instance.name).replace("%%", "%")


def within(instance: Instance, text: str, command: Sequence[str]) -> tuple[str, ...]:
    """A command, run once as the service's user in the service's own confinement; `text` is the whole unit.

    What it says goes where we say things; its exit code is systemd-run's.
    """
    confined: list[str] = []
    for name, value in settings_of(text):
        if not _OF_THE_SERVICE.fullmatch(name):
            confined.append(f"--property={name}={_known(instance, value)}")
    return ("systemd-run", "--quiet", "--pipe", "--wait", "--collect", *confined, *command)
