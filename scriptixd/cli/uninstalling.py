"""`uninstall`: ends the service, or tells how, and lists what still holds personal data.

Never removes a sidecar; state, configuration and key only after a yes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from scriptixd.cli.installing import present_settings
from scriptixd.cli.leftovers import Leftover, leftovers, purgeable
from scriptixd.cli.output import Colour, say, say_marked, say_table, size
from scriptixd.cli.performing import needs_root, perform, run, standing
from scriptixd.cli.steps import LINK, Step, removal, shell
from scriptixd.cli.units import UNITS, Instance, instance_named
from scriptixd.errors import StartError


def uninstall(name: str | None, *, apply: bool, purge: bool, yes: bool) -> None:
    """Raises StartError where it may not, or where it fails."""
    if apply:
        needs_root("uninstall", "--purge" if purge else "--apply")
    instance = instance_named(name)
    settings = present_settings(instance)
    found, purged = tuple(leftovers(instance, settings)), purgeable(instance, settings) if purge else ()
    steps = _steps(instance, purged)
    if not apply:
        _tell(steps)
        _list(found)
        return
    if purged and not yes:
        _list(found)
        if not _agreed(len(purged)):
            say("nothing was done")
            return
    _do(steps)
    _list([one for one in found if Path(one.where) not in purged])
    if purge and any(one.where.startswith("at Scriptix") for one in found):
        say("What is at Scriptix has to be erased there: nothing here knows of it any more.")


def _steps(instance: Instance, purged: Sequence[Path]) -> tuple[Step, ...]:
    wanted = {path.name for path in UNITS.glob("*.wants/scriptixd@*.service")} - {instance.unit}
    last = not (instance.name and wanted)
    others = {"scriptixd.service", "scriptixd@.service"} - {instance.file_name}
    linked = LINK.is_symlink() and not any((UNITS / other).exists() for other in others)
    return removal(instance, last=last, linked=linked, purged=purged)


def _tell(steps: Sequence[Step]) -> None:
    sudo = "" if os.geteuid() == 0 else "sudo "
    say("# What ends the service; with --apply, scriptixd does it itself.")
    for step in steps:
        done = standing(step.action).there
        say()
        for line in (f"# {step.sentence}", *(("# It is so already.",) if done else shell(step.action, sudo))):
            say(line)
    say(f"{sudo}systemctl daemon-reload")


def _do(steps: Sequence[Step]) -> None:
    for step in steps:
        there = standing(step.action).there
        if not there:
            perform(step, _no_key)
        say_marked("there" if there else "done", Colour.GREEN, step.sentence)
    run("systemctl", "daemon-reload")


def _no_key() -> str:
    raise AssertionError("nothing is removed with a key")


def _agreed(files: int) -> bool:
    """A person's yes; without a terminal only --yes says it."""
    if not sys.stdin.isatty():
        raise StartError("state, configuration and key are removed for good", "--yes says yes without being asked")
    say()
    print(f"Remove state, configuration and key, {files} file(s), for good? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _list(found: Sequence[Leftover]) -> None:
    say()
    if found:
        say("What still holds personal data:", colour=Colour.BOLD)
        rows = [(one.what, "?" if one.size is None else size(one.size), one.where) for one in found]
        say_table(("what", "size", "where"), rows)
    else:
        say("Nothing is known here that still holds personal data.")
    say("Copies that somebody has made elsewhere are not known here; the service's user stays, whose sidecars may be.")
