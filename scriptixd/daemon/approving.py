"""What a folder that asks needs of a person: what to look at before the yes, and the yes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from scriptixd.jobs.source import Question, QuestionKind
from scriptixd.roots.paths import typed
from scriptixd.watch.ground import NOT_ITS_DISK, OUT_OF_USE, WAS_EMPTIED

# What a yes would be wrong without.
_BEFORE_YES: Final[Mapping[QuestionKind, str]] = {
    QuestionKind.DISK: NOT_ITS_DISK,
    QuestionKind.EMPTY: WAS_EMPTIED,
    QuestionKind.CLAIM: OUT_OF_USE,
}


def way_on(folder: str, question: Question) -> str:
    """Both, for the question of the folder of this name."""
    return _BEFORE_YES[question.kind] + yes(folder)


def yes(folder: str) -> str:
    """The verb that says it."""
    return f"scriptixd approve {typed(folder)}"
