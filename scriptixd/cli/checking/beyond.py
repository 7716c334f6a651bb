"""The same look from where the service stands: as its user, in the confinement of its unit.

Only root can go there. What comes back are findings; what cannot be looked at from there is one, too.
"""

from __future__ import annotations

import json
import os
import pwd
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from scriptixd.cli.checking.findings import Finding, Level, found, meanwhile
from scriptixd.cli.installation import owner_of
from scriptixd.cli.performing import BOOTED, BUS, SYSTEMCTL, unit_text
from scriptixd.cli.units import Instance, instance_of, opened, settings_of, user_of, within
from scriptixd.config.settings import Settings
from scriptixd.errors import StartError
from scriptixd.roots.mounts import MOUNTS
from scriptixd.roots.paths import shown

LAST_BREATH: Final = 10.0  # s in which a look that was interrupted has removed what it had put somewhere
WORDS: Final = 300  # characters of what somebody else's program says that a sentence may quote
# systemd.exec(5), "Process Exit Codes": why nothing was started, and what to do.
NOT_STARTED: Final = {
    203: ("its program cannot be started", "install scriptixd where everybody may go, as in /opt"),
    217: ("its user is not there", "sudo scriptixd install --apply"),
    226: ("its confinement cannot be set up", "a place in ReadWritePaths= is not there: put a dash before it"),
    243: ("its key cannot be handed over", "put the key where LoadCredential= of the unit says, readable for root"),
}
_PREFIXES: Final = "@-:+!|"  # before the program in ExecStart=; systemd.service(5)


@dataclass(frozen=True, slots=True)
class Unit:
    """What is installed for a configuration, with all its drop-ins."""

    instance: Instance
    text: str = field(repr=False)

    @property
    def user(self) -> str:
        return user_of(self.text) or "root"

    @property
    def program(self) -> tuple[str, ...]:
        """What it starts; this very installation, where that is not said."""
        words = self.started
        return (words[0].lstrip(_PREFIXES),) if words else (sys.executable, "-m", "scriptixd")

    @property
    def started(self) -> Sequence[str]:
        """The words of the command that is the service."""
        commands = [value for name, value in settings_of(self.text) if name == "ExecStart" and value]
        return shlex.split(commands[-1]) if commands else ()


def unit_for(configuration: Path) -> Unit | None:
    """The unit that goes by this configuration; None where there is none."""
    own = instance_of(configuration)
    instance = own or Instance()
    try:
        text = unit_text(instance.unit) if BOOTED.is_dir() else instance.unit_file.read_text(encoding="utf-8")
    except (StartError, OSError):
        return None
    unit = Unit(instance, text)
    return unit if own is not None or str(configuration) in unit.started else None


def unlisted(settings: Settings, unit: Unit) -> Sequence[Finding]:
    """The places that the unit does not let the service write to."""
    where = opened(unit.instance, unit.text)
    if where is None:
        return [Finding("unit", Level.OK, f"{unit.instance.unit} leaves all of the disk writable")]
    closed = [path for path in _written(settings) if not any(_led(path).is_relative_to(_led(one)) for one in where)]
    if not closed:
        return [Finding("unit", Level.OK, f"{unit.instance.unit} lets the service write to every place it has to")]
    return [_closed(shown(str(path)), unit.instance) for path in closed]


def _closed(path: str, instance: Instance) -> Finding:
    sentence = f"{path} is not in ReadWritePaths= of {instance.unit}: the service may only read there"
    name = instance.unit.removesuffix(".service")
    named = f" --instance {instance.name}" if instance.name else ""
    way = f'sudo scriptixd install --apply{named}; or sudo systemctl edit {name}, and ReadWritePaths="-{path}"'
    return Finding("unit", Level.WARNING, sentence, f"{way} below [Service]")


def _led(path: Path) -> Path:
    """Where a path leads, as far as nobody has to wait for it."""
    return Path(MOUNTS.now().follow(str(path)).path)


def _written(settings: Settings) -> Sequence[Path]:
    """Every place that is written to: beside the recordings, where outputs are to go, and the state's."""
    places = [settings.state.parent]
    for folder in settings.folders:
        directories = [one.directory for one in (folder.output, *(rule.output for rule in folder.rules))]
        if None in directories or folder.problem_note:
            places.append(folder.path)
        places += [Path(directory) for directory in directories if directory is not None]
    return list(dict.fromkeys(places))


def whom(settings: Settings, unit: Unit | None) -> pwd.struct_passwd | None:
    """The service's user, by its unit, else by the state file; None where nothing tells, or it is root."""
    owner = owner_of(settings.state)
    try:
        user = pwd.getpwnam(unit.user) if unit is not None else pwd.getpwuid(owner[0]) if owner else None
    except KeyError:
        return None
    return user if user is not None and user.pw_uid != 0 else None


def can_enter() -> bool:
    """Whether systemd is there to run something once, in a unit's confinement."""
    return BOOTED.is_dir() and BUS.exists()


def in_the_unit(unit: Unit, configuration: Path, options: Sequence[str]) -> Sequence[Finding]:
    """All that the service sees, as its user, in its confinement, and with its key."""
    once = f"scriptixd-check-{os.getpid()}.service"
    command = within(unit.instance, unit.text, (*unit.program, *_verb(configuration, options)))
    command = (command[0], f"--unit={once}", *command[1:])
    where = f"in the confinement of {unit.instance.unit}"

    def interrupt(_: subprocess.Popen[str]) -> None:
        subprocess.run((*SYSTEMCTL, "kill", "--signal=INT", once), capture_output=True, check=False)

    told = Finding("user", Level.OK, f"this is how {unit.user} sees it, {where}")
    with meanwhile(lambda: f"looking as {unit.user}, {where}"):
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            errors="replace", start_new_session=True,
        )  # fmt: skip
        return _heard(process, interrupt, told, f"journalctl -u {once}; journalctl -u {unit.instance.unit}")


def as_user(user: pwd.struct_passwd, configuration: Path, options: Sequence[str]) -> Sequence[Finding]:
    """What the user sees, without any confinement, in a process that has given up root's rights for good."""

    def interrupt(process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGINT)

    told = Finding(
        "user",
        Level.OK,
        f"state and folders are seen as {user.pw_name} sees them, outside of any unit's confinement",
    )
    home = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name}
    with meanwhile(lambda: f"looking as {user.pw_name}"):
        try:
            process = subprocess.Popen(
                (sys.executable, "-m", "scriptixd", *_verb(configuration, options)),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                start_new_session=True, cwd="/", env={**os.environ, **home}, user=user.pw_uid, group=user.pw_gid,
                extra_groups=os.getgrouplist(user.pw_name, user.pw_gid),
            )  # fmt: skip
        except OSError as error:
            sentence = f"{user.pw_name} cannot start {sys.executable}: {error.strerror}"
            return [Finding("user", Level.PROBLEM, sentence, "install scriptixd where everybody may go, as in /opt")]
        return _heard(process, interrupt, told, f"sudo -u {user.pw_name} scriptixd check")


def _verb(configuration: Path, options: Sequence[str]) -> tuple[str, ...]:
    return ("check", "--here", "--json", "--config", str(configuration), *options)


def _heard(
    process: subprocess.Popen[str], interrupt: Callable[[subprocess.Popen[str]], None], told: Finding, look: str
) -> Sequence[Finding]:
    """What it has found, behind who has looked."""
    with process:
        try:
            out, said = process.communicate()
        except KeyboardInterrupt:
            interrupt(process)
            with suppress(subprocess.TimeoutExpired):
                process.wait(LAST_BREATH)
            process.kill()
            raise
    try:
        return [told, *(found(record) for record in json.loads(out))]
    except (ValueError, KeyError, TypeError):
        code = process.returncode
        reason, hint = NOT_STARTED.get(code, (" ".join(said.split())[:WORDS] or f"exit code {code}", look))
        sentence = f"nothing can be looked at from where the service stands: {shown(reason)}"
        return [Finding("user", Level.PROBLEM, sentence, hint)]
