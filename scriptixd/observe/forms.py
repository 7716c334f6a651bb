"""How a line of the log can be written. Imports nothing: the command line needs it before it needs a log."""

from __future__ import annotations

from enum import StrEnum


class LogFormat(StrEnum):
    TEXT = "text"  # for people
    JSON = "json"  # an object a line
