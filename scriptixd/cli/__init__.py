"""The verbs: what people and scripts type, the only room that prints, and the only one that knows exit codes.

Never decides anything about a job: it asks the state file, the daemon and the rooms, and tells what they say.
"""

from __future__ import annotations

from scriptixd.cli.verbs import app, main

__all__ = ["app", "main"]
