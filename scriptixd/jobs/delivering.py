"""What can happen to a delivery, one source's share of a job, and the one table that says what follows.

Pure. What the table does not list raises Unlisted and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import assert_never

from scriptixd.jobs.events import Postponed, Unlisted
from scriptixd.jobs.job import Delivery, DeliveryState


@dataclass(frozen=True, slots=True)
class Delivered:
    """Every sidecar of this source is on the disk, and was read back.

    `note` says what is worth knowing of them, if anything. `erase_after`: s from now until the service is to
    erase what it has of it, None if it is kept there. `errand`: a command is to be run now.
    """

    note: str = ""
    erase_after: float | None = None
    errand: bool = False


@dataclass(frozen=True, slots=True)
class Unwanted:
    """This source has other content by now, or its file another name: it gets no sidecar of this job."""

    reason: str


@dataclass(frozen=True, slots=True)
class RenderRequested:
    """A person wants the sidecars of this source made anew; `wishes` as Wishes.text has them, for this once."""

    wishes: str


DeliveryEvent = Delivered | Unwanted | Postponed | RenderRequested

DELIVERY_TRANSITIONS: Mapping[DeliveryState, Mapping[type[DeliveryEvent], DeliveryState]] = MappingProxyType(
    {
        DeliveryState.PENDING: {
            Delivered: DeliveryState.DELIVERED,
            Postponed: DeliveryState.PENDING,
            RenderRequested: DeliveryState.PENDING,
            Unwanted: DeliveryState.DROPPED,
        },
        DeliveryState.DELIVERED: {RenderRequested: DeliveryState.PENDING, Unwanted: DeliveryState.DROPPED},
        DeliveryState.DROPPED: {},
    }
)


def advance_delivery(delivery: Delivery, event: DeliveryEvent) -> Delivery:
    """The delivery after the event; raises Unlisted for what the table does not list."""
    target = DELIVERY_TRANSITIONS[delivery.state].get(type(event))
    if target is None:
        raise Unlisted(delivery.state, event)
    match event:
        case Postponed(due_at, reason, hint, failed):
            failures = delivery.failures + failed
            return replace(delivery, state=target, due_at=due_at, failures=failures, reason=reason, hint=hint)
        case Unwanted(reason):
            return replace(delivery, state=target, due_at=0.0, failures=0, reason=reason, hint="")
        case Delivered(note):
            return replace(delivery, state=target, due_at=0.0, failures=0, reason=note, hint="", wishes=None)
        case RenderRequested(wishes):
            return replace(delivery, state=target, due_at=0.0, failures=0, reason="", hint="", wishes=wishes)
        case _:
            assert_never(event)
