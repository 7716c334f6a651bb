"""From a file to Settings: reads it, judges all of it, and answers with everything that is wrong at once.

Reads only the configuration and the key; creates nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from scriptixd.config import key
from scriptixd.config.document import MAX_BYTES, Document, Scalar, parse
from scriptixd.config.exposed import warn_if_open
from scriptixd.config.findings import Findings
from scriptixd.config.folders import folders
from scriptixd.config.former import renew
from scriptixd.config.http import http
from scriptixd.config.model import ApiBlock, ConfigurationFile
from scriptixd.config.paths import absolute, lead, shares
from scriptixd.config.receivers import notify_of
from scriptixd.config.rules import bounds_of, check_bounds
from scriptixd.config.settings import Api, Keep, Limits, Secret, Settings
from scriptixd.errors import ConfigurationError

STATE = "state.db"
# Only the daemon needs them, whose environment may have what is not in that of a person who looks.
SECRETS: Final = (("api", "key"), ("http", "token"), ("notify", "urls"))


def load(path: Path, environment: Mapping[str, str], *, with_key: bool = True, lenient: bool = False) -> Settings:
    """The settings in a file; raises ConfigurationError with every problem in it.

    `with_key=False` is for whoever does not talk to the service: the key may then be out of reach, and is not read.
    `lenient` is for whoever only looks: what is wrong with secrets is then in nobody's way.
    """
    document = parse(_content(path), environment)
    findings = Findings(path, document.lines, document.problems)
    if not document.root:
        findings.raise_if_any()
    renew(ConfigurationFile, document.root, findings)
    literal = _holds_key(document)
    file = findings.judge(ConfigurationFile, document.root)
    near = path.absolute().parent
    secret = None
    if with_key:
        secret = key.find(file.api, literal=literal, near=near, environment=environment, findings=findings)
    state = _state(file.state, near, environment, findings)
    check_bounds(file.limits, ("limits",), findings)
    found = folders(file.defaults, file.folders, file.limits, near=near, environment=environment, findings=findings)
    notify = notify_of(file.notify, findings)
    warn_if_open(document.root, path, findings)
    served = http(file.http, document, with_token=with_key, near=near, environment=environment, findings=findings)
    for place in SECRETS if lenient else ():
        findings.excuse(place)
    findings.raise_if_any()
    if (secret is None and with_key) or state is None:
        raise AssertionError("a key or a state file is missing, and no problem was noted")
    return Settings(
        api=_api(file.api, secret),
        state=state,
        keep=Keep(file.keep_results, file.keep_history),
        timezone=file.timezone,
        folders=found,
        limits=Limits(file.limits.uploads, bounds_of(file.limits)),
        warnings=findings.warnings,
        path=path,
        notify=notify,
        http=served,
        names_in_logs=file.names_in_logs,
    )


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        hint = "name the configuration with --config, or begin with a copy of config.example.yaml"
        raise ConfigurationError([f"{path}: there is no such file"], hint) from error
    except PermissionError as error:
        hint = "the account that scriptixd runs as must be able to read it"
        raise ConfigurationError([f"{path}: the configuration may not be read"], hint) from error
    except OSError as error:
        hint = "name the configuration's file with --config"
        raise ConfigurationError([f"{path}: the configuration cannot be read: {error.strerror}"], hint) from error


def _holds_key(document: Document) -> bool:
    api = document.root.get("api")
    written = api.get("key") if isinstance(api, dict) else None
    return isinstance(written, Scalar) and written.literal


def _api(block: ApiBlock, secret: Secret | None) -> Api:
    return Api(
        url=block.url,
        key=secret,
        auth=block.auth,
        requests_per_minute=block.requests_per_minute,
        requests_per_hour=block.requests_per_hour,
        chunk_size=block.chunk_size,
        timeout=block.timeout,
        polling=block.polling,
        deadline=block.deadline,
        result_units=block.result_units,
    )


def _state(setting: Path | None, near: Path, environment: Mapping[str, str], findings: Findings) -> Path | None:
    """The state file: as it is set, else in systemd's directory for it, else in the user's home.

    Without links: SQLite keeps its log beside the file itself, and the lock has to be one for all who use it.
    """
    try:
        if setting is not None:
            path = absolute(setting, near, environment)
        elif environment.get("STATE_DIRECTORY"):
            path = Path(environment["STATE_DIRECTORY"].partition(":")[0], STATE)  # a list, as systemd.exec(5) says
        else:
            path = absolute(Path("~/.local/state/scriptixd", STATE), near, environment)
    except ValueError as error:
        findings.add(("state",), str(error))
        return None
    place = lead(path, shares())
    if place.directory:
        findings.add(("state",), f"{path} is a directory; the state is one file, such as {path / STATE}")
    return Path(place.path)
