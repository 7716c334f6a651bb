"""Where the service is and how we prove who we are; the only place that builds its addresses.

Every address starts with the configured one: no scheme, host or path that a reply names is ever used.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote, unquote, urlsplit

from scriptixd.errors import ConfigurationError

MAX_SEGMENT = 512  # characters: ids are 26 to 40, and what is longer is no id
_PORTS = {"http": 80, "https": 443}


class AuthHeader(StrEnum):
    """How the key travels; the documentation names both, one at a time."""

    SCRIPTIX = "x-zoom-s2t-key"
    BEARER = "bearer"


@dataclass(frozen=True, slots=True)
class Access:
    """The configured service. `timeout_s` is for each wait: to connect, for the next byte out, for the next byte in."""

    url: str
    key: str = field(repr=False)
    auth: AuthHeader = AuthHeader.SCRIPTIX
    timeout_s: float = 60.0
    requests_per_minute: int = 60
    requests_per_hour: int | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)  # of webhooks: a reply may repeat them, no sentence may

    def __post_init__(self) -> None:
        problems = [*_url_problems(self.url), *_key_problems(self.key)]
        if problems:
            raise ConfigurationError(problems)

    @property
    def origin(self) -> str:
        """Scheme and host (and port, where it is not the scheme's own), as `https://api.scriptix.io`."""
        parts = urlsplit(self.url)
        host = (parts.hostname or "").lower()
        host = f"[{host}]" if ":" in host else host
        port = "" if parts.port in (None, _PORTS[parts.scheme.lower()]) else f":{parts.port}"
        return f"{parts.scheme.lower()}://{host}{port}"

    @property
    def key_fingerprint(self) -> str:
        """The first 8 hex digits of the key's SHA-256."""
        return hashlib.sha256(self.key.encode("ascii")).hexdigest()[:8]

    @property
    def unspeakable(self) -> tuple[str, ...]:
        """What no sentence may hold, though a reply may."""
        return (self.key, *self.secrets)

    @property
    def header(self) -> tuple[str, str]:
        """The one header that carries the key."""
        match self.auth:
            case AuthHeader.SCRIPTIX:
                return self.auth.value, self.key
            case AuthHeader.BEARER:
                return "Authorization", f"Bearer {self.key}"

    @property
    def files(self) -> str:
        """Where uploads are opened: with the slash, for a redirect would turn POST into GET."""
        return f"{self.url.rstrip('/')}/files/"

    def file(self, file_id: str) -> str:
        """One upload. Its id goes back as it came, so what is quoted in it stays so."""
        return self.files + quote(file_id, safe="%!$&'()*+,;=:@~")

    def sessions(self, offset: int, limit: int) -> str:
        """A part of the list of sessions."""
        return f"{self.url.rstrip('/')}/speech-to-text/session?limit={limit}&offset={offset}"

    def session(self, session_id: str) -> str:
        """One session."""
        return f"{self.url.rstrip('/')}/speech-to-text/session/{quote(session_id, safe='')}"

    def result(self, session_id: str) -> str:
        """A session's transcript."""
        return f"{self.session(session_id)}/result"


def is_segment(text: str) -> bool:
    """Whether a name from a reply can be one segment of a path, and nothing but one."""
    plain = unquote(text)
    return 0 < len(text) <= MAX_SEGMENT and text.isprintable() and plain not in (".", "..") and "/" not in text


def _url_problems(url: str) -> list[str]:
    try:
        parts = urlsplit(url)
        usable = parts.scheme.lower() in _PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, brackets that do not close
        usable = False
    if not usable:
        return ["api.url is no address as https://api.scriptix.io/api/v3"]
    if parts.username or parts.password or parts.query or parts.fragment:
        return ["api.url holds more than scheme, host and path"]
    return []


def _key_problems(key: str) -> list[str]:
    # Checked here, because http.client and requests quote a bad header's value in their errors.
    if key and all("!" <= character <= "~" for character in key):
        return []
    return ["the API key is empty or holds characters that no header can carry"]
