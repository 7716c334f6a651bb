"""`check`, the doctor: configuration, key, clock, state and every folder, each with a colour and what to do.

Root's check looks from where the service stands. Leaves nothing behind, and prints what was found as it is found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scriptixd.cli.afterwards import missing_programs
from scriptixd.cli.checking.account import key_and_clock
from scriptixd.cli.checking.beyond import as_user, can_enter, in_the_unit, unit_for, unlisted, whom
from scriptixd.cli.checking.canary import canaries
from scriptixd.cli.checking.findings import Finding, Level, meanwhile, tell
from scriptixd.cli.checking.folders import folders, inotify_now, together
from scriptixd.cli.checking.state import state
from scriptixd.cli.installation import owner_of, settings_in, user_named
from scriptixd.cli.output import say_json
from scriptixd.cli.receivers import receivers
from scriptixd.config.settings import Settings
from scriptixd.errors import ConfigurationError

CONFIGURATION: Final = "configuration"


@dataclass(frozen=True, slots=True)
class Asked:
    """The options, as they were given."""

    syntax: bool = False
    canary: bool = False
    notify: bool = False
    here: bool = False  # as whoever we are, where we are
    offline: bool = False  # nothing leaves this machine


def check(config: str, asked: Asked, *, as_json: bool) -> int:
    """Print what was found, as it is found; returns the exit code."""
    findings: list[Finding] = []
    for finding in _looked_at(config, asked):
        findings.append(finding)
        if not as_json:
            tell(finding)
    if as_json:
        say_json([finding.record for finding in findings])
    return 1 if any(finding.level is Level.PROBLEM for finding in findings) else 0


def _looked_at(config: str, asked: Asked) -> Iterator[Finding]:
    if asked.syntax:  # systemd shows credentials to nobody who reloads
        yield from _configuration(settings_in(config, lenient=False), ())
        return
    path = Path(os.path.abspath(config))
    unit = None if asked.here else unit_for(path)
    if unit is not None:
        yield from unlisted(settings_in(config), unit)
        if os.geteuid() == 0 and can_enter():
            yield from in_the_unit(unit, path, _passed_on(asked))
            return
    settings, unread = _settings(config, with_key=not asked.offline)
    user = whom(settings, unit) if os.geteuid() == 0 and not asked.here else None
    yield from _configuration(settings, unread)
    if user is None:
        yield from _who(settings, asked)
    if not asked.offline:
        yield from key_and_clock(settings)
    if user is None:
        yield from _places(settings, asked)
    else:
        theirs = as_user(user, path, ["--offline", *_passed_on(asked, "canary")])
        yield from (one for one in theirs if one.subject != CONFIGURATION or one.level is Level.PROBLEM)
    if not asked.offline:
        yield from _receivers(settings, test=asked.notify)


def _passed_on(asked: Asked, *among: str) -> Sequence[str]:
    """The options that whoever looks in our place gets, too."""
    every = {"canary": asked.canary, "notify": asked.notify, "offline": asked.offline}
    return [f"--{name}" for name, given in every.items() if given and (not among or name in among)]


def _settings(config: str, *, with_key: bool) -> tuple[Settings, Sequence[str]]:
    """The settings, and what is wrong with secrets alone: everything else can be looked at without them."""
    try:
        return settings_in(config, with_key=with_key), ()
    except ConfigurationError as error:
        try:
            return settings_in(config), error.problems
        except ConfigurationError:
            raise error from None


def _configuration(settings: Settings, unread: Sequence[str]) -> Iterator[Finding]:
    for warning in settings.warnings:
        yield Finding(CONFIGURATION, Level.WARNING, warning)
    for problem in unread:
        yield Finding(CONFIGURATION, Level.PROBLEM, problem)
    if not unread:
        yield Finding(CONFIGURATION, Level.OK, f"{settings.path} is valid, with {len(settings.folders)} folder(s)")


def _who(settings: Settings, asked: Asked) -> Iterator[Finding]:
    """As whom we look, where another one is let in, or nobody knows who will be."""
    owner, us = owner_of(settings.state), os.geteuid()
    if owner is not None and owner[0] != us:
        theirs = user_named(owner[0])
        sentence = f"this looks as {user_named(us)}, but the state file belongs to {theirs}, who may have other rights"
        yield Finding("user", Level.WARNING, sentence, f"sudo scriptixd check looks as {theirs} does")
    elif owner is None and us == 0 and not asked.here:
        sentence = "this looks as root, who may do everything: neither a unit nor a state file tells who the service is"
        yield Finding("user", Level.WARNING, sentence, "sudo -u USER scriptixd check, as the user who will run it")


def _places(settings: Settings, asked: Asked) -> Iterator[Finding]:
    """What lies on this machine, and on its shares."""
    yield from state(settings)
    watches, holders = inotify_now()
    looks = list(folders(settings, watches))
    for look in looks:
        yield from look.findings
    yield from together(looks, watches, holders)
    for folder in settings.folders:
        for program, hint in missing_programs(folder):
            yield Finding(folder.name, Level.PROBLEM, f"after_done: {program} is no program that can be run here", hint)
    if asked.canary:
        yield from canaries(looks)


def _receivers(settings: Settings, *, test: bool) -> Iterator[Finding]:
    if settings.notify is None and not test:
        return
    with meanwhile(lambda: "trying the addresses of notify"):
        tried = list(receivers(settings.notify, test=test))
    for receiver, trouble, sentence in tried:
        if trouble is None:
            yield Finding(receiver, Level.OK, sentence)
        else:
            yield Finding(receiver, Level.PROBLEM, trouble.what, trouble.hint)
