"""The options that several verbs have, each with its sentence of help."""

from __future__ import annotations

from typing import Annotated

import typer

CONFIG = "/etc/scriptixd/config.yaml"

Config = Annotated[
    str, typer.Option("--config", "-c", metavar="FILE", envvar="SCRIPTIXD_CONFIG", help="The configuration.")
]
Json = Annotated[bool, typer.Option("--json", help="For programs: JSON with all rows, times in UTC.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Names = Annotated[
    list[str], typer.Argument(metavar="FILE|FOLDER...", help="A path, a name that only one file has, or a folder.")
]
Folders = Annotated[list[str] | None, typer.Argument(metavar="FOLDER...", help="Only these folders, by name or path.")]
Since = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="DATE", help="Only files changed since then: 2026-05-01, 2026-05-01T12:00, or 7d ago."
    ),
]
Profile = Annotated[str | None, typer.Option("--profile", help="Whose guide: netflix, bbc or dutch.")]
SpeakerLabels = Annotated[
    str | None, typer.Option("--speaker-labels", help="Cues that say who speaks: never, changes or always.")
]
MaxChars = Annotated[int | None, typer.Option("--max-chars", metavar="N", help="Characters in a line.")]
MaxLines = Annotated[int | None, typer.Option("--max-lines", metavar="N", help="Lines in a cue: 1 or 2.")]
MinDuration = Annotated[float | None, typer.Option("--min-duration", metavar="S", help="Of a cue.")]
MaxDuration = Annotated[float | None, typer.Option("--max-duration", metavar="S", help="Of a cue.")]
Speed = Annotated[float | None, typer.Option("--chars-per-second", metavar="N", help="How fast it can be read.")]
Gap = Annotated[float | None, typer.Option("--gap", metavar="S", help="Between two cues, at the least.")]
Chain = Annotated[float | None, typer.Option("--chain", metavar="S", help="Shorter gaps are closed.")]
SrtBom = Annotated[bool | None, typer.Option("--srt-bom/--no-srt-bom", help="A byte order mark, for some players.")]
SrtNewline = Annotated[str | None, typer.Option("--srt-newline", help="Line ends: lf or crlf.")]
VttNote = Annotated[str | None, typer.Option("--vtt-note", metavar="TEXT", help='Its NOTE; "" for none.')]
