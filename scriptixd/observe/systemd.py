"""What the daemon tells systemd: READY, STATUS, WATCHDOG, STOPPING (sd_notify(3)). Silent where nobody listens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sdnotify import SystemdNotifier

from scriptixd.roots.paths import shown

PATIENCE: Final = 1.0  # s for whoever reads the socket: nothing here is worth waiting for


class Systemd:
    """The notification socket, as the environment names it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        # Without a socket to talk to, sdnotify would leave one open.
        self._notifier = SystemdNotifier() if "NOTIFY_SOCKET" in environment else None
        self._status = ""
        if (socket := getattr(self._notifier, "socket", None)) is not None:
            socket.settimeout(PATIENCE)
        self.watchdog_interval = _watchdog_interval(environment)

    def ready(self, status: str) -> None:
        self._status = status
        self._tell("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """Only what is new is said."""
        if status != self._status:
            self._status = status
            self._tell(f"STATUS={status}")

    def reloading(self, boot_us: int) -> None:
        """Since this moment of CLOCK_MONOTONIC, in microseconds; `ready` ends it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={boot_us}")

    def alive(self) -> None:
        self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        self._tell("STOPPING=1", "STATUS=stopping")

    def close(self) -> None:
        socket = getattr(self._notifier, "socket", None)
        if socket is not None:
            socket.close()

    def _tell(self, *lines: str) -> None:
        if self._notifier is not None:
            self._notifier.notify("\n".join(map(shown, lines)))


def _watchdog_interval(environment: Mapping[str, str]) -> float | None:
    """Seconds between two signs of life: half of what systemd waits, as sd_watchdog_enabled(3) asks."""
    try:
        return int(environment["WATCHDOG_USEC"]) / 2_000_000
    except (KeyError, ValueError):
        return None
