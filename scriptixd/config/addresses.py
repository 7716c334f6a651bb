"""Addresses that secrets travel to: of the service, of a webhook, and of somebody who is told what happens.

Pure; errors are ValueErrors whose text is the end of a sentence, and never repeats the address.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit


def of_service(content: str) -> str:
    """https, or http to this very machine; without a slash at its end."""
    parts = _parts(content)
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("must begin with https://, since the key travels with every request")
    if "?" in content or "#" in content:
        raise ValueError("must not contain '?' or '#'")
    return parts.geturl().rstrip("/")


def of_webhook(content: str) -> str:
    parts = _parts(content)
    if parts.scheme != "https":
        raise ValueError("must begin with https://, since its headers are secrets")
    return parts.geturl()


def of_receiver(content: str) -> str:
    """As apprise has them: any scheme, and what it takes behind it."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+._-]*://\S+", content.strip()):
        raise ValueError("must be an address that apprise knows, such as mailtos://user:password@example.org")
    return content.strip()


def is_loopback(host: str) -> bool:
    """Whether it is this very machine, and no other reaches it there."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _parts(content: str) -> SplitResult:
    try:
        parts = urlsplit(content)
        port = parts.port
    except ValueError as error:
        raise ValueError("is not a valid address") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or " " in content:
        raise ValueError("must be an address such as https://api.scriptix.io/api/v3")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or password")
    return parts
