"""Where we listen ourselves, and what who asks has to carry, as people write it. Pure; errors are ends of sentences."""

from __future__ import annotations

import ipaddress
from typing import Final

from scriptixd.config.document import Scalar, Value
from scriptixd.config.settings import Secret
from scriptixd.config.values import key, line_of_text

HIGHEST_PORT: Final = 65535
_HOW: Final = "must be an IP address and a port, such as 127.0.0.1:9464 or '[::1]:9464'"


def listen(value: Value) -> tuple[str, int]:
    """An IP address and a port; `localhost` is 127.0.0.1, and an IPv6 address stands in brackets."""
    host, _, port = line_of_text(value).rpartition(":")
    is_bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
        number = int(port) if port.isascii() and port.isdigit() else 0
    except ValueError as error:
        raise ValueError(_HOW) from error
    if is_bracketed != (address.version == 6) or not 1 <= number <= HIGHEST_PORT:
        raise ValueError(_HOW)
    return str(address), number


def token(value: Value) -> Secret:
    """A token that can travel in a header."""
    if not isinstance(value, Scalar):
        raise ValueError("must be text")
    return Secret(key(value.text, "token"))


def address_or_block(value: Value) -> Value:
    """An address alone stands for a block with nothing else in it."""
    if not isinstance(value, Scalar):
        return value
    listen(value)
    return {"listen": value}
