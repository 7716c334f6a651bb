"""`convert`: a result file to captions.

Must never need a configuration, a state file or a network, and imports only what captions need.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scriptixd.captions import FORMATS, Units, cues, read_result
from scriptixd.cli.output import complain
from scriptixd.errors import FileTrouble, StartError, TargetTrouble


def convert(result: str, format_name: str, output: str | None, units: str) -> None:
    """Write the captions of a result; where nothing was said, nothing is written, and a sentence tells so."""
    chosen = FORMATS.get(format_name)
    if chosen is None:
        raise StartError(f"there is no format '{format_name}'", f"formats are: {', '.join(FORMATS)}")
    if units not in set(Units):
        raise StartError(f"there is no unit '{units}'", f"units are: {', '.join(Units)}")
    try:
        payload = Path(result).read_bytes()
    except OSError as error:
        raise StartError(f"{result} cannot be read: {error.strerror}", "name a result file") from error
    try:
        found = cues(read_result(payload, Units(units)))
    except FileTrouble as trouble:
        raise FileTrouble(f"{result}: {trouble.what}", trouble.hint) from trouble
    if not found:
        complain(f"{result}: there is no speech in it, so nothing was written")
        return
    captions = chosen.render(found).encode("utf-8")
    if output is None:
        sys.stdout.buffer.write(captions)
        sys.stdout.buffer.flush()
        return
    try:
        with Path(output).open("xb") as file:
            file.write(captions)
    except FileExistsError as error:
        raise TargetTrouble(f"{output} is there already", "move it away, or name another file with -o") from error
    except OSError as error:
        raise TargetTrouble(f"{output} cannot be written: {error.strerror}", "name another file with -o") from error
