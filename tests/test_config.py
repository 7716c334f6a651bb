"""The configuration: real files, real directories and links; every problem with its line, and no secret told."""

from __future__ import annotations

import json
import os
import re
import textwrap
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptixd.captions.manner import Units, Writing
from scriptixd.captions.style import SpeakerLabels
from scriptixd.config import document, units
from scriptixd.config.findings import blocks, model_at
from scriptixd.config.load import load
from scriptixd.config.model import Block, ConfigurationFile, FolderBlock, FolderDefaults, PathBlock, RuleBlock
from scriptixd.config.paths import lead, shares
from scriptixd.config.settings import (
    AskAbove,
    Auth,
    Changed,
    FilenamePolicy,
    Folder,
    FolderLimits,
    Http,
    Keep,
    Limits,
    Secret,
    Settings,
    WatchMode,
)
from scriptixd.errors import ConfigurationError, FileTrouble
from scriptixd.jobs.bounds import Bounds
from scriptixd.jobs.job import AfterDone, DocumentType, OutputPlace, Request, Webhook
from scriptixd.jobs.ports import Polling
from scriptixd.jobs.source import Existing
from scriptixd.jobs.timetable import Hours, Rates
from scriptixd.roots.root import FileAccess

EXAMPLE = Path(__file__).parent.parent / "config.example.yaml"
KEY = "s3cr3t-k3y"
NOTHING_MATCHES = "can match nothing: patterns are about paths below the folder, without '.', '..' or '//'"
NO_HOURS = "must be hours such as '19:00-07:00', or several: '12:00-13:00, 19:00-07:00'"
NO_RATE = "must be a rate such as 500KiB/s or 20MiB/s, or null for as fast as it goes"
TOO_SLOW = "must be at least 1KiB/s; upload_hours and scriptixd pause keep uploads from going on at all"
USE_A_VARIABLE = "use ${VARIABLE}, or chmod 0640"
ENVIRONMENT = {"KEY": KEY, "HOME": "/home/somebody"}

SMALL = """\
    api: {key: "${KEY}"}
    folders:
      - path: /srv/media/council
        language: nl
        document_type: caption
    """


class Desk:
    """A directory with a configuration that tests write and load."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "config.yaml"

    def load(self, text: str | bytes, environment: Mapping[str, str] = ENVIRONMENT) -> Settings:
        self.path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return load(self.path, environment)

    def problems(self, text: str | bytes, environment: Mapping[str, str] = ENVIRONMENT) -> list[str]:
        """What is wrong, without the directory of the file."""
        with pytest.raises(ConfigurationError) as caught:
            self.load(text, environment)
        assert KEY not in str(caught.value)
        return [problem.removeprefix(f"{self.directory}/") for problem in caught.value.problems]

    def folder(self, *settings: str) -> str:
        """A small configuration whose only folder has these settings, from line 6 on."""
        return textwrap.dedent(SMALL) + "".join(f"    {setting}\n" for setting in settings)

    def api(self, *settings: str) -> str:
        """A small configuration with these settings of the service, from line 3 on."""
        rest = textwrap.dedent(SMALL).partition("\n")[2]
        return 'api:\n  key: "${KEY}"\n' + "".join(f"  {setting}\n" for setting in settings) + rest


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# What settings were called before


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if some settings had had other names, or been there, in the version before."""
    for block in (PathBlock, FolderDefaults, FolderBlock, RuleBlock):
        monkeypatch.setattr(block, "formerly", {"tongue": "language", "colour": None})
    monkeypatch.setattr(ConfigurationFile, "formerly", {"keep_texts": "keep_results"})


@pytest.mark.usefixtures("older")
def test_a_setting_by_its_former_name_is_taken_with_a_warning(desk: Desk) -> None:
    text = desk.folder("colour: blue", "rules:", "  - {match: en/**, tongue: en}").replace("language: nl", "tongue: nl")
    loaded = desk.load("keep_texts: 5d\n" + text)
    assert loaded.keep.results == 5 * 86400.0
    (folder,) = loaded.folders
    assert [folder.terms(path).request.language for path in ("a.mp4", "en/a.mp4")] == ["nl", "en"]
    later = "now, and the old name will be refused by the next major version"
    assert [warning.removeprefix(f"{desk.path}:") for warning in loaded.warnings] == [
        f"1: keep_texts: is called 'keep_results' {later}",
        f"5: folders[0].tongue: is called 'language' {later}",
        "7: folders[0].colour: is no setting any more, and does nothing: take it out",
        f"9: folders[0].rules[0].tongue: is called 'language' {later}",
    ]


@pytest.mark.usefixtures("older")
def test_what_is_wrong_under_a_former_name_is_told_with_its_line(desk: Desk) -> None:
    (problem,) = desk.problems("keep_texts: long\n" + textwrap.dedent(SMALL))
    assert problem.startswith("config.yaml:1: keep_results: ")
    (problem,) = desk.problems(desk.folder("tongue: en"))
    said = "is set besides 'language', as it is called now; take one of them out"
    assert problem == f"config.yaml:6: folders[0].tongue: {said}"


def test_every_former_name_is_one_of_no_setting_and_leads_to_one() -> None:
    for place in [(), *blocks(ConfigurationFile)]:
        block = model_at(ConfigurationFile, place)
        assert not block.formerly.keys() & block.model_fields.keys()
        assert {name for name in block.formerly.values() if name is not None} <= block.model_fields.keys()


# What comes out


def test_a_small_configuration_has_every_default(desk: Desk) -> None:
    loaded = desk.load(SMALL)
    api, (folder,) = loaded.api, loaded.folders
    assert (api.url, api.auth, api.requests_per_minute) == ("https://api.scriptix.io/api/v3", Auth.KEY_HEADER, 60)
    assert (api.chunk_size, api.timeout, api.deadline) == (50 * 2**20, 60.0, 86400.0)
    assert (api.polling, api.result_units) == (Polling.AUTO, Units.AUTO)
    assert api.key.reveal() == KEY
    assert (folder.name, folder.path, folder.recursive) == ("council", Path("/srv/media/council"), True)
    assert (folder.include, folder.exclude) == (None, ())
    assert (folder.watch, folder.scan_interval, folder.settle) == (WatchMode.AUTO, None, None)
    assert (folder.min_size, folder.max_size, folder.existing) == (1024, 10_000_000_000, Existing.HOLD)
    assert (folder.ask_above, folder.changed, folder.rules) == (AskAbove(200, 24.0), Changed.HOLD, ())
    assert loaded.limits.uploads == 2
    assert loaded.warnings == ()
    assert loaded.path == desk.path


def test_terms_name_the_file_and_the_request(desk: Desk) -> None:
    (folder,) = desk.load(SMALL).folders
    terms = folder.terms("2024/meeting.mp4")
    assert terms.request == Request("nl", DocumentType.CAPTION)
    assert terms.labels.filename == "meeting.mp4"
    assert terms.outputs == ("srt", "json")
    assert terms.max_size == 10_000_000_000


def test_everything_that_only_the_service_understands_reaches_the_terms(desk: Desk) -> None:
    (folder,) = desk.load(
        desk.folder(
            "scriptix:",
            "  punctuation: no",
            "  multichannel: true",
            "  diarization: false",
            "  keep_source: on",
            '  folder_id: "17"',
            "  filename: hide",
            "  document: {b: 1, a: [x, 2.5, null, yes, 007]}",
            "  metadata: {year: 2024, code: 007, answer: no}",
            "  webhook:",
            "    url: https://cms.example.org/hook?id=1",
            "    method: PUT",
            "    headers:",
            "      Authorization: Bearer ${KEY}",
        )
    ).folders
    terms = folder.terms("meeting.mp4")
    assert terms.request == Request(
        "nl",
        DocumentType.CAPTION,
        punctuation=False,
        multichannel=True,
        diarization=False,
        document=terms.request.document,
    )
    assert json.loads(terms.request.document) == {"a": ["x", 2.5, None, True, "007"], "b": 1}
    assert terms.request.document.startswith('{"a":')
    assert terms.labels.filename is None
    assert terms.labels.keep_source
    assert terms.labels.folder_id == 17
    assert terms.labels.metadata == (("answer", "no"), ("code", "007"), ("year", "2024"))
    assert terms.labels.webhook == Webhook(
        "https://cms.example.org/hook?id=1", "PUT", (f"Authorization: Bearer {KEY}",)
    )
    assert KEY not in repr(folder)


def test_defaults_give_way_to_a_folder_setting_by_setting(desk: Desk) -> None:
    one, two, three = desk.load(
        """\
        api: {key: "${KEY}"}
        defaults:
          language: nl
          document_type: caption
          settle: 1
          scriptix: {diarization: true, keep_source: true, webhook: {url: "https://cms.example.org/"}}
        folders:
          - path: /srv/one
          - {path: /srv/two, language: en, settle: auto, scriptix: {diarization: null, webhook: null}}
          - {path: /srv/three, document_type: document, scriptix: }
        """
    ).folders
    assert (one.request.language, two.request.language, three.request.language) == ("nl", "en", "nl")
    assert three.request.document_type is DocumentType.DOCUMENT
    assert (one.settle, two.settle, three.settle) == (1.0, None, 1.0)
    assert (one.request.diarization, two.request.diarization, three.request.diarization) == (True, None, True)
    assert one.labels.keep_source
    assert two.labels.keep_source
    assert one.labels.webhook is not None
    assert two.labels.webhook is None


def test_norwegian_is_a_language_and_not_a_refusal(desk: Desk) -> None:
    (folder,) = desk.load(SMALL.replace("language: nl", "language: no")).folders
    assert folder.request.language == "no"


@pytest.mark.parametrize("language", ["''", "'nl en'", "nl/en", "[nl]", "~", "-nl"])
def test_what_is_no_language_code_is_refused(desk: Desk, language: str) -> None:
    (problem,) = desk.problems(SMALL.replace("language: nl", f"language: {language}"))
    assert problem.startswith("config.yaml:4: folders[0].language: must be ")


def test_captions_are_as_the_folder_or_its_rule_wants_them(desk: Desk) -> None:
    settings = desk.load(
        desk.folder(
            "captions:",
            "  {profile: dutch, max_chars: 37, gap: 200ms, speaker_labels: changes, srt_newline: crlf, vtt_note: ''}",
            "rules:",
            "  - match: 'en/**'",
            "    captions: {profile: bbc, chars_per_second: 12.5, srt_bom: true}",
        )
    )
    (folder,) = settings.folders
    dutch, english = folder.terms("a.mp4").manner, folder.terms("en/a.mp4").manner
    layout = dutch.style.layout
    assert (layout.max_chars, layout.min_ms, layout.gap_ms, layout.chars_per_second) == (37, 1400, 200, 15.0)
    assert dutch.style.speaker_labels is SpeakerLabels.CHANGES
    assert dutch.writing == Writing(srt_crlf=True, vtt_note="")
    assert (english.style.layout.chars_per_second, english.style.layout.max_chars) == (12.5, 37)
    assert english.writing == Writing(srt_bom=True, srt_crlf=True, vtt_note="")


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("profile: mine", "captions.profile: must be netflix, bbc or dutch"),
        ("max_lines: 3", "captions: cannot be kept: a cue has one line or two"),
        ("min_duration: 9s", "captions: cannot be kept: no cue is shown for 9 s at the least and 7 s at the most"),
        (
            "min_duration: 0",
            "captions: cannot be kept: no cue can be made unless its characters, speed and shortest duration",
        ),
        ("chars_per_second: fast", "captions.chars_per_second: must be a number above 0"),
        ("chars_per_second: 0", "captions.chars_per_second: must be a number above 0"),
        ('vtt_note: "a\\nb"', "captions.vtt_note: must be one line of plain text"),
        ("srt_newline: cr", "captions.srt_newline: must be lf or crlf"),
    ],
)
def test_captions_that_cannot_be_made_are_refused(desk: Desk, setting: str, sentence: str) -> None:
    (problem,) = desk.problems(desk.folder("captions:", f"  {setting}"))
    assert f"folders[0].{sentence}" in problem


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (
            """\
            api: {key: "${KEY}"}
            defaults: {language: nl, document_type: caption, captions: {min_duration: 5s}}
            folders:
              - path: /srv/one
              - path: /srv/two
                captions: {max_duration: 3s}
            """,
            "config.yaml:6: folders[1].captions",
        ),
        (
            """\
            api: {key: "${KEY}"}
            defaults: {language: nl, document_type: caption, captions: {max_lines: 1}}
            folders:
              - path: /srv/one
                captions: {min_duration: 5s}
                rules:
                  - match: "en/**"
                    language: en
                  - match: "fr/**"
                    captions: {max_duration: 3s}
            """,
            "config.yaml:10: folders[0].rules[1].captions",
        ),
    ],
)
def test_captions_that_cannot_be_made_together_are_told_where_the_second_number_stands(
    desk: Desk, text: str, place: str
) -> None:
    refused = "cannot be kept: no cue is shown for 5 s at the least and 3 s at the most"
    assert desk.problems(text) == [f"{place}: {refused}"]


def test_the_json_is_written_last_and_cannot_be_left_out(desk: Desk) -> None:
    assert desk.load(desk.folder("outputs: [json, srt]")).folders[0].outputs == ("srt", "json")
    assert desk.load(desk.folder("outputs: [json]")).folders[0].outputs == ("json",)
    assert "must contain 'json'" in desk.problems(desk.folder("outputs: [srt]"))[0]
    assert "names an output twice" in desk.problems(desk.folder("outputs: [json, srt, srt]"))[0]
    (problem,) = desk.problems(desk.folder("outputs:", "  - json", "  - odt"))
    assert problem.startswith(
        "config.yaml:8: folders[0].outputs[1]: is no output; outputs are json, srt, vtt, txt, docx"
    )


# What holds for a path


def paths_of(desk: Desk, *settings: str) -> Folder:
    (folder,) = desk.load(desk.folder(*settings)).folders
    return folder


def test_the_first_rule_that_matches_holds_and_what_it_does_not_set_is_the_folders(desk: Desk) -> None:
    folder = paths_of(
        desk,
        "settle: 5",
        "max_size: 1GB",
        "scriptix: {diarization: true, keep_source: true, filename: hide}",
        "rules:",
        "  - {match: en/**, language: en, scriptix: {keep_source: false, filename: send}}",
        "  - match: '*-minutes.wav'",
        "    document_type: document",
        "    settle: auto",
        "    max_size: 2GB",
        "    existing: process",
        "    changed: process",
        "    outputs: [json]",
        "  - {match: '**', language: fr}",
    )
    english, minutes, french = (folder.at(path) for path in ("en/x/a-minutes.wav", "a-minutes.wav", "a.wav"))
    assert (english.rule, minutes.rule, french.rule) == ("en/**", "*-minutes.wav", "**")
    assert english.request == Request("en", DocumentType.CAPTION, diarization=True)
    assert minutes.request == Request("nl", DocumentType.DOCUMENT, diarization=True)
    assert french.request == Request("fr", DocumentType.CAPTION, diarization=True)
    assert (english.labels.keep_source, minutes.labels.keep_source) == (False, True)
    assert (english.filename, minutes.filename) == (FilenamePolicy.SEND, FilenamePolicy.HIDE)
    assert (english.settle, minutes.settle) == (5.0, None)
    assert (english.max_size, minutes.max_size) == (10**9, 2 * 10**9)
    assert (english.existing, minutes.existing) == (Existing.HOLD, Existing.PROCESS)
    assert (english.outputs, minutes.outputs) == (("srt", "json"), ("json",))
    terms = folder.terms("a-minutes.wav")
    assert (terms.request, terms.outputs, terms.max_size) == (minutes.request, ("json",), 2 * 10**9)
    assert not terms.changed_holds
    assert folder.terms("en/a.wav").labels.filename == "a.wav"
    assert folder.terms("en/a.wav").changed_holds


def test_what_no_rule_matches_goes_by_the_folder(desk: Desk) -> None:
    folder = paths_of(desk, "rules: [{match: en/**, language: en}]")
    assert folder.at("a.mp4").rule is None
    assert folder.at("a.mp4").request == folder.request == Request("nl", DocumentType.CAPTION)
    assert folder.terms("a.mp4").changed_holds


def test_a_folder_needs_no_language_if_every_rule_has_one(desk: Desk) -> None:
    text = SMALL.replace("        language: nl\n", "") + "    rules: [{match: en/**, language: en}]\n"
    (folder,) = desk.load(text).folders
    assert (folder.request, folder.lacks) == (None, "language")
    assert folder.at("en/a.mp4").request == Request("en", DocumentType.CAPTION)
    assert folder.at("a.mp4") is None
    with pytest.raises(FileTrouble, match=r"no rule matches a\.mp4, and the folder has no language of its own \("):
        folder.terms("a.mp4")


def test_one_rule_without_a_language_is_the_one_that_is_named(desk: Desk) -> None:
    rules = "    rules:\n      - {match: en/**, language: en}\n      - {match: fr/**}\n"
    assert desk.problems(textwrap.dedent(SMALL).replace("    language: nl\n", "") + rules) == [
        "config.yaml:7: folders[0].rules[1].language: is required in this rule, "
        "since the folder has no language of its own: what is spoken, such as nl"
    ]


@pytest.mark.parametrize("rules", ["rules: [{match: en/**}]", "rules: [{match: en/**}, {match: fr/**}]"])
def test_no_language_anywhere_is_one_problem_of_the_folder(desk: Desk, rules: str) -> None:
    assert desk.problems(textwrap.dedent(SMALL).replace("    language: nl\n", f"    {rules}\n")) == [
        "config.yaml:3: folders[0].language: is required, here or in 'defaults', or by every rule: "
        "what is spoken, such as nl"
    ]


def test_a_slip_of_the_pen_in_a_rule_is_the_only_problem_that_is_told(desk: Desk) -> None:
    text = textwrap.dedent(SMALL).replace("language: nl", "settle: 5").replace("- path", "- min_size: 1\n    path")
    rules = "    rules:\n      - match: en/**\n        langauge: en\n"
    assert desk.problems(text + rules) == [
        "config.yaml:9: folders[0].rules[0].langauge: unknown setting (did you mean 'language'?)"
    ]


def test_a_setting_one_level_too_deep_is_the_only_problem_that_is_told(desk: Desk) -> None:
    (problem,) = desk.problems(SMALL.replace("language: nl", "scriptix: {language: nl}"))
    assert problem.endswith("folders[0].scriptix.language: unknown setting (it belongs to folders[0] itself)")


@pytest.mark.parametrize("name", sorted(FolderBlock.model_fields.keys() - PathBlock.model_fields.keys()))
def test_what_belongs_to_a_folder_as_a_whole_is_refused_in_a_rule_with_the_reason(desk: Desk, name: str) -> None:
    (problem,) = desk.problems(desk.folder("rules:", f"  - {{match: en/**, {name}: null}}"))
    assert problem.startswith(f"config.yaml:7: folders[0].rules[0].{name}: belongs to the folder")


def test_rules_in_the_defaults_are_for_folders_without_rules_of_their_own(desk: Desk) -> None:
    one, two, three = desk.load(
        """\
        api: {key: "${KEY}"}
        defaults:
          document_type: caption
          rules: [{match: en/**, language: en}]
        folders:
          - {path: /srv/one}
          - {path: /srv/two, language: nl, rules: [{match: fr/**, language: fr}]}
          - {path: /srv/three, language: nl, rules: []}
        """
    ).folders
    assert [rule.rule for rule in one.rules] == ["en/**"]
    assert [rule.rule for rule in two.rules] == ["fr/**"]
    assert three.rules == ()


def test_a_problem_of_the_rules_in_the_defaults_is_told_once_and_there(desk: Desk) -> None:
    assert desk.problems(
        """\
        api: {key: "${KEY}"}
        defaults:
          document_type: caption
          rules:
            - {match: en/**, language: en}
            - {match: fr/**, max_size: 1}
        folders:
          - {path: /srv/one}
          - {path: /srv/two}
        """
    ) == [
        "config.yaml:6: defaults.rules[1].language: is required in this rule, "
        "since the folder has no language of its own: what is spoken, such as nl",
        "config.yaml:6: defaults.rules[1].max_size: must not be smaller than 'min_size'",
    ]


def test_a_rule_that_can_never_decide_is_a_warning(desk: Desk) -> None:
    loaded = desk.load(
        desk.folder(
            "rules:",
            "  - {match: en/**, language: en}",
            "  - {match: en/**, language: fr}",
            "  - {match: '**'}",
            "  - {match: fr/**, language: fr}",
        )
    )
    sentence = "can never decide: folders[0].rules[%d] before it matches the same files"
    assert [warning.removeprefix(f"{desk.path}:") for warning in loaded.warnings] == [
        f"8: folders[0].rules[1].match: {sentence % 0}",
        f"10: folders[0].rules[3].match: {sentence % 2}",
    ]


def test_a_flood_is_asked_about_above_a_number_of_files_or_of_hours(desk: Desk) -> None:
    text = """\
        api: {key: "${KEY}"}
        defaults: {language: nl, document_type: caption, ask_above: {files: 5, hours: 1.5}}
        folders:
          - {path: /srv/one}
          - {path: /srv/two, ask_above: {files: null}}
          - {path: /srv/three, ask_above: null}
        """
    assert [folder.ask_above for folder in desk.load(text).folders] == [
        AskAbove(5, 1.5),
        AskAbove(None, 1.5),
        AskAbove(None, None),
    ]
    (folder,) = desk.load(desk.folder("ask_above: {files: 0}")).folders
    assert folder.ask_above == AskAbove(0, 24.0)


# Limits, and what is erased


def test_somebody_to_ask_whom_no_note_names_is_a_warning(desk: Desk) -> None:
    (warning,) = desk.load(desk.folder("contact: Anna, room 12")).warnings
    assert warning.startswith(f"{desk.path}:6: folders[0].contact: is told nobody: set 'problem_note: true'")
    assert desk.load(desk.folder("contact: Anna, room 12", "problem_note: true")).warnings == ()
    noted = desk.folder("contact: Anna") + "defaults: {problem_note: true}\n"
    assert desk.load(noted).warnings == ()


def test_limits_are_of_all_folders_and_of_each(desk: Desk) -> None:
    loaded = desk.load(
        """\
        api: {key: "${KEY}", requests_per_hour: 600, polling: list}
        timezone: Europe/Amsterdam
        defaults: {language: nl, document_type: caption, limits: {uploads: 1, files_per_day: 20}}
        limits:
          uploads: 3
          bandwidth: {19:00: null, "08:00": 2MiB/s}
          upload_hours: 12:00-13:00,19:00-07:00
          hours_per_day: 10
          hours_per_month: 99.5
        folders:
          - {path: /srv/one}
          - {path: /srv/two, limits: {files_per_day: null, bandwidth: 500KiB/s, upload_hours: 06:00-24:00}}
        """
    )
    assert (loaded.api.requests_per_hour, loaded.api.polling) == (600, Polling.LIST)
    assert loaded.timezone == ZoneInfo("Europe/Amsterdam")
    of_all = loaded.limits.bounds
    assert loaded.limits.uploads == 3
    assert of_all.bandwidth == Rates(((480, 2 * 2**20), (1140, None)))
    assert of_all.upload_hours == Hours("12:00-13:00, 19:00-07:00", ((720, 780), (1140, 420)))
    assert (of_all.files_per_day, of_all.hours_per_day, of_all.hours_per_month) == (None, 10.0, 99.5)
    one, two = (folder.limits for folder in loaded.folders)
    assert one == FolderLimits(1, Bounds(files_per_day=20))
    assert two == FolderLimits(
        1, Bounds(bandwidth=Rates(((0, 500 * 1024),)), upload_hours=Hours("06:00-24:00", ((360, 1440),)))
    )


def test_without_a_word_about_it_nothing_is_limited(desk: Desk) -> None:
    loaded = desk.load(SMALL)
    assert loaded.limits == Limits(2, Bounds())
    assert loaded.folders[0].limits == FolderLimits(None, Bounds())
    assert (loaded.timezone, loaded.api.requests_per_hour) == (None, None)


def test_how_long_things_are_kept_is_a_time_or_for_ever(desk: Desk) -> None:
    day = 86_400.0
    assert desk.load(SMALL).keep == Keep(90 * day, 365 * day)
    small = textwrap.dedent(SMALL)
    assert desk.load(small + "keep_results: 0\nkeep_history: 2y\n").keep == Keep(0.0, 730 * day)
    assert desk.load(small + "keep_results: null\nkeep_history: null\n").keep == Keep(None, None)
    (problem,) = desk.problems(small + "keep_results: false\n")
    assert problem.startswith("config.yaml:6: keep_results: must be a duration")


def test_hours_that_never_meet_are_a_problem_of_the_folder(desk: Desk) -> None:
    text = desk.folder("limits: {upload_hours: 08:00-18:00}") + "limits: {upload_hours: 19:00-07:00}\n"
    assert desk.problems(text) == [
        "config.yaml:6: folders[0].limits.upload_hours: has no minute in common with limits.upload_hours "
        "(19:00-07:00): nothing is ever sent"
    ]
    assert desk.load(text.replace("07:00", "08:01"))


@pytest.mark.parametrize("name", ["Europe/Nowhere", "''", "../../etc/passwd", "/etc/localtime", "[UTC]"])
def test_a_time_zone_is_one_by_its_name(desk: Desk, name: str) -> None:
    (problem,) = desk.problems(textwrap.dedent(SMALL) + f"timezone: {name}\n")
    assert problem.startswith("config.yaml:6: timezone: must ")


def test_without_the_data_of_the_time_zones_the_sentence_says_what_to_install(desk: Desk) -> None:
    zoneinfo.reset_tzpath([desk.directory])
    try:
        (problem,) = desk.problems(textwrap.dedent(SMALL) + "timezone: Antarctica/Troll\n")
    finally:
        zoneinfo.reset_tzpath()
    assert problem.endswith("which are not on this machine: install tzdata")


@pytest.mark.parametrize(
    ("setting", "seconds"), [("false", None), ("true", 0.0), ("30d", 30 * 86400.0), ("0", 0.0), ("off", None)]
)
def test_erasing_is_never_at_once_or_after_a_while(desk: Desk, setting: str, seconds: float | None) -> None:
    (folder,) = desk.load(
        desk.folder(f"delete_remote: {setting}", "rules: [{match: en/**, language: en, delete_remote: 1h}]")
    ).folders
    assert folder.terms("a.mp4").erase_after == seconds
    assert folder.terms("en/a.mp4").erase_after == 3600.0


# Every problem at once


def test_five_mistakes_are_told_at_once_each_with_its_line(desk: Desk) -> None:
    assert desk.problems(
        """\
        api:
          url: http://api.scriptix.io/api/v3
          key: ${KEY}
          timeout: soon
        folders:
          - path: /srv/a
            langauge: nl
            document_type: caption
          - path: /srv/b
            language: nl
            max_size: 10 parsecs
        """
    ) == [
        "config.yaml:2: api.url: must begin with https://, since the key travels with every request",
        "config.yaml:4: api.timeout: must be a duration such as 500ms, 30s, 5m, 2h or 90d",
        "config.yaml:7: folders[0].langauge: unknown setting (did you mean 'language'?)",
        "config.yaml:9: folders[1].document_type: is required, here or in 'defaults': caption or document",
        "config.yaml:11: folders[1].max_size: has an unknown unit 'parsecs'"
        " (sizes are in B, kB, MB, GB, TB, KiB, MiB, GiB or TiB)",
    ]


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("recursive: 1", "must be true or false"),
        ('recursive: "true"', "must be true or false"),
        ("min_size: true", "must be a size such as 500, 50MiB or 10GB"),
        ("min_size: 1:30", "must be a size such as 500, 50MiB or 10GB"),
        ("min_size: -1", "must be a size such as 500, 50MiB or 10GB"),
        ("min_size: 1.5", "must be a whole number of bytes"),
        ("max_size: 0", "must be at least 1 byte"),
        ("max_size: 1000TiB\n    min_size: 2000000000TiB", "is larger than any file"),
        ("max_size: 1", "must not be smaller than 'min_size'"),
        ("settle: 5 weeks", "has an unknown unit 'weeks' (durations are in ms, s, m, h, d or y)"),
        ("settle: 4000d", "is longer than ten years"),
        ("scan_interval: 0", "must be auto, or at least 100ms"),
        ("watch: always", "must be auto, events or poll"),
        ("existing: upload", "must be hold, process or ignore"),
        ("include: '*.mp4'", "must be a list, as [a, b] or with '- ' before each item"),
        ("include: {a: b}", "must be a list, as [a, b] or with '- ' before each item"),
        ("include: []", "must name at least one pattern; null means all audio and video files"),
        ("exclude: ['']", "must be a pattern such as '*.mp4'"),
        ("exclude: ['**/*.bak', '/old/', x/../y]", NOTHING_MATCHES),
        ("include: [./*.mp4]", NOTHING_MATCHES),
        ("name: a/b", "must not contain a slash, and not be '.' or '..'"),
        ("name: -audio", "must not begin with '-': every verb would take it for an option"),
        ('name: "a\\tb"', "must not contain control characters or line breaks"),
        ('name: "a\\udcffb"', "must be text, and has bytes that are not UTF-8"),
        ("scriptix: true", "must be a mapping, with a name and a value on each line below it"),
        ("scriptix: {folder_id: main}", "must be a whole number"),
        ("scriptix: {filename: rename}", "must be send or hide"),
        ("scriptix: {diarization: 2}", "must be true or false"),
        ("scriptix: {document: [a]}", "must be a mapping of options"),
        ("scriptix: {document: {a: 1.0e+999}}", "has a number that is too large"),
        ("scriptix: {metadata: {a: [b]}}", "must be text, not a list or a mapping"),
        ("scriptix: {metadata: {a: }}", "must be text, and is empty"),
        ("scriptix: {metadata: {'a b': c}}", "is no name for metadata: plain characters without spaces and commas"),
        ("scriptix: {metadata: {'a,b': c}}", "is no name for metadata: plain characters without spaces and commas"),
        ("scriptix: {metadata: {ä: c}}", "is no name for metadata: plain characters without spaces and commas"),
        ("scriptix: {metadata: {language: c}}", "is filled in by scriptixd itself and cannot be set here"),
        ("scriptix: {webhook: {method: PUT}}", "is required: the address to call"),
        ("scriptix: {webhook: {url: 'http://localhost/'}}", "must begin with https://, since its headers are secrets"),
        ("scriptix: {webhook: {url: 'https://a.example/', method: GET}}", "must be POST or PUT"),
        ("scriptix: {webhook: {url: 'https://a.example/', headers: {'a b': c}}}", "is not the name of a header"),
        ("changed: never", "must be hold or process"),
        ("ask_above: 200", "must be a mapping, with a name and a value on each line below it"),
        ("ask_above: {files: many}", "must be a whole number"),
        ("ask_above: {hours: 24h}", "must be a number of hours, such as 24 or 1.5"),
        ("hours: 24", "unknown setting (it belongs under 'ask_above')"),
        ("delete_remote: never", "must be true, false, or how long after delivery, such as 30d"),
        ("delete_remote: null", "must be true, false, or how long after delivery, such as 30d"),
        ("output: /srv/out", "must be a mapping, with a name and a value on each line below it"),
        ("output: {directory: out}", "must be an absolute path, such as /srv/transcripts"),
        ("output: {suffix: a/b}", "must not contain a slash, control characters or line breaks"),
        ('output: {suffix: "a\\tb"}', "must not contain a slash, control characters or line breaks"),
        ("output: {suffix: '.{lang}'}", "may contain {language}, and no other braces"),
        (f"output: {{suffix: {'x' * 65}}}", "must not be longer than 64 bytes"),
        ("output: {mode: 0750}", "must not make files executable: 0640, not 0750"),
        ("output: {mode: rw-r--r--}", "must be a mode as chmod takes it, such as 0640"),
        ("output: {mode: 0040}", "must let scriptixd read its own files: 0640, not 0040"),
        ("output: {group: ' '}", "must not be empty"),
        ("limits: 2", "must be a mapping, with a name and a value on each line below it"),
        ("limits: {uploads: 0}", "must be at least 1"),
        ("limits: {files_per_day: 0}", "must be at least 1"),
        ("limits: {hours_per_day: 0}", "must be more than 0; scriptixd pause keeps uploads from going on at all"),
        ("limits: {hours_per_month: 10h}", "must be a number of hours, such as 24 or 1.5"),
        ("limits: {upload_hours: '19:00'}", NO_HOURS),
        ("limits: {upload_hours: 19-7}", "must be a time of the day such as 07:00 or 19:30"),
        ("limits: {upload_hours: '19:00-25:00'}", "must be a time of the day such as 07:00 or 19:30"),
        ("limits: {upload_hours: '07:00-07:00'}", "must begin before 24:00, and not end when it begins"),
        ("limits: {upload_hours: '24:00-07:00'}", "must begin before 24:00, and not end when it begins"),
        ("limits: {upload_hours: '08:00-09:00,'}", NO_HOURS),
        ("limits: {bandwidth: 5MiB}", NO_RATE),
        (
            "limits: {bandwidth: 5Mbit/s}",
            "has an unknown unit 'Mbit' (sizes are in B, kB, MB, GB, TB, KiB, MiB, GiB or TiB)",
        ),
        ("limits: {bandwidth: 5MiB/min}", NO_RATE),
        ("limits: {bandwidth: 5B/s}", TOO_SLOW),
        (
            "limits: {bandwidth: [5MiB/s]}",
            'must be a rate such as 20MiB/s, or a timetable: {"08:00": 2MiB/s, "19:00": null}',
        ),
        ("limits: {bandwidth: {}}", "must have at least one line, as '\"19:00\": 20MiB/s'"),
        ("limits: {bandwidth: {'8:00': 5MiB/s}}", "must be a time of the day such as 07:00 or 19:30"),
        ("limits: {bandwidth: {'24:00': 5MiB/s}}", "must be written as 00:00, where a day begins"),
        ("limits: {bandwidth: {'08:00': fast}}", NO_RATE),
        ("limits: {upload: 1}", "unknown setting (did you mean 'uploads'?)"),
        ("files_per_day: 5", "unknown setting (it belongs under 'limits')"),
        ("match: 'en/**'", "unknown setting (it belongs under 'rules')"),
        ("scriptix: {language: nl}", "unknown setting (it belongs to folders[0] itself)"),
        (
            "rules: [{match: en/, output: {outputs: [json]}}]",
            "unknown setting (it belongs to folders[0].rules[0] itself)",
        ),
        ("rules: [{match: en/, captions: {watch: poll}}]", "unknown setting (it belongs to folders[0] itself)"),
        ("timezone: UTC", "unknown setting (it belongs at the top of the file, where 'folders' stands)"),
        ("rules: {match: 'en/**'}", "must be a list, as [a, b] or with '- ' before each item"),
        ("rules: ['en/**']", "must be a mapping, with a name and a value on each line below it"),
        ("rules: [{language: en}]", "is required: a pattern such as 'en/**' for the files it is about"),
        ("rules: [{match: ../en}]", NOTHING_MATCHES),
        ("rules: [{match: en/, langauge: en}]", "unknown setting (did you mean 'language'?)"),
        ("rules: [{match: en/, punctuation: no}]", "unknown setting (it belongs under 'scriptix')"),
        ("rules: [{match: en/, include: []}]", "must name at least one pattern; null means all audio and video files"),
        ("rules: [{match: en/, max_size: 1}]", "must not be smaller than 'min_size'"),
        ("rules: [{match: en/, min_size: 11GB}]", "must not be smaller than 'min_size'"),
        ("rules: [{match: en/, scriptix: {webhook: {}}}]", "is required: the address to call"),
        ("punctuation: false", "unknown setting (it belongs under 'scriptix')"),
        ("chunk_size: 1MiB", "unknown setting (it belongs under 'api')"),
        ("existing: !!python/name:os.system hold", "has a tag that is not supported here: '!!python/name:os.system'"),
    ],
)
def test_a_wrong_setting_of_a_folder_is_one_problem_on_its_line(desk: Desk, setting: str, sentence: str) -> None:
    (problem,) = [line for line in desk.problems(desk.folder(setting)) if line.endswith(f": {sentence}")]
    assert re.match(r"config\.yaml:[67]: folders\[0\]\.", problem)


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("url: https://me:secret@api.scriptix.io/", "must not contain a user name or password"),
        ("url: https://api.scriptix.io/?a=b", "must not contain '?' or '#'"),
        ("url: api.scriptix.io", "must be an address such as https://api.scriptix.io/api/v3"),
        ("url: https://api.scriptix.io:99999/", "is not a valid address"),
        ("url: http://localhost.example.org/", "must begin with https://, since the key travels with every request"),
        ("auth: basic", "must be x-zoom-s2t-key or bearer"),
        ("requests_per_minute: 0", "must be at least 1"),
        ("requests_per_minute: true", "must be a whole number"),
        ("chunk_size: 1023", "must be at least 1KiB"),
        ("timeout: 0", "must be at least 100ms"),
        ("deadline: 0", "must be at least 1s"),
        ("requests_per_hour: 0", "must be at least 1"),
        ("polling: both", "must be auto, list or single"),
        ("result_units: seconds", "must be auto, s or ms"),
        ("bandwidth: 5MiB/s", "unknown setting (it belongs under 'limits')"),
    ],
)
def test_a_wrong_setting_of_the_service_is_one_problem_on_its_line(desk: Desk, setting: str, sentence: str) -> None:
    name = setting.partition(":")[0]
    assert desk.problems(desk.api(setting)) == [f"config.yaml:3: api.{name}: {sentence}"]


@pytest.mark.parametrize("url", ["http://localhost:8080/api/v3/", "http://127.0.0.1:1/", "http://[::1]:8080"])
def test_http_is_allowed_to_this_very_machine(desk: Desk, url: str) -> None:
    assert desk.load(desk.api(f"url: '{url}'")).api.url == url.rstrip("/")


@pytest.mark.parametrize("header", ["Bearer s3cr3t-t0k3n", "Bearer ${TOKEN}"])
def test_a_header_of_a_webhook_that_everybody_can_read_is_a_warning(desk: Desk, header: str) -> None:
    webhook = f'scriptix: {{webhook: {{url: "https://a.example/", headers: {{Authorization: "{header}"}}}}}}'
    text = desk.folder("rules:", "  - match: en/", f"    {webhook}")
    desk.path.touch()
    desk.path.chmod(0o644)
    warnings = desk.load(text, {**ENVIRONMENT, "TOKEN": "s3cr3t-t0k3n"}).warnings
    assert "s3cr3t-t0k3n" not in "".join(warnings)
    place = f"{desk.path}:8: folders[0].rules[0].scriptix.webhook.headers: "
    assert [one.removeprefix(place) for one in warnings] == (
        [f"what a header holds stands in the configuration, which everybody can read: {USE_A_VARIABLE} {desk.path}"]
        if "$" not in header
        else []
    )
    desk.path.chmod(0o640)
    assert desk.load(text, {**ENVIRONMENT, "TOKEN": "s3cr3t-t0k3n"}).warnings == ()


def test_webhook_options_do_not_hide_in_the_document(desk: Desk) -> None:
    (problem,) = desk.problems(desk.folder('scriptix: {document: {webhook_headers: ["A: ${KEY}"]}}'))
    assert "set 'webhook' beside it" in problem


def test_a_problem_in_the_defaults_is_told_once_however_many_folders_there_are(desk: Desk) -> None:
    text = SMALL + "  - {path: /srv/b, language: nl, document_type: caption}\n    "
    problems = desk.problems(text + 'defaults: {language: "n l", include: [], scriptix: {webhook: {}}}\n')
    assert len(problems) == 3


@pytest.mark.parametrize("text", ["{}", "api: {key: '${KEY}'}\nfolders:\n", "api: {key: '${KEY}'}\nfolders: []\n"])
def test_at_least_one_folder_is_needed(desk: Desk, text: str) -> None:
    assert "folders: at least one folder is needed, as '- path: /srv/media'" in "\n".join(desk.problems(text))


def test_a_folder_that_is_no_mapping_is_one_problem(desk: Desk) -> None:
    assert desk.problems(textwrap.dedent(SMALL) + "  - /srv/b\n") == [
        "config.yaml:6: folders[1]: must be a mapping, with a name and a value on each line below it"
    ]


# The file itself


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "config.yaml:1: the file is empty"),
        (b"- a\n", "config.yaml:1: the file must be a mapping of settings, as `folders:`"),
        (b"api:\n\turl: x\n", "(indent with spaces, never with tabs)"),
        (b"api: [\n", "config.yaml:2: is not valid YAML: "),
        (b"api: {key: ${KEY}}\n", "(a value with ${\N{HORIZONTAL ELLIPSIS}} needs quotes inside [ ] and { })"),
        (b"a: 1\nb: \xff\n", "config.yaml:2: is not UTF-8 text"),
        (b"a: 1\nb: \x07\n", "config.yaml:2: has a character that YAML does not allow (U+0007)"),
        (b"a: 1\n---\nb: 1\n", "config.yaml:2: is not valid YAML: but found another document"),
        (b"a: *nobody\n", "config.yaml:1: is not valid YAML: found undefined alias 'nobody'"),
        (b"\n" + b"[" * 100_000, "config.yaml:2: is nested more than 40 levels deep"),
        (b"#" * (document.MAX_BYTES + 1), "config.yaml:1: the file is larger than 1 MiB; is it the configuration?"),
        (b"a: &a [*a]\n", "config.yaml:1: its aliases or variables make the file too large to be meant"),
        (b"a: &a {<<: *a}\n", "config.yaml:1: its aliases or variables make the file too large to be meant"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_problem(desk: Desk, text: bytes, problem: str) -> None:
    (found,) = desk.problems(text)
    assert problem in found


def test_a_few_lines_of_aliases_cannot_fill_the_memory(desk: Desk) -> None:
    laughs = ["l0: &l0 [" + ", ".join(["x"] * 10) + "]"]
    laughs += [f"l{level}: &l{level} [" + ", ".join([f"*l{level - 1}"] * 10) + "]" for level in range(1, 12)]
    (problem,) = desk.problems("\n".join(laughs))
    assert "too large to be meant" in problem


def test_a_name_set_twice_is_told_with_both_lines(desk: Desk) -> None:
    assert desk.problems(desk.folder("recursive: true", '"recursive": false')) == [
        "config.yaml:7: folders[0].recursive: is set twice (first on line 6)"
    ]


def test_anchors_and_merges_work_and_what_is_written_wins(desk: Desk) -> None:
    one, two = desk.load(
        """\
        api: {key: "${KEY}"}
        folders:
          - &one
            path: /srv/one
            language: nl
            document_type: caption
          - <<: *one
            path: /srv/two
        """
    ).folders
    assert (one.path.name, two.path.name) == ("one", "two")
    assert two.request == one.request


def test_json_is_a_configuration_too(desk: Desk) -> None:
    assert desk.load(json.dumps(yaml.safe_load(textwrap.dedent(SMALL)), indent=1)).folders[0].name == "council"


def test_a_byte_order_mark_and_windows_line_ends_are_read_over(desk: Desk) -> None:
    text = textwrap.dedent(SMALL).replace("\n", "\r\n").encode()
    assert desk.load(b"\xef\xbb\xbf" + text) == desk.load(SMALL)


def test_a_configuration_that_is_not_there_is_a_sentence_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"there is no such file \(name the configuration with --config"):
        load(tmp_path / "config.yaml", {})
    with pytest.raises(ConfigurationError, match="the configuration cannot be read: Is a directory"):
        load(tmp_path, {})


# Variables


def test_variables_are_filled_in_anywhere_and_read_as_if_they_stood_there(desk: Desk) -> None:
    text = desk.folder("recursive: ${DEEP}", 'min_size: "${SIZE}KiB"', "name: $${SIZE} ${KEY}")
    (folder,) = desk.load(text, {**ENVIRONMENT, "DEEP": "no", "SIZE": "3"}).folders
    assert (folder.recursive, folder.min_size, folder.name) == (False, 3072, "${SIZE} " + KEY)


def test_a_variable_that_is_not_set_is_one_problem(desk: Desk) -> None:
    assert desk.problems(SMALL, {}) == [
        "config.yaml:1: api.key: the variable KEY is not set in the environment",
    ]
    problems = desk.problems(SMALL.replace("/srv/media/council", "${MEDIA}/council").replace("nl", "${LANGUAGE}"))
    assert problems == [
        "config.yaml:3: folders[0].path: the variable MEDIA is not set in the environment",
        "config.yaml:4: folders[0].language: the variable LANGUAGE is not set in the environment",
    ]


def test_a_secret_that_only_the_daemon_has_is_in_the_way_of_nobody_who_looks(desk: Desk) -> None:
    text = textwrap.dedent(SMALL) + "http: {listen: '127.0.0.1:1', token: '${TOKEN}'}\nnotify: {urls: ['${CHAT}']}\n"
    assert len(desk.problems(text, {})) == 3
    with pytest.raises(ConfigurationError):
        load(desk.path, {}, with_key=False)
    looked = load(desk.path, {}, with_key=False, lenient=True)
    assert [folder.name for folder in looked.folders] == ["council"]
    desk.path.write_text(text.replace("language: nl", "language: ${LANGUAGE}"))
    with pytest.raises(ConfigurationError) as refused:
        load(desk.path, {}, with_key=False, lenient=True)
    assert [problem.partition(": ")[2] for problem in refused.value.problems] == [
        "folders[0].language: the variable LANGUAGE is not set in the environment"
    ]


def test_a_variable_without_a_name_is_a_problem(desk: Desk) -> None:
    (problem,) = desk.problems(desk.folder("name: 'a ${b'"))
    assert problem.endswith("has a '${' that names no variable (write '$${' for the characters)")


# The key


def api_and_folder(api: str) -> str:
    return textwrap.dedent(SMALL).replace('{key: "${KEY}"}', api)


def test_the_key_comes_from_a_file_without_its_line_break(desk: Desk) -> None:
    file = desk.directory / "key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o600)
    loaded = desk.load(api_and_folder("{key_file: key}"))
    assert loaded.api.key.reveal() == KEY
    assert loaded.warnings == ()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_file_that_others_can_read_is_a_warning(desk: Desk, mode: int) -> None:
    file = desk.directory / "key"
    file.write_text(KEY)
    file.chmod(mode)
    (warning,) = desk.load(api_and_folder(f"{{key_file: {file}}}")).warnings
    assert warning.startswith(f"{desk.path}:1: api.key_file: the key file {file} can be read by others")


def test_a_literal_key_is_accepted_with_a_warning(desk: Desk) -> None:
    loaded = desk.load(api_and_folder(f"{{key: {KEY}}}"))
    assert loaded.api.key.reveal() == KEY
    (warning,) = loaded.warnings
    assert warning.startswith(f"{desk.path}:1: api.key: the key itself stands in the configuration")
    assert KEY not in warning


def test_the_credential_of_systemd_is_found_by_itself(desk: Desk) -> None:
    credential = desk.directory / "api-key"
    credential.write_text(KEY)
    credential.chmod(0o440)
    for api in ("{}", '{key_file: "${CREDENTIALS_DIRECTORY}/api-key"}'):
        loaded = desk.load(api_and_folder(api), {"CREDENTIALS_DIRECTORY": str(desk.directory)})
        assert loaded.api.key.reveal() == KEY
        assert loaded.warnings == ()


def test_a_key_that_was_changed_after_systemd_handed_it_over_is_told_with_what_applies_it(desk: Desk) -> None:
    file, handed = desk.directory / "key", desk.directory / "handed"
    file.write_text(KEY)
    handed.mkdir()
    (handed / "api-key").write_text(KEY)
    api, environment = api_and_folder(f"{{key_file: {file}}}"), {"CREDENTIALS_DIRECTORY": str(handed)}
    os.utime(handed / "api-key")
    assert desk.load(api, environment).warnings == ()
    began = (handed / "api-key").stat().st_ctime
    while file.stat().st_ctime <= began:  # the clock of a disk ticks some hundred times a second
        file.write_text("another key is no word")
    loaded = desk.load(api, environment)
    assert loaded.api.key == Secret(KEY)
    (warning,) = loaded.warnings
    assert f"api.key_file: {file} has changed since systemd handed it over" in warning
    assert "systemctl restart scriptixd" in warning


@pytest.mark.parametrize("api", ["{}", "", "{key: null}"])
def test_without_a_key_there_is_one_problem_that_tells_how(desk: Desk, api: str) -> None:
    (problem,) = desk.problems(api_and_folder(api), {"CREDENTIALS_DIRECTORY": str(desk.directory)})
    assert problem.startswith("config.yaml:1: api.key: there is no key; name a file that holds it with 'key_file'")


def test_two_keys_are_one_too_many(desk: Desk) -> None:
    (problem,) = desk.problems(api_and_folder('{key: "${KEY}", key_file: /etc/key}'))
    assert problem == "config.yaml:1: api.key: is set besides 'key_file'; give the key in one of them"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [(b"", "is empty"), (b" \n", "is empty"), (b"one two", "holds no key"), (b"\xff\x00", "holds no key")],
)
def test_a_key_file_without_a_key_is_a_problem_with_its_path(desk: Desk, content: bytes, sentence: str) -> None:
    file = desk.directory / "key"
    file.write_bytes(content)
    (problem,) = desk.problems(api_and_folder(f"{{key_file: {file}}}"))
    assert problem.startswith(f"config.yaml:1: api.key_file: the key file {file} {sentence}")


def test_a_key_file_that_is_no_file_of_a_key_is_a_problem_with_its_path(desk: Desk) -> None:
    pipe, large, circle = (desk.directory / name for name in ("pipe", "large", "circle"))
    os.mkfifo(pipe)
    circle.symlink_to(circle)
    large.write_bytes(b"k" * 5000)
    for path, sentence in (
        (desk.directory / "nowhere", "there is no file"),
        (desk.directory, "is not a regular file|Is a directory"),
        (circle, f"the key cannot be read from {circle}: Too many levels of symbolic links"),
        (pipe, "is not a regular file"),
        (large, "is too long to hold a key"),
    ):
        (problem,) = desk.problems(api_and_folder(f"{{key_file: {path}}}"))
        assert str(path) in problem
        assert re.search(sentence, problem)


def test_an_empty_variable_is_no_key(desk: Desk) -> None:
    assert desk.problems(SMALL, {"KEY": " "}) == ["config.yaml:1: api.key: is empty"]


def test_a_secret_never_shows_itself(desk: Desk) -> None:
    loaded = desk.load(SMALL)
    assert KEY not in f"{loaded} {loaded!r} {loaded.api.key} {[loaded.api.key]}"
    assert loaded.api.key == Secret(KEY)


# Paths


def test_paths_begin_at_the_home_or_at_the_configuration(desk: Desk) -> None:
    text = textwrap.dedent(SMALL).replace("/srv/media/council", "~/media")
    assert desk.load(text + "state: here/state.db\n").folders[0].path == Path("/home/somebody/media")
    assert desk.load(text + "state: here/state.db\n").state == desk.directory / "here/state.db"
    (problem,) = desk.problems(text.replace("~/media", "~no-such-account/media"))
    assert problem == "config.yaml:3: folders[0].path: names a home directory that is not known"


def test_the_state_is_where_systemd_wants_it_or_in_the_home(desk: Desk) -> None:
    assert desk.load(SMALL).state == Path("/home/somebody/.local/state/scriptixd/state.db")
    environment = {**ENVIRONMENT, "STATE_DIRECTORY": "/var/lib/scriptixd:/var/lib/other"}
    assert desk.load(SMALL, environment).state == Path("/var/lib/scriptixd/state.db")


def test_a_link_to_the_state_file_is_the_file_that_it_leads_to(desk: Desk) -> None:
    (desk.directory / "large").mkdir()
    (desk.directory / "state.db").symlink_to("large/state.db")
    assert desk.load(textwrap.dedent(SMALL) + "state: state.db\n").state == desk.directory / "large/state.db", (
        "there or not"
    )


def test_a_directory_is_no_state_file(desk: Desk) -> None:
    (problem,) = desk.problems(textwrap.dedent(SMALL) + "state: .\n")
    assert problem.startswith("config.yaml:6: state: ")
    assert "is a directory" in problem


def two_folders(one: Path | str, two: Path | str, more: str = "") -> str:
    return f"""\
api: {{key: "${{KEY}}"}}
defaults: {{language: nl, document_type: caption}}
folders:
  - {{path: "{one}", name: one}}
  - {{path: "{two}", name: two}}
{more}"""


@pytest.mark.parametrize(
    ("one", "two", "relation"),
    [
        ("/srv/a", "/srv/a/", "folders[1] 'two' (/srv/a) is the same directory as folders[0] 'one' (/srv/a)"),
        ("/srv/a", "/srv/b/../a/c", "folders[1] 'two' (/srv/b/../a/c) lies inside folders[0] 'one' (/srv/a)"),
        ("/srv/a/b/c", "/srv/a", "folders[0] 'one' (/srv/a/b/c) lies inside folders[1] 'two' (/srv/a)"),
        ("/", "/srv/a", "folders[1] 'two' (/srv/a) lies inside folders[0] 'one' (/)"),
    ],
)
def test_a_directory_belongs_to_one_folder_alone(desk: Desk, one: str, two: str, relation: str) -> None:
    (problem,) = desk.problems(two_folders(one, two))
    assert problem == f"config.yaml:5: folders[1].path: {relation}; a directory belongs to one folder alone"


def _directory_for(folder: str, directory: str, of_other: str = "null") -> str:
    return f"""\
api: {{key: "${{KEY}}"}}
defaults: {{language: nl, document_type: caption}}
folders:
  - {{path: /srv/a, name: one, output: {{directory: {of_other}}}}}
  - {{path: {folder}, name: two, output: {{directory: {directory}}}}}
"""


@pytest.mark.parametrize(
    ("directory", "relation"),
    [
        ("/srv/a", "folders[0] 'one' (/srv/a) is the same directory as folders[1] 'two' (/srv/a, for outputs)"),
        ("/srv/a/out", "folders[0] 'one' (/srv/a) holds folders[1] 'two' (/srv/a/out, for outputs)"),
        ("/srv/b/./x/..", "folders[1] 'two' (/srv/b) is the same directory as folders[1] 'two' (/srv/b, for outputs)"),
        ("/srv", "folders[0] 'one' (/srv/a) lies inside folders[1] 'two' (/srv, for outputs)"),
    ],
)
def test_a_directory_for_outputs_is_apart_from_all_that_is_watched(desk: Desk, directory: str, relation: str) -> None:
    problems = desk.problems(_directory_for("/srv/b", directory))
    assert problems[0].startswith(f"config.yaml:5: folders[1].output.directory: {relation}; a directory for outputs is")


@pytest.mark.parametrize("directory", ["/srv/out", "/srv/out/deep"])
def test_a_directory_for_outputs_belongs_to_one_folder_alone(desk: Desk, directory: str) -> None:
    (problem,) = desk.problems(_directory_for("/srv/b", directory, of_other="/srv/out"))
    assert "folders[0] 'one' (/srv/out, for outputs)" in problem
    assert f"folders[1] 'two' ({directory}, for outputs)" in problem


def test_the_place_of_outputs_is_told_by_folders_and_rules(desk: Desk) -> None:
    (folder,) = desk.load(
        desk.folder(
            "output: {directory: /srv//out/, suffix: '.{language}', mode: 0640}",
            "rules: [{match: en/**, language: en, output: {mode: '600', group: media}}]",
        )
    ).folders
    assert folder.terms("a.mp4").output == OutputPlace("/srv/out", ".{language}", FileAccess(0o640, None))
    assert folder.terms("en/a.mp4").output == OutputPlace("/srv/out", ".{language}", FileAccess(0o600, "media"))
    assert folder.output_directories == ("/srv/out",)


def test_neighbours_are_not_nested(desk: Desk) -> None:
    assert len(desk.load(two_folders("/srv/a", "/srv/ab")).folders) == 2


def test_links_do_not_hide_that_two_paths_are_one_directory(desk: Desk) -> None:
    real, link = desk.directory / "real", desk.directory / "link"
    (real / "inner").mkdir(parents=True)
    link.symlink_to("real")
    for other in (link, link / "inner", link / "not-there-yet", link / ".." / "real"):
        (problem,) = desk.problems(two_folders(real, other))
        assert f"'one' ({real})" in problem
        assert f"'two' ({other})" in problem
    assert desk.load(two_folders(link / "a", link / "b")).folders[0].path == link / "a"


def test_looking_ends_where_a_share_is_mounted(tmp_path: Path) -> None:
    (tmp_path / "share" / "inner").mkdir(parents=True)
    (tmp_path / "share" / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "share")
    untouchable = frozenset({str(tmp_path.resolve() / "share")})
    place = lead(tmp_path / "link" / "file", untouchable)
    assert place.path == str(tmp_path.resolve() / "share" / "file")
    assert place.directory is None
    assert lead(tmp_path / "link" / "file", frozenset()).directory is False
    assert lead(tmp_path / "link" / "inner", frozenset()).directory is True


def test_whatever_is_not_surely_local_is_not_looked_at(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "40 22 0:40 / /mnt/two\\040words rw shared:2 - cifs //server/share rw\n"
        "41 22 0:41 / /mnt/nfs rw - nfs4 server:/export rw\n"
        "42 22 0:42 / /mnt/over rw master:3 - fuse.sshfs somebody@server: rw\n"
        "43 22 0:43 / /mnt/later rw - autofs systemd-1 rw\n"
    )
    assert shares(mounts) == {"/mnt/two words", "/mnt/nfs", "/mnt/over", "/mnt/later"}
    assert shares(tmp_path / "no-proc") == frozenset()


def test_a_circle_of_links_and_a_file_are_waited_for_with_a_warning_as_is_what_is_missing(desk: Desk) -> None:
    circle, file = desk.directory / "circle", desk.directory / "file"
    circle.symlink_to(circle)
    file.touch()
    # One folder that has become a file must not keep the others, or a restart, from working.
    warnings = [one.removeprefix(f"{desk.directory}/") for one in desk.load(two_folders(circle, file)).warnings]
    assert f"config.yaml:4: folders[0].path: {circle} is not a directory; it is waited for" in warnings
    assert f"config.yaml:5: folders[1].path: {file} is not a directory; it is waited for" in warnings
    (warning,) = [one for one in desk.load(two_folders("/srv/a", file / "below")).warnings if "below" in one]
    assert "is not a directory" in warning
    assert len(desk.load(two_folders(desk.directory / "later", "/srv/b")).folders) == 2


def test_a_name_belongs_to_one_folder_alone(desk: Desk) -> None:
    more = "  - {path: /srv/c, name: one}\n  - {path: /srv/two}\n"
    assert desk.problems(two_folders("/srv/a", "/srv/b", more)) == [
        "config.yaml:6: folders[2].name: the name 'one' is taken by folders[0] 'one' (/srv/a); set another 'name'",
        "config.yaml:7: folders[3].name: the name 'two' is taken by folders[1] 'two' (/srv/b); set another 'name'",
    ]


@pytest.mark.parametrize("path", ["/", "/srv/..", "/srv/\\udcff"])
def test_a_path_whose_last_part_is_no_name_needs_one(desk: Desk, path: str) -> None:
    (problem,) = desk.problems(SMALL.replace("/srv/media/council", f'"{path}"'))
    assert problem == "config.yaml:3: folders[0].name: is required here: the path's last part cannot be a name"


def test_a_path_may_have_bytes_that_are_not_utf_8(desk: Desk) -> None:
    (folder,) = desk.load(SMALL.replace("/srv/media/council", '"/srv/\\udcff"\n        name: odd')).folders
    assert os.fsencode(folder.path) == b"/srv/\xff"


# Units


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("5m", 300), ("2h", 7200), ("90d", 7776000), ("0", 0), ("1.5 h", 5400), ("7", 7)],
)
def test_durations_carry_units(text: str, seconds: float) -> None:
    assert units.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1", "1e3", "1h30m", "inf", "nan", "1,5s", "٣", "5M", "1.s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be a duration|unknown unit"):
        units.duration(text)


@settings(deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([("", 1), ("B", 1), ("kB", 10**3), ("MB", 10**6), ("GB", 10**9)]),
    st.sampled_from(["", " "]),
)
def test_sizes_in_tens_are_exact(count: int, unit: tuple[str, int], space: str) -> None:
    assert units.size(f"{count}{space}{unit[0]}") == count * unit[1]


@settings(deadline=None)
@given(st.integers(0, 2**20), st.integers(0, 4))
def test_sizes_in_twos_are_exact_and_capitals_do_not_matter(count: int, power: int) -> None:
    name = ["B", "KiB", "MiB", "GiB", "TiB"][power]
    assert units.size(f"{count}{name}") == units.size(f"{count}{name.lower()}") == count * 1024**power


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    for read in (units.duration, units.size):
        try:
            assert read(text) >= 0
        except ValueError as error:
            assert str(error)  # noqa: PT017  either is right; what matters is that nothing else is raised


# Whatever is in the file


def names() -> st.SearchStrategy[str]:
    models = [
        model_at(ConfigurationFile, ()),
        *(model_at(ConfigurationFile, place) for place in blocks(ConfigurationFile)),
    ]
    return st.sampled_from(
        sorted({name for model in models for name in model.model_fields} | {"", "[key]", "<<", "x y"})
    )


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-1, 10)
    | st.floats()
    | st.sampled_from(
        ["auto", "nl", "caption", "json", "/", "~", ".", "${KEY}", "${NOBODY}", "$${", "10s", "https://a/"]
    )
    | st.text(max_size=5)
)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names(), inner, max_size=4), max_leaves=20
)


@settings(deadline=None)
@given(
    st.dictionaries(names(), TREES, max_size=5)
    | st.fixed_dictionaries(
        {
            "api": st.dictionaries(names(), TREES, max_size=4),
            "folders": st.lists(st.dictionaries(names(), TREES, max_size=6), max_size=3),
        }
    )
)
def test_whatever_stands_in_the_file_is_judged_and_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, object]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(yaml.safe_dump(tree, allow_unicode=False))
    try:
        load(path, ENVIRONMENT)
    except ConfigurationError as error:
        for problem in error.problems:
            assert re.match(rf"{re.escape(str(path))}:[1-9][0-9]*: ", problem)


# The example


def example(desk: Desk) -> str:
    key = desk.directory / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    return EXAMPLE.read_text().replace("/etc/scriptixd/api-key", str(key))


def with_the_settings_that_are_not_set(text: str) -> bytes:
    for unset in ("      webhook: null\n", "    rules: []\n", "    after_done: null\n"):
        text = text.replace(unset, "")
    text = text.replace("notify: null\n#notify:", "notify:").replace("http: null\n", "")
    text = text.replace("  bandwidth: null\n#", "#")
    return re.sub(r"^#(?=  |http:)", "", text, flags=re.MULTILINE).encode()


def settings_of(model: type[Block]) -> set[tuple[str, ...]]:
    """Every setting at its own place; those that `defaults` and rules share with a folder are shown there."""
    found: set[tuple[str, ...]] = set()
    for place in ((), *blocks(model)):
        if place[:1] != ("defaults",) and place[:2] != ("folders", "rules"):
            found |= {(*map(str, place), name) for name in model_at(model, place).model_fields}
    return found | {
        ("folders", "rules", name) for name in RuleBlock.model_fields.keys() - PathBlock.model_fields.keys()
    }


def test_the_example_loads_without_a_warning_and_shows_the_defaults(desk: Desk) -> None:
    shown = desk.load(example(desk))
    plain = desk.load(SMALL + "state: /var/lib/scriptixd/state.db\n")
    assert shown == plain


def test_the_example_shows_every_setting_and_no_other(desk: Desk) -> None:
    environment = {
        "SCRIPTIX_API_KEY": KEY, "CMS_TOKEN": "token", "MAIL_PASSWORD": "password", "SCRIPTIXD_HTTP_TOKEN": "token",
    }  # fmt: skip
    shown = document.parse(with_the_settings_that_are_not_set(example(desk)), environment)
    assert not shown.problems
    places = {tuple(part for part in place if isinstance(part, str)) for place in shown.lines}
    examples = {
        ("folders", "scriptix", "webhook", "headers", "Authorization"),
        ("limits", "bandwidth", "08:00"),
        ("limits", "bandwidth", "19:00"),
    }
    of_a_folder = {("folders", "rules", name) for name in PathBlock.model_fields}
    assert places - {()} - examples - of_a_folder == settings_of(ConfigurationFile)


def test_the_settings_that_the_example_does_not_set_can_be_set(desk: Desk) -> None:
    text = with_the_settings_that_are_not_set(example(desk)).decode()
    text = re.sub(r"^ *(key|token)_file:.*\n", "", text, flags=re.MULTILINE)
    loaded = desk.load(
        text,
        {"SCRIPTIX_API_KEY": KEY, "CMS_TOKEN": "token", "MAIL_PASSWORD": "password", "SCRIPTIXD_HTTP_TOKEN": "secret"},
    )
    assert loaded.http == Http("127.0.0.1", 9464, Secret("secret"), page=True)
    assert loaded.api.key.reveal() == KEY
    assert loaded.folders[0].labels.webhook == Webhook(
        "https://cms.example.org/scriptix", "POST", ("Authorization: Bearer token",)
    )
    assert [rule.rule for rule in loaded.folders[0].rules] == ["en/**", "*-minutes.wav"]
    assert loaded.limits.bounds.bandwidth == Rates(((8 * 60, 2 * 2**20), (19 * 60, None)))
    assert loaded.folders[0].after_done == AfterDone(("/usr/local/bin/publish", "council"), 60.0)
    assert loaded.notify is not None
    assert loaded.notify.urls[0].reveal() == "mailtos://scriptixd:password@example.org?to=media@example.org"


def test_the_example_names_every_setting_that_a_rule_may_not_have() -> None:
    told = re.search(r"whatever stands above but (.*?), which belong to the folder", EXAMPLE.read_text(), re.DOTALL)
    assert told is not None
    assert set(re.findall(r"`(\w+)`", told[1])) == RuleBlock.elsewhere.keys() - {"rules"}


def test_every_setting_of_the_example_has_a_sentence(desk: Desk) -> None:
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r" *(- )?[a-z_]+: [^{]", line):
            above = lines[number - 1].strip()
            assert above.startswith("# "), line
