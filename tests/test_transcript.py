"""Reading a result: whatever shape, units and damage the service's answer comes in, its words come out in order."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptixd.captions.manner import Units
from scriptixd.captions.result import read_result
from scriptixd.captions.transcript import Transcript
from scriptixd.captions.wording import words_of
from scriptixd.errors import FileTrouble

HELLO = [["hello", 0.20, 0.61, 0.93], ["there", 0.64, 1.02, 0.88]]
HELLO_TIMES = [("hello", 200, 610), ("there", 640, 1020)]


def said(*words: object, **facts: object) -> dict[str, object]:
    return {"result": list(words), "speaker": "unk", "channel": 0, **facts}


def read(*utterances: object, units: Units = Units.AUTO, **facts: object) -> Transcript:
    return read_result(json.dumps({"result": {"status": "done", "results": list(utterances), **facts}}), units)


def times(transcript: Transcript) -> list[tuple[str, int, int]]:
    return [(w.text, w.start_ms, w.stop_ms) for u in transcript.utterances for w in u.words]


def texts(transcript: Transcript) -> list[str]:
    return [text for text, _, _ in times(transcript)]


# Shapes


@pytest.mark.parametrize(
    "answer",
    [
        {"count": 1, "total_results": 1, "result": {"status": "done", "error": None, "results": [said(*HELLO)]}},
        {"status": "completed", "results": [said(*HELLO)]},
        {"done": True, "results": [said(*HELLO)]},
        {"result": {"results": [said(*HELLO)]}, "scriptixd": {"source": "talk.mp4", "request": {"language": "en"}}},
    ],
    ids=["wrapped", "bare", "of the second version", "our sidecar"],
)
def test_a_result_is_read_in_every_wrapping(answer: dict[str, object]) -> None:
    assert times(read_result(json.dumps(answer))) == HELLO_TIMES


def test_bytes_text_and_a_byte_order_mark_read_the_same() -> None:
    text = json.dumps({"results": [said(["één", 0, 0.5, 1])]}, ensure_ascii=False)
    for payload in (text, "\ufeff" + text, text.encode(), b"\xef\xbb\xbf" + text.encode(), text.encode("utf-16")):
        assert texts(read_result(payload)) == ["één"]


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"<html><body>502 Bad Gateway</body></html>", "web page"),
        (b"", "not JSON"),
        (b"\xff\xfe\xfd{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1, 2]", "no list of results"),
        (b"null", "no list of results"),
        (b'{"scriptixd": {}}', "no list of results"),
        (b'{"result": {"status": "processing", "results": null}}', "status is processing"),
        (b'{"result": {"status": "error", "results": []}}', "could not transcribe"),
        (b'{"result": {"status": "Failed", "error": "no audio\\n track"}}', "could not transcribe.*: no audio track"),
        (b'{"error": {"code": 404, "message": "gone"}}', "gone"),
    ],
)
def test_what_is_no_result_is_refused_with_a_sentence_and_a_hint(payload: bytes, says: str) -> None:
    with pytest.raises(FileTrouble, match=says) as caught:
        read_result(payload)
    assert caught.value.hint


def test_a_result_without_speech_is_a_transcript_without_utterances() -> None:
    assert read(duration=12.5) == Transcript((), 12_500)
    assert read(said(), said(text=""), said(["", 0, 1, 1]), {"result": None}, None, 7).utterances == ()


# Units


def test_seconds_and_milliseconds_are_told_apart_by_the_median_word() -> None:
    seconds = [[f"w{i}", i * 0.4, i * 0.4 + 0.3, 1.0] for i in range(10)]
    thousandfold = [[word, round(start * 1000), round(stop * 1000), sure] for word, start, stop, sure in seconds]
    assert times(read(said(*seconds))) == times(read(said(*thousandfold)))


def test_one_odd_word_does_not_change_the_units_of_the_others() -> None:
    words = [[f"w{i}", i * 0.4, i * 0.4 + 0.3] for i in range(9)]
    assert times(read(said(*words, ["end", 3.6, 90.0])))[1] == ("w1", 400, 700)


def test_a_few_words_are_measured_against_the_length_of_the_media() -> None:
    assert times(read(said(["hi", 59_000, 59_000]), duration=60))[0][1] == 59_000
    assert times(read(said(["music", 0, 15]), duration=20))[0][2] == 15_000
    assert times(read(said(["hi", 200, 610]), duration=592)) == [("hi", 200, 610)]
    assert times(read(said(*HELLO))) == HELLO_TIMES


def test_told_units_are_believed() -> None:
    assert times(read(said(["hi", 20, 40]), units=Units.SECONDS))[0][1:] == (20_000, 40_000)
    assert times(read(said(["hi", 20, 40]), units=Units.MILLISECONDS))[0][1:] == (20, 40)


def test_times_are_rounded_once_and_not_cut_off() -> None:
    assert times(read(said(["a", 0.0006, 1.0019], ["b", 59.9996, 60.2])))[:2] == [("a", 1, 1002), ("b", 60_000, 60_200)]


# Words


@pytest.mark.parametrize("odd", [None, [], {}, 7, True, [None, 0.5, 0.6], ["", 0.5, 0.6, 1], [" \n", 0.5, 0.6], [[]]])
def test_odd_words_are_passed_over(odd: object) -> None:
    assert times(read(said(HELLO[0], odd, HELLO[1]))) == HELLO_TIMES


def test_words_have_three_to_any_number_of_fields() -> None:
    assert times(read(said(["hello", 0.2, 0.61], ["there", 0.64, 1.02, None, "x", 5]))) == HELLO_TIMES


def test_a_word_that_is_a_number_is_shown_as_one() -> None:
    assert texts(read(said([1995, 0, 0.5, 1]))) == ["1995"]


def test_words_without_times_share_the_time_between_their_neighbours() -> None:
    found = times(read(said(["one", 0.0, 0.4], ["to", None, None], ["four"], "plus", ["five", 1.4, 1.8])))
    assert found == [("one", 0, 400), ("to", 400, 600), ("four", 600, 1000), ("plus", 1000, 1400), ("five", 1400, 1800)]


def test_a_word_with_spaces_in_it_is_several_words_that_share_its_time() -> None:
    assert times(read(said(["ab  cd\nef", 0.0, 0.6, 1]))) == [("ab", 0, 200), ("cd", 200, 400), ("ef", 400, 600)]
    assert texts(read(said(["ab cd", None, 1.0], ["ef", 2.0, 2.1]))) == ["ab", "cd", "ef"]


def test_not_a_number_and_infinity_are_no_times() -> None:
    payload = '{"results": [{"result": [["a", NaN, 0.4], ["b", 0.5, Infinity], ["c", 1e400, "x"], ["d", 2.0, 2.5]]}]}'
    assert texts(read_result(payload)) == ["a", "b", "c", "d"]
    assert_in_order(read_result(payload))


def test_negative_times_are_the_beginning() -> None:
    assert times(read(said(["a", -0.2, 0.4], ["b", 0.5, 0.9]))) == [("a", 0, 400), ("b", 500, 900)]


def test_a_word_that_stops_before_it_starts_gets_a_length() -> None:
    ((_, start, stop), *_) = times(read(said(["word", 1.0, 0.5], ["next", 3.0, 3.5])))
    assert 1000 == start < stop <= 3000


def test_one_time_far_out_of_order_does_not_move_the_words_after_it() -> None:
    words = [[f"w{i}", i * 0.5, i * 0.5 + 0.4] for i in range(8)]
    words[3] = ["lost", 900.0, 900.4]
    found = times(read(said(*words)))
    assert found[3] == ("lost", 1400, 2000)
    assert found[4] == ("w4", 2000, 2400)


# Utterances


def test_an_utterance_without_words_shares_the_recording_over_its_text() -> None:
    assert times(read(said(text="ab cdef"), duration=6)) == [("ab", 0, 2000), ("cdef", 2000, 6000)]
    assert times(read({"text": "ab cdef", "start": 3.0, "stop": 3.6}))[0] == ("ab", 3000, 3200)


def test_an_utterance_without_words_stays_between_its_neighbours() -> None:
    first, last = said(["one", 0.0, 0.5]), said(["four", 1.5, 2.0])
    assert times(read(first, {"text": "two three"}, last))[1:3] == [("two", 500, 875), ("three", 875, 1500)]


def test_a_short_text_is_not_stretched_over_a_long_silence() -> None:
    found = times(read(said(["one", 0.0, 0.5]), {"text": "bye"}, duration=592))
    assert found[1][2] < 3000


def test_text_without_any_time_is_spoken_at_a_common_speed() -> None:
    assert_in_order(found := read(said(text="no times and no duration at all")))
    assert 1000 < times(found)[-1][2] < 4000


def test_words_are_preferred_to_the_text() -> None:
    assert texts(read(said(*HELLO, text="Hello, there."))) == ["hello", "there"]


@pytest.mark.parametrize("name", ["unk", "UNK", "", "  ", None, [], {}])
def test_an_unknown_speaker_has_no_name(name: object) -> None:
    assert read(said(*HELLO, speaker=name)).utterances[0].speaker is None
    assert read({"result": HELLO}).utterances[0].speaker is None


def test_a_speaker_is_a_name_or_a_number() -> None:
    assert [read(said(*HELLO, speaker=s)).utterances[0].speaker for s in ("Speaker\n1", 2)] == ["Speaker 1", "2"]


def test_channels_are_put_in_the_order_of_time() -> None:
    left = [said(["a", 0.0, 1.0], channel=0), said(["c", 4.0, 5.0], channel=0)]
    right = [said(["b", 2.0, 3.0], channel=1), said(["d", 6.0, 7.0], channel=1)]
    found = read(*left, *right)
    assert texts(found) == ["a", "b", "c", "d"]
    assert [utterance.channel for utterance in found.utterances] == [0, 1, 0, 1]


def test_a_short_answer_on_another_channel_stands_where_it_was_said() -> None:
    long = said(["I", 0.0, 0.2], ["see.", 0.3, 0.8], ["But", 2.0, 2.2], ["why?", 2.3, 2.8], channel=0)
    short = said(["Yes.", 1.0, 1.4], channel=1)
    assert texts(read(long, short)) == ["I", "see.", "Yes.", "But", "why?"]


# Everything at once

NUMBERS = st.none() | st.floats() | st.integers() | st.integers(0, 400).map(lambda tenths: tenths / 10) | st.text()
ODD = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.dictionaries(st.text(max_size=3), st.none())
WORDS = st.lists(st.lists(st.text(max_size=12) | ODD | NUMBERS, max_size=5) | ODD, max_size=8)
UTTERANCES = st.fixed_dictionaries(
    {},
    optional={
        "result": WORDS | ODD,
        "text": st.text(max_size=30) | ODD,
        "speaker": ODD,
        "channel": ODD,
        "start": NUMBERS,
        "stop": NUMBERS | ODD,
    },
)


def assert_in_order(transcript: Transcript) -> None:
    starts = [utterance.start_ms for utterance in transcript.utterances]
    assert starts == sorted(starts)
    for utterance in transcript.utterances:
        edges = [edge for word in utterance.words for edge in (word.start_ms, word.stop_ms)]
        assert edges == sorted(edges)
        assert edges[0] >= 0
        assert all(words_of(word.text) == [word.text] for word in utterance.words)


@settings(max_examples=120, deadline=None)
@given(st.lists(UTTERANCES | ODD, max_size=5), NUMBERS, st.sampled_from(Units))
def test_no_json_whatsoever_stops_the_reading(results: list[object], duration: object, units: Units) -> None:
    payload = json.dumps({"result": {"status": "done", "results": results, "duration": duration}})
    assert_in_order(read_result(payload, units))


@settings(max_examples=120, deadline=None)
@given(st.lists(st.lists(st.tuples(st.text("ab. ", max_size=6), st.floats(0, 60), st.floats(0, 60)), max_size=8)))
def test_no_word_is_lost_and_each_utterance_keeps_its_order(results: list[list[tuple[str, float, float]]]) -> None:
    named = [
        [
            [" ".join(f"{index}:{place}:{part}" for part in text.split()), start, stop, 0.5]
            for place, (text, start, stop) in enumerate(words)
        ]
        for index, words in enumerate(results)
    ]
    found = texts(read(*[said(*words, channel=index) for index, words in enumerate(named)]))
    wanted = [[shown for word in words for shown in str(word[0]).split()] for words in named]
    assert Counter(found) == Counter(shown for words in wanted for shown in words)
    for index, words in enumerate(wanted):
        assert [shown for shown in found if shown.startswith(f"{index}:")] == words


def test_reading_imports_nothing_that_takes_time() -> None:
    heavy = "{'pydantic', 'requests', 'yaml', 'typer', 'rich', 'statistics', 'asyncio', 'sqlite3', 'tusclient'}"
    code = f"import sys, scriptixd.captions.result; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
