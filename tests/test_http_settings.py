"""The setting `http`: an address or a block, a token where strangers reach it, and no secret told."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from scriptixd.config.load import load
from scriptixd.config.settings import Http, Secret, Settings
from scriptixd.errors import ConfigurationError

TOKEN = "t0k3n-f0r-t3sts"
ENVIRONMENT = {"KEY": "key", "TOKEN": TOKEN}
REST = """api: {key: "${KEY}"}
folders: [{path: /srv/media, language: nl, document_type: caption}]
"""


class Desk:
    def __init__(self, directory: Path) -> None:
        self.path = directory / "config.yaml"

    def load(self, http: str, environment: Mapping[str, str] = ENVIRONMENT, *, with_key: bool = True) -> Settings:
        self.path.write_text(f"{REST}http: {http}\n")
        return load(self.path, environment, with_key=with_key)

    def problems(self, http: str, environment: Mapping[str, str] = ENVIRONMENT) -> list[str]:
        with pytest.raises(ConfigurationError) as caught:
            self.load(http, environment)
        assert TOKEN not in str(caught.value)
        return [problem.removeprefix(f"{self.path}:3: ") for problem in caught.value.problems]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.mark.parametrize("http", ["null", "~", ""])
def test_by_itself_nothing_is_served(desk: Desk, http: str) -> None:
    assert desk.load(http).http is None


@pytest.mark.parametrize(
    ("http", "host", "port"),
    [
        ("127.0.0.1:9464", "127.0.0.1", 9464),
        ("localhost:80", "127.0.0.1", 80),
        ("127.0.0.2:65535", "127.0.0.2", 65535),
        ("'[::1]:9464'", "::1", 9464),
        ("{listen: '127.0.0.1:9464'}", "127.0.0.1", 9464),
        ("'${WHERE}'", "127.0.0.1", 1234),
    ],
)
def test_an_address_is_written_by_itself_or_in_a_block(desk: Desk, http: str, host: str, port: int) -> None:
    environment = {**ENVIRONMENT, "WHERE": "127.0.0.1:1234"}
    assert desk.load(http, environment).http == Http(host, port, None, page=True)
    assert desk.load(http, environment).warnings == ()


def test_the_page_can_be_left_out(desk: Desk) -> None:
    http = desk.load("{listen: 127.0.0.1:1, page: false}").http
    assert http is not None
    assert not http.page


@pytest.mark.parametrize(
    "wrong",
    [
        "9464", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:a", "example.org:80",
        "'::1:9464'", "'[127.0.0.1]:80'", "':80'", "'[::1]'", "'127.0.0.1:80 '", "'127.0.0.1:²'",
    ],
)  # fmt: skip
def test_what_is_no_address_is_one_problem(desk: Desk, wrong: str) -> None:
    told = "must be an IP address and a port, such as 127.0.0.1:9464 or '[::1]:9464'"
    assert desk.problems(wrong) == [f"http: {told}"]
    assert desk.problems(f"{{listen: {wrong}}}") == [f"http.listen: {told}"]


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ("[127.0.0.1]", "http: must be a mapping, with a name and a value on each line below it"),
        ("{}", "http.listen: is required: where to listen, such as 127.0.0.1:9464"),
        ("{page: true}", "http.listen: is required: where to listen, such as 127.0.0.1:9464"),
        ("{listen: '127.0.0.1:1', tokn: x}", "http.tokn: unknown setting (did you mean 'token'?)"),
        ("{listen: '127.0.0.1:1', token: a b}", "http.token: holds no token: a token is one word of plain characters"),
        ("{listen: '127.0.0.1:1', token: ''}", "http.token: is empty"),
        ("{listen: '127.0.0.1:1', page: maybe}", "http.page: must be true or false"),
        (
            "{listen: '127.0.0.1:1', token: '${TOKEN}', token_file: x}",
            "http.token: is set besides 'token_file'; give the token in one of them",
        ),
    ],
)
def test_a_mistake_is_one_problem_at_its_place(desk: Desk, wrong: str, problem: str) -> None:
    assert desk.problems(wrong) == [problem]


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "'[::]:9464'", "192.0.2.1:9464"])
def test_an_address_that_others_reach_needs_a_token(desk: Desk, address: str) -> None:
    (alone,) = desk.problems(address)
    assert alone.startswith("http: ")
    assert "is reached by other machines" in alone
    (in_block,) = desk.problems(f"{{listen: {address}}}")
    assert in_block.startswith("http.listen: ")
    http = desk.load(f"{{listen: {address}, token: '${{TOKEN}}'}}").http
    assert http is not None
    assert http.token == Secret(TOKEN)


def test_a_token_comes_from_a_file_or_from_systemd_and_shows_itself_nowhere(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    block = "{listen: '0.0.0.0:1', token_file: token}"
    loaded = desk.load(block)
    assert loaded.http is not None
    assert loaded.http.token == Secret(TOKEN)
    assert loaded.warnings == ()
    assert TOKEN not in repr(loaded)
    handed = tmp_path / "handed"
    handed.mkdir()
    (handed / "http-token").write_text("another")
    over = desk.load(block, {**ENVIRONMENT, "CREDENTIALS_DIRECTORY": str(handed)})
    assert over.http is not None
    assert over.http.token == Secret("another")
    while file.stat().st_ctime <= (handed / "http-token").stat().st_ctime:
        file.write_text("a third")
    (warning,) = desk.load(block, {**ENVIRONMENT, "CREDENTIALS_DIRECTORY": str(handed)}).warnings
    assert "http.token_file: " in warning
    assert "another token in it is applied by a restart" in warning


def test_a_token_file_that_others_can_read_and_a_literal_token_are_warnings(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o644)
    (warning,) = desk.load(f"{{listen: '127.0.0.1:1', token_file: {file}}}").warnings
    assert f"http.token_file: the token file {file} can be read by others" in warning
    (warning,) = desk.load(f"{{listen: '127.0.0.1:1', token: {TOKEN}}}").warnings
    assert "http.token: the token itself stands in the configuration" in warning
    assert TOKEN not in warning


def test_a_token_file_that_is_not_there_concerns_only_who_serves(desk: Desk) -> None:
    block = "{listen: '192.0.2.1:1', token_file: /nowhere/token}"
    assert desk.problems(block) == ["http.token_file: there is no file /nowhere/token to read the token from"]
    asked = desk.load(block, with_key=False).http
    assert asked == Http("192.0.2.1", 1, None, page=True)


def test_without_the_library_the_sentence_says_what_to_install(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        "scriptixd.config.http.find_spec", lambda name: None if name == "prometheus_client" else found(name)
    )
    assert desk.problems("127.0.0.1:9464") == [
        f"http: needs a library that is not installed: {sys.prefix}/bin/pip install 'scriptixd[metrics]'"
    ]
    assert desk.load("null").http is None
