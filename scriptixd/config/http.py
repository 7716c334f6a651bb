"""What is served over HTTP, where and to whom; refuses what would let strangers read along.

The library is looked for, and not imported: only the daemon needs it.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from scriptixd.config import key
from scriptixd.config.addresses import is_loopback
from scriptixd.config.document import Document, Location, Scalar
from scriptixd.config.findings import Findings
from scriptixd.config.model import HttpBlock
from scriptixd.config.settings import Http, Secret
from scriptixd.errors import to_install

CREDENTIAL: Final = "http-token"  # its name in LoadCredential=, where the unit has one
LIBRARY: Final = "prometheus_client"
EXTRA: Final = "metrics"

_TOKEN: Final = ("http", "token")
_TOKEN_FILE: Final = ("http", "token_file")


def http(
    block: HttpBlock | None,
    document: Document,
    *,
    with_token: bool,
    near: Path,
    environment: Mapping[str, str],
    findings: Findings,
) -> Http | None:
    """What is to be served; None for nothing, or after noting a problem. The token is read `with_token` alone."""
    if block is None:
        return None
    if find_spec(LIBRARY) is None:
        findings.add(("http",), f"needs a library that is not installed: {to_install(EXTRA)}")
    if block.token is not None and block.token_file is not None:
        findings.add(_TOKEN, "is set besides 'token_file'; give the token in one of them")
        return None
    if block.listen is None:
        findings.add_missing(("http", "listen"), "is required: where to listen, such as 127.0.0.1:9464")
        return None
    host, port = block.listen
    is_set = block.token is not None or block.token_file is not None
    if not is_set and not is_loopback(host) and not findings.about(_TOKEN) and not findings.about(_TOKEN_FILE):
        findings.add(
            _place(document),
            f"{host} is reached by other machines, which would read the names of your files there: "
            "listen on 127.0.0.1, or give a mapping with 'listen' and 'token_file'",
        )
    if block.token is not None and _is_literal(document):
        findings.warn(
            _TOKEN, "the token itself stands in the configuration; safer is a file of mode 0600 in 'token_file'"
        )
    token = _token(block, near, environment, findings) if with_token and is_set else None
    return Http(host, port, token, block.page)


def _token(block: HttpBlock, near: Path, environment: Mapping[str, str], findings: Findings) -> Secret | None:
    if block.token_file is None:
        return block.token
    credential = key.credential_named(CREDENTIAL, environment)
    if credential is not None:  # the service's user cannot read token_file
        key.warn_if_newer(block.token_file, credential, _TOKEN_FILE, near, environment, findings, "token")
        return key.read(credential, _TOKEN_FILE, findings, is_credential=True, what="token")
    return key.read_at(block.token_file, _TOKEN_FILE, near, environment, findings, "token")


def _place(document: Document) -> Location:
    """Where the address stands: in the mapping, or in its place."""
    return ("http", "listen") if ("http", "listen") in document.lines else ("http",)


def _is_literal(document: Document) -> bool:
    written = document.root.get("http")
    token = written.get("token") if isinstance(written, dict) else None
    return isinstance(token, Scalar) and token.literal
