"""`check`, of the addresses of `notify`: whether they can be used, and with `--notify` whether a message gets there.

Never shows an address.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Final

from scriptixd.config.settings import Notify
from scriptixd.errors import ReceiverTrouble, Trouble
from scriptixd.observe.courier import Courier, masked
from scriptixd.roots.paths import shown

NOBODY: Final = ReceiverTrouble("nobody is told anything, for there is no notify", "set notify.urls in config.yaml")
TEST: Final = "This is a test that somebody has asked for: scriptixd check --notify"


def receivers(notify: Notify | None, *, test: bool) -> Iterator[tuple[str, Trouble | None, str]]:
    """Each address as it may be shown, with what is wrong with it, or else a sentence."""
    if notify is None:
        if test:
            yield "notify", NOBODY, ""
        return
    courier = Courier()
    for index, url in enumerate(notify.urls):
        shown_as = f"notify.urls[{index}] ({masked(url.reveal())})"
        try:
            if test:
                courier.send(url.reveal(), f"scriptixd on {shown(socket.gethostname())}: a test", TEST)
            else:
                courier.examine(url.reveal())
        except Trouble as trouble:
            yield shown_as, trouble, ""
        else:
            topics = ", ".join(sorted(notify.on))
            done = "a test message was sent" if test else "can be used (check --notify sends a test)"
            yield shown_as, None, f"{done}; it is told of {topics}"
