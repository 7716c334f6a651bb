"""The first configuration of a machine, as few lines as it takes: a key, a state file, one folder.

Pure but for a look by the very loader that the service has; what is there already is never its concern.
"""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scriptixd.cli.units import Instance
from scriptixd.config.load import load
from scriptixd.config.model import FolderBlock
from scriptixd.errors import ConfigurationError, StartError

_PLAIN: Final = re.compile(r"[A-Za-z0-9/][A-Za-z0-9/._-]*")  # what YAML takes for text without quotes, too
# What a newcomer is better off with than the defaults, as far as it exists.
_ON: Final = {"problem_note": "true    # say beside a recording why it has no transcript"}


@dataclass(frozen=True, slots=True)
class First:
    """The folder to begin with."""

    path: str
    language: str
    document_type: str


EXAMPLE: Final = First("/srv/media/council", "nl", "caption")


def first_configuration(instance: Instance, first: First) -> str:
    """The text; raises StartError for what the loader would refuse."""
    further = "".join(f"    {name}: {value}\n" for name, value in _ON.items() if name in FolderBlock.model_fields)
    text = f"""# scriptixd: what is watched, and what is asked for. The README tells of every setting. After a change:
# systemctl reload {instance.unit.removesuffix(".service")}
api:
  key_file: {instance.key}
state: {instance.state}
folders:
  - path: {_scalar(first.path)}
    language: {_scalar(first.language)}
    document_type: {_scalar(first.document_type)}
{further}"""
    _refuse_wrong(text)
    return text


def _scalar(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else json.dumps(text.replace("${", "$${"))


def _refuse_wrong(text: str) -> None:
    with tempfile.TemporaryDirectory(prefix="scriptixd-") as directory:
        path = Path(directory, "config.yaml")
        path.write_text(text, encoding="utf-8")
        try:
            load(path, {}, with_key=False)
        except ConfigurationError as error:
            wrong = "; ".join(problem.removeprefix(f"{path}:").partition(": ")[2] for problem in error.problems)
            hint = "as in --folder /srv/media/council --language nl --document-type caption"
            raise StartError(f"no configuration can be made of that: {wrong}", hint) from error
