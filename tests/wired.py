"""A world of jobs whose service is a real one: the real client, over a network that fails as it is told to."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from fakes import START, World
from faulty_network import FaultyNetwork

from scriptixd.service.access import Access
from scriptixd.service.client import Scriptix

TIMEOUT: Final = 1.0  # s of real time, for what never answers; a busy machine must not seem to be that
BACK_AFTER: Final = 20.0  # s of injected time, after which somebody listens again


class Wired(World):
    """Only time is injected: what waits costs nothing, but for what never answers."""

    def __init__(self, base: Path, network: FaultyNetwork, chunk_size: int, timeout: float = TIMEOUT) -> None:
        self.network = network
        self.now = START
        self.listened = START.boot  # when somebody listened last
        access = Access(network.url, "a-key", timeout_s=timeout, requests_per_minute=100_000)
        self.client = Scriptix(access, lambda: self.now)
        super().__init__(base, chunk_size=chunk_size, service=self.client)  # type: ignore[arg-type]

    def pass_time(self, seconds: float) -> None:
        super().pass_time(seconds)
        if self.now.boot - self.listened >= BACK_AFTER:
            self.listened = self.now.boot
            self.network.listen()

    def close(self) -> None:
        super().close()
        self.client.close()
