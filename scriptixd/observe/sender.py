"""A process that hands one message to apprise, and says in one word what came of it.

It reads an order from its standard input and prints one line. Never prints, logs or raises what apprise says, which may
repeat the address. Imports nothing of this package: it is started as a file, by itself.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from enum import StrEnum

ANSWERED = re.compile(r"error=([45]\d\d)\b")  # how apprise tells the status of a refusal
PASSING = frozenset({408, 423, 425, 429})  # of the statuses that blame the message, those that time heals


class Outcome(StrEnum):
    """What came of it."""

    SENT = "sent"  # or, where nothing was to be sent: it could be
    AWAY = "away"
    REFUSED = "refused"  # the other end does not want it, as it is
    UNUSABLE = "unusable"  # it is no address that apprise knows, or it lacks a library for it


class _Statuses(logging.Handler):
    """What apprise logs of refusals: the statuses alone."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[int] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found += [int(status) for status in ANSWERED.findall(record.getMessage())]


def deliver(url: str, title: str, body: str) -> tuple[Outcome, int | None]:
    """Send a message, or without a body only look whether it could be; and the status it was refused with."""
    import apprise  # noqa: PLC0415 - an extra, and slow to import

    logger = logging.getLogger("apprise")
    statuses = _Statuses()
    logger.handlers[:] = [statuses]
    logger.propagate = False
    asset = apprise.AppriseAsset(app_id="scriptixd", app_desc="scriptixd")
    receiver = apprise.Apprise.instantiate(url, asset=asset)
    if receiver is None:
        return Outcome.UNUSABLE, None
    if not body:
        return Outcome.SENT, None
    post = apprise.Apprise(asset=asset)
    post.add(receiver)
    kind, form = apprise.NotifyType.WARNING, apprise.NotifyFormat.TEXT
    if post.notify(body=body, title=title, notify_type=kind, body_format=form):
        return Outcome.SENT, None
    status = statuses.found[-1] if statuses.found else None
    refused = status is not None and status < 500 and status not in PASSING
    return Outcome.REFUSED if refused else Outcome.AWAY, status


def main() -> None:
    order = json.loads(sys.stdin.buffer.read())
    sys.path += [place for place in order["modules"] if place not in sys.path]
    outcome, status = deliver(order["url"], order["title"], order["body"])
    sys.stdout.write("\n" + json.dumps({"outcome": outcome, "status": status}) + "\n")
    sys.stdout.flush()
    os._exit(0)  # apprise may have left a thread that waits for an answer


if __name__ == "__main__":
    main()
