"""A verb in this very process: the console script's own `main`, with what surrounds a process put in its place.

Starting a Python costs more than nearly every verb. What is about the process itself - signals, terminals, users,
imports, disks that hang, verbs that run on - is asked of a real one.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

import pytest

from scriptixd.cli import main


def say(arguments: Sequence[str | bytes], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """What a process would have answered; it has no terminal, and these variables besides our own."""
    rights = os.geteuid(), os.getegid(), os.getcwd()
    with ExitStack() as over:
        said = [over.enter_context(tempfile.TemporaryFile()) for _ in ("stdout", "stderr")]
        out, err = (io.TextIOWrapper(file, encoding="utf-8") for file in said)
        err.reconfigure(errors="backslashreplace", line_buffering=True)
        over.callback(_tell_time_in, os.environ.get("TZ"))  # a verb tells times in the configuration's zone
        patch = over.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(sys, "argv", ["scriptixd", *map(os.fsdecode, arguments)])
        patch.setattr(sys, "stdin", over.enter_context(open(os.devnull, encoding="utf-8")))
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        for name, text in environment.items():
            patch.setenv(name, text)
        try:
            main()
            code: object = 0
        except SystemExit as end:
            code = end.code
        answers = []
        for stream, file in zip((out, err), said, strict=True):
            stream.flush()
            file.seek(0)
            answers.append(file.read().decode())
            stream.detach()
    assert (os.geteuid(), os.getegid(), os.getcwd()) == rights, "the verb has changed what this process is"
    assert code is None or isinstance(code, int), code
    return subprocess.CompletedProcess(arguments, code or 0, *answers)


def _tell_time_in(zone: str | None) -> None:
    if zone is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = zone
    time.tzset()
