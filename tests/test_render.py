"""`render`: sidecars made anew as a person types it, beside a running daemon and without one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from desk import Desk
from house import House, eventually, house, spoken
from test_sidecars_daemon import names


def settings(built: House, **changed: object) -> None:
    """The first folder's settings are changed, and the daemon is not asked."""
    found = yaml.safe_load(built.config.read_text())
    found["folders"][0].update(changed)
    built.config.write_text(yaml.safe_dump(found))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_sidecars_are_made_anew_beside_a_daemon_and_without_one(tmp_path: Path) -> None:
    speech = spoken(tmp_path / "speech.wav")
    with house(tmp_path / "house") as built:
        council = built.folder("council", language="en")
        built.start()
        for name in ("a.wav", "b.wav"):
            built.drop(council, name, speech)
        built.until(2)
        sent, asked = built.sandbox.counts(), len(built.sandbox.requests())
        before = (council / "a.srt").read_text()

        said = built.say("render", str(council / "a.wav"), "--max-chars", "12", "--speaker-labels", "always").stdout
        assert said == f"{council / 'a.wav'}: a.srt, a.json\n"
        narrow = (council / "a.srt").read_text()
        assert max(map(len, before.splitlines())) > 30
        assert narrow != before
        assert (council / "b.srt").read_text() == before, "only what was named"
        built.say("render", "council")
        assert (council / "a.srt").read_text() == before, "an option holds once"
        (council / "b.srt").write_text("corrected")
        assert built.stop()[0] == 0

        settings(built, outputs=["json", "vtt"], output={"suffix": ".{language}"})
        said = built.say("render", "council").stdout
        assert said.splitlines() == [
            f"{council / 'a.wav'}: a.en.vtt, a.en.json",
            f"{council / 'b.wav'}: b.en.vtt, b.en.json",
        ]
        assert names(council) == ["a.en.json", "a.en.vtt", "a.wav", "b.en.json", "b.en.vtt", "b.srt", "b.wav"]
        assert (council / "b.srt").read_text() == "corrected"

        settings(built, outputs=None, output=None)
        built.say("render", "a.wav")
        assert names(council) == ["a.json", "a.srt", "a.wav", "b.en.json", "b.en.vtt", "b.srt", "b.wav"]
        assert (council / "a.srt").read_text() == before
        assert (built.sandbox.counts(), len(built.sandbox.requests())) == (sent, asked), "the service heard nothing"
        story = built.say("explain", str(council / "a.wav")).stdout
        assert "a person wants its sidecars made anew" in story
        assert built.list()["council/a.wav"]["sidecars"] == [str(council / "a.srt"), str(council / "a.json")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_refuses_is_told_with_what_to_do(tmp_path: Path) -> None:
    with house(tmp_path / "house") as built:
        council = built.folder("council", language="en")
        built.start()
        built.drop(council, "a.wav", spoken(tmp_path / "speech.wav"))
        built.until(1)
        built.stop()
        council.chmod(0o500)
        done = built.say("render", "council", check=False)
        council.chmod(0o700)
        assert done.returncode == 1
        assert "may not" in done.stderr


def test_what_has_no_transcript_is_refused_with_its_state(desk: Desk) -> None:
    desk.add("talk.mp4")
    done = desk.say("render", "talk.mp4")
    assert done.returncode == 2
    assert "is found: there is no transcript of it to be rendered" in done.stderr
    assert desk.say("render", "council").stdout == "there is nothing to render: nothing has been transcribed there\n"
    assert desk.say("render", "nothing.mp4").returncode == 2


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        (("--profile", "ebu"), "there is no profile 'ebu'"),
        (("--max-lines", "3"), "these captions cannot be made in council: a cue has one line or two"),
        (("--srt-newline", "cr"), "there is no kind of newline 'cr'"),
    ],
)
def test_an_impossible_wish_is_refused_before_anything_is_written(
    desk: Desk, wish: tuple[str, ...], sentence: str
) -> None:
    desk.add("talk.mp4")
    done = desk.say("render", "council", *wish)
    assert done.returncode == 2
    assert sentence in done.stderr


def test_the_daemon_that_cannot_reach_a_folder_is_left_to_it(tmp_path: Path) -> None:
    with house(tmp_path / "house") as built:
        council = built.folder("council", language="en")
        built.start()
        built.drop(council, "a.wav", spoken(tmp_path / "speech.wav"))
        built.until(1)
        council.rename(council.with_name("away"))
        eventually(lambda: built.status("council")["offline"], "the folder is offline")
        done = built.say("render", "council", check=False)
        assert done.returncode == 1
        assert "the daemon does it as soon as its folder goes on" in done.stderr
        council.with_name("away").rename(council)
        eventually(lambda: built.states().get("council/a.wav") == "done", "it was done when it was back")
        assert built.stop()[0] == 0
