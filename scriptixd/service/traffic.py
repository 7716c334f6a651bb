"""What has passed between us and the service since the process began: counted to be shown, never decided by."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Final

NO_ANSWER: Final = "none"  # the outcome of a request whose reply did not come, or not whole


class Traffic:
    """Safe for threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._sent = 0

    def asked(self, method: str, outcome: str) -> None:
        """A request was made; `outcome` is the status of its reply, or NO_ANSWER."""
        with self._guard:
            self._requests[method, outcome] += 1

    def sent(self, count: int) -> None:
        """So many bytes of a file are on their way."""
        with self._guard:
            self._sent += count

    def requests(self) -> Mapping[tuple[str, str], int]:
        """How many, by method and outcome."""
        with self._guard:
            return dict(self._requests)

    def bytes_sent(self) -> int:
        """Of files; what had to be sent again counts again."""
        with self._guard:
            return self._sent
