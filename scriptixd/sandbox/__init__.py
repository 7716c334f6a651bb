"""A Scriptix-compatible server on loopback, to try, demo and test against.

This module is the door: it imports nothing of the optional packages until a sandbox is opened, and
says in a sentence what to install when they are missing.
"""

from __future__ import annotations

import importlib.util
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from scriptixd.errors import StartError, to_install

if TYPE_CHECKING:
    from scriptixd.sandbox.server import Sandbox

__all__ = ["SAMPLE", "open_sandbox", "serve"]

SAMPLE = Path(__file__).with_name("austen.flac")
"""The spoken sample; SAMPLE.md says who reads and what is said."""

PACKAGES = ("fastapi", "tuspyserver", "uvicorn", "av", "pocketsphinx")
WORKERS = 2  # recognitions at once: two cores are what the smallest machines have


def open_sandbox(directory: Path, port: int = 0, key: str | None = None, workers: int = WORKERS) -> Sandbox:
    """A sandbox that keeps its state in `directory`; it listens after `start()`, or inside `with`.

    Port 0 takes any free one. With `key`, only this API key is accepted, otherwise any that is not empty.
    Raises StartError when the optional packages are not installed.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise StartError(
            f"the sandbox needs {', '.join(missing)}, not installed here",
            hint=to_install("sandbox"),
        )
    from scriptixd.sandbox.server import Sandbox  # noqa: PLC0415 - the packages are optional

    return Sandbox(directory, port, key, workers)


def serve(sandbox: Sandbox, ready: Callable[[str], None]) -> None:
    """Runs the sandbox until SIGTERM or SIGINT; `ready` is called with its URL once it listens.

    To be called on the main thread, where signals arrive. Raises StartError when it cannot start.
    """
    stopped = threading.Event()

    def stop(_signal: int, _frame: FrameType | None) -> None:
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    try:
        with sandbox:
            ready(sandbox.url)
            stopped.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
