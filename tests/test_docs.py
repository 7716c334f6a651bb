"""The documents are true: drawings equal the tables, every verb is told of, every named test exists."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import in_process
import pytest

from scriptixd.captions.layout import Profile, layout_of
from scriptixd.cli.units import Instance, shipped_file
from scriptixd.config.load import load
from scriptixd.config.model import CaptionsBlock
from scriptixd.jobs.delivering import DELIVERY_TRANSITIONS
from scriptixd.jobs.store.views import STATES
from scriptixd.jobs.transitions import TRANSITIONS, Target
from scriptixd.watch.filters import EXTENSIONS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
UNITS = {name: (ROOT / "systemd" / name).read_text() for name in ("scriptixd.service", "scriptixd@.service")}


CHOICES = {
    Target.FURTHEST: ("furthest", ("found", "uploading", "closing", "uploaded", "transcribing")),
    Target.ASKED: ("asked", ("found", "held", "uploading")),
}


def drawing(table: Mapping[StrEnum, Mapping[type, StrEnum]], first: str, ends: tuple[str, ...]) -> str:
    """A table of transitions as Mermaid draws it; an event with several ends leads to a fork."""
    forks = [CHOICES[target] for target in Target if any(target in row.values() for row in table.values())]
    lines = [f"    state {name} <<choice>>" for name, _ in forks]
    lines.append(f"    [*] --> {first}")
    for state, row in table.items():
        arrows: dict[str, list[str]] = {}
        for event, target in row.items():
            to = CHOICES[target][0] if isinstance(target, Target) else str(target)
            arrows.setdefault(to, []).append(event.__name__)
        lines += [f"    {state} --> {to}: {', '.join(events)}" for to, events in arrows.items()]
    lines += [f"    {name} --> {to}" for name, states in forks for to in states]
    lines += [f"    {end} --> [*]" for end in ends]
    return "stateDiagram-v2\n" + "\n".join(lines)


def test_the_drawings_of_the_readme_are_the_tables() -> None:
    drawn = re.findall(r"```mermaid\n(.*?)\n```", README, re.DOTALL)
    assert drawn == [
        drawing(TRANSITIONS, "found", ("ready",)),
        drawing(DELIVERY_TRANSITIONS, "pending", ("delivered", "dropped")),
    ]


def verbs() -> list[str]:
    import typer.main

    from scriptixd.cli import app

    return sorted(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_every_verb_is_in_the_readme_and_no_other() -> None:
    told = set(re.findall(r"^\| `scriptixd (\w+)", README, re.MULTILINE))
    assert told == set(verbs())


def command(verb: str) -> Any:
    import typer.main

    from scriptixd.cli import app

    return typer.main.get_command(app).commands[verb]  # type: ignore[attr-defined]


@pytest.mark.parametrize("verb", verbs())
def test_the_help_of_a_verb_has_an_example_that_the_verb_understands(verb: str) -> None:
    done = in_process.say([verb, "--help"], {})
    assert done.returncode == 0
    told = done.stdout.partition("Example: ")[2]
    words = shlex.split(" ".join(told.split()).removeprefix("sudo "))
    assert words[:2] == ["scriptixd", verb]
    with command(verb).make_context(verb, words[2:]) as understood:  # parses, and runs nothing
        assert understood.params


def test_the_help_of_scriptixd_has_every_verb_in_a_whole_sentence_and_an_example() -> None:
    done = in_process.say(["--help"], {})
    assert done.returncode == 0
    said = dict(re.findall(r"^  (\w+)  +(\S.*)$", done.stdout, re.MULTILINE))
    assert {verb for verb in verbs() if said[verb].endswith(".") and not said[verb].endswith("...")} == set(verbs())
    example = done.stdout.partition("Example: scriptixd ")[2].split()
    assert in_process.say(example, {}).returncode == 0


@pytest.mark.parametrize("verb", verbs())
def test_every_option_of_a_verb_says_what_it_takes_and_in_which_unit(verb: str) -> None:
    for one in command(verb).params:
        assert one.help or one.name == "help", one.name
        takes_a_word = not getattr(one, "is_flag", False) and one.type.name in ("text", "integer", "float", "str")
        assert one.metavar or not takes_a_word, one.name
        assert one.metavar != "S" or "seconds" in one.help.lower(), one.name


def test_the_help_of_list_names_every_state() -> None:
    told = next(one.help for one in command("list").params if one.name == "state")
    assert re.findall(r"\w+", told.partition(": ")[2].replace(" or ", " ")) == list(STATES)


def test_the_tests_that_the_readme_names_exist() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", README)
    assert named
    for path, test in named:
        assert f"def {test}(" in (ROOT / path).read_text() if test else (ROOT / path).is_file(), (path, test)


def test_options_that_the_readme_names_are_options() -> None:
    for verb, rest in re.findall(r"^\| `scriptixd (\w+)[^|]*\|([^|]*)\|", README, re.MULTILINE):
        done = in_process.say([verb, "--help"], {})
        assert done.returncode == 0
        for option in re.findall(r"`(--[\w-]+)`", rest):
            assert option in done.stdout, (verb, option)


@pytest.mark.parametrize("verb", verbs())
def test_every_option_of_a_verb_is_in_its_row_of_the_readme(verb: str) -> None:
    (row,) = re.findall(rf"^\| `scriptixd {verb}[ `].*$", README, re.MULTILINE)
    anywhere = {"--help", "--config", "--yes"}  # told below the table
    captions = {f"--{name.replace('_', '-')}" for name in CaptionsBlock.model_fields.keys() - {"profile"}}
    options = {max(one.opts, key=len) for one in command(verb).params if one.param_type_name == "option"}
    told = set(re.findall(r"`(--[\w-]+)`", row))
    assert options - anywhere - captions <= told
    assert ("and the other settings of captions" in row) == bool(options & captions)


def test_the_readme_shows_exactly_two_commands_first() -> None:
    first_screen = README.split("\n## ")[0]
    commands = re.findall(r"```sh\n(.*?)\n```", first_screen, re.DOTALL)
    assert len(commands) == 2
    assert commands[0].endswith("&& .venv/bin/scriptixd demo")
    assert commands[1].endswith("&& .venv/bin/pytest")


def test_the_repository_shows_nothing_but_what_belongs_there() -> None:
    shown = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if shown.returncode != 0:
        pytest.skip("no git repository here")
    top = {line.split("/")[0] for line in shown.stdout.splitlines()}
    assert {name for name in top if not name.startswith(".")} == {
        "README.md", "config.example.yaml", "pyproject.toml", "scriptixd", "systemd", "tests",
    }  # fmt: skip


@pytest.mark.parametrize("name", UNITS)
def test_systemd_has_nothing_to_say_about_a_unit(name: str, tmp_path: Path) -> None:
    try:
        subprocess.run(["systemd-analyze", "--version"], capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip("systemd-analyze is not installed")
    unit = tmp_path / name.replace("@", "@council")
    unit.write_text(UNITS[name].replace("/opt/scriptixd/bin/scriptixd", "/bin/true"))
    said = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
    assert said.stdout + said.stderr == ""
    offline = ["systemd-analyze", "security", "--offline=true", "--threshold=15", str(unit)]
    exposure = subprocess.run(offline, capture_output=True, text=True, check=False)
    assert exposure.returncode == 0, exposure.stdout


def test_the_unit_of_one_and_of_several_are_the_same_but_for_the_names_of_an_instance() -> None:
    one = UNITS["scriptixd@.service"]
    for of_an_instance, alone in (
        ("edit scriptixd@NAME\n", "edit scriptixd\n"),
        ("with Scriptix (%i)\n", "with Scriptix\n"),
        ("/etc/scriptixd/%i.yaml", "/etc/scriptixd/config.yaml"),
        ("/etc/scriptixd/%i.api-key", "/etc/scriptixd/api-key"),
        ("StateDirectory=scriptixd/%i\n", "StateDirectory=scriptixd\n"),
    ):
        assert of_an_instance in one
        one = one.replace(of_an_instance, alone)
    assert one == UNITS["scriptixd.service"]


def test_an_installed_program_has_the_units_with_it() -> None:
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert built["force-include"] == {"systemd": "scriptixd/systemd"}
    assert {shipped_file(Instance(name)).name for name in ("", "radio")} == set(UNITS)


def literals() -> Iterator[str]:
    """Every text in the program that is no docstring, with a gap where it is filled in."""
    for path in sorted((ROOT / "scriptixd").rglob("*.py")):
        tree = ast.parse(path.read_text())
        loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                yield "".join(str(one.value) if isinstance(one, ast.Constant) else "…" for one in node.values)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in loose:
                yield node.value


def test_each_sentence_of_the_table_of_troubles_is_one_that_is_said() -> None:
    section = README.split("## When something is wrong")[1].split("\n## ")[0]
    rows = [re.split(r" \| ", line.strip("| ")) for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 40
    known = list(literals())
    of_systemd = {"Failed to set up credentials"}
    quoted = [sentence for row in rows for sentence in re.findall(r"`([^`]+)`", row[1])]
    missing = [one for one in quoted if one not in of_systemd and not any(one in literal for literal in known)]
    assert missing == []
    assert len(quoted) == len(rows)


def shown_settings() -> Iterator[str]:
    """Every configuration of the README as a whole, with what it leaves to the rest of the file."""
    for text in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL):
        alone = [line for line in text.splitlines() if line.startswith("after_done:")]
        for shown in [f"folders: [{{path: /srv/media, {line}}}]\n" for line in alone] or [text]:
            folders = "" if "folders:" in shown else "folders: [{path: /srv/media}]\n"
            yield f"{shown}{folders}defaults: {{language: nl, document_type: caption}}\n"


@pytest.mark.parametrize("text", [*shown_settings()])
def test_every_configuration_that_the_readme_shows_is_one(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    variables = {"NOTIFY_MAIL": "mailtos://user:password@example.org", "NOTIFY_CHAT": "json://example.org"}
    assert load(path, variables, with_key=False).warnings == ()


@pytest.mark.parametrize("profile", Profile)
def test_the_readme_tells_the_numbers_of_each_guide(profile: Profile) -> None:
    guide = layout_of(profile)
    shown = f"{guide.min_ms / 1000:g} to {guide.max_ms / 1000:g} s"
    between = f"{guide.gap_ms / 1000:g} s; {guide.chain_ms / 1000:g} s"
    size = f"{guide.max_chars} × {guide.max_lines}"
    assert f"| `{profile}` | {size} | {shown} | {guide.chars_per_second:g} | {between} |" in README
    east = {"Japanese": "ja", "Chinese": "zh", "Korean": "ko"}
    of = {name: layout_of(profile, language) for name, language in east.items()}
    told = {name: (one.max_chars, one.chars_per_second) for name, one in of.items()}
    assert told == {"Japanese": (13, 7), "Chinese": (16, 11), "Korean": (16, 14)}
    speeds = [layout_of(profile, language).chars_per_second for language in ("ar", "hi")]
    assert speeds == ([23, 25] if profile is Profile.NETFLIX else [guide.chars_per_second] * 2)
    assert layout_of(profile, "th").max_chars == 35


def test_the_readme_names_every_ending_of_a_recording() -> None:
    told = README.partition("**What counts as a recording**")[2].split("```")[1].split()
    assert sorted(told) == sorted(EXTENSIONS)


def test_the_readme_links_to_each_of_its_sections() -> None:
    sections = re.findall(r"^## (.*)$", re.sub(r"```.*?```", "", README, flags=re.DOTALL), re.MULTILINE)
    anchors = [re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-") for name in sections]
    contents = README.split("In this document:")[1].split("\n\n")[0]
    assert re.findall(r"\[([^\]]+)\]\(#([^)]+)\)", contents) == list(zip(sections, anchors, strict=True))
