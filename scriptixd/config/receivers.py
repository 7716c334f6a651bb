"""Who is told without asking: checks what one address alone does not tell, and never shows one.

Whether apprise can use an address is not looked at here: loading it takes longer than most verbs do.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final

from scriptixd.config.findings import Findings
from scriptixd.config.model import NotifyBlock
from scriptixd.config.settings import Notify
from scriptixd.errors import to_install

EXTRA: Final = "notify"


def notify_of(block: NotifyBlock | None, findings: Findings) -> Notify | None:
    """Whom to tell of what; None if nobody is, or after noting a problem."""
    if block is None:
        return None
    if find_spec("apprise") is None:
        findings.add(("notify",), f"needs a library that is not installed: {to_install(EXTRA)}")
        return None
    if not block.urls:
        findings.add_missing(("notify", "urls"), "is required: a list of addresses, as ['mailtos://…', 'ntfys://…']")
    if len(set(block.urls)) < len(block.urls):
        findings.add(("notify", "urls"), "names an address twice")
    if not block.on:
        findings.add(("notify", "on"), "must name at least one topic; without 'notify' nobody is told anything")
    return Notify(block.urls, frozenset(block.on), block.names)
