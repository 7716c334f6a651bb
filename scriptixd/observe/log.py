"""One line an occurrence, with a priority for the journal, plain with a time on a terminal.

Never a secret, never a name from disk as it came.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from scriptixd.roots.paths import shown

# sd-daemon(3): a line that begins with <N> has that priority in the journal.
_PRIORITIES: Final[Mapping[int, str]] = {
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


def start(environment: Mapping[str, str], *, verbose: bool = False) -> None:
    """Send the log to standard error, as the journal or a person wants it."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Journal() if "JOURNAL_STREAM" in environment else _Terminal())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose else logging.INFO)
    for name, least in _CHATTY.items():
        logging.getLogger(name).setLevel(least)


class _Terminal(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().strftime("%H:%M:%S")
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        return "\n".join([f"{time} {level}{shown(record.getMessage())}", *_trace(self, record)])


class _Journal(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        priority = _PRIORITIES.get(record.levelno, "<6>")
        return "\n".join(priority + line for line in [shown(record.getMessage()), *_trace(self, record)])


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    """The traceback of a bug of ours, line by line."""
    return formatter.formatException(record.exc_info).splitlines() if record.exc_info else []
