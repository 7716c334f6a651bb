"""What is written of a transcript, format by format: what players show, what people read, what no text may break."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from html import unescape
from zipfile import ZipFile

import docx as word
import pysubs2
import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptixd.captions.cue import Cue
from scriptixd.captions.formats import FORMATS
from scriptixd.captions.manner import Writing
from scriptixd.captions.paragraphs import LONG_CHARS, NO_SPEECH, paragraphs
from scriptixd.captions.result import read_result
from scriptixd.captions.srt import srt
from scriptixd.captions.transcript import Transcript
from scriptixd.captions.txt import WIDTH
from scriptixd.captions.vtt import vtt
from scriptixd.captions.wording import one_line
from scriptixd.captions.writing import Spoken, formatted

Said = tuple[str | None, str, float]  # by whom, what, and from when on


def said(*utterances: Said) -> Transcript:
    results = []
    for speaker, text, start in utterances:
        words = [[word, start + index * 0.4, start + index * 0.4 + 0.3, 0.9] for index, word in enumerate(text.split())]
        results.append({"result": words, "speaker": speaker, "channel": 0})
    return read_result(json.dumps({"results": results}))


MEETING = said(
    ("Jan", "Goedemorgen allemaal. Zijn er vragen over de agenda?", 0.5),
    ("Mia", "Ja & nee: 2 < 3.", 6.0),
    ("Mia", "En dan nog iets.", 12.0),
)
SILENCE = read_result('{"results": []}')


def written(name: str, transcript: Transcript, writing: Writing | None = None, title: str = "meeting") -> bytes | None:
    return formatted(name, Spoken(transcript, title), writing or Writing())


def test_the_registry_holds_every_format_under_its_name_and_each_can_be_written() -> None:
    assert list(FORMATS) == ["srt", "vtt", "txt", "docx"]
    assert {format_.name for format_ in FORMATS.values()} == set(FORMATS)
    assert all(written(name, MEETING) for name in FORMATS)


def test_a_configuration_loads_nothing_that_cuts_captions() -> None:
    cutting = "{'scriptixd.captions.' + name for name in ('cue', 'segment', 'result', 'writing', 'docx')}"
    code = f"import sys, scriptixd.config.load; print(sorted({cutting} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# VTT


def test_vtt_has_its_note_its_voices_and_escaped_text() -> None:
    text = (written("vtt", MEETING) or b"").decode()
    assert text.startswith("WEBVTT\n\nNOTE automatic, not reviewed\n\n00:00:00.500 --> ")
    assert "<v Jan>Goedemorgen allemaal." in text
    assert "<v Mia>Ja &amp; nee: 2 &lt; 3." in text


@pytest.mark.parametrize("note", ["", "  ", "\n\n"])
def test_the_note_can_be_left_out(note: str) -> None:
    assert (written("vtt", MEETING, Writing(vtt_note=note)) or b"").startswith(b"WEBVTT\n\n00:00:00.500 --> ")


def test_a_note_never_ends_early() -> None:
    text = vtt([Cue(0, 1000, ("a",), None)], "one\n\ntwo --> three")
    assert text == "WEBVTT\n\nNOTE one two → three\n\n00:00:00.000 --> 00:00:01.000\na\n"


def test_a_name_is_no_markup() -> None:
    assert vtt([Cue(0, 1000, ("x",), "A>b & <c")]).endswith("<v A&gt;b &amp; &lt;c>x\n")


def test_a_cue_in_which_nothing_can_be_seen_is_left_out() -> None:
    assert vtt([Cue(0, 1, (" ",), None)]) == ""


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.text(max_size=30), st.text(max_size=30)), min_size=1, max_size=6))
def test_two_parsers_read_back_what_was_meant_of_any_text(texts: list[tuple[str, str]]) -> None:
    found = [Cue(1000 * n, 1000 * n + 900, lines, None) for n, lines in enumerate(texts)]
    shown = [cue for cue in found if vtt([cue])]
    text = vtt(found, "a note")
    if not text:
        return
    read = webvtt.from_string(text)
    assert [(one.start, one.end) for one in read] == [(_vtt_time(cue.start_ms), _vtt_time(cue.end_ms)) for cue in shown]
    meant = ["\n".join(line for line in map(one_line, cue.lines) if line) for cue in shown]
    assert [unescape(one.raw_text) for one in read] == meant
    assert len(pysubs2.SSAFile.from_string(text, format_="vtt")) == len(shown)


def _vtt_time(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"00:00:{seconds:02d}.{rest:03d}"


# SRT


def test_srt_may_have_a_byte_order_mark_and_line_ends_of_windows() -> None:
    plain = written("srt", MEETING) or b""
    assert plain.startswith(b"1\n")
    assert written("srt", MEETING, Writing(srt_bom=True)) == b"\xef\xbb\xbf" + plain
    assert written("srt", MEETING, Writing(srt_crlf=True)) == plain.replace(b"\n", b"\r\n")
    assert srt(Spoken(MEETING).cues()).encode() == plain


# To be read


def test_text_is_in_paragraphs_by_speaker_that_a_mail_shows_whole() -> None:
    text = (written("txt", MEETING) or b"").decode()
    assert text == (
        "Jan: Goedemorgen allemaal. Zijn er vragen over de agenda?\n\nMia: Ja & nee: 2 < 3.\n\nMia: En dan nog iets.\n"
    )  # the last one after a long silence
    long = (written("txt", said((None, "woord " * 200, 0.0))) or b"").decode()
    assert max(map(len, long.splitlines())) <= WIDTH
    assert long.split() == ["woord"] * 200


def test_a_long_monologue_is_divided_at_its_sentences() -> None:
    text = "Dit is een zin van een zekere lengte, die ophoudt. " * 60
    found = paragraphs(said((None, text, 0.0)))
    assert len(found) > 2
    assert all(one.text.endswith(".") and len(one.text) <= LONG_CHARS + 100 for one in found)
    assert " ".join(one.text for one in found) == text.strip()


def test_a_word_longer_than_a_line_is_not_broken() -> None:
    word_of_200 = "x" * 200
    assert (written("txt", said((None, word_of_200, 0.0))) or b"").decode() == word_of_200 + "\n"


def test_a_document_has_a_title_and_each_paragraph_below_its_time_and_speaker() -> None:
    document = word.Document(io.BytesIO(written("docx", MEETING, title="Raad 12 mei") or b""))
    texts = [one.text for one in document.paragraphs]
    assert texts[:3] == ["Raad 12 mei", "0:00:00  Jan", "Goedemorgen allemaal. Zijn er vragen over de agenda?"]
    assert texts[-2:] == ["0:00:12  Mia", "En dan nog iets."]
    assert document.core_properties.title == "Raad 12 mei"


@pytest.mark.parametrize("name", ["caf\udce9", "a\x1b[31mb", "a\nb", "a\ufffeb", "\udcff"])
def test_a_document_is_made_of_whatever_a_recording_is_called(name: str) -> None:
    document = word.Document(io.BytesIO(written("docx", MEETING, title=f"{name}.mp4") or b""))
    assert document.core_properties.title.endswith(".mp4")
    assert document.paragraphs[0].text == document.core_properties.title


@settings(deadline=None, max_examples=30)
@given(st.text(min_size=1), st.text())
def test_a_document_is_made_of_whatever_is_said_and_by_whomever(text: str, speaker: str) -> None:
    said_so = json.dumps({"results": [{"result": [[text, 0.0, 1.0, 0.9]], "speaker": speaker}]})
    assert word.Document(io.BytesIO(written("docx", read_result(said_so)) or b"")).paragraphs


def test_the_same_transcript_gives_the_same_document() -> None:
    first = written("docx", MEETING) or b""
    assert written("docx", MEETING) == first
    with ZipFile(io.BytesIO(first)) as parts:
        assert {part.date_time for part in parts.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_where_nothing_is_said_there_are_no_captions_and_a_sentence_to_read() -> None:
    assert written("srt", SILENCE) is None
    assert written("vtt", SILENCE) is None
    assert written("txt", SILENCE) == f"{NO_SPEECH}\n".encode()
    assert NO_SPEECH in [one.text for one in word.Document(io.BytesIO(written("docx", SILENCE) or b"")).paragraphs]
