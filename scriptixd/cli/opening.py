"""The whole state file for verbs that ask more of it than how things stand. Creates nothing, and writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from scriptixd.config.settings import Settings
from scriptixd.jobs.store.database import open_for_reading
from scriptixd.jobs.store.tables import Store


@contextmanager
def reading(settings: Settings) -> Iterator[Store]:
    """The state for looking only; raises StateError where there is none."""
    store = Store(open_for_reading(settings.state))
    try:
        yield store
    finally:
        store.close()
