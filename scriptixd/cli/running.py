"""`run`: the daemon in the foreground, with a progress display where `--once` meets a terminal.

Never decides when to stop: the daemon knows.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

from scriptixd.cli.installation import settings_in
from scriptixd.cli.opening import reading
from scriptixd.config.settings import Settings
from scriptixd.daemon.daemon import Daemon, Snapshot
from scriptixd.observe import log
from scriptixd.observe.forms import LogFormat
from scriptixd.observe.standing import GROUPS, by_state
from scriptixd.roots.paths import name_of


def run(config: str, *, once: bool, verbose: bool, form: LogFormat) -> int:
    """Raises StartError (ConfigurationError, StateError, StateHeld) if nothing could be started."""
    settings = settings_in(config, with_key=True)
    daemon = Daemon(settings, os.environ)
    if once and sys.stderr.isatty():
        return _with_progress(daemon, settings, verbose=verbose, form=form)
    log.start(os.environ, verbose=verbose, form=form, names=settings.names_in_logs)
    return daemon.run(once=once)


def _with_progress(daemon: Daemon, settings: Settings, *, verbose: bool, form: LogFormat) -> int:
    from scriptixd.cli.progress import UploadBars  # noqa: PLC0415 - without a terminal there is no need for it

    bars = UploadBars(lambda: _names(settings))

    def show(snapshot: Snapshot) -> None:
        bars.show(_counts(snapshot.counts), {upload.job_id: upload for upload in snapshot.live.uploads})

    with bars.shown():
        # Now, so that it writes where the display wants it.
        log.start(os.environ, verbose=verbose, form=form, names=settings.names_in_logs)
        return daemon.run(once=True, show=show)


def _names(settings: Settings) -> Mapping[int, str]:
    with reading(settings) as store:
        found = [view for state in GROUPS["uploading"] for view in store.views.sources(state=state)]
    return {view.job_id: name_of(view.path) for view in found if view.job_id is not None}


def _counts(counts: Mapping[tuple[str, str], int]) -> str:
    states = by_state(counts)
    return ", ".join(f"{name} {sum(states.get(state, 0) for state in of)}" for name, of in GROUPS.items())
