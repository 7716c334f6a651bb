"""What a shell offers after TAB: typer knows verbs and options, and here are the words that only scriptixd knows.

Reads the configuration at the most, and never complains: a line that is being typed is no place for sentences. The
scripts of the shells are in `completions/`; each asks in the way of fish, and gets a word with its meaning a line.
"""
# ruff: noqa: PLC0415 - every verb has these words, and starts without what they are taken from

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import StrEnum
from importlib.resources import files
from typing import Final

import typer

ASKED_BY_A_SHELL: Final = "_SCRIPTIXD_COMPLETE"
ONE_LINE: Final = "1000"  # columns: typer folds what a word means at the terminal's width, and a line is a word


class Shell(StrEnum):
    """Whose completion is known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def script_of(shell: Shell) -> str:
    """What a shell has to be told once, to ask scriptixd at each TAB."""
    return files("scriptixd.cli").joinpath("completions", f"scriptixd.{shell}").read_text(encoding="utf-8")


def get_ready() -> None:
    """Let typer answer, if a shell asks."""
    if ASKED_BY_A_SHELL in os.environ:
        from typer._completion_classes import completion_init  # what typer does itself for its own options

        completion_init()
        os.environ["COLUMNS"] = ONE_LINE


def folders(ctx: typer.Context) -> Iterable[str]:
    """The names of the configured folders; none where the configuration cannot be read, or is wrong."""
    from pathlib import Path

    from scriptixd.config.load import load
    from scriptixd.errors import ConfigurationError

    try:
        settings = load(Path(ctx.params["config"]), os.environ, with_key=False, lenient=True)
    except ConfigurationError:
        return []
    return [folder.name for folder in settings.folders if folder.name.isprintable()]


def states() -> Iterable[str]:
    from scriptixd.jobs.store.views import STATES

    return STATES


def profiles() -> Iterable[str]:
    from scriptixd.captions.layout import Profile

    return list(Profile)


def speaker_labels() -> Iterable[str]:
    from scriptixd.captions.style import SpeakerLabels

    return list(SpeakerLabels)


def newlines() -> Iterable[str]:
    from scriptixd.cli.wishing import NEWLINES

    return list(NEWLINES)


def formats() -> Iterable[str]:
    from scriptixd.captions.formats import FORMATS

    return list(FORMATS)


def units() -> Iterable[str]:
    from scriptixd.captions.manner import Units

    return list(Units)
