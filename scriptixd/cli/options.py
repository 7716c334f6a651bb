"""The options that several verbs have, each with its sentence of help, and what a shell may offer for it."""

from __future__ import annotations

from typing import Annotated

import typer

from scriptixd.cli import completing

CONFIG = "/etc/scriptixd/config.yaml"


LEAST, MOST = 0.001, 1e6  # of seconds, or of characters in one: what is meant lies between


def _sensible(number: float | None) -> float | None:
    """Python takes `nan`, `inf` and 1e-300 for numbers, and no caption can be made with these."""
    if number is not None and number != 0 and not LEAST <= abs(number) <= MOST:
        raise typer.BadParameter("it must be a number such as 1.5")
    return number


def named(said: str | list[str] | None) -> str | list[str] | None:
    """Nothing at all, as of a shell's variable that is not set, would mean the directory that one stands in."""
    if said == "" or (isinstance(said, list) and "" in said):
        raise typer.BadParameter("it is empty: is a variable not set?")
    return said


SpokenLanguage = Annotated[
    str | None,
    typer.Option(
        "--language",
        metavar="LANGUAGE",
        help="What is spoken in them, as en or nl, if it is not the folder's language.",
    ),
]
Config = Annotated[
    str,
    typer.Option("--config", "-c", metavar="FILE", envvar="SCRIPTIXD_CONFIG", help="The configuration."),
]
Json = Annotated[bool, typer.Option("--json", help="For programs: JSON with all rows, times in UTC.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
_NAMES = typer.Argument(
    metavar="FILE|FOLDER...",
    callback=named,
    help="A path, a name that only one file has, or a folder.",
    autocompletion=completing.folders,
)
Names = Annotated[list[str], _NAMES]
SomeNames = Annotated[list[str] | None, _NAMES]
Failed = Annotated[bool, typer.Option("--failed", help="Everything that has failed.")]
Folders = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FOLDER...",
        callback=named,
        help="Only these folders, by name or path; without one, all of them.",
        autocompletion=completing.folders,
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="DATE", help="Only files changed since then: 2026-05-01, 2026-05-01T12:00, or 7d ago."
    ),
]
# What is not said of captions is as the settings have it for `render`, and as nothing were set for `convert`.
Profile = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="GUIDE",
        help="Whose guide is followed: netflix, bbc or dutch.",
        autocompletion=completing.profiles,
    ),
]
SpeakerLabels = Annotated[
    str | None,
    typer.Option(
        "--speaker-labels",
        metavar="WHEN",
        help="Which cues say who speaks: never, changes or always.",
        autocompletion=completing.speaker_labels,
    ),
]
MaxChars = Annotated[int | None, typer.Option("--max-chars", metavar="N", help="Characters in a line, at the most.")]
MaxLines = Annotated[int | None, typer.Option("--max-lines", metavar="N", help="Lines in a cue: 1 or 2.")]
MinDuration = Annotated[
    float | None,
    typer.Option("--min-duration", metavar="S", callback=_sensible, help="Seconds that a cue is shown, at the least."),
]
MaxDuration = Annotated[
    float | None,
    typer.Option("--max-duration", metavar="S", callback=_sensible, help="Seconds that a cue is shown, at the most."),
]
Speed = Annotated[
    float | None,
    typer.Option("--chars-per-second", metavar="N", callback=_sensible, help="Characters that are read in a second."),
]
Gap = Annotated[
    float | None, typer.Option("--gap", metavar="S", callback=_sensible, help="Seconds between two cues, at the least.")
]
Chain = Annotated[
    float | None,
    typer.Option(
        "--chain", metavar="S", callback=_sensible, help="Gaps that are shorter than so many seconds are closed."
    ),
]
SrtBom = Annotated[
    bool | None, typer.Option("--srt-bom/--no-srt-bom", help="A byte order mark in SRT, for players that need one.")
]
SrtNewline = Annotated[
    str | None,
    typer.Option(
        "--srt-newline",
        metavar="KIND",
        help="How lines of SRT end: lf, or crlf as on Windows.",
        autocompletion=completing.newlines,
    ),
]
VttNote = Annotated[
    str | None, typer.Option("--vtt-note", metavar="TEXT", help='What WebVTT says of itself; "" for nothing.')
]
