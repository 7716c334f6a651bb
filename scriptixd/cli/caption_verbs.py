"""`convert` and `render` with their options: the verbs that make captions, from a file or beside a recording."""
# ruff: noqa: PLC0415 - a verb imports what it needs, when it is called

from __future__ import annotations

from typing import Annotated

import typer

from scriptixd.cli import completing
from scriptixd.cli.options import (
    CONFIG,
    Chain,
    Config,
    Gap,
    MaxChars,
    MaxDuration,
    MaxLines,
    MinDuration,
    Names,
    Profile,
    SpeakerLabels,
    Speed,
    SrtBom,
    SrtNewline,
    VttNote,
    named,
)


def convert(
    result: Annotated[
        str, typer.Argument(metavar="RESULT.json", callback=named, help="A result of Scriptix, or our JSON sidecar.")
    ],
    format_: Annotated[
        str,
        typer.Option(
            "--format", "-f", metavar="FORMAT", help="srt, vtt, txt or docx.", autocompletion=completing.formats
        ),
    ] = "srt",
    language: Annotated[
        str | None, typer.Option("--language", metavar="LANGUAGE", help="As nl or en-gb; a sidecar names its own.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            callback=named,
            help="A file that is not there yet, instead of standard output.",
        ),
    ] = None,
    units: Annotated[
        str,
        typer.Option(
            "--units",
            metavar="UNIT",
            help="The unit of the times in it: s, ms, or auto, which tells by the words.",
            autocompletion=completing.units,
        ),
    ] = "auto",
    profile: Profile = None,
    speaker_labels: SpeakerLabels = None,
    max_chars: MaxChars = None,
    max_lines: MaxLines = None,
    min_duration: MinDuration = None,
    max_duration: MaxDuration = None,
    speed: Speed = None,
    gap: Gap = None,
    chain: Chain = None,
    srt_bom: SrtBom = None,
    srt_newline: SrtNewline = None,
    vtt_note: VttNote = None,
) -> None:
    """Make captions or a document of a result.

    It needs no configuration and no network. What no option says is as the guide has it for the language.
    """
    from scriptixd.captions.layout import Numbers
    from scriptixd.cli import converting, wishing

    numbers = Numbers.in_seconds(max_chars, max_lines, min_duration, max_duration, speed, gap, chain)
    wishes = wishing.wishes_said(profile, speaker_labels, numbers, srt_bom, srt_newline, vtt_note)
    converting.convert(result, format_, output, units, language, wishes)


def render(
    names: Names,
    config: Config = CONFIG,
    profile: Profile = None,
    speaker_labels: SpeakerLabels = None,
    max_chars: MaxChars = None,
    max_lines: MaxLines = None,
    min_duration: MinDuration = None,
    max_duration: MaxDuration = None,
    speed: Speed = None,
    gap: Gap = None,
    chain: Chain = None,
    srt_bom: SrtBom = None,
    srt_newline: SrtNewline = None,
    vtt_note: VttNote = None,
) -> None:
    """Make sidecars anew with today's settings, and send nothing.

    They are made from the stored transcript, or the JSON sidecar. What is wanted no more, because names or outputs have
    changed, is removed, unless somebody has edited it. An option holds for this once; the settings say what holds for
    ever.
    """
    from scriptixd.captions.layout import Numbers
    from scriptixd.cli import rendering, wishing

    numbers = Numbers.in_seconds(max_chars, max_lines, min_duration, max_duration, speed, gap, chain)
    wishes = wishing.wishes_said(profile, speaker_labels, numbers, srt_bom, srt_newline, vtt_note)
    raise typer.Exit(rendering.render(config, names, wishes))
