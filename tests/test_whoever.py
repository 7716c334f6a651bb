"""Every verb as the service's user, root and a stranger type it, beside a running daemon and without one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pytest
import yaml
from booted import CONFIG, FOLDER, KEY, Machine
from house import eventually, tone

RUNNING: Final = "beside a running daemon"
STOPPED: Final = "without a daemon"
PEOPLE: Final = {"the service's user": "scriptixd", "root": "root", "a stranger": "nobody"}
USAGE: Final = 2
HELD: Final = ("approved", "dismissed", "forgotten", "waiting")
ASKS_AS: Final = ("ask as the service's user, or as root", "ask as that user: sudo -u scriptixd scriptixd")


@dataclass(frozen=True, slots=True)
class Typed:
    """A verb; what whoever may ask is answered with, and what a stranger is."""

    arguments: Sequence[str]
    code: int = 0
    strangers: int = 2
    says: str = ""


def verbs(who: str, daemon: str) -> Sequence[Typed]:
    """All of them, in an order that makes sense; each turn has recordings of its own."""
    mine = {name: f"council/{_turn(who, daemon)}-{name}.wav" for name in HELD}
    copy = f"/var/tmp/{_turn(who, daemon)}.db"  # noqa: S108 - in the container
    return (
        Typed(["status"], says="running" if daemon == RUNNING else "no daemon is running"),
        Typed(["status", "--json"], says='"folders"'),
        Typed(["status", "--fail"], 1, says="held council"),
        Typed(["list"], says="tone.wav"),
        Typed(["list", "--json"], says='"state"'),
        Typed(["explain", "tone.wav"], says="it is done"),
        Typed(["explain", mine["waiting"]], says="it waits for your yes"),
        Typed(["plan"], says="council"),
        Typed(["check", "--syntax"], strangers=0),
        Typed(["check", "--offline", "--json"], strangers=1, says='"subject": "state"'),
        Typed(["report"], says="council"),
        Typed(["pause", "council"]),
        Typed(["resume", "council"]),
        Typed(["approve", mine["approved"]]),
        Typed(["dismiss", mine["dismissed"]]),
        Typed(["retry", mine["dismissed"]]),
        Typed(["redo", "--yes", mine["waiting"]], says="there is nothing to redo: it waits for a yes"),
        Typed(["render", "council/tone.wav"]),
        Typed(["forget", "--yes", mine["forgotten"]]),
        Typed(["backup", copy]),
        Typed(["backup", copy], 1),
        Typed(["convert", f"{FOLDER}/tone.json"], strangers=0, says="there is no speech in it"),
        Typed(["install", "--folder", FOLDER, "--language", "nl"], strangers=0, says="systemd-run"),
        Typed(["uninstall"], strangers=0, says="Copies that somebody has made elsewhere"),
        Typed(["--version"], strangers=0, says="scriptixd"),
        Typed(["nonsense"], USAGE),
        Typed(["explain"], USAGE),
    )


def _turn(who: str, daemon: str) -> str:
    return f"{PEOPLE[who]}-{daemon.partition(' ')[0]}"


@pytest.fixture(scope="module")
def service(booted: Machine, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A service with one recording that is done and, for every turn, some that wait for a yes."""
    booted.clear()
    booted.folder()
    booted.say("install", "--apply", "--folder", FOLDER, "--language", "en", "--key-file", "-", given=KEY.encode())
    booted.ask("systemctl", "stop", "scriptixd")
    booted.ask("sh", "-c", "rm -rf /var/lib/scriptixd/*")
    place = tmp_path_factory.mktemp("tones")
    turns = [_turn(who, daemon) for who in PEOPLE for daemon in (RUNNING, STOPPED)]
    for number, name in enumerate(f"{turn}-{what}" for turn in turns for what in HELD):
        tone(place / "tone.wav", 0.3 + number / 100, 40 + number)
        booted.put(f"{FOLDER}/{name}.wav", (place / "tone.wav").read_bytes())
    booted.put("/etc/scriptixd/config.yaml", yaml.safe_dump(CONFIG).encode())
    booted.restart()
    tone(place / "tone.wav", 1.0, 39)
    booted.drop(f"{FOLDER}/tone.wav", (place / "tone.wav").read_bytes())
    eventually(lambda: booted.has(f"{FOLDER}/tone.json"), "the sidecar appears", 60.0)
    booted.ask("chmod", "a+r", "/etc/scriptixd/config.yaml")
    return booted


def said(service: Machine, who: str, verbs: Sequence[Typed]) -> Sequence[tuple[int, str, str]]:
    command = ["runuser", "-u", PEOPLE[who], "--", "/opt/scriptixd/bin/python", "/opt/source/tests/everybody.py"]
    wanted = json.dumps([verb.arguments for verb in verbs]).encode()
    return [tuple(one) for one in json.loads(service.ask(*command, given=wanted))]


def is_right(verb: Typed, code: int, out: str, err: str, *, stranger: bool) -> bool:
    if "Traceback" in out + err or code != (verb.strangers if stranger else verb.code):
        return False
    if not stranger or verb.strangers != USAGE:
        return verb.says in out + err
    return verb.code == USAGE or any(sentence in err for sentence in ASKS_AS)


@pytest.mark.parametrize("daemon", [RUNNING, STOPPED])
@pytest.mark.parametrize("who", PEOPLE)
def test_every_verb(service: Machine, who: str, daemon: str) -> None:
    service.ask("systemctl", "start" if daemon == RUNNING else "stop", "scriptixd")
    typed = verbs(who, daemon)
    wrong = [
        (verb.arguments, *answer)
        for verb, answer in zip(typed, said(service, who, typed), strict=True)
        if not is_right(verb, *answer, stranger=who == "a stranger")
    ]
    assert wrong == []
    owners = service.ask("find", "/var/lib/scriptixd", "-printf", "%u\n").split()
    assert set(owners) == {"scriptixd"}
