"""The commands that follow a delivery, as `explain` and `check` tell of them. Decides nothing, and runs none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from scriptixd.cli.output import iso, moment
from scriptixd.config.settings import Folder
from scriptixd.jobs.store.errands import Errand, Unrun
from scriptixd.roots.paths import shown


def sentence(errand: Errand, now: float) -> str:
    """What becomes of one errand, and when."""
    if errand.reason:
        again = f"; tried again at {moment(errand.due_at, now)}" if errand.due_at > now else ""
        return f"the command after it has failed {errand.failures} time(s): {errand.reason}{again}"
    return "the command after it is run next"


def record(errand: Errand) -> dict[str, object]:
    """The same for programs."""
    return {"due_at": iso(errand.due_at), "attempts": errand.failures, "error": errand.reason or None}


def sum_record(unrun: Unrun) -> dict[str, object]:
    """All of them."""
    return {
        "planned": unrun.planned,
        "failing": unrun.failing,
        "file": unrun.place or None,
        "error": unrun.reason or None,
    }


def missing_programs(folder: Folder) -> Iterator[tuple[str, str]]:
    """The programs that a folder and its rules name, and that cannot be run by us; each with what to do."""
    commands = (folder.after_done, *(rule.after_done for rule in folder.rules))
    for program in dict.fromkeys(one.command[0] for one in commands if one is not None):
        if shutil.which(program) is None:
            mend = f"chmod +x {program}, or name another" if "/" in program else "name it by its absolute path"
            yield shown(program), shown(mend)
