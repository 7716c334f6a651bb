"""`install` and `uninstall --apply` where they are at home: a booted systemd, by the README's own commands, too."""

from __future__ import annotations

import json
import re
import shlex
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from booted import CONFIG, FOLDER, KEY, PROGRAM, ROOT, Machine
from house import eventually, spoken, tone

FIRST = ("--folder", FOLDER, "--language", "en", "--key-file", "-")
CONFIGURATION = "/etc/scriptixd/config.yaml"


@pytest.fixture
def machine(booted: Machine) -> Machine:
    """As it comes, with a folder."""
    booted.clear()
    booted.folder()
    return booted


def marks(said: str) -> list[str]:
    """What came of each step, before the check."""
    return re.findall(r"^(done|there|failed|note) ", said.partition("\n\n")[0], re.MULTILINE)


def configured(**folder: Any) -> bytes:
    (one,) = CONFIG["folders"]
    return yaml.safe_dump({**CONFIG, "folders": [{**one, **folder}]}).encode()


def test_the_commands_of_the_readme_lead_to_a_running_service(machine: Machine) -> None:
    section = (ROOT / "README.md").read_text().split("## Install it under systemd")[1]
    commands = section.split("```sh\n")[1].split("\n```")[0].replace("sudo ", "").splitlines()
    assert len(commands) <= 5
    said = []
    for command in (part for line in commands for part in line.split(" && ")):
        if command == "/opt/scriptixd/bin/pip install .":
            machine.pip_install()  # which has no network here
            continue
        words = [machine.python if word == "python3" else word for word in shlex.split(command)]
        said.append(machine.answer(*words, given=f"{KEY}\n".encode()))
    assert said[0].returncode == 0, said[0]
    told = said[1].stdout
    # All is in order but Scriptix itself, which cannot be reached from here.
    assert re.findall(r"^problem +(\w+):", told, re.MULTILINE) == ["key"], (told, said[1].stderr)
    assert re.search(r"^ok +council: .* readable and writable for scriptixd", told, re.MULTILINE), told
    assert marks(told) == ["done"] * 9
    assert machine.shown()["ActiveState"] == "active"
    assert machine.shown()["UnitFileState"] == "enabled"
    assert said[2].returncode == 0
    assert said[2].stdout.startswith("running ")


def test_applied_twice_it_changes_nothing_and_what_people_wrote_it_never_changes(machine: Machine) -> None:
    first = machine.say("install", "--apply", *FIRST, given=KEY.encode())
    assert "failed" not in marks(first.stdout), (first.stdout, first.stderr)
    assert machine.owned(CONFIGURATION) == "root scriptixd 640"
    assert machine.owned("/etc/scriptixd/api-key") == "root root 600"
    assert machine.owned("/var/lib/scriptixd") == "scriptixd scriptixd 750"
    assert "media" in machine.ask("id", "-Gn", "scriptixd").split()

    machine.put(CONFIGURATION, configured())
    machine.restart()
    before = machine.shown()["MainPID"]
    again = ("install", "--apply", "--folder", "/srv/media/radio", "--language", "nl", "--key-file", "-")
    second = machine.say(*again, given=b"another-key")
    assert second.returncode == 0, (second.stdout, second.stderr)
    assert set(marks(second.stdout)) == {"there", "note"}
    assert f"{CONFIGURATION} is there, and stays as it is" in second.stdout
    assert f"{CONFIGURATION} does not name /srv/media/radio" in second.stdout
    assert machine.ask("cat", CONFIGURATION) == configured().decode()
    assert machine.ask("cat", "/etc/scriptixd/api-key").strip() == KEY
    assert machine.shown()["MainPID"] == before


def test_it_renews_an_older_unit_and_restarts_what_runs_on_with_yesterdays_folders(machine: Machine) -> None:
    machine.say("install", "--apply", *FIRST, given=KEY.encode())
    machine.put(CONFIGURATION, configured())
    machine.restart()
    first = machine.shown()["MainPID"]
    unit = "/etc/systemd/system/scriptixd.service"
    machine.put(unit, machine.ask("cat", unit).replace("WatchdogSec=60s", "WatchdogSec=61s").encode())
    renewed = machine.say("install", "--apply")
    assert renewed.returncode == 0, (renewed.stdout, renewed.stderr)
    assert marks(renewed.stdout).count("done") == 2  # the unit, and so the start
    assert "WatchdogSec=60s" in machine.ask("cat", unit)
    second = machine.shown()["MainPID"]
    assert second not in {first, "0"}

    machine.put(CONFIGURATION, configured(name="the council"))
    restarted = machine.say("install", "--apply")
    assert restarted.returncode == 0, (restarted.stdout, restarted.stderr)
    assert marks(restarted.stdout).count("done") == 1
    assert machine.shown()["MainPID"] not in {second, "0"}


def test_it_restarts_what_was_started_before_it_was_upgraded(machine: Machine) -> None:
    machine.say("install", "--apply", *FIRST, given=KEY.encode())
    machine.put(CONFIGURATION, configured())
    machine.restart()
    before = machine.shown()["MainPID"]
    machine.pip_upgrade()
    try:
        upgraded = machine.say("install", "--apply")
        after = machine.shown()["MainPID"]
        again = machine.say("install", "--apply")
    finally:
        machine.pip_downgrade()
    assert (upgraded.returncode, again.returncode) == (0, 0), (upgraded.stdout, again.stdout)
    assert marks(upgraded.stdout).count("done") == 1
    assert after not in {before, "0"}
    assert set(marks(again.stdout)) == {"there"}
    assert machine.shown()["MainPID"] == after


def test_what_it_tells_to_paste_does_the_same(machine: Machine) -> None:
    machine.put("/root/key", f"{KEY}\n".encode())
    told = machine.say("install", "--folder", FOLDER, "--language", "en", "--key-file", "/root/key")
    assert told.returncode == 0, told.stderr
    assert not machine.has(CONFIGURATION)
    script = "".join(f"{line}\n" for line in told.stdout.splitlines() if "systemd-run" not in line)
    machine.ask("sh", "-e", "-c", script)
    assert machine.shown()["ActiveState"] == "active"
    assert set(marks(machine.say("install", "--apply").stdout)) == {"there"}
    again = machine.say("install").stdout  # nothing but the check is left to paste
    assert [line for line in again.splitlines() if line and line[0] != "#" and "systemd-run" not in line] == []


def test_several_run_beside_each_other_and_each_has_its_own(machine: Machine, tmp_path: Path) -> None:
    tone(tmp_path / "tone.wav", 1.0, 50)
    for name in ("council", "radio"):
        folder = f"/srv/media/{name}"
        machine.folder(folder)
        options = ("--folder", folder, "--language", "en", "--key-file", "-", "--instance", name)
        done = machine.say("install", "--apply", *options, given=KEY.encode())
        assert "failed" not in marks(done.stdout), (done.stdout, done.stderr)
        own = {"key_file": f"/etc/scriptixd/{name}.api-key"}
        (one,) = CONFIG["folders"]
        whole = {**CONFIG, "api": CONFIG["api"] | own, "state": f"/var/lib/scriptixd/{name}/state.db"}
        machine.put(
            f"/etc/scriptixd/{name}.yaml", yaml.safe_dump({**whole, "folders": [{**one, "path": folder}]}).encode()
        )
        machine.ask("systemctl", "restart", f"scriptixd@{name}")
        machine.drop(f"{folder}/tone.wav", (tmp_path / "tone.wav").read_bytes())
    for name in ("council", "radio"):
        path = f"/srv/media/{name}/tone.json"
        eventually(partial(machine.has, path), f"{path} appears", 60.0)
        assert machine.owned(f"/var/lib/scriptixd/{name}/state.db").startswith("scriptixd scriptixd")
        listed = json.loads(machine.ask(PROGRAM, "list", "--json", "-c", f"/etc/scriptixd/{name}.yaml"))
        assert [source["path"] for source in listed] == [f"/srv/media/{name}/tone.wav"]
    assert machine.say("install", "--apply", "--instance", "radio").returncode == 0

    ended = machine.say("uninstall", "--instance", "radio", "--apply")
    assert ended.returncode == 0, ended.stderr
    assert machine.shown("scriptixd@radio")["ActiveState"] == "inactive"
    assert machine.shown("scriptixd@council")["ActiveState"] == "active"
    assert machine.has("/etc/systemd/system/scriptixd@.service")
    assert machine.say("uninstall", "--instance", "council", "--purge", "--yes").returncode == 0
    assert not machine.has("/etc/systemd/system/scriptixd@.service")
    assert machine.has("/etc/scriptixd/radio.yaml")
    assert machine.has("/var/lib/scriptixd/radio/state.db")


def test_another_user_and_a_folder_elsewhere_are_seen_to(machine: Machine, tmp_path: Path) -> None:
    folder = "/data/my recordings"
    machine.folder(folder)
    options = ("--folder", folder, "--language", "en", "--key-file", "-", "--user", "anna")
    done = machine.say("install", "--apply", *options, given=KEY.encode())
    assert re.search(r"^ok +my recordings: .* writable for anna", done.stdout, re.MULTILINE), (done.stdout, done.stderr)
    machine.put(CONFIGURATION, configured(path=folder))
    machine.restart()
    tone(tmp_path / "tone.wav", 1.0, 51)
    machine.drop(f"{folder}/tone.wav", (tmp_path / "tone.wav").read_bytes())
    eventually(lambda: machine.has(f"{folder}/tone.json"), "the sidecar appears", 60.0)
    assert machine.owned(f"{folder}/tone.json") == "anna media 664"
    again = machine.say("install", "--apply")  # without a word about who
    assert again.returncode == 0, (again.stdout, again.stderr)
    assert set(marks(again.stdout)) == {"there"}


def test_it_ends_and_lists_what_is_left_and_purges_all_but_the_sidecars(machine: Machine, tmp_path: Path) -> None:
    machine.say("install", "--apply", *FIRST, given=KEY.encode())
    machine.put(CONFIGURATION, configured())
    machine.restart()
    machine.drop(f"{FOLDER}/spoken.wav", spoken(tmp_path / "spoken.wav").read_bytes())
    eventually(lambda: machine.has(f"{FOLDER}/spoken.json"), "the sidecar appears", 60.0)
    machine.put("/var/lib/scriptixd/state.db.before-2", b"a backup")

    def listed(said: str) -> list[str]:
        return [line.split("  ")[0] for line in said.partition("where\n")[2].partition("Copies")[0].splitlines()]

    told = machine.say("uninstall")
    assert told.returncode == 0, told.stderr
    assert machine.shown()["ActiveState"] == "active"
    held = ["configuration", "key", "lines in the journal", "2 sidecar(s)", "1 transcription(s)"]
    assert set(held) | {"state file", "live file", "backup"} <= set(listed(told.stdout)), told.stdout
    sizes = machine.ask("stat", "-c", "%s", f"{FOLDER}/spoken.json", f"{FOLDER}/spoken.srt").split()
    size = f"{sum(map(int, sizes)) / 1024:.1f} KiB"
    assert re.search(rf"^2 sidecar\(s\) +{size} +{FOLDER}$", told.stdout, re.MULTILINE), told.stdout

    refused = machine.say("uninstall", "--purge")  # nobody is there to be asked
    assert refused.returncode == 2
    assert machine.shown()["ActiveState"] == "active"

    ended = machine.say("uninstall", "--apply")
    assert ended.returncode == 0, ended.stderr
    assert machine.shown()["ActiveState"] == "inactive"
    assert not machine.has("/etc/systemd/system/scriptixd.service")
    assert not machine.has("/usr/local/bin/scriptixd")
    assert set(held) <= set(listed(ended.stdout)), ended.stdout
    assert machine.has("/var/lib/scriptixd/state.db")

    purged = machine.say("uninstall", "--purge", "--yes")
    assert purged.returncode == 0, purged.stderr
    assert listed(purged.stdout) == held[2:], purged.stdout
    for path in ("/etc/scriptixd", "/var/lib/scriptixd"):
        assert not machine.has(path)
    for name in ("spoken.wav", "spoken.json", "spoken.srt"):
        assert machine.has(f"{FOLDER}/{name}")


def test_a_program_that_the_service_could_not_reach_is_refused_before_anything_is_done(machine: Machine) -> None:
    machine.ask("sh", "-c", "chmod 0700 /root; cp -a /opt/scriptixd /root/scriptixd")
    done = machine.answer(
        "/root/scriptixd/bin/python", "-m", "scriptixd", "install", "--apply", *FIRST, given=KEY.encode()
    )
    machine.ask("rm", "-r", "/root/scriptixd")
    assert done.returncode == 2
    assert "/root, where scriptixd cannot go" in done.stderr
    assert not machine.has("/etc/scriptixd")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--folder", FOLDER, "--language", "en"), "--key-file"),
        (("--key-file", "-"), "--folder"),
        (("--folder", FOLDER, "--language", "en", "--key-file", "/no/such/file"), "/no/such/file"),
        ((*FIRST, "--user", "no body"), "no user"),
    ],
)
def test_what_is_lacking_is_told_before_anything_is_done(machine: Machine, options: tuple[str, ...], said: str) -> None:
    done = machine.say("install", "--apply", *options, given=KEY.encode())
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not machine.has("/etc/scriptixd")


@pytest.mark.parametrize("key", [b"", b"two words", b"x" * 5000])
def test_what_is_no_key_is_refused_and_not_shown(machine: Machine, key: bytes) -> None:
    done = machine.say("install", "--apply", *FIRST, given=key)
    assert (done.returncode, done.stdout) == (2, "")
    assert not key or key.decode() not in done.stderr
    assert not machine.has("/etc/scriptixd")
