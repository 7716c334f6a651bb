"""Run by whoever is to be somebody: many verbs, one after the other, each in a process of its own.

On standard input a JSON array of arguments for each; on standard output an array of exit code, output and errors.
"""

from __future__ import annotations

import io
import json
import os
import sys
import tempfile
from typing import Any

from scriptixd.cli import (
    asking,
    backing,
    checking,
    converting,
    deciding,
    explaining,
    forgetting,
    installing,
    listing,
    main,
    pausing,
    planning,
    rendering,
    reporting,
    uninstalling,
)

READY = (  # imported once, for all
    asking, backing, checking, converting, deciding, explaining, forgetting, installing, listing, pausing, planning,
    rendering, reporting, uninstalling,
)  # fmt: skip


def asked(arguments: list[str]) -> tuple[int, str, str]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            _become(arguments, out.fileno(), err.fileno())
        _, status = os.waitpid(child, 0)
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode())
        return os.waitstatus_to_exitcode(status), said[0], said[1]


def _become(arguments: list[str], out: int, err: int) -> None:
    """The console script, in this process; never returns."""
    code: Any = 70
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in ((0, "r"), (1, "w"), (2, "w")))
        sys.argv = ["scriptixd", *arguments]
        main()
        code = 0
    except SystemExit as end:
        code = end.code
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    print(json.dumps([asked(arguments) for arguments in json.load(sys.stdin)]))
