"""Every verb with its options, its sentence of help and its example; what it does is in the module it calls.

Never imports a room before its verb is called: `--version` and `convert` start in a fifth of a second.
"""
# ruff: noqa: PLC0415 - a verb imports what it needs, when it is called

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from scriptixd import __version__
from scriptixd.cli import completing
from scriptixd.cli.account_verbs import backup, forget, report
from scriptixd.cli.caption_verbs import convert, render
from scriptixd.cli.options import (
    CONFIG,
    Config,
    Failed,
    Folders,
    Json,
    Names,
    Since,
    SomeNames,
    SpokenLanguage,
    Yes,
    named,
)
from scriptixd.cli.output import complain_of
from scriptixd.cli.service_verbs import install, uninstall
from scriptixd.errors import StartError, TargetTrouble, Trouble
from scriptixd.observe.forms import LogFormat  # an enumeration, and nothing else

INTERRUPTED = 130  # what shells report for SIGINT


class Verbs(TyperGroup):
    """The one place where a failure becomes sentences and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Trouble as trouble:
            complain_of(trouble)
            raise typer.Exit(trouble.exit_code if isinstance(trouble, StartError) else 1) from trouble
        except KeyboardInterrupt as interrupt:
            raise typer.Exit(INTERRUPTED) from interrupt
        except BrokenPipeError as closed:  # the reader has had enough, for which typer's exit code is 1
            raise typer.Exit from closed


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Drop a recording into a folder, find its transcript beside it.",
    epilog="Each verb tells more. Example: scriptixd check --help",
)


@cache
def command() -> Any:
    """All verbs, put together once: that takes longer than most of them do."""
    verbs: Any = typer.main.get_command(app)
    for verb in verbs.commands.values():  # its whole first sentence, which typer would cut off where they are listed
        verb.short_help = " ".join(verb.help.partition("\n\n")[0].split())
    return verbs


def main() -> None:
    """The console script; ends the process."""
    for name in ("stdin", "stdout", "stderr"):  # closed by whoever started us
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: SIM115
    # A terminal of another encoding gets escapes for what it cannot show, never an error.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    completing.get_ready()
    try:
        try:
            command()()
        finally:
            sys.stdout.flush()
    except OSError as error:
        if error.filename is not None:  # no output of ours: a file that some room has not seen to
            raise
        # What is still in the buffer goes nowhere, without another complaint at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):  # the reader has had enough
            sys.exit(0)
        complain_of(TargetTrouble(f"the output cannot be written: {error.strerror}", "make room where it goes"))
        sys.exit(1)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"scriptixd {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: scriptixd run --once -c config.yaml")
def run(
    config: Config = CONFIG,
    once: Annotated[
        bool, typer.Option("--once", help="Work until nothing is left that goes on by itself, then exit.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log every detail.")] = False,
    log_format: Annotated[
        LogFormat, typer.Option("--log-format", help="For people, or for programs: a JSON object a line.")
    ] = LogFormat.TEXT,
) -> None:
    """Watch the folders, and transcribe what appears.

    In the foreground, until Ctrl-C or SIGTERM; it goes on where it was when it is started again.
    """
    from scriptixd.cli import running

    raise typer.Exit(running.run(config, once=once, verbose=verbose, form=log_format))


@app.command(epilog="Example: scriptixd check -c config.yaml")
def check(
    config: Config = CONFIG,
    syntax: Annotated[bool, typer.Option("--syntax", help="Only read the configuration.")] = False,
    canary: Annotated[
        bool, typer.Option("--canary", help="Put a small file into each folder, and tell when it is seen.")
    ] = False,
    notify: Annotated[bool, typer.Option("--notify", help="Send a test message to each address of notify.")] = False,
    here: Annotated[bool, typer.Option("--here", help="Look as who you are, also as root.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Ask Scriptix nothing, and send nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Examine configuration, key, clock, state and every folder.

    Exit code 1 if something is wrong. As root it looks as the service's user, in the confinement of the service's unit.
    """
    from scriptixd.cli import checking

    asked = checking.Asked(syntax=syntax, canary=canary, notify=notify, here=here, offline=offline)
    raise typer.Exit(checking.check(config, asked, as_json=as_json))


@app.command(epilog="Example: scriptixd plan council")
def plan(
    folders: Folders = None,
    config: Config = CONFIG,
    as_json: Json = False,
) -> None:
    """Tell what would be uploaded now, and send nothing.

    Files, bytes and hours of each folder. Exit code 1 if a folder could not be looked at.
    """
    from scriptixd.cli import planning

    raise typer.Exit(planning.plan(config, folders or (), as_json=as_json))


@app.command(epilog="Example: scriptixd status --watch")
def status(
    config: Config = CONFIG,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on showing it, every second anew, until Ctrl-C; needs a terminal.")
    ] = False,
    fail: Annotated[
        bool,
        typer.Option("--fail", help="For monitoring: only what needs a person, and exit code 1 if it does."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Tell how the daemon and every folder are doing.

    With the uploads on their way, and the last problems.
    """
    from scriptixd.cli import asking

    raise typer.Exit(asking.status(config, as_json=as_json, watch=watch, fail=fail))


@app.command("list", epilog="Example: scriptixd list --state failed --folder council")
def list_(
    config: Config = CONFIG,
    state: Annotated[
        str | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="Only files in this state: settling, ignored, missing, found, held, uploading, closing, uploaded, "
            "transcribing, failed, gone, dismissed, delivering or done.",
            autocompletion=completing.states,
        ),
    ] = None,
    folder: Annotated[
        str | None,
        typer.Option(
            "--folder",
            metavar="FOLDER",
            callback=named,
            help="Only one folder, by its name or path.",
            autocompletion=completing.folders,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List every file and its state."""
    from scriptixd.cli import listing

    listing.list_sources(config, state, folder, as_json=as_json)


@app.command(epilog="Example: scriptixd explain /srv/media/council/meeting.mp4")
def explain(
    file: Annotated[
        str, typer.Argument(metavar="FILE", callback=named, help="A path, or a name that only one file has.")
    ],
    config: Config = CONFIG,
    as_json: Json = False,
) -> None:
    """Tell the whole story of one file.

    What happened to it, why, and what comes next; also of one that was never picked up.
    """
    from scriptixd.cli import explaining

    explaining.explain(config, file, as_json=as_json)


@app.command(epilog="Example: scriptixd approve council --since 2026-05-01")
def approve(names: Names, since: Since = None, config: Config = CONFIG, yes: Yes = False) -> None:
    """Let files that wait for a yes be uploaded.

    Of a folder, all that wait; it never asks. A FOLDER that asks something itself, as after its disk was exchanged,
    gets its yes as well, unless --since is given. What `existing: ignore` leaves alone gets a yes by its own name.
    """
    from scriptixd.cli import deciding
    from scriptixd.jobs.store.requests import Verb

    raise typer.Exit(deciding.decide(config, Verb.APPROVE, names, since=since, yes=yes))


@app.command(epilog="Example: scriptixd dismiss council/rehearsal.mp4")
def dismiss(
    names: SomeNames = None, failed: Failed = False, since: Since = None, config: Config = CONFIG, yes: Yes = False
) -> None:
    """Leave files that wait or have failed alone for good.

    Of a folder, all that wait; it never asks. `scriptixd retry FILE` takes it back, of each FILE by its name.
    """
    from scriptixd.cli import deciding
    from scriptixd.jobs.store.requests import Verb

    raise typer.Exit(deciding.decide(config, Verb.DISMISS, names or (), since=since, failed=failed, yes=yes))


@app.command(epilog="Example: scriptixd retry --failed")
def retry(names: SomeNames = None, failed: Failed = False, config: Config = CONFIG, yes: Yes = False) -> None:
    """Try what has failed again, from the furthest safe point.

    Of a folder, all that has failed. Where Scriptix was paid and could not transcribe, trying again pays again: a
    terminal is asked first. Without a terminal, a FILE that is named is tried again, and what a FOLDER or --failed
    brings along needs --yes.
    """
    from scriptixd.cli import deciding
    from scriptixd.jobs.store.requests import Verb

    raise typer.Exit(deciding.decide(config, Verb.RETRY, names or (), failed=failed, yes=yes))


@app.command(epilog="Example: scriptixd redo --language en council/meeting.mp4")
def redo(
    names: Annotated[
        list[str], typer.Argument(metavar="FILE...", callback=named, help="A path, or a name that only one file has.")
    ],
    language: SpokenLanguage = None,
    config: Config = CONFIG,
    yes: Yes = False,
) -> None:
    """Transcribe files again, and pay for them again, on purpose.

    It asks first, and without a terminal needs --yes.
    """
    from scriptixd.cli import deciding
    from scriptixd.jobs.store.requests import Verb

    raise typer.Exit(deciding.decide(config, Verb.REDO, names, language=language, yes=yes))


@app.command(epilog="Example: scriptixd pause council")
def pause(folders: Folders = None, config: Config = CONFIG) -> None:
    """Stop uploading, of all folders or of some.

    What is on its way stops, too, and what Scriptix has is still fetched. It stays so, also over a restart, until:
    scriptixd resume
    """
    from scriptixd.cli import pausing
    from scriptixd.jobs.store.requests import Verb

    pausing.ask(config, Verb.PAUSE, folders or ())


@app.command(epilog="Example: scriptixd resume")
def resume(folders: Folders = None, config: Config = CONFIG) -> None:
    """Go on uploading where it was, after `scriptixd pause`.

    Without a name, whatever is paused.
    """
    from scriptixd.cli import pausing
    from scriptixd.jobs.store.requests import Verb

    pausing.ask(config, Verb.RESUME, folders or ())


app.command(epilog="Example: scriptixd report --month 2026-05 --by rule --csv")(report)
app.command(epilog="Example: scriptixd forget --sidecars council/interview.mp4")(forget)
app.command(epilog="Example: scriptixd backup /root/scriptixd-2026-05-01.db")(backup)


app.command(epilog="Example: scriptixd convert result.json -f srt --language nl -o meeting.srt")(convert)
app.command(epilog="Example: scriptixd render council --profile bbc")(render)


@app.command(epilog="Example: scriptixd sandbox --port 8089 --dir /tmp/sandbox")
def sandbox(
    port: Annotated[
        int, typer.Option("--port", metavar="PORT", min=0, max=65535, help="Where it answers; 0 is any free one.")
    ] = 8089,
    directory: Annotated[
        str | None, typer.Option("--dir", metavar="DIR", help="Where it keeps its files, instead of for this run only.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="The only key it accepts, instead of any.")
    ] = None,
) -> None:
    """Serve a Scriptix-compatible service on this machine.

    To try things out, without paying; it understands English.
    """
    from scriptixd.cli import sandboxing

    sandboxing.sandbox(port, directory, key)


@app.command(epilog="Example: scriptixd demo")
def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Go on watching afterwards, for recordings of your own, until Ctrl-C.")
    ] = False,
) -> None:
    """Show the whole thing on a spoken sample.

    In a temporary folder, which is left for you to look at; it needs no key and no network.
    """
    from scriptixd.cli import demonstrating

    raise typer.Exit(demonstrating.demo(keep=keep))


app.command(epilog="Example: sudo scriptixd install --apply --folder /srv/media/council --language nl --key-file -")(
    install
)
app.command(epilog="Example: sudo scriptixd uninstall --apply")(uninstall)


@app.command(epilog="Example: scriptixd completion bash")
def completion(
    shell: Annotated[completing.Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> None:
    """Print what makes bash, zsh or fish complete what is typed.

    Verbs, options and what they take, the folders of the configuration, and files. The shells of everybody look for it
    in /etc/bash_completion.d/scriptixd, /usr/local/share/zsh/site-functions/_scriptixd and
    /etc/fish/completions/scriptixd.fish; for this shell alone: source <(scriptixd completion bash)
    """
    print(completing.script_of(shell), end="")
