"""`report`, `forget` and `backup` with their options: the verbs about what is remembered, and what it has cost."""
# ruff: noqa: PLC0415 - a verb imports what it needs, when it is called

from __future__ import annotations

from typing import Annotated

import typer

from scriptixd.cli.options import CONFIG, Config, Json, Names, Yes, named


def report(
    month: Annotated[
        str | None, typer.Option("--month", metavar="YYYY-MM", help="One month, instead of the last twelve.")
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            metavar="folder|rule",
            help="By what it is summed up: folder, or rule.",
            autocompletion=lambda: ["folder", "rule"],
        ),
    ] = "folder",
    config: Config = CONFIG,
    as_csv: Annotated[bool, typer.Option("--csv", help="For spreadsheets: comma-separated, hours as numbers.")] = False,
    as_json: Json = False,
) -> None:
    """Tell what was paid, month by month.

    Jobs, hours of media, failures, and how much was known already and cost nothing. The folder is the one that was
    charged; the rule is the one that matches the file today. A length that nobody told is counted as unknown, and never
    guessed.
    """
    from scriptixd.cli import reporting

    reporting.report(config, month, by, as_csv=as_csv, as_json=as_json)


def forget(
    names: Names,
    sidecars: Annotated[
        bool, typer.Option("--sidecars", help="Remove our sidecars, too, but none that somebody has edited.")
    ] = False,
    config: Config = CONFIG,
    yes: Yes = False,
) -> None:
    """Erase what is known of files for good, here and at Scriptix.

    Transcript, names and story; of a folder, of all that is known of it. It asks first, and without a terminal needs
    --yes. Remove the recordings before: one that lies there still is left alone from then on, without a name, for as
    long as it stays as it is. What was paid for is not paid for again by itself. What is out of reach, as copies of the
    state file, is listed at the end.
    """
    from scriptixd.cli import forgetting

    raise typer.Exit(forgetting.forget(config, names, sidecars=sidecars, yes=yes))


def backup(
    file: Annotated[
        str, typer.Argument(metavar="FILE", callback=named, help="Where the copy goes; never over another file.")
    ],
    config: Config = CONFIG,
) -> None:
    """Copy the state file, also while the daemon runs.

    The copy is the state of one moment, is checked, and can be read by nobody but you.
    """
    from scriptixd.cli import backing

    backing.backup(config, file)
