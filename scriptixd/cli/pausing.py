"""`pause` and `resume`: handed, like every decision of a person, to whoever has the state file."""

from __future__ import annotations

from collections.abc import Sequence

from scriptixd.cli.deciding import Decision, complain_if_alone, hand_over
from scriptixd.cli.finding import folders_named
from scriptixd.cli.installation import settings_in
from scriptixd.cli.opening import reading
from scriptixd.cli.output import say
from scriptixd.jobs.bounds import ALL
from scriptixd.jobs.store.requests import Verb


def ask(config: str, verb: Verb, names: Sequence[str]) -> None:
    """Stop or start the uploads of these folders, of all if none is named; print what came of each."""
    settings = settings_in(config)
    folders = [folder.name for folder in folders_named(settings, names)] if names else [ALL]
    with reading(settings):
        pass  # where there is no state file yet, it is made by the service's user, and never by us
    for folder, outcome in zip(folders, hand_over(settings, Decision(verb, {}, folders)), strict=True):
        whom = f"folder {folder}" if folder else "all folders"
        say(f"{whom}: {outcome or 'it is written down, and the daemon does it as soon as it can'}")
    if verb is Verb.RESUME:
        complain_if_alone(settings)
