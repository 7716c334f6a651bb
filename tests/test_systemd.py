"""The shipped unit under a systemd that really boots: start, stop, watchdog, credential, mistakes, shares, owners."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from booted import CONFIG, FOLDER, KEY, PROGRAM, Machine
from house import eventually, tone


@pytest.fixture(scope="module")
def service(booted: Machine) -> Iterator[Machine]:
    """scriptixd, set up as it is told to be, with a folder of people who work with media."""
    booted.clear()
    booted.folder()
    command = ("install", "--apply", "--folder", FOLDER, "--language", "en", "--key-file", "-")
    done = booted.say(*command, given=KEY.encode())
    assert booted.shown()["ActiveState"] == "active", (done.stdout, done.stderr)
    yield booted
    booted.answer("umount", "/mnt/before", "/mnt/after")


def recording(at: Path, seconds: float = 1.0, pitch: int = 40) -> bytes:
    tone(at / "tone.wav", seconds, pitch)
    return (at / "tone.wav").read_bytes()


def folders(*paths: str) -> dict[str, Any]:
    (one,) = CONFIG["folders"]
    return {
        **CONFIG,
        "folders": [{**one, "path": path, "name": path.split("/")[2], "existing": "process"} for path in paths],
    }


def test_under_the_shipped_unit_a_recording_gets_its_sidecar_and_the_end_is_a_success(
    service: Machine, tmp_path: Path
) -> None:
    service.begin(CONFIG)
    assert service.shown()["ActiveState"] == "active", service.journal()  # READY=1 has come
    assert service.shown()["StatusText"].startswith("1 folder(s)")

    service.drop(f"{FOLDER}/tone.wav", recording(tmp_path))
    eventually(lambda: service.has(f"{FOLDER}/tone.json"), "the sidecar appears", 60.0)
    assert service.owned(f"{FOLDER}/tone.json") == "scriptixd media 664"
    assert service.owned("/var/lib/scriptixd") == "scriptixd scriptixd 750"

    verb = service.ask(PROGRAM, "list", "--json")  # as root, beside it
    assert [source["state"] for source in json.loads(verb)] == ["done"]

    service.ask("systemctl", "stop", "scriptixd")
    shown = service.shown()
    assert (shown["ActiveState"], shown["Result"], shown["ExecMainStatus"]) == ("inactive", "success", "0")
    assert [line["MESSAGE"] for line in service.journal() if "Traceback" in line["MESSAGE"]] == []


def test_in_the_units_sandbox_sidecars_get_the_group_of_their_directory_or_the_one_that_is_wanted(
    service: Machine, tmp_path: Path
) -> None:
    service.ask("chmod", "g-s", FOLDER)  # which would give it to what is made there by itself
    service.ask("sh", "-c", "groupadd --system press && usermod -a -G press scriptixd")
    service.begin(CONFIG)
    service.drop(f"{FOLDER}/tone.wav", recording(tmp_path))
    eventually(lambda: service.has(f"{FOLDER}/tone.json"), "the sidecar appears", 60.0)
    assert service.owned(f"{FOLDER}/tone.json") == "scriptixd media 664"

    (one,) = CONFIG["folders"]
    service.begin({**CONFIG, "folders": [{**one, "output": {"group": "press"}}]})
    service.drop(f"{FOLDER}/tone.wav", recording(tmp_path))
    eventually(lambda: service.has(f"{FOLDER}/tone.json"), "the sidecar appears", 60.0)
    assert service.owned(f"{FOLDER}/tone.json") == "scriptixd press 664"
    service.ask("chmod", "g+s", FOLDER)


def test_in_the_units_sandbox_a_mirrored_directory_lets_in_whom_the_one_above_it_does(
    service: Machine, tmp_path: Path
) -> None:
    service.folder("/srv/transcripts")
    (one,) = CONFIG["folders"]
    service.begin({**CONFIG, "folders": [{**one, "output": {"directory": "/srv/transcripts"}}]})
    service.ask("mkdir", f"{FOLDER}/monday")
    service.drop(f"{FOLDER}/monday/tone.wav", recording(tmp_path))
    eventually(lambda: service.has("/srv/transcripts/monday/tone.json"), "the sidecar appears", 60.0)
    assert service.owned("/srv/transcripts/monday") == "scriptixd media 775"  # the sandbox lets nobody set setgid
    assert service.owned("/srv/transcripts/monday/tone.json") == "scriptixd media 664"
    service.ask("rm", "-r", "/srv/transcripts")


def test_the_key_reaches_the_service_and_nobody_else(service: Machine) -> None:
    service.begin(CONFIG)
    assert service.owned("/etc/scriptixd/api-key") == "root root 600"
    process = service.shown()["MainPID"]
    for open_to_more in ("environ", "cmdline"):
        assert KEY not in service.ask("cat", f"/proc/{process}/{open_to_more}")
    handed = "/run/credentials/scriptixd.service/api-key"
    assert KEY in service.ask("cat", handed)
    assert service.answer("setpriv", "--reuid=nobody", "--clear-groups", "cat", handed).returncode != 0
    checked = service.say("check", "--json")  # the sandbox takes this key alone
    assert {one["level"] for one in json.loads(checked.stdout) if one["subject"] == "key"} == {"ok"}


def test_a_mistake_in_the_configuration_is_told_as_an_error_and_not_tried_again(service: Machine) -> None:
    service.begin({**CONFIG, "langauge": "en"})
    shown = service.shown()
    assert (shown["ActiveState"], shown["ExecMainStatus"], shown["NRestarts"]) == ("failed", "2", "0")
    told = eventually(lambda: [line for line in service.journal() if "langauge" in line["MESSAGE"]], "it is told")
    assert {line["PRIORITY"] for line in told} == {"3"}  # err of syslog(3)


def test_a_missing_key_is_not_tried_again(service: Machine) -> None:
    service.begin(CONFIG, LoadCredential="api-key:/etc/scriptixd/no-such-key")
    shown = service.shown()
    assert (shown["ActiveState"], shown["ExecMainStatus"], shown["NRestarts"]) == ("failed", "243", "0")
    ((level, hint),) = [(one["level"], one["hint"]) for one in json.loads(service.say("check", "--json").stdout)][1:]
    assert (level, "LoadCredential=" in hint) == ("problem", True)


def test_a_daemon_that_hangs_is_killed_and_started_again(service: Machine) -> None:
    service.begin(CONFIG, WatchdogSec="2s", RestartSec="100ms")
    first = service.shown()
    assert first["ActiveState"] == "active", service.journal()
    service.ask("kill", "-STOP", first["MainPID"])

    def is_back() -> bool:
        now = service.shown()
        return now["NRestarts"] == "1" and now["ActiveState"] == "active"

    eventually(is_back, "another one is running", 60.0)
    assert service.shown()["MainPID"] != first["MainPID"]


def test_it_stops_within_five_seconds_in_the_middle_of_an_upload_which_then_goes_on(
    service: Machine, tmp_path: Path
) -> None:
    slow = {**CONFIG, "api": {**CONFIG["api"], "chunk_size": "64KiB"}, "limits": {"bandwidth": "100KiB/s"}}
    service.begin(slow, TimeoutStopSec="5s")  # whatever takes longer is killed, and no success
    service.drop(f"{FOLDER}/long.wav", recording(tmp_path, 300.0, 41))

    def offset() -> int:
        told = json.loads(service.ask(PROGRAM, "status", "--json"))["uploads"]
        return int(told[0]["offset"]) if told else 0

    before = eventually(lambda: (at := offset()) >= 2**17 and at, "it is being uploaded", 60.0)
    service.ask("systemctl", "stop", "scriptixd")
    shown = service.shown()
    assert (shown["ActiveState"], shown["Result"], shown["ExecMainStatus"]) == ("inactive", "success", "0")
    service.ask("systemctl", "start", "scriptixd")
    after = eventually(offset, "it goes on", 60.0)
    assert after >= before
    story = json.loads(service.ask(PROGRAM, "explain", "long.wav", "--json"))["story"]
    assert [chapter["event"] for chapter in story].count("UploadOpened") == 1
    service.ask("systemctl", "stop", "scriptixd")


def test_a_share_is_writable_that_was_mounted_before_or_after_the_start_and_after_the_next(
    service: Machine, tmp_path: Path
) -> None:
    def mount(place: str) -> None:
        service.ask("mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place)
        service.folder(f"{place}/council")

    places = ("/mnt/before", "/mnt/after")
    service.ask("mkdir", "-p", *places)
    mount("/mnt/before")
    service.begin(folders(*(f"{place}/council" for place in places)))
    assert service.shown()["ActiveState"] == "active", service.journal()
    mount("/mnt/after")
    for pitch, moment in enumerate(("first", "second")):
        for place in places:
            service.drop(f"{place}/council/{moment}.wav", recording(tmp_path, 1.0, 42 + pitch))
        for place in places:
            sidecar = f"{place}/council/{moment}.json"
            eventually(partial(service.has, sidecar), f"{sidecar} appears", 60.0)
            assert service.owned(sidecar) == "scriptixd media 664"
        service.restart()


def test_a_place_that_is_not_there_does_not_keep_the_unit_from_starting(service: Machine) -> None:
    service.begin(CONFIG, ReadWritePaths="-/no/such/place")
    assert service.shown()["ActiveState"] == "active", service.journal()


def test_what_checks_the_installation_is_confined_as_the_service_is(service: Machine) -> None:
    from scriptixd.cli.units import Instance, within

    service.begin(CONFIG)
    unit = service.ask("systemctl", "cat", "scriptixd")
    said = service.ask(
        *within(Instance(), unit, ("grep", "-E", "Seccomp:|NoNewPrivs|Cap|Uid|Gid|Groups", "/proc/self/status"))
    )
    confined = service.ask(
        "grep", "-E", "Seccomp:|NoNewPrivs|Cap|Uid|Gid|Groups", f"/proc/{service.shown()['MainPID']}/status"
    )
    assert said == confined
    tried = service.answer(*within(Instance(), unit, ("touch", "/srv/media/council/by-check", "/etc/by-check")))
    assert "Read-only file system" in tried.stderr
    assert "/srv" not in tried.stderr
    assert service.owned("/srv/media/council/by-check").startswith("scriptixd ")


def test_in_the_units_sandbox_a_command_follows_a_delivery_and_knows_no_secret_and_messages_can_be_sent(
    service: Machine, tmp_path: Path
) -> None:
    (folder,) = CONFIG["folders"]  # type: ignore[misc]
    script = 'printf "%s\\n" "$@" >/srv/media/said; env >/srv/media/env; id -un; touch /etc/not-here'
    notify = {"urls": ["json://127.0.0.1:8089/t0p-s3cr3t"]}  # where nobody takes it
    settings = {**CONFIG, "folders": [{**folder, "after_done": {"command": ["sh", "-c", script, "sh"]}}]}
    service.ask("chown", "scriptixd", "/srv/media")
    service.begin({**settings, "notify": notify}, ExecStartPre="-/opt/scriptixd/bin/scriptixd check --notify")
    eventually(lambda: service.shown()["ActiveState"] == "active", "it runs", 60.0)
    service.drop(f"{FOLDER}/after.wav", recording(tmp_path, 1.0, 50))

    def last_words() -> list[str]:
        return [line["MESSAGE"] for line in service.journal() if "the command after it" in line["MESSAGE"]]

    (told,) = eventually(last_words, "it has run", 60.0)
    assert told.startswith("council/after.wav: the command after it has failed, and is tried again: it ended with 1")
    assert "Read-only file system" in told
    assert service.ask("cat", "/srv/media/said").split() == [f"{FOLDER}/after.json"]  # nobody speaks in it
    environment = service.ask("cat", "/srv/media/env")
    assert f"SCRIPTIXD_SOURCE={FOLDER}/after.wav\n" in environment
    for hidden in ("CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG", "a-key-for-tests", "t0p-s3cr3t"):
        assert hidden not in environment
    checked = [line["MESSAGE"] for line in service.journal() if "notify.urls[0] (json://***)" in line["MESSAGE"]]
    assert any("the message was refused with 4" in line for line in checked), checked
    assert "t0p-s3cr3t" not in service.ask("journalctl", "--no-pager", "-u", "scriptixd")
    service.ask("systemctl", "stop", "scriptixd")


def test_a_reload_applies_what_is_valid_and_fails_visibly_where_it_is_not(service: Machine, tmp_path: Path) -> None:
    service.begin(CONFIG)
    first = service.shown()["MainPID"]
    service.folder("/srv/court/hearing")
    wider = folders(FOLDER, "/srv/court/hearing")
    service.put("/etc/scriptixd/config.yaml", yaml.safe_dump(wider).encode())
    service.ask("systemctl", "reload", "scriptixd")
    good = eventually(lambda: [line for line in service.journal() if "is valid" in line["MESSAGE"]], "it was checked")
    assert {line["PRIORITY"] for line in good} == {"6"}  # info of syslog(3)
    service.drop("/srv/court/hearing/heard.wav", recording(tmp_path, 1.0, 61))
    eventually(lambda: service.has("/srv/court/hearing/heard.json"), "what is new is transcribed", 60.0)
    service.put("/etc/scriptixd/config.yaml", b"folders: [{path: /srv/media/council, langauge: en}]")
    refused = service.answer("systemctl", "reload", "scriptixd")
    assert refused.returncode != 0
    assert any("did you mean 'language'?" in line["MESSAGE"] for line in service.journal())
    now = service.shown()
    assert (now["MainPID"], now["ActiveState"], now["SubState"]) == (first, "active", "running")
    service.drop("/srv/court/hearing/later.wav", recording(tmp_path, 1.0, 62))
    eventually(lambda: service.has("/srv/court/hearing/later.json"), "the settings of before go on", 60.0)
    service.ask("systemctl", "stop", "scriptixd")


def test_a_reload_says_that_another_key_waits_for_a_restart(service: Machine) -> None:
    """Some versions of systemd hand a secret over once more when they reload, and others at the start alone."""

    def said(word: str) -> list[str]:
        return [line["MESSAGE"] for line in service.journal() if word in line["MESSAGE"]]

    service.begin(CONFIG)
    service.ask("systemctl", "reload", "scriptixd")
    eventually(lambda: said("nothing in it has changed"), "it was read again")
    assert said("by a restart") == []
    service.put(CONFIG["api"]["key_file"], b"another-key-than-before")
    service.ask("systemctl", "reload", "scriptixd")
    (told,) = eventually(lambda: said("by a restart"), "it is told")
    assert "key" in told
    service.put(CONFIG["api"]["key_file"], KEY.encode())
    service.ask("systemctl", "stop", "scriptixd")


def test_roots_check_looks_as_the_services_user_in_the_confinement_of_its_unit(service: Machine) -> None:
    closed, outside, gone = "/srv/closed/council", "/data/outside/council", "/srv/gone/council"
    service.ask("sh", "-c", f"mkdir -p {closed} {outside}; chmod 0755 {closed}; chmod 0777 {outside}")
    service.begin(folders(FOLDER, closed, outside, gone))

    def checked(*options: str) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for one in json.loads(service.say("check", "--json", *options).stdout):
            found.setdefault(one["subject"], []).append((one["level"], one["sentence"]))
        return found

    told = checked("--canary")
    assert told["user"] == [("ok", "this is how scriptixd sees it, in the confinement of scriptixd.service")]
    ((level, sentence),) = told["unit"]
    assert (level, sentence.partition(" is not")[0]) == ("warning", outside)
    assert told["key"][0][0] == "ok"  # by the credential
    assert told["clock"][0][0] == "ok"
    ((level, sentence),) = told["media"]
    assert (level, "readable and writable for scriptixd" in sentence) == ("ok", True)
    for name, words in (("closed", "Permission denied"), ("outside", "Read-only"), ("gone", "does not exist")):
        ((level, sentence), *_) = told[name]
        assert (level, words in sentence) == ("problem", True), (name, sentence)
    assert [level for level, _ in told["canary in media"]] == ["ok"]
    assert "canary in closed" not in told
    assert service.ask("ls", "-A", "/srv/closed/council") == ""
    assert not [name for name in service.ask("ls", "-A", FOLDER).split() if "canary" in name]

    # A configuration of which no unit knows: the state file tells who the service is.
    service.ask("cp", "-p", "/etc/scriptixd/config.yaml", "/etc/elsewhere.yaml")
    told = checked("-c", "/etc/elsewhere.yaml", "--offline")
    ((level, sentence),) = told["user"]
    assert (level, "as scriptixd sees them, outside of any unit" in sentence) == ("ok", True)
    assert [told[name][0][0] for name in ("closed", "media", "outside")] == ["problem", "ok", "ok"]
