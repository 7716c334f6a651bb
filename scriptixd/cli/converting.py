"""`convert`: a result file, or the JSON beside a recording, to captions or a document.

Must never need a configuration, a state file or a network, and imports only what captions need.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from scriptixd.captions.formats import FORMATS
from scriptixd.captions.manner import Manner, Units
from scriptixd.captions.result import read_result
from scriptixd.captions.wishes import Wishes
from scriptixd.captions.writing import Spoken, formatted
from scriptixd.cli.output import complain
from scriptixd.cli.wishing import one_of
from scriptixd.errors import FileTrouble, StartError, TargetTrouble

STANDARD_OUTPUT: Final = "-"  # as --output, as everywhere
KEY: Final = b'"scriptixd"'  # under which a JSON beside a recording says what it was made from


def convert(
    result: str, format_name: str, output: str | None, units: str, language: str | None, wishes: Wishes
) -> None:
    """Write what a result says in a format; where there is nothing to write, a sentence tells so.

    No language: the one that the result names, if it does.
    """
    chosen = FORMATS.get(format_name)
    if chosen is None:
        raise StartError(f"there is no format '{format_name}'", f"formats are: {', '.join(FORMATS)}")
    if chosen.lacking:
        raise StartError(f"the format '{format_name}' needs a library that is not installed", chosen.lacking)
    unit = one_of("unit", units, Units)
    try:
        payload = Path(result).read_bytes()
    except OSError as error:
        raise StartError(f"{result} cannot be read: {error.strerror}", "name a result file") from error
    try:
        transcript = read_result(payload, unit)
    except FileTrouble as trouble:
        raise FileTrouble(f"{result}: {trouble.what}", trouble.hint) from trouble
    manner = _manner(wishes, _language_of(payload) if language is None else language)
    written = formatted(format_name, Spoken(transcript, Path(result).stem, manner.style), manner.writing)
    if written is None:
        complain(f"{result}: there is no speech in it, so nothing was written")
        return
    if output in (None, STANDARD_OUTPUT):
        if b"\0" in written and sys.stdout.isatty():
            raise StartError(f"{format_name} is nothing that a terminal could show", "name a file with -o")
        sys.stdout.buffer.write(written)
        sys.stdout.buffer.flush()
        return
    try:
        _write(Path(output), written)
    except FileExistsError as error:
        raise TargetTrouble(f"{output} is there already", "move it away, or name another file with -o") from error
    except OSError as error:
        raise TargetTrouble(f"{output} cannot be written: {error.strerror}", "name another file with -o") from error


def _write(path: Path, written: bytes) -> None:
    """All of it or no file; OSError."""
    with path.open("xb") as file:
        try:
            file.write(written)
            file.flush()
        except OSError:
            path.unlink()
            raise


def _manner(wishes: Wishes, language: str) -> Manner:
    try:
        return wishes.over(Manner().of(language))
    except ValueError as error:
        raise StartError(f"these captions cannot be made: {error}", "see scriptixd convert -h") from error


def _language_of(payload: bytes) -> str:
    """The language that a JSON beside a recording names; empty for a bare result."""
    if KEY not in payload:  # a long result is not read twice for nothing
        return ""
    found = json.loads(payload)  # it was read as a result before
    about = found.get("scriptixd") if isinstance(found, dict) else None
    request = about.get("request") if isinstance(about, dict) else None
    named = request.get("language") if isinstance(request, dict) else None
    return named if isinstance(named, str) else ""
