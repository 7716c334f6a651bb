"""Names that settings had before: for one major version they are taken for today's, with a warning.

A block of the model lists them in `formerly`. What is no setting any more is left out, and a name that was never one
stays where it is, for whoever judges the document.
"""

from __future__ import annotations

from scriptixd.config.document import Location, Value
from scriptixd.config.findings import Findings, block_in
from scriptixd.config.model import Block


def renew(model: type[Block], values: dict[str, Value], findings: Findings, around: Location = ()) -> None:
    """Give what stands under a former name its name of today, in a block and in all blocks within it."""
    for former, today in model.formerly.items():
        if former in values:
            _renew(values, former, today, findings, around)
    for name, value in values.items():
        field = model.model_fields.get(name)
        block = None if field is None else block_in(field.annotation)
        if block is None:
            continue
        if isinstance(value, dict):
            renew(block, value, findings, (*around, name))
        for number, item in enumerate(value if isinstance(value, list) else ()):
            if isinstance(item, dict):
                renew(block, item, findings, (*around, name, number))


def _renew(values: dict[str, Value], former: str, today: str | None, findings: Findings, around: Location) -> None:
    place = (*around, former)
    if today is None:
        findings.warn(place, "is no setting any more, and does nothing: take it out")
    elif today in values:
        findings.add(place, f"is set besides '{today}', as it is called now; take one of them out")
    else:
        findings.warn(place, f"is called '{today}' now, and the old name will be refused by the next major version")
        findings.call((*around, today), place)
        values[today] = values[former]
    del values[former]
