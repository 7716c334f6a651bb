"""What is wrong with a configuration: collects problems and warnings and puts them into words with their lines.

Judges a document by the model and takes out what is wrong, so that the rest can be judged as well.
"""

from __future__ import annotations

import difflib
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from scriptixd.config.document import Location, Problem, Value
from scriptixd.config.model import Block
from scriptixd.errors import ConfigurationError

Model = TypeVar("Model", bound=Block)
CLOSE = 0.75  # of 1, difflib: how alike two names must be for one to be a slip of the other


class Findings:
    """Problems and warnings of one file, at most one problem a place, in the order of lines."""

    def __init__(self, path: Path, lines: Mapping[Location, int], problems: Sequence[Problem] = ()) -> None:
        self._path = path
        self._lines = lines
        self._problems: dict[Location, Problem] = {}
        self._meant: set[Location] = set()
        self._warnings: list[Problem] = []
        self._written: dict[Location, Location] = {}  # where stands what goes by another name
        for problem in problems:
            self._problems.setdefault(problem.location, problem)

    def add(self, location: Location, sentence: str) -> None:
        self._problems.setdefault(location, Problem(self.line(location), location, sentence))

    def add_missing(self, location: Location, sentence: str) -> None:
        """Something that has to be there; silent where it, or what it belongs in, has a problem or a mistaken name."""
        if self.leaves_out(location):
            self.add(location, sentence)

    def leaves_out(self, location: Location) -> bool:
        """Whether nothing stands at this place, not even something wrong."""
        around = any(location[:length] in self._problems for length in range(len(location)))
        return not around and not self.about(location) and location not in self._meant

    def excuse(self, location: Location) -> None:
        """What is wrong at this place or inside it is in nobody's way just now."""
        self._problems = {
            place: problem for place, problem in self._problems.items() if place[: len(location)] != location
        }

    def warn(self, location: Location, sentence: str) -> None:
        self._warnings.append(Problem(self.line(location), location, sentence))

    def about(self, location: Location) -> bool:
        """Whether there is a problem at this place or inside it."""
        return any(place[: len(location)] == location for place in self._problems)

    def call(self, name: Location, written: Location) -> None:
        """What is called by this name stands in the file under another."""
        self._written[name] = written

    def line(self, location: Location) -> int:
        """Where it is, or else the nearest thing around it."""
        for name, written in self._written.items():
            if location[: len(name)] == name:
                location = (*written, *location[len(name) :])
        while location and location not in self._lines:
            location = location[:-1]
        return self._lines[location]

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self._sentence(warning) for warning in sorted(self._warnings, key=_line))

    def raise_if_any(self) -> None:
        """Raises ConfigurationError with every problem."""
        if self._problems:
            problems = sorted(self._problems.values(), key=_line)
            raise ConfigurationError([self._sentence(problem) for problem in problems])

    def _sentence(self, problem: Problem) -> str:
        place = name_of(problem.location)
        return f"{self._path}:{problem.line}: {f'{place}: ' if place else ''}{problem.sentence}"

    def judge(self, model: type[Model], root: dict[str, Value]) -> Model:
        """The document as the model; what is wrong in it is noted and has its default."""
        try:
            return model.model_validate(root)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_input=False)
        for details in wrong:
            location = _place(details)
            self.add(location, self._verdict(model, location, details))
        for details in wrong:
            _take_out(root, _place(details), empty=details["type"] == "model_type")
        return model.model_validate(root)

    def _verdict(self, model: type[Block], location: Location, details: ErrorDetails) -> str:
        match details["type"]:
            case "extra_forbidden":
                return self._unknown(model, location)
            case "value_error":
                return str(details["ctx"]["error"])
            case "model_type" | "dict_type":
                return "must be a mapping, with a name and a value on each line below it"
            case "tuple_type":
                return "must be a list, as [a, b] or with '- ' before each item"
            case _:
                return details["msg"]

    def _unknown(self, model: type[Block], location: Location) -> str:
        """An unknown setting, with what was probably meant."""
        name = str(location[-1])
        block = model_at(model, location[:-1])
        if name in block.elsewhere:
            return block.elsewhere[name]
        around = tuple(part for part in location[:-1] if isinstance(part, str))
        homes = [home for home in blocks(model) if name in model_at(model, home).model_fields]
        near = [home[len(around) :] for home in homes if home[: len(around)] == around]
        above = (location[:length] for length in range(len(location) - 2, -1, -1))
        holder = next((place for place in above if name in model_at(model, place).model_fields), None)
        if holder is not None and not near:
            self._meant.add((*holder, name))
            whose = f"to {name_of(holder)} itself" if holder else "at the top of the file, where 'folders' stands"
            return f"unknown setting (it belongs {whose})"
        close = difflib.get_close_matches(name.lower().replace("-", "_"), block.model_fields, n=1, cutoff=CLOSE)
        if close and not near:
            self._meant.add((*location[:-1], close[0]))
            return f"unknown setting (did you mean '{close[0]}'?)"
        home = min(near or homes, key=len, default=None)
        return f"unknown setting (it belongs under '{name_of(home)}')" if home else "unknown setting"


def name_of(location: Location) -> str:
    """A place as it is written in code: `folders[1].scriptix.webhook`."""
    name = ""
    for part in location:
        if isinstance(part, int):
            name += f"[{part}]"
        else:
            shown = part if part.isprintable() and part else repr(part)
            name += f".{shown}" if name else shown
    return name


def model_at(model: type[Block], location: Location) -> type[Block]:
    """The part of the model that describes a place."""
    for part in location:
        if isinstance(part, str):
            inner = block_in(model.model_fields[part].annotation)
            if inner is None:
                raise KeyError(location)
            model = inner
    return model


def blocks(model: type[Block], around: Location = ()) -> list[Location]:
    """Where the blocks below a model are, lists without their indexes: `folders.scriptix`."""
    found: list[Location] = []
    for name, field in model.model_fields.items():
        block = block_in(field.annotation)
        if block is not None:
            found += [(*around, name), *blocks(block, (*around, name))]
    return found


def block_in(annotation: object) -> type[Block] | None:
    """The block in `Block`, `Block | None` or `tuple[Block, ...]`."""
    for candidate in (annotation, *typing.get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Block):
            return candidate
    return None


def _line(problem: Problem) -> int:
    return problem.line


def _place(details: ErrorDetails) -> Location:
    """Where it is; pydantic marks the name of an entry, as against its value, by a last part of its own."""
    location = details["loc"]
    is_name = location[-1] == "[key]" and details["type"] == "value_error"
    return location[:-1] if is_name else location


def _take_out(root: dict[str, Value], location: Location, *, empty: bool) -> None:
    """Remove what stands at a place; a block that is none at all becomes an empty one."""
    if not empty:
        while isinstance(location[-1], int):
            location = location[:-1]
    holder: Value = root
    for part in location[:-1]:
        holder = holder[part] if isinstance(holder, dict | list) else None  # type: ignore[index]
    if isinstance(holder, list):
        holder[location[-1]] = {}  # type: ignore[index]
    elif isinstance(holder, dict) and empty:
        holder[str(location[-1])] = {}
    elif isinstance(holder, dict):
        holder.pop(str(location[-1]), None)
