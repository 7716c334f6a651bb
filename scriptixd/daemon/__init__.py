"""The composition root: builds the rooms, starts and supervises their loops, stops them."""

from __future__ import annotations

from scriptixd.daemon.daemon import Daemon, Snapshot

__all__ = ["Daemon", "Snapshot"]
