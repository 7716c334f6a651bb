"""`install` and `uninstall` with their options: the verbs about scriptixd as a service of this machine."""
# ruff: noqa: PLC0415 - a verb imports what it needs, when it is called

from __future__ import annotations

from typing import Annotated

import typer

from scriptixd.cli.options import named

Instance = Annotated[
    str | None,
    typer.Option("--instance", metavar="NAME", help="One of several: scriptixd@NAME, with a configuration of its own."),
]


def install(
    apply: Annotated[bool, typer.Option("--apply", help="Do it, as root, instead of telling how.")] = False,
    folder: Annotated[
        str | None,
        typer.Option(
            "--folder", metavar="PATH", callback=named, help="The folder to watch, for a first configuration."
        ),
    ] = None,
    language: Annotated[
        str | None, typer.Option("--language", metavar="LANGUAGE", help="What is spoken in it, as nl or en-gb.")
    ] = None,
    document_type: Annotated[
        str,
        typer.Option(
            "--document-type",
            metavar="TYPE",
            help="caption for subtitles, document for a text to read.",
            autocompletion=lambda: ["caption", "document"],
        ),
    ] = "caption",
    key_file: Annotated[
        str | None,
        typer.Option(
            "--key-file", metavar="FILE|-", help="Where to take the key from: a file, or - to type or paste it."
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", metavar="NAME", help="Whom the service runs as, instead of scriptixd.")
    ] = None,
    instance: Instance = None,
) -> None:
    """Tell how to run as a service under systemd, or do it.

    What it takes is told as commands to paste, and done with --apply. It may be called again, as after an upgrade or
    for a new folder: a configuration and a key that are there stay as they are. At its end everything is checked as the
    service sees it; exit code 1 if something is wrong then.
    """
    from scriptixd.cli import installing

    asked = installing.Asked(instance, user, folder, language, document_type, key_file)
    raise typer.Exit(installing.install(asked, apply=apply))


def uninstall(
    apply: Annotated[bool, typer.Option("--apply", help="Stop the service and remove its unit, as root.")] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="The same, and remove state, configuration and key for good; asks first.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    instance: Instance = None,
) -> None:
    """Tell how to end the service, or end it.

    It tells what still holds personal data, and where; with --apply or --purge, the service is ended. Sidecars are
    never removed.
    """
    from scriptixd.cli import uninstalling

    uninstalling.uninstall(instance, apply=apply or purge, purge=purge, yes=yes)
