"""One line an occurrence: with a priority for the journal, plain with a time elsewhere, or as an object of JSON.

Never a secret, never a name from disk as it came; with `names_in_logs: hash` no name at all, nor any sentence that
may quote one: of such a record only what is typed as holding none is told.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from scriptixd.errors import Trouble
from scriptixd.jobs.news import Names
from scriptixd.observe.forms import LogFormat
from scriptixd.roots.paths import shown, veiled
from scriptixd.roots.place import FIGURES, Figures, Place, Words

# sd-daemon(3): a line that begins with <N> has that priority in the journal.
PRIORITIES: Final[Mapping[int, str]] = {
    logging.CRITICAL: "<2>",
    logging.ERROR: "<3>",
    logging.WARNING: "<4>",
    logging.INFO: "<6>",
    logging.DEBUG: "<7>",
}
# At INFO these tell of single requests and events of the disk; what matters of them is told by us. Those that talk to
# the service warn with what it has answered, and that may repeat the key.
_CHATTY: Final[Mapping[str, int]] = {
    "urllib3": logging.CRITICAL,
    "requests": logging.CRITICAL,
    "tusclient": logging.CRITICAL,
    "watchdog": logging.WARNING,
}
OURS: Final = "scriptixd"  # the loggers whose templates are ours, and hold no name
LEFT_OUT: Final = "[…]"  # instead of a sentence that may quote a name
WHERE_ELSE: Final = "scriptixd status and scriptixd check tell it"
STDOUT: Final = 1
STDERR: Final = 2


def start(
    environment: Mapping[str, str],
    *,
    verbose: bool = False,
    form: LogFormat = LogFormat.TEXT,
    names: Names = Names.FULL,
) -> None:
    """Send the log to standard error, as the journal, a program or a person wants it."""
    handler = logging.StreamHandler(sys.stderr)
    journal = is_journal(environment)
    handler.setFormatter(_Formatter(form, names, journal=journal, dated=not sys.stderr.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for name, least in _CHATTY.items():
        logging.getLogger(name).setLevel(least)


def is_journal(environment: Mapping[str, str], descriptor: int = STDERR) -> bool:
    """Whether it is what systemd connected to the journal: a shell below a unit inherits the variable."""
    try:
        there = os.fstat(descriptor)
    except OSError:  # closed by whoever started us
        return False
    return environment.get("JOURNAL_STREAM") == f"{there.st_dev}:{there.st_ino}"


class _Formatter(logging.Formatter):
    def __init__(self, form: LogFormat, names: Names, *, journal: bool, dated: bool) -> None:
        super().__init__()
        self._form = form
        self._hash = names is Names.HASH
        self._journal = journal
        self._dated = dated

    def format(self, record: logging.LogRecord) -> str:
        lines = [self._object(record)] if self._form is LogFormat.JSON else list(self._lines(record))
        if self._journal:
            priority = PRIORITIES.get(record.levelno, "<6>")
            return "\n".join(priority + line for line in lines)
        return "\n".join(lines)

    def _lines(self, record: logging.LogRecord) -> Iterator[str]:
        tail = " ".join(f"{name}={_figure(value)}" for name, value in _fields(record).items())
        text = self._message(record) + (f" ({tail})" if tail else "")
        yield text if self._journal else f"{self._time(record)} {_level(record)}{text}"
        yield from self._trace(record)

    def _object(self, record: logging.LogRecord) -> str:
        """One line: all that is not ASCII is escaped, and what is not UTF-8 comes as surrogate escapes."""
        told: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._message(record),
        }
        place = _place(record)
        if place is not None:
            told["folder"] = place.folder
            if place.path:
                told["path"] = veiled(f"{place.folder}/{place.path}") if self._hash else place.path
        told |= _fields(record)
        if trace := list(self._trace(record)):
            told["traceback"] = trace
        return json.dumps(told)

    def _time(self, record: logging.LogRecord) -> str:
        """A file is read on another day than it was written."""
        local = datetime.fromtimestamp(record.created).astimezone()
        return local.isoformat(sep=" ", timespec="seconds") if self._dated else local.strftime("%H:%M:%S")

    def _message(self, record: logging.LogRecord) -> str:
        if not self._hash:
            return shown(record.getMessage())
        if not _is_ours(record):
            return f"{shown(record.name)}: {LEFT_OUT}"
        arguments = record.args if isinstance(record.args, tuple) else ()
        kept = [_veiled(argument) for argument in arguments]
        text = shown(str(record.msg) % tuple(kept)) if kept else str(record.msg)
        silent = LEFT_OUT in kept and not re.search(r"\w", text.replace(LEFT_OUT, ""))
        return f"{text} ({WHERE_ELSE})" if silent else text

    def _trace(self, record: logging.LogRecord) -> Iterator[str]:
        """The traceback of a bug of ours, line by line; what it says itself may quote a name."""
        if not record.exc_info or record.exc_info[1] is None:
            return
        if not self._hash:
            yield from map(shown, self.formatException(record.exc_info).splitlines())
            return
        error: BaseException | None = record.exc_info[1]
        seen: set[int] = set()
        while error is not None and id(error) not in seen:
            seen.add(id(error))
            yield f"{type(error).__name__}: {LEFT_OUT}, at"
            for frame in traceback.extract_tb(error.__traceback__):
                yield f"  {os.path.basename(frame.filename)}:{frame.lineno} in {frame.name}"
            error = error.__cause__ or error.__context__


def _level(record: logging.LogRecord) -> str:
    return "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name.partition(".")[0] == OURS


def _place(record: logging.LogRecord) -> Place | None:
    """What the line is about: the first place that it names."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    return next((one for one in arguments if isinstance(one, Place)), None)


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    found = getattr(record, FIGURES, None)
    if not isinstance(found, Figures):
        return {}
    told = {name: round(value, 1) if isinstance(value, float) else value for name, value in asdict(found).items()}
    return {name: value for name, value in told.items() if value is not None}


def _figure(value: object) -> str:
    return shown(str(value)).replace(" ", "_")


def _veiled(argument: object) -> object:
    """What may be told of an argument where no name may be."""
    if isinstance(argument, Place):
        return argument.veiled
    if isinstance(argument, int | float | Words | Enum):
        return argument
    if isinstance(argument, Trouble):  # what kind of it, by the words of errors.py
        return f"{re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', type(argument).__name__).lower()} {LEFT_OUT}"
    return LEFT_OUT
