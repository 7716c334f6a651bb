"""`sandbox`: serves the sandbox until SIGTERM or Ctrl-C, and says how to use it.

Never changes a configuration: it prints what to put into one.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from scriptixd.cli.output import say
from scriptixd.sandbox import open_sandbox, serve

ANY_KEY = "any-key-will-do"


def sandbox(port: int, directory: str | None, key: str | None) -> None:
    """Serve; raises StartError for a port that is taken or packages that are missing. The first line has the URL."""
    with ExitStack() as kept:
        if directory is None:
            place = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="scriptixd-sandbox-")))
        else:
            place = Path(directory)

        def ready(url: str) -> None:
            say(f"The sandbox listens at {url}")
            until = "until it ends" if directory is None else "from run to run"
            say(f"It keeps its files in {place.absolute()} {until}, and understands English, whatever is asked for.")
            say("To use it, put this into a configuration; Ctrl-C ends it.")
            say()
            say("api:")
            say(f"  url: {url}")
            say(f"  key: {json.dumps(key or ANY_KEY)}")
            sys.stdout.flush()

        serve(open_sandbox(place, port, key), ready)
