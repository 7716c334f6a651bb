"""Secrets that stand in a configuration which everybody can read: passwords in addresses, what webhooks carry.

The key warns wherever it stands by itself (key.py). Never shows a secret.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from scriptixd.config.document import Location, Scalar, Value
from scriptixd.config.findings import Findings


def warn_if_open(root: Mapping[str, Value], path: Path, findings: Findings) -> None:
    """One warning for each list of addresses and each webhook that holds any."""
    if not path.stat().st_mode & stat.S_IROTH:
        return
    for place, what in _secrets(root):
        findings.warn(
            place,
            f"{what} stands in the configuration, which everybody can read: use ${{VARIABLE}}, or chmod 0640 {path}",
        )


def _secrets(root: Mapping[str, Value]) -> Iterator[tuple[Location, str]]:
    notify = root.get("notify")
    urls = notify.get("urls") if isinstance(notify, dict) else None
    if isinstance(urls, list) and any(map(_is_literal, urls)):
        yield ("notify", "urls"), "an address itself"
    for place, headers in _headers(root, ()):
        if any(map(_is_literal, headers.values())):
            yield place, "what a header holds"


def _headers(value: Value | Mapping[str, Value], place: Location) -> Iterator[tuple[Location, dict[str, Value]]]:
    """The headers of every webhook, of folders, their rules and their defaults."""
    if isinstance(value, Mapping):
        headers = value.get("headers") if place[-2:] == ("scriptix", "webhook") else None
        if isinstance(headers, dict):
            yield (*place, "headers"), headers
        for name, item in value.items():
            yield from _headers(item, (*place, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _headers(item, (*place, index))


def _is_literal(value: Value) -> bool:
    return isinstance(value, Scalar) and value.literal
