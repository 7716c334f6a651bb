"""Sidecars as a person at the share sees them: the real daemon, real renames, a directory for outputs."""

from __future__ import annotations

import json
from pathlib import Path

from house import eventually, house, spoken


def names(place: Path) -> list[str]:
    files = (path for path in place.rglob("*") if path.is_file() and not path.name.startswith("."))
    return sorted(str(path.relative_to(place)) for path in files)


def test_sidecars_go_where_they_belong_and_along_with_their_recording(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    speech = spoken(tmp_path / "speech.wav")
    with house(tmp_path / "house") as built:
        council = built.folder("council", language="nl-nl", output={"suffix": ".{language}"})
        court = built.folder("court", language="nl-nl", output={"directory": str(outputs), "mode": "0640"})
        built.start()
        built.drop(council, "talk.wav", speech)
        built.until(1)
        assert names(council) == ["talk.nl.json", "talk.nl.srt", "talk.wav"]
        paid = built.sandbox.counts()

        (council / "talk.wav").rename(council / "hearing.wav")
        eventually(lambda: names(council) == ["hearing.nl.json", "hearing.nl.srt", "hearing.wav"], "all went along")
        told = json.loads((council / "hearing.nl.json").read_bytes())
        assert told["scriptixd"]["source"]["name"] == "hearing.wav"

        (council / "hearing.nl.srt").write_text("corrected")
        (court / "2026").mkdir()
        (council / "hearing.wav").rename(court / "2026" / "hearing.wav")
        eventually(
            lambda: names(outputs) == ["2026/hearing.json", "2026/hearing.srt"], "they are in the other folder's"
        )
        eventually(lambda: names(council) == ["hearing.nl.srt"], "what was edited stays")
        assert (council / "hearing.nl.srt").read_text() == "corrected"
        assert names(court) == ["2026/hearing.wav"]
        assert (outputs / "2026" / "hearing.srt").stat().st_mode & 0o777 == 0o640
        assert built.sandbox.counts()["created"] == paid["created"], "nothing is paid twice"

        eventually(lambda: built.states().get("court/2026/hearing.wav") == "done", "the delivery is done")
        (outputs / "2026" / "hearing.srt").unlink()
        explained = built.say("explain", str(court / "2026" / "hearing.wav")).stdout
        assert f"{outputs}/2026/hearing.srt: deleted since it was written" in explained
        assert f"{outputs}/2026/hearing.json: as it was written" in explained
        assert "edited since" in built.say("explain", str(council / "hearing.wav")).stdout
        whose = built.say("explain", str(outputs / "2026" / "hearing.json")).stdout
        assert "it belongs to court/2026/hearing.wav" in whose
        assert "writable" in built.say("check", check=False).stdout
        assert built.stop()[0] == 0
