"""Cues from words, and files from cues: what a person reads, what a player accepts, what no input may break."""

from __future__ import annotations

import json
import re
from dataclasses import astuple, replace
from io import StringIO
from itertools import pairwise

import pysubs2
import pytest
import srt as srt_reader
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptixd.captions.cue import Cue, cues
from scriptixd.captions.layout import NETFLIX, Layout, Numbers
from scriptixd.captions.result import read_result
from scriptixd.captions.srt import srt
from scriptixd.captions.style import Style
from scriptixd.captions.timing import IN_SYNC_MS, Span, times
from scriptixd.captions.transcript import Transcript


def spoken(text: str, *, start_ms: int = 0, speaker: str | None = None, pause_ms: int = 60) -> dict[str, object]:
    """An utterance in which every letter takes 60 ms and a sentence is followed by a pause."""
    words: list[list[object]] = []
    at = start_ms
    for word in text.split():
        stop = at + 60 * len(word)
        words.append([word, at, stop, 0.9])
        at = stop + (400 if word[-1] in ".?!" else pause_ms)
    return {"result": words, "speaker": speaker, "channel": 0}


def transcript(*utterances: dict[str, object]) -> Transcript:
    return read_result(json.dumps({"results": list(utterances), "duration": 36_000}))


def heard(*words: tuple[str, float, float], speaker: str | None = None) -> dict[str, object]:
    return {"result": [[word, start, stop, 1.0] for word, start, stop in words], "speaker": speaker}


def lines(found: list[Cue]) -> list[tuple[str, ...]]:
    return [cue.lines for cue in found]


# What a person reads


def test_an_english_passage_becomes_the_cues_that_we_reviewed() -> None:
    said = spoken(
        "Good morning, and welcome to the council of Amsterdam. Before we begin, I would like to thank Mary Johnson "
        "for the 15 years that she has spent at this table. Are there any questions about the agenda?"
    )
    assert lines(cues(transcript(said))) == [
        ("Good morning,", "and welcome to the council of Amsterdam."),
        ("Before we begin,",),
        ("I would like to thank Mary Johnson", "for the 15 years that she has spent"),
        ("at this table.", "Are there any questions about the agenda?"),
    ]


def test_a_dutch_passage_becomes_the_cues_that_we_reviewed() -> None:
    said = spoken(
        "Goedemorgen allemaal. Ik open deze vergadering van de gemeenteraad, en ik heet iedereen op de publieke "
        "tribune van harte welkom. Mevrouw Van Dijk heeft zich afgemeld, omdat zij op dit moment in Brussel is."
    )
    assert lines(cues(transcript(said))) == [
        ("Goedemorgen allemaal.",),
        ("Ik open deze vergadering",),
        ("van de gemeenteraad, en ik heet iedereen", "op de publieke tribune van harte welkom."),
        ("Mevrouw Van Dijk heeft zich afgemeld,", "omdat zij op dit moment in Brussel is."),
    ]


def test_a_short_sentence_stays_on_one_line() -> None:
    assert lines(cues(transcript(spoken("This sentence fits on one line, easily.")))) == [
        ("This sentence fits on one line, easily.",)
    ]


def test_a_cue_ends_with_the_sentence_rather_than_in_the_next() -> None:
    said = spoken(
        "It was a very long day indeed for all of the people who had come here. "
        "Now we would really like to go home and have a meal with our friends."
    )
    assert [cue[-1][-1] for cue in lines(cues(transcript(said)))] == [".", "."]


def test_without_punctuation_a_pause_decides() -> None:
    first = ["we", "looked", "at", "everything", "there", "was", "today"]
    second = ["nobody", "noticed", "anything", "odd", "about", "them"]
    found = cues(
        transcript(
            heard(
                *[(word, i * 0.4, i * 0.4 + 0.35) for i, word in enumerate(first)],
                *[(word, i * 0.4 + 3.6, i * 0.4 + 3.95) for i, word in enumerate(second)],
            )
        )
    )
    assert [line for cue in found for line in cue.lines] == [" ".join(first), " ".join(second)]


def test_a_silence_of_a_second_and_a_half_ends_a_cue() -> None:
    found = cues(transcript(heard(("and", 0.0, 0.3), ("then", 1.9, 2.2))))
    assert lines(found) == [("and",), ("then",)]


def test_two_speakers_never_share_a_cue() -> None:
    asked, answered = spoken("Do you agree?", speaker="A"), spoken("I do.", start_ms=1500, speaker="B")
    found = cues(transcript(asked, answered))
    assert [(cue.lines, cue.speaker) for cue in found] == [(("Do you agree?",), "A"), (("I do.",), "B")]


def test_an_abbreviation_or_an_initial_ends_no_sentence() -> None:
    found = lines(cues(transcript(spoken("We met at 10 a.m. with John F. Kennedy and his brother Robert."))))
    assert len(found) == 1


def test_a_lone_mark_stays_with_its_word() -> None:
    long = "Comment voulez-vous que nous fassions cela"
    for mark in ("?", "!", "»", ":", "…"):
        assert all(
            mark not in line.split()[0]
            for cue in lines(cues(transcript(spoken(f"{long} {mark} Voilà."))))
            for line in cue
        )


@pytest.mark.parametrize(
    ("text", "upper"),
    [
        ("everybody recognised Willem Alexander yesterday evening", "everybody recognised"),
        ("everybody counted 400 minutes altogether yesterday", "everybody counted"),
    ],
    ids=["first and last name", "a number and what it counts"],
)
def test_what_belongs_together_stays_on_one_line(text: str, upper: str) -> None:
    assert lines(cues(transcript(spoken(text)))) == [(upper, text.removeprefix(upper + " "))]


def test_the_end_of_an_utterance_is_a_good_place_to_break() -> None:
    first = spoken("we looked around")
    second = spoken("everybody wondered altogether quietly", start_ms=1100)
    assert lines(cues(transcript(first, second))) == [("we looked around", "everybody wondered altogether quietly")]


def test_a_word_longer_than_a_line_is_shown_whole_and_alone() -> None:
    found = lines(cues(transcript(heard(("so", 0.0, 0.2), ("x" * 100, 0.3, 2.0), ("yes", 2.1, 2.4)))))
    assert found == [("so",), ("x" * 100,), ("yes",)]


def test_one_line_may_be_asked_for() -> None:
    said = spoken("a passage that is far too long for one line becomes several cues of one line each")
    found = cues(transcript(said), Style(numbers=Numbers(max_lines=1, max_chars=37)))
    assert all(len(cue.lines) == 1 and len(cue.lines[0]) <= 37 for cue in found)


@pytest.mark.parametrize(
    "numbers",
    [{"max_lines": 0}, {"max_lines": 3}, {"max_chars": 0}, {"chars_per_second": 0}, {"gap_ms": -1}, {"min_ms": 8000}],
)
def test_numbers_that_allow_no_cue_are_refused(numbers: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        Layout(**numbers)


def test_no_speech_gives_no_cues_and_no_text() -> None:
    assert cues(transcript()) == []
    assert srt([]) == ""


# When it is seen


def timed(*spans: tuple[int, int, int]) -> list[tuple[int, int]]:
    return times([Span(*span) for span in spans], NETFLIX)


def test_a_cue_lasts_as_long_as_its_words() -> None:
    assert timed((1000, 3000, 20)) == [(1000, 3000)]


def test_a_short_cue_is_held_for_five_sixths_of_a_second() -> None:
    assert timed((1000, 1200, 4)) == [(1000, 1834)]


def test_a_cue_is_held_until_it_can_be_read() -> None:
    assert timed((0, 1000, 40)) == [(0, 2000)]
    assert timed((0, 1000, 41)) == [(0, 2050)]


def test_no_cue_lasts_longer_than_seven_seconds() -> None:
    assert timed((0, 30_000, 20)) == [(0, 7000)]


def test_two_frames_lie_between_cues_and_a_smaller_silence_than_half_a_second_is_closed() -> None:
    assert timed((0, 2000, 20), (2000, 4000, 20))[0] == (0, 1916)
    assert timed((0, 2000, 20), (2499, 4000, 20))[0] == (0, 2415)
    assert timed((0, 2000, 20), (2500, 4000, 20))[0] == (0, 2000)


def test_gaps_are_kept_also_where_none_is_closed() -> None:
    unchained = replace(NETFLIX, chain_ms=0)
    assert times([Span(0, 2000, 20), Span(2050, 4000, 20)], unchained)[0] == (0, 1966)


def test_a_flashing_cue_borrows_from_its_neighbours_what_still_counts_as_in_time() -> None:
    found = timed((0, 1000, 10), (3000, 3800, 6), (3800, 6000, 20))
    assert found == [(0, 1000), (2962, 3796), (3880, 6000)]
    assert all(abs(cue[0] - start) <= IN_SYNC_MS for cue, start in zip(found, (0, 3000, 3800), strict=True))


def test_words_on_top_of_each_other_still_give_cues_that_can_be_seen() -> None:
    found = timed(*[(5000, 5000, 10)] * 4)
    assert all(start < end for start, end in found)
    assert all(end + NETFLIX.gap_ms <= start for (_, end), (start, _) in pairwise(found))


# SRT, pitfall by pitfall


def one(*text: str, start_ms: int = 0, end_ms: int = 1000) -> str:
    return srt([Cue(start_ms, end_ms, text, None)])


def shown(*text: str) -> str:
    return one(*text).removeprefix("1\n00:00:00,000 --> 00:00:01,000\n").removesuffix("\n")


def test_srt_is_numbered_from_one_with_a_blank_line_between_cues() -> None:
    found = srt([Cue(0, 999, ("One", "and two."), None), Cue(1083, 2000, ("Three.",), "A")])
    assert found == "1\n00:00:00,000 --> 00:00:00,999\nOne\nand two.\n\n2\n00:00:01,083 --> 00:00:02,000\nThree.\n"


@pytest.mark.parametrize(
    ("milliseconds", "written"),
    [
        (59_999, "00:00:59,999"),
        (60_000, "00:01:00,000"),
        (3_599_999, "00:59:59,999"),
        (86_400_000, "24:00:00,000"),
        (359_999_999, "99:59:59,999"),
        (360_000_000, "100:00:00,000"),
    ],
)
def test_times_are_whole_milliseconds_also_after_a_day_and_a_hundred_hours(milliseconds: int, written: str) -> None:
    assert f" --> {written}\n" in one("x", end_ms=milliseconds)


def test_a_time_just_below_a_minute_does_not_become_sixty_seconds() -> None:
    assert srt(cues(transcript(heard(("a", 59.9996, 61.0))))).startswith("1\n00:01:00,000 --> ")


def test_a_blank_line_never_splits_a_cue() -> None:
    assert shown("a", "", "\n\n", "b\n\nc") == "a\nb c"


def test_a_cue_in_which_nothing_can_be_seen_is_left_out_and_not_numbered() -> None:
    found = srt([Cue(0, 1, (" ", "\u200b"), None), Cue(2, 3, ("a",), None)])
    assert found.startswith("1\n00:00:00,002")


def test_carriage_returns_and_unicode_line_ends_are_spaces() -> None:
    assert shown("a\rb\r\nc\u2028d\u2029e\u0085f\vg\fh\x1ci") == "a b c d e f g h i"


def test_nul_and_control_characters_disappear() -> None:
    assert shown("a\0b\x07c\x1bd\x7fe\x9bf\ufeff") == "abcdef"


def test_a_lone_surrogate_does_not_stop_the_file_from_being_written() -> None:
    found = srt(cues(read_result('{"results": [{"result": [["a\\ud800b", 0, 1, 1], ["\\udfff", 1, 2, 1]]}]}')))
    assert found.encode("utf-8").endswith(b"\nab\n")


def test_an_arrow_in_the_text_is_no_time_line() -> None:
    assert shown("00:00:01,000 --> 00:00:02,000") == "00:00:01,000 → 00:00:02,000"


@pytest.mark.parametrize("tag", ["<i>a</i>", "< b >a", "</font>", "<!-- a >", "a <c", "<3 and 4>", "<00:00:01.000>"])
def test_a_tag_is_defused_and_its_text_stays(tag: str) -> None:
    assert "<" not in shown(tag)
    assert re.findall(r"\w+", shown(tag)) == re.findall(r"\w+", tag)


def test_a_tag_over_two_lines_is_defused() -> None:
    assert "<" not in shown("a <", "b> c")


def test_a_less_than_that_nobody_takes_for_a_tag_stays() -> None:
    assert shown("I <3 you, 2 < 3 & 3 > 2") == "I ‹3 you, 2 ‹ 3 & 3 > 2"
    assert shown("I <3 you & 2 < 3") == "I <3 you & 2 < 3"


def test_a_brace_is_no_style() -> None:
    assert shown(r"{\an8}up {y:i}") == r"(\an8)up (y:i)".replace(r"\an8", "\\an8")


def test_a_backslash_is_no_line_break() -> None:
    assert shown(r"C:\New\home") == "C:\\\u2060New\\\u2060home"
    assert shown(r"a\b") == r"a\b"


def test_letters_of_every_script_stay_as_they_are() -> None:
    text = "Ça ira, «Größe» naïve — 日本語 العربية नमस्ते 👩‍👩‍👧 10\u00a0000 می‌خواهم"
    assert shown(text) == text


def test_a_last_line_that_is_a_number_is_no_number_of_a_cue() -> None:
    found = cues(transcript(spoken("nobody had expected that it would happen, 1995")))
    assert not any(line.isdigit() for cue in found for line in cue.lines[1:])
    assert read_by_pysubs2(srt(found)) == wanted(found)


# Any words at any time

Read = list[tuple[int, int, str]]


def wanted(found: list[Cue]) -> Read:
    return [(cue.start_ms, cue.end_ms, shown(*cue.lines)) for cue in found]


def read_by_srt(text: str) -> Read:
    def milliseconds(time: object) -> int:
        return round(time.total_seconds() * 1000)  # type: ignore[attr-defined]

    return [(milliseconds(s.start), milliseconds(s.end), s.content) for s in srt_reader.parse(text)]


def read_by_pysubs2(text: str) -> Read:
    events = pysubs2.SSAFile.from_string(text, format_="srt")
    return [(event.start, event.end, event.plaintext) for event in events]


def read_by_webvtt(text: str) -> Read:
    def milliseconds(time: str) -> int:
        hours, minutes, seconds = time.split(":")
        return (int(hours) * 60 + int(minutes)) * 60_000 + int(seconds.replace(".", ""))

    found = webvtt.from_buffer(StringIO(text), format="srt") if text else []
    return [(milliseconds(c.start), milliseconds(c.end), c.text) for c in found]


ANY_TEXT = (
    st.text(max_size=14)
    | st.sampled_from(
        [
            "the",
            "of",
            "Yes.",
            "No,",
            "?",
            "1995",
            "42",
            "-->",
            "<i>",
            "</b",
            "{\\an8}",
            "{",
            "}",
            "\\N",
            "\n\n",
            "\r",
            "a b",
            "&amp;",
        ]
    )
    | st.text("<>{}\\-/ 0123456789ibNh\n\u2028\0", max_size=12)
    | st.text(max_size=1).map(lambda letter: letter * 50)
)
ANY_TIME = st.integers(0, 40_000) | st.floats(0, 3000) | st.none()
ANY_WORDS = st.lists(st.tuples(ANY_TEXT, ANY_TIME, ANY_TIME), max_size=40)
FLOWING = st.lists(st.tuples(ANY_TEXT, st.integers(0, 2500), st.integers(0, 900)), max_size=60)


@st.composite
def flowing_words(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Words one after the other, as a recogniser gives them."""
    at, words = 0, []
    for text, pause, length in draw(FLOWING):
        words.append((text, at + pause, at + pause + length))
        at += pause + length
    return words


def results(words: st.SearchStrategy[list[tuple[str, int, int]]]) -> st.SearchStrategy[Transcript]:
    utterance = st.tuples(words, st.sampled_from(["A", "B", None]), st.integers(0, 1)).map(
        lambda drawn: {"result": drawn[0], "speaker": drawn[1], "channel": drawn[2]}
    )
    return st.lists(utterance, max_size=3).map(
        lambda found: read_result(json.dumps({"results": found, "duration": 60}))
    )


def assert_well_made(said: Transcript, found: list[Cue], layout: Layout) -> None:
    wanted_words = [word.text for utterance in said.utterances for word in utterance.words]
    said_lines = [line.removeprefix("-") if cue.speakers else line for cue in found for line in cue.lines]
    assert [word for line in said_lines for word in line.split(" ")] == wanted_words
    assert all(0 <= cue.start_ms < cue.end_ms <= cue.start_ms + layout.max_ms for cue in found)
    assert all(cue.end_ms + layout.gap_ms <= following.start_ms for cue, following in pairwise(found))
    assert all(1 <= len(cue.lines) <= layout.max_lines for cue in found)
    assert all(len(line) <= layout.max_chars or " " not in line for cue in found for line in cue.lines)


@settings(max_examples=100, deadline=None)
@given(results(ANY_WORDS) | results(flowing_words()))
def test_any_words_at_any_time_make_cues_that_three_parsers_read_back(said: Transcript) -> None:
    found = cues(said)
    assert_well_made(said, found, NETFLIX)
    text = srt(found)
    assert "\r" not in text
    text.encode("utf-8")
    assert re.findall(r"(?:\A|\n\n)(\d+)\n\d\d:", text) == [str(number) for number in range(1, len(found) + 1)]
    assert read_by_srt(text) == wanted(found)
    assert read_by_pysubs2(text) == wanted(found)
    assert read_by_webvtt(text) == wanted(found)


@settings(max_examples=60, deadline=None)
@given(
    results(flowing_words()),
    st.builds(
        Layout,
        max_chars=st.integers(5, 50),
        max_lines=st.integers(1, 2),
        min_ms=st.integers(200, 1500),
        max_ms=st.integers(1500, 9000),
        chars_per_second=st.floats(5, 30),
        gap_ms=st.integers(0, 200),
        chain_ms=st.integers(0, 1000),
    ),
)
def test_every_layout_is_kept(said: Transcript, layout: Layout) -> None:
    assert_well_made(said, cues(said, Style(numbers=Numbers(*astuple(layout)))), layout)


def test_a_long_passage_without_a_single_stop_is_shown_whole() -> None:
    said = spoken("and so on it goes without a stop or a pause " * 2000, pause_ms=0)
    found = cues(transcript(said))
    assert sum(len(line.split()) for cue in found for line in cue.lines) == 22_000
