"""Everything that can go wrong, by who heals it; every error is a sentence and a hint.

Adapters translate what their libraries raise into one of these and never retry; what is not
listed here is our own bug. The sentence says what happened and to which file, the hint what to do.

    Trouble
    ├── TimeHeals             waiting helps, nobody needs to come
    │   ├── Away              the service or the network between: timeouts, 408, 423, 429, 5xx
    │   │   └── OverBudget           we have asked so much just now that nothing was asked
    │   ├── ShareTrouble      a folder's disk is not there: unmounted, ESTALE, EIO
    │   │   └── Hung                 it does not answer at all
    │   └── StateTrouble      the state file cannot be written just now: disk full, I/O error
    ├── AdministratorHeals    the installation has to change
    │   ├── AccountTrouble    the key or the address is refused: 401, 403, a wrong api.url
    │   ├── QuotaTrouble      402: only new uploads pause
    │   ├── FolderTrouble     400 or 422 that names the folder's language or document type
    │   ├── ReceiverTrouble   an address of `notify` takes no message, and waiting does not help
    │   └── StartError        nothing was started, exit code 2
    │       ├── ConfigurationError   all problems of the configuration at once
    │       ├── StateError           the state file is corrupt, newer, or on a network share
    │       └── StateHeld            another daemon holds the state, exit code 75
    └── PersonHeals           somebody decides about one file
        ├── FileTrouble       too large, no media, a result with an error, undecidable
        │   └── SourceMissing        the path is not in its directory (any more)
        └── TargetTrouble     a sidecar cannot be written: full, read-only, not allowed
            └── NameTaken            a file that is not ours has the name
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence


def to_install(extra: str) -> str:
    """The command that adds an extra to this very installation."""
    pip = "pip" if sys.prefix == sys.base_prefix else f"{sys.prefix}/bin/pip"
    return shlex.join((pip, "install", f"scriptixd[{extra}]"))


def with_hint(what: str, hint: str) -> str:
    """A sentence as people read it: what happened and, where there is something to do, what."""
    return f"{what} ({hint})" if hint else what


class Trouble(Exception):
    """A failure with an owner.

    `what` is a sentence without a final stop, `hint` says what to do (may be empty),
    `retry_after` is the wait in seconds that the other side asked for, if it did.
    """

    def __init__(self, what: str, hint: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.retry_after = retry_after

    def __str__(self) -> str:
        return with_hint(self.what, self.hint)


class TimeHeals(Trouble):
    """Waiting helps, and nobody needs to come."""


class Away(TimeHeals):
    """The service, or the network between, does not answer as it should just now."""


class OverBudget(Away):
    """The request budget is used up for `retry_after` seconds: no request was made, and nothing has failed."""


class ShareTrouble(TimeHeals):
    """A folder's disk is not there: nothing is inferred from what cannot be read."""


class Hung(ShareTrouble):
    """A folder's disk does not answer within its deadline: nobody waits for it any longer."""


class StateTrouble(TimeHeals):
    """The state file cannot be written just now: nothing goes on that could not be remembered."""


class AdministratorHeals(Trouble):
    """The installation has to change: a key, a plan, a configuration."""


class AccountTrouble(AdministratorHeals):
    """The key or the address of the service is refused: everything that talks to it pauses."""


class QuotaTrouble(AdministratorHeals):
    """The account is used up: only new uploads pause."""


class FolderTrouble(AdministratorHeals):
    """The service refuses what this folder asks for: its language or its document type."""


class ReceiverTrouble(AdministratorHeals):
    """An address that is to be told something is none, or refuses what it is told."""


class StartError(AdministratorHeals):
    """Nothing was started; `exit_code` is what the process ends with."""

    exit_code = 2


class ConfigurationError(StartError):
    """Every problem of a configuration in one go, a line each."""

    def __init__(self, problems: Sequence[str], hint: str = "") -> None:
        super().__init__("\n".join(problems), hint)
        self.problems = tuple(problems)


class StateError(StartError):
    """The state file cannot be used: corrupt, from a newer version, on a network share."""


class StateHeld(StartError):
    """Another daemon holds the state; 75 is EX_TEMPFAIL of sysexits.h."""

    exit_code = 75


class PersonHeals(Trouble):
    """Somebody decides about one file."""


class FileTrouble(PersonHeals):
    """This one file cannot be transcribed as it is."""


class SourceMissing(FileTrouble):
    """The path is not in its directory: moved, renamed or deleted."""


class TargetTrouble(PersonHeals):
    """A sidecar cannot be written where it belongs; before paying, nothing is sent."""


class NameTaken(TargetTrouble):
    """A file that we did not write, or that a person has edited, has the name."""


class Stopped(Exception):
    """We were asked to stop in the middle of something; not a failure, and nothing is recorded for it."""
