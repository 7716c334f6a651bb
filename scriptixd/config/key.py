"""Where secrets come from: a file, the configuration itself, or a credential that systemd hands over.

Never shows one: what is wrong with it is told by the path it was read from.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from scriptixd.config.document import Location
from scriptixd.config.findings import Findings
from scriptixd.config.model import ApiBlock
from scriptixd.config.paths import absolute
from scriptixd.config.settings import Secret
from scriptixd.config.values import key

CREDENTIAL = "api-key"  # its name in LoadCredential= of the unit
CREDENTIALS = "CREDENTIALS_DIRECTORY"  # systemd.exec(5)
LONGEST_FILE = 4096  # bytes: a key is one word; what is longer is another file
HOW = "name a file that holds it with 'key_file', or write 'key: ${SCRIPTIX_API_KEY}'"


def find(
    api: ApiBlock, *, literal: bool, near: Path, environment: Mapping[str, str], findings: Findings
) -> Secret | None:
    """The key from its one source; None after noting a problem. `literal`: the configuration itself holds it."""
    if api.key is not None and api.key_file is not None:
        findings.add(("api", "key"), "is set besides 'key_file'; give the key in one of them")
        return None
    if api.key is not None:
        if literal:
            findings.warn(
                ("api", "key"), "the key itself stands in the configuration; safer is a file of mode 0600 in 'key_file'"
            )
        return api.key
    credential = credential_named(CREDENTIAL, environment)
    if credential is not None and not findings.about(("api", "key")) and not findings.about(("api", "key_file")):
        warn_if_newer(api.key_file, credential, ("api", "key_file"), near, environment, findings, "key")
        return read(credential, ("api",), findings, is_credential=True)  # the service's user cannot read key_file
    if api.key_file is not None:
        return read_at(api.key_file, ("api", "key_file"), near, environment, findings)
    if not findings.about(("api", "key_file")):
        findings.add_missing(("api", "key"), f"there is no key; {HOW}")
    return None


def credential_named(name: str, environment: Mapping[str, str]) -> Path | None:
    """The file of a credential, if systemd has handed it over."""
    directory = environment.get(CREDENTIALS)
    path = Path(directory, name) if directory else None
    if path is None:
        return None
    try:
        return path if path.exists() else None
    except PermissionError:
        return path  # whoever reads it says so


def warn_if_newer(
    setting: Path | None,
    credential: Path,
    place: Location,
    near: Path,
    environment: Mapping[str, str],
    findings: Findings,
    what: str,
) -> None:
    """systemd copies a secret's file when it starts a service: what was written into it later is not in the copy."""
    if setting is None:
        return
    try:
        path = absolute(setting, near, environment)
        newer = path.stat().st_ctime > credential.stat().st_ctime
    except (OSError, ValueError):  # the file need not be within reach
        return
    if newer:
        findings.warn(
            place,
            f"{path} has changed since systemd handed it over: another {what} in it is applied by a restart "
            "(systemctl restart scriptixd)",
        )


def read_at(
    setting: Path,
    place: Location,
    near: Path,
    environment: Mapping[str, str],
    findings: Findings,
    what: str = "key",
) -> Secret | None:
    """The secret in the file that a setting names; None after noting a problem. `what` it is, in a word."""
    try:
        path = absolute(setting, near, environment)
    except ValueError as error:
        findings.add(place, str(error))
        return None
    directory = environment.get(CREDENTIALS)
    is_credential = bool(directory) and path.is_relative_to(str(directory))
    return read(path, place, findings, is_credential=is_credential, what=what)


def read(path: Path, place: Location, findings: Findings, *, is_credential: bool, what: str = "key") -> Secret | None:
    """The secret in a file; None after noting a problem."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            mode = os.fstat(descriptor).st_mode
            content = file.read(LONGEST_FILE + 1) if stat.S_ISREG(mode) else None
    except FileNotFoundError:
        findings.add(place, f"there is no file {path} to read the {what} from")
        return None
    except OSError as error:
        findings.add(place, f"the {what} cannot be read from {path}: {error.strerror}")
        return None
    if content is None:
        findings.add(place, f"{path} is not a regular file")
        return None
    if len(content) > LONGEST_FILE:
        findings.add(place, f"{path} is too long to hold a {what}")
        return None
    try:
        found = Secret(key(content.decode("utf-8-sig", errors="replace"), what))
    except ValueError as error:
        findings.add(place, f"the {what} file {path} {error}")
        return None
    # systemd gives a credential to its service by an access list, which shows as a group's right to read
    if mode & (stat.S_IRGRP | stat.S_IROTH) and not is_credential:
        findings.warn(place, f"the {what} file {path} can be read by others; make it private with chmod 600 {path}")
    return found
