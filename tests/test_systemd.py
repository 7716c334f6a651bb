"""The shipped unit under a systemd that really boots: in a container over this machine, which is not changed.

Skipped, with the reason, where that cannot be: without root, without systemd-nspawn, or where nothing may be mounted.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import yaml
from house import eventually, tone

ROOT = Path(__file__).parents[1]
NEEDED = ("systemd-nspawn", "systemctl", "journalctl", "useradd", "unshare", "setpriv", "nsenter")
BOOTED_WITHIN = 30.0  # s
FOLDER = "/srv/media/council"
CONFIG = {
    "api": {"url": "http://127.0.0.1:8089/api/v3", "key_file": "/etc/scriptixd/api-key", "requests_per_minute": 6000},
    "state": "/var/lib/scriptixd/state.db",
    "folders": [{"path": FOLDER, "language": "en", "document_type": "caption", "settle": "1s"}],
}
# Mounts and processes live in namespaces that end with their first process, which ends with the test: nothing is left.
BOOT = """
set -e
mount -t tmpfs -o size=512m tmpfs "$1/up"
mkdir "$1/up/upper" "$1/up/work"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/up/upper,workdir=$1/up/work" "$1/root"
cp -R "$1/changes/." "$1/root/"
chroot "$1/root" useradd --system --home-dir /var/lib/scriptixd --shell /usr/sbin/nologin scriptixd
chroot "$1/root" install -d -m 2775 -g scriptixd FOLDER
shift
exec systemd-nspawn "$@"
""".replace("FOLDER", FOLDER)


class Container:
    """A booted systemd, asked from outside."""

    def __init__(self, init: int) -> None:
        self._init = init

    def ask(self, *command: str, check: bool = True, given: bytes | None = None) -> str:
        enter = ["nsenter", "-t", str(self._init), "-m", "-u", "-i", "-n", "-p", "-C", "--root", "--wd"]
        done = subprocess.run([*enter, *command], input=given, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0 or not check, (command, done.stdout, done.stderr)
        return done.stdout.decode()

    def put(self, path: str, content: bytes) -> None:
        self.ask("sh", "-c", 'cat > "$1.part" && mv "$1.part" "$1"', "put", path, given=content)

    def restart(self, **service: str) -> None:
        """Start the unit anew, with some of its settings changed."""
        lines = "".join(f"{name}={value}\n" for name, value in service.items())
        self.ask("mkdir", "-p", "/run/systemd/system/scriptixd.service.d")
        self.put("/run/systemd/system/scriptixd.service.d/test.conf", f"[Service]\n{lines}".encode())
        self.ask("systemctl", "daemon-reload")
        self.ask("systemctl", "reset-failed", "scriptixd", check=False)
        self.ask("systemctl", "restart", "scriptixd", check=False)

    def shown(self) -> Mapping[str, str]:
        return dict(line.split("=", 1) for line in self.ask("systemctl", "show", "scriptixd").splitlines())

    def journal(self) -> list[Mapping[str, str]]:
        """What the unit's programs have said, without systemd's own words."""
        self.ask("journalctl", "--sync")
        said = self.ask("journalctl", "--no-pager", "-o", "json", "-t", "scriptixd", "-u", "scriptixd")
        return [json.loads(line) for line in said.splitlines()]


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    if os.geteuid() != 0:
        pytest.skip("only root can boot a container")
    missing = [tool for tool in NEEDED if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (packages systemd-container, util-linux, passwd)")
    if any(Path(path).exists() for path in ("/opt/scriptixd", "/etc/scriptixd", "/var/lib/scriptixd")):
        pytest.skip("scriptixd is installed on this machine, and would be seen in the container")
    place = tmp_path_factory.mktemp("systemd")
    for name in ("up", "root"):
        (place / name).mkdir()
    binds = _installed(place / "changes")
    with (place / "log").open("wb") as log, _booted(place, binds, log.fileno()) as booted:
        booted.ask("systemd-run", "--unit=sandbox", "/opt/scriptixd/bin/scriptixd", "sandbox", "--port=8089")
        yield booted


def _installed(changes: Path) -> list[str]:
    """What the container has besides this machine: the unit as it is shipped, this code, this Python."""

    def put(path: str, text: str, mode: int = 0o644) -> None:
        (changes / path).parent.mkdir(parents=True, exist_ok=True)
        (changes / path).write_text(text)
        (changes / path).chmod(mode)

    packages = list(dict.fromkeys(sysconfig.get_paths()[name] for name in ("purelib", "platlib")))
    binds = {"/opt/source": str(ROOT), **{f"/opt/packages-{n}": path for n, path in enumerate(packages)}}
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = f"{sys.base_prefix}/bin/{name}"
    if sys.base_prefix not in {"/usr", "/usr/local"}:  # a Python in somebody's home, which is closed to the service
        binds["/opt/python"], python = sys.base_prefix, f"/opt/python/bin/{name}"
    search = ":".join(path for path in binds if path != "/opt/python")
    put("etc/fstab", "")  # this machine's disks are none of the container's
    put("etc/machine-id", f"{uuid.uuid4().hex}\n")
    put("etc/systemd/system/scriptixd.service", (ROOT / "systemd" / "scriptixd.service").read_text())
    put("etc/scriptixd/config.yaml", yaml.safe_dump(CONFIG))
    put("etc/scriptixd/api-key", "a-key-for-tests\n", 0o600)
    put(
        "opt/scriptixd/bin/scriptixd",
        f"#!/bin/sh\nexport PYTHONPATH={search} LD_LIBRARY_PATH=/opt/python/lib PYTHONDONTWRITEBYTECODE=1\n"
        f'exec {python} -m scriptixd "$@"\n',
        0o755,
    )
    for path in changes.rglob("*"):
        if path.is_dir():
            path.chmod(0o755)
    return [f"--bind-ro={host}:{inside}" for inside, host in binds.items()]


@contextmanager
def _booted(place: Path, binds: list[str], log: int) -> Iterator[Container]:
    name = f"scriptixd-{uuid.uuid4().hex[:8]}"
    options = ["-D", str(place / "root"), f"--machine={name}", "--register=no", "--keep-unit", "--private-network"]
    command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount-proc", "--pid", "--fork", "--kill-child"]
    command += ["sh", "-c", BOOT, "boot", str(place)]
    command += [*options, *binds, "--console=pipe", "--boot", "systemd.unit=sysinit.target"]
    machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    init: int | None = None

    def up() -> bool:
        nonlocal init
        init = _init_of(machine.pid)
        if machine.poll() is not None or init is None:
            return machine.returncode is not None
        active = Container(init).ask("systemctl", "is-active", "sysinit.target", check=False)
        return active.strip() == "active"

    try:
        try:
            eventually(up, "systemd has booted", BOOTED_WITHIN)
        except AssertionError:
            init = None
        if machine.poll() is not None or init is None:
            pytest.skip(f"no container boots here: {(place / 'log').read_text(errors='replace')[-500:]}")
        yield Container(init)
    finally:
        machine.kill()
        machine.wait(30)


def _init_of(machine: int) -> int | None:
    """The container's own systemd, once it is there: machine, systemd-nspawn, systemd."""
    parents: dict[int, tuple[str, int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, rest = stat.read_text().split("(", 1)[1].rsplit(")", 1)
            parents[int(stat.parent.name)] = name, int(rest.split()[1])
    for pid, (name, parent) in parents.items():
        if name == "systemd" and parents.get(parent, ("", 0))[1] == machine:
            return pid
    return None


def test_under_the_shipped_unit_a_recording_gets_its_sidecar_and_the_end_is_a_success(
    container: Container, tmp_path: Path
) -> None:
    container.put("/etc/scriptixd/config.yaml", yaml.safe_dump(CONFIG).encode())
    container.restart()
    assert container.shown()["ActiveState"] == "active", container.journal()  # READY=1 has come
    assert container.shown()["StatusText"].startswith("1 folder(s)")

    tone(tmp_path / "tone.wav", 1.0, 40)
    container.put(f"{FOLDER}/tone.wav", (tmp_path / "tone.wav").read_bytes())
    eventually(lambda: "tone.json" in container.ask("ls", FOLDER), "the sidecar appears", 60.0)
    assert container.ask("stat", "-c", "%U %G %a", f"{FOLDER}/tone.json") == "scriptixd scriptixd 664\n"
    assert container.ask("stat", "-c", "%U %G %a", "/var/lib/scriptixd") == "scriptixd scriptixd 750\n"

    verb = container.ask("/opt/scriptixd/bin/scriptixd", "list", "--json")  # as root, beside it
    assert [source["state"] for source in json.loads(verb)] == ["done"]

    container.ask("systemctl", "stop", "scriptixd")
    shown = container.shown()
    assert (shown["ActiveState"], shown["Result"], shown["ExecMainStatus"]) == ("inactive", "success", "0")
    assert [line["MESSAGE"] for line in container.journal() if "Traceback" in line["MESSAGE"]] == []


def test_a_mistake_in_the_configuration_is_told_as_an_error_and_not_tried_again(container: Container) -> None:
    container.put("/etc/scriptixd/config.yaml", yaml.safe_dump({**CONFIG, "langauge": "en"}).encode())
    container.restart()
    shown = container.shown()
    assert (shown["ActiveState"], shown["ExecMainStatus"], shown["NRestarts"]) == ("failed", "2", "0")
    told = eventually(lambda: [line for line in container.journal() if "langauge" in line["MESSAGE"]], "it is told")
    assert {line["PRIORITY"] for line in told} == {"3"}  # err of syslog(3)


def test_a_missing_key_is_not_tried_again(container: Container) -> None:
    container.restart(LoadCredential="api-key:/etc/scriptixd/no-such-key")
    shown = container.shown()
    assert (shown["ActiveState"], shown["ExecMainStatus"], shown["NRestarts"]) == ("failed", "243", "0")


def test_a_daemon_that_hangs_is_killed_and_started_again(container: Container) -> None:
    container.put("/etc/scriptixd/config.yaml", yaml.safe_dump(CONFIG).encode())
    container.restart(WatchdogSec="2s", RestartSec="100ms")
    first = container.shown()
    assert first["ActiveState"] == "active", container.journal()
    container.ask("kill", "-STOP", first["MainPID"])

    def is_back() -> bool:
        now = container.shown()
        return now["NRestarts"] == "1" and now["ActiveState"] == "active"

    eventually(is_back, "another one is running", 60.0)
    assert container.shown()["MainPID"] != first["MainPID"]


def test_in_the_units_sandbox_a_command_follows_a_delivery_and_knows_no_secret_and_messages_can_be_sent(
    container: Container, tmp_path: Path
) -> None:
    (folder,) = CONFIG["folders"]  # type: ignore[misc]
    script = 'printf "%s\\n" "$@" >/srv/media/said; env >/srv/media/env; id -un; touch /etc/not-here'
    notify = {"urls": ["json://127.0.0.1:8089/t0p-s3cr3t"]}  # where nobody takes it
    settings = {**CONFIG, "folders": [{**folder, "after_done": {"command": ["sh", "-c", script, "sh"]}}]}
    container.ask("chown", "scriptixd", "/srv/media")
    container.put("/etc/scriptixd/config.yaml", yaml.safe_dump({**settings, "notify": notify}).encode())
    container.restart(ExecStartPre="-/opt/scriptixd/bin/scriptixd check --notify")
    assert container.shown()["ActiveState"] == "active", container.journal()
    tone(tmp_path / "after.wav", 1.0, 50)
    container.put(f"{FOLDER}/after.wav", (tmp_path / "after.wav").read_bytes())

    def last_words() -> list[str]:
        return [line["MESSAGE"] for line in container.journal() if "the command after it" in line["MESSAGE"]]

    (told,) = eventually(last_words, "it has run", 60.0)
    assert told.startswith("council/after.wav: the command after it has failed, and is tried again: it ended with 1")
    assert "Read-only file system" in told
    assert container.ask("cat", "/srv/media/said").split() == [f"{FOLDER}/after.json"]  # nobody speaks in it
    environment = container.ask("cat", "/srv/media/env")
    assert f"SCRIPTIXD_SOURCE={FOLDER}/after.wav\n" in environment
    for hidden in ("CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG", "a-key-for-tests", "t0p-s3cr3t"):
        assert hidden not in environment
    checked = [line["MESSAGE"] for line in container.journal() if "notify.urls[0] (json://***)" in line["MESSAGE"]]
    assert any("the message was refused with 4" in line for line in checked), checked
    assert "t0p-s3cr3t" not in container.ask("journalctl", "--no-pager", "-u", "scriptixd")
    container.ask("systemctl", "stop", "scriptixd")
