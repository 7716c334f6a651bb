"""Sends messages: apprise does, in a process of its own that has a deadline and dies with ours.

Classifies, never retries. The address goes to that process alone, over its standard input; nothing that the process
says besides one word is ever shown or kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from scriptixd.errors import Away, ReceiverTrouble, Stopped
from scriptixd.jobs.commands import Command, Ended, How, passed_on, run
from scriptixd.observe import sender
from scriptixd.observe.sender import Outcome

SEND_WITHIN: Final = 30.0  # s: apprise gives up a silent server after eight, a mail server may take longer
FINGERPRINT: Final = 12  # hex digits: no two addresses of one configuration share them
UNUSABLE_HINT: Final = "see apprise's list of addresses; some need a library of their own besides"
REFUSED_HINT: Final = "see whether the address and the token in it are still right"
AWAY_HINT: Final = "is the network up, and does the address still exist?"


def masked(url: str) -> str:
    """An address as it may be shown: what kind it is, and nothing of it."""
    return f"{url.partition('://')[0]}://***"


def fingerprint(url: str) -> str:
    """What stands for an address in the state file."""
    return hashlib.sha256(url.encode()).hexdigest()[:FINGERPRINT]


class Courier:
    """The way out. `stop` is asked again and again while something is sent, and `beat` is called."""

    def __init__(self, stop: Callable[[], bool] = lambda: False, beat: Callable[[], None] = lambda: None) -> None:
        self._stop = stop
        self._beat = beat

    def send(self, url: str, title: str, body: str) -> None:
        """Raises Away, ReceiverTrouble, or Stopped in the middle of it."""
        if not body:
            raise ValueError("a message without words")
        self._order(url, title, body)

    def examine(self, url: str) -> None:
        """Raises ReceiverTrouble if nothing could be sent there; asks nobody."""
        self._order(url, "", "")

    def _order(self, url: str, title: str, body: str) -> None:
        # With our own way to modules, however this was installed: what we have found, it finds.
        order = json.dumps({"url": url, "title": title, "body": body, "modules": sys.path}).encode()
        program = (sys.executable, "-I", str(Path(sender.__file__).absolute()))
        _judge(run(Command(program, SEND_WITHIN, passed_on(), order), self._stop, self._beat))


def _judge(ended: Ended) -> None:
    if ended.how is How.STOPPED:
        raise Stopped("a message")
    if ended.how is How.FAILED:
        raise Away(f"the process that sends {ended.sentence}", AWAY_HINT)
    try:
        outcome, status = _read(ended.last_line)
    except (ValueError, KeyError, TypeError):  # from None: what it says instead may repeat the address
        raise Away("the process that sends has said nothing that can be read", AWAY_HINT) from None
    answer = f" with {status}" if status is not None else ""
    match outcome:
        case Outcome.SENT:
            return
        case Outcome.AWAY:
            raise Away(f"the message was answered{answer}" if answer else "nobody took the message", AWAY_HINT)
        case Outcome.REFUSED:
            raise ReceiverTrouble(f"the message was refused{answer}", REFUSED_HINT)
        case Outcome.UNUSABLE:
            raise ReceiverTrouble("it is no address that apprise can use", UNUSABLE_HINT)


def _read(line: str) -> tuple[Outcome, int | None]:
    said = json.loads(line)
    return Outcome(said["outcome"]), said["status"]
