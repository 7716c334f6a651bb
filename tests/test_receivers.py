"""The configuration of who is told, and of what comes after: every problem on its line, and never an address."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest
from test_config import ENVIRONMENT, Desk

from scriptixd.config import receivers
from scriptixd.config.settings import Notify, Secret
from scriptixd.jobs.job import AfterDone
from scriptixd.jobs.news import Names, Topic

TOKEN = "t0p-s3cr3t"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def with_notify(desk: Desk, *settings: str) -> str:
    return desk.folder() + "notify:\n" + "".join(f"  {setting}\n" for setting in settings)


def test_an_address_is_enough_and_the_rest_has_defaults(desk: Desk) -> None:
    loaded = desk.load(with_notify(desk, "urls: ['json://example.org/${TOKEN}']"), {**ENVIRONMENT, "TOKEN": TOKEN})
    assert loaded.notify == Notify(
        (Secret(f"json://example.org/{TOKEN}"),), frozenset(Topic) - {Topic.SUMMARY}, Names.FULL
    )
    assert TOKEN not in repr(loaded)
    assert desk.load(desk.folder()).notify is None
    assert desk.load(desk.folder() + "notify: null\n").notify is None


def test_topics_and_names_can_be_chosen(desk: Desk) -> None:
    loaded = desk.load(with_notify(desk, "urls: ['json://a/']", "on: [failed, summary]", "names: hash"))
    assert loaded.notify is not None
    assert (loaded.notify.on, loaded.notify.names) == ({Topic.FAILED, Topic.SUMMARY}, Names.HASH)


ADDRESS = "must be an address that apprise knows, such as mailtos://user:password@example.org"


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("urls: []", "config.yaml:7: notify.urls: is required: a list of addresses"),
        (f"urls: [{TOKEN}]", f"config.yaml:7: notify.urls[0]: {ADDRESS}"),
        (f"urls: ['json://a/', 'json:// {TOKEN}']", f"config.yaml:7: notify.urls[1]: {ADDRESS}"),
        (f'urls: ["json://a/\\u0007{TOKEN}"]', "config.yaml:7: notify.urls[0]: must not contain control characters"),
        (
            f"urls: json://{TOKEN}",
            "config.yaml:7: notify.urls: must be a list, as [a, b]",
        ),
        (f"urls: ['json://{TOKEN}', 'json://{TOKEN}']", "config.yaml:7: notify.urls: names an address twice"),
        ("url: x", "config.yaml:7: notify.url: unknown setting (did you mean 'urls'?)"),
    ],
)
def test_a_wrong_address_is_one_problem_on_its_line_and_is_not_repeated(desk: Desk, setting: str, problem: str) -> None:
    (said,) = desk.problems(with_notify(desk, setting))
    assert said.startswith(problem)
    assert TOKEN not in said


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("on: []", "notify.on: must name at least one topic"),
        ("on: [everything]", "notify.on[0]: must be failed, account, quota, offline, held or summary"),
        ("names: none", "notify.names: must be full or hash"),
    ],
)
def test_a_wrong_choice_is_one_problem_on_its_line(desk: Desk, setting: str, problem: str) -> None:
    (said,) = desk.problems(with_notify(desk, "urls: ['json://a/']", setting))
    assert said.startswith(f"config.yaml:8: {problem}")


def test_nobody_at_all_is_told_as_missing(desk: Desk) -> None:
    (said,) = desk.problems(with_notify(desk, "on: [failed]"))
    assert "notify.urls: is required" in said


def test_without_the_extra_it_is_an_error_that_says_what_to_install(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(receivers, "find_spec", lambda name: None if name == "apprise" else real(name))
    assert desk.problems(with_notify(desk, "urls: ['json://a/']")) == [
        "config.yaml:6: notify: needs a library that is not installed: "
        f"{sys.prefix}/bin/pip install 'scriptixd[notify]'"
    ]
    assert desk.load(desk.folder()).notify is None


def test_an_address_that_everybody_can_read_is_a_warning(desk: Desk) -> None:
    text = with_notify(desk, f"urls: ['json://{TOKEN}/']")
    desk.path.touch()
    desk.path.chmod(0o644)
    (warning,) = desk.load(text).warnings
    assert "notify.urls: an address itself stands in the configuration, which everybody can read" in warning
    assert TOKEN not in warning
    desk.path.chmod(0o640)
    assert desk.load(text).warnings == ()
    desk.path.chmod(0o644)
    variable = with_notify(desk, "urls: ['json://${TOKEN}/']")
    assert desk.load(variable, {**ENVIRONMENT, "TOKEN": TOKEN}).warnings == ()


# What comes after


def test_a_command_is_run_as_it_is_written(desk: Desk) -> None:
    (folder,) = desk.load(desk.folder("after_done: {command: [/usr/bin/publish, '', 'a b', 7], timeout: 5m}")).folders
    assert folder.terms("a.mp4").after_done == AfterDone(("/usr/bin/publish", "", "a b", "7"), 300.0)
    assert "publish" not in repr(folder.after_done), "an argument may be a secret"
    (plain,) = desk.load(desk.folder()).folders
    assert plain.terms("a.mp4").after_done is None


def test_defaults_a_folder_and_a_rule_each_say_their_own(desk: Desk) -> None:
    (one, other) = desk.load(
        """\
        api: {key: "${KEY}"}
        defaults: {language: nl, document_type: caption, after_done: {command: [all]}}
        folders:
          - path: /srv/media/one
            after_done: {command: [one]}
            rules:
              - {match: "*.wav", after_done: {command: [wav], timeout: 5s}}
              - {match: "*.mp3", after_done: null}
              - {match: "*.ogg", language: en}
          - path: /srv/media/other
        """
    ).folders

    def program(path: str) -> object:
        after_done = one.terms(path).after_done
        return after_done and (after_done.command, after_done.timeout)

    assert program("a.mp4") == (("one",), 60.0)
    assert program("a.wav") == (("wav",), 5.0)
    assert program("a.mp3") is None
    assert program("a.ogg") == (("one",), 60.0)
    assert other.terms("a.mp4").after_done == AfterDone(("all",), 60.0)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("after_done: {timeout: 5s}", "after_done.command: is required: a program and its arguments"),
        ("after_done: {command: []}", "after_done.command: must begin with a program"),
        ("after_done: {command: ['']}", "after_done.command: must begin with a program"),
        ("after_done: {command: [bin/publish]}", "after_done.command: must begin with a program"),
        ("after_done: {command: /usr/bin/publish now}", "after_done.command: must be a list"),
        ("after_done: {command: [[a]]}", "after_done.command[0]: must be text, not a list or a mapping"),
        ('after_done: {command: ["a\\0b"]}', "after_done.command[0]: must not contain a zero byte"),
        ("after_done: {command: [a], timeout: 10ms}", "after_done.timeout: must be at least 1s"),
        ("after_done: {comand: [a]}", "after_done.comand: unknown setting (did you mean 'command'?)"),
    ],
)
def test_a_command_that_cannot_be_run_is_one_problem(desk: Desk, setting: str, sentence: str) -> None:
    (said,) = desk.problems(desk.folder(setting))
    assert said.startswith(f"config.yaml:6: folders[0].{sentence}")
