"""A YAML file as plain values that still know their line: mappings, lists, `Scalar`s and None.

Owns what YAML itself can get wrong: syntax, a name set twice, variables that are not set, aliases that
grow without bound. Scalars keep their text (`no` is a language, too); what a setting means is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import yaml

MAX_BYTES = 2**20  # of the file: a thousand folders with every setting stay well below
MAX_DEPTH = 40  # levels of nesting; a file that refers to itself ends here
BUDGET = 20_000_000  # characters after aliases and variables; a few lines of aliases can ask for billions
VALUE_COST = 200  # characters: what a value costs besides its text, about its share of memory

_YAML = "tag:yaml.org,2002:"
_MERGE = _YAML + "merge"
_SCALARS = {_YAML + name for name in ("str", "int", "float", "bool", "timestamp", "merge", "value")}
_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")

Location = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value as it is written: `source` before and `text` after its variables were filled in."""

    text: str = field(repr=False)  # may be a secret
    source: str = field(repr=False)
    tag: str  # what YAML takes it for: str, int, float, bool, timestamp

    @property
    def literal(self) -> bool:
        """Whether it stands in the file itself, instead of in a variable."""
        return self.text == self.source


Value = Scalar | None | list["Value"] | dict[str, "Value"]


@dataclass(frozen=True, slots=True)
class Problem:
    """A sentence's end about one place in the file."""

    line: int
    location: Location
    sentence: str


@dataclass(frozen=True, slots=True)
class Document:
    """What the file says; what could not be read is in `problems` and in `lines`, but not in `root`."""

    root: dict[str, Value]
    lines: Mapping[Location, int]
    problems: tuple[Problem, ...]


def parse(content: bytes, environment: Mapping[str, str]) -> Document:
    """Read a whole file; never raises for what is in it."""
    try:
        node = _compose(content)
        reader = _Reader(environment)
        root = reader.top(node)
    except _Unreadable as error:
        return Document({}, {(): error.line}, (Problem(error.line, (), error.sentence),))
    return Document(root, reader.lines, tuple(reader.problems))


class _Unreadable(Exception):
    def __init__(self, line: int, sentence: str) -> None:
        super().__init__(sentence)
        self.line = line
        self.sentence = sentence


class _NoValue(Exception):
    """There is nothing to use at a place; it has been complained about."""


class _Loader(yaml.SafeLoader):
    """PyYAML's own in Python: it composes by recursion, which must end before the stack does."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Unreadable(self.line + 1, f"is nested more than {MAX_DEPTH} levels deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _compose(content: bytes) -> yaml.Node:
    if len(content) > MAX_BYTES:
        raise _Unreadable(1, f"the file is larger than {MAX_BYTES // 2**20} MiB; is it the configuration?")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unreadable(content.count(b"\n", 0, error.start) + 1, "is not UTF-8 text") from error
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _Unreadable(line, f"has a character that YAML does not allow (U+{error.character:04X})") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or "cannot be read"
        hint = ""
        if r"'\t'" in problem:
            hint = " (indent with spaces, never with tabs)"
        elif "'{'" in problem:
            hint = " (a value with ${…} needs quotes inside [ ] and { })"
        raise _Unreadable(mark.line + 1 if mark else 1, f"is not valid YAML: {problem}{hint}") from error
    if node is None:
        raise _Unreadable(1, "the file is empty")
    return node


class _Reader:
    """Turns nodes into values; remembers the line of every one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self.lines: dict[Location, int] = {}
        self.problems: list[Problem] = []
        self.left = BUDGET
        self.resolver = yaml.resolver.Resolver()

    def top(self, node: yaml.Node) -> dict[str, Value]:
        self.lines[()] = node.start_mark.line + 1
        if not isinstance(node, yaml.MappingNode):
            raise _Unreadable(self.lines[()], "the file must be a mapping of settings, as `folders:`")
        return self._mapping(node, ())

    def _complain(self, node: yaml.Node, location: Location, sentence: str) -> None:
        self.problems.append(Problem(node.start_mark.line + 1, location, sentence))

    def _spend(self, node: yaml.Node, location: Location, characters: int) -> None:
        self.left -= VALUE_COST + characters
        if self.left < 0 or len(location) > MAX_DEPTH:
            raise _Unreadable(node.start_mark.line + 1, "its aliases or variables make the file too large to be meant")

    def _value(self, node: yaml.Node, location: Location) -> Value:
        """The value of a node; raises _NoValue."""
        self._spend(node, location, 0)
        if isinstance(node, yaml.MappingNode) and node.tag == _YAML + "map":
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode) and node.tag == _YAML + "seq":
            return self._list(node, location)
        if isinstance(node, yaml.ScalarNode) and node.tag == _YAML + "null":
            return None
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            return self._scalar(node, location)
        self._complain(node, location, f"has a tag that is not supported here: '{node.tag.replace(_YAML, '!!')}'")
        raise _NoValue

    def _list(self, node: yaml.SequenceNode, location: Location) -> list[Value]:
        values: list[Value] = []
        for item in node.value:
            at = (*location, len(values))
            self.lines[at] = item.start_mark.line + 1
            try:
                values.append(self._value(item, at))
            except _NoValue:
                values.append(None)
        return values

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for name, (key, item) in self._pairs(node, location).items():
            at = (*location, name)
            self.lines[at] = key.start_mark.line + 1
            try:
                values[name] = self._value(item, at)
            except _NoValue:
                continue
        return values

    def _pairs(self, node: yaml.MappingNode, location: Location) -> dict[str, tuple[yaml.Node, yaml.Node]]:
        """Names with their nodes; what is merged in by `<<` gives way to what is written here."""
        self._spend(node, location, 0)
        own: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        merges: list[yaml.Node] = []
        for key, item in node.value:
            if key.tag == _MERGE:
                merges += item.value if isinstance(item, yaml.SequenceNode) else [item]
            elif not isinstance(key, yaml.ScalarNode):
                self._complain(key, location, "has a name that is not text")
            elif key.value in own:
                first = own[key.value][0].start_mark.line + 1
                self._complain(key, (*location, key.value), f"is set twice (first on line {first})")
            else:
                own[key.value] = (key, item)
        for merged in merges:
            if isinstance(merged, yaml.MappingNode):
                own = self._pairs(merged, (*location, "<<")) | own
            else:
                self._complain(merged, (*location, "<<"), "must name a mapping, or a list of mappings")
        return own

    def _scalar(self, node: yaml.ScalarNode, location: Location) -> Scalar:
        source: str = node.value
        text = self._filled(node, source, location)
        self._spend(node, location, len(text))
        tag: str = node.tag
        if text != source and node.style is None:
            tag = self.resolver.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        return Scalar(text, source, tag.removeprefix(_YAML))

    def _filled(self, node: yaml.Node, source: str, location: Location) -> str:
        """The text with its `${VARIABLES}`; raises _NoValue."""
        parts, end = [], 0
        for match in _VARIABLE.finditer(source):
            parts.append(source[end : match.start()])
            end = match.end()
            if match[0] == "$${":
                parts.append("${")
            elif match[1] is None:
                self._complain(node, location, "has a '${' that names no variable (write '$${' for the characters)")
                raise _NoValue
            elif match[1] not in self.environment:
                self._complain(node, location, f"the variable {match[1]} is not set in the environment")
                raise _NoValue
            else:
                parts.append(self.environment[match[1]])
        return "".join(parts) + source[end:]
