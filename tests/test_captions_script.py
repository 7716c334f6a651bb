"""Scripts that are wider, written without spaces, or run to the left: what fits, where it breaks, what is kept."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptixd.captions.cue import Cue, cues
from scriptixd.captions.layout import Numbers, Profile
from scriptixd.captions.result import read_result
from scriptixd.captions.script import NO_BEGINNING, NO_END, RIGHT_TO_LEFT_MARK, pieces, together, width
from scriptixd.captions.style import SpeakerLabels, Style
from scriptixd.captions.transcript import Transcript

JAPANESE = Style("ja")
LANGUAGES = ("ja", "zh-Hans", "ko", "th", "ar", "he", "en", "")


def said(words: list[str], ms_per_letter: int = 150) -> Transcript:
    at, heard = 0, []
    for word in words:
        stop = at + ms_per_letter * len(word)
        heard.append([word, at, stop, 1.0])
        at = stop + 20
    return read_result(json.dumps({"results": [{"result": heard, "channel": 0}], "duration": 36_000}))


def text(found: list[Cue]) -> str:
    shown = "".join(line for cue in found for line in cue.lines)
    return "".join(shown.replace(RIGHT_TO_LEFT_MARK, "").split())


def test_japanese_has_thirteen_full_width_characters_in_a_line_and_no_spaces() -> None:
    words = [
        "皆さん",
        "、",
        "おはよう",
        "ございます",
        "。",
        "本日",
        "の",
        "市議会",
        "を",
        "始め",
        "ます",
        "。",
        "まず",
        "、",
        "予算案",
        "を",
        "確認",
        "し",
        "ます",
        "。",
    ]
    found = cues(said(words), JAPANESE)
    assert all(width(line, "ja") <= 26 and " " not in line for cue in found for line in cue.lines)
    assert text(found) == "".join(words)


def test_no_line_of_japanese_begins_with_a_mark_that_closes_or_ends_with_one_that_opens() -> None:
    words = [
        "彼",
        "は",
        "「",
        "はい",
        "、",
        "そう",
        "です",
        "」",
        "と",
        "言って",
        "、",
        "「",
        "また",
        "明日",
        "」",
        "と",
        "部屋",
        "を",
        "出て",
        "行き",
        "まし",
        "た",
        "。",
    ] * 4
    for cue in cues(said(words), JAPANESE):
        assert all(line[0] not in NO_BEGINNING and line[-1] not in NO_END for line in cue.lines)


def test_a_japanese_sentence_that_came_as_one_word_is_cut_after_its_punctuation() -> None:
    sentence = "皆さん、おはようございます。本日の市議会を始めます。"
    found = cues(said([sentence]), JAPANESE)
    assert [line for cue in found for line in cue.lines][:2] == ["皆さん、", "おはようございます。"]
    assert text(found) == sentence


@pytest.mark.parametrize(
    ("word", "following", "language", "expected"),
    [
        ("今日", "は", "ja", True),
        ("NHK", "の", "ja", True),
        ("NHK", "World", "ja", False),
        ("大家", "好", "zh_TW", True),
        ("วันนี้", "เรา", "th", True),
        ("และ", "YouTube", "th", False),
        ("오늘", "시의회", "ko", False),
        ("the", "你好", "en", False),
        ("大家", "好", "", False),
        ("안녕", "하세요", "", False),
    ],
)
def test_words_stand_together_where_their_language_has_no_spaces(
    word: str, following: str, language: str, expected: bool
) -> None:
    assert together(word, following, language) is expected


def test_marks_above_and_below_thai_letters_take_no_room() -> None:
    assert width("ที่นี่", "th") == 2


@pytest.mark.parametrize(
    ("line", "language", "shown"),
    [
        ("صباح الخير.", "ar", "صباح الخير.\u200f"),
        ("«صباح الخير»", "ar", "\u200f«صباح الخير»\u200f"),
        ("صباح الخير", "ar", "صباح الخير"),
        ("YouTube מצוין", "he", "\u200fYouTube מצוין"),
        ("سلام؟", "fa", "سلام؟"),
        ("YouTube.", "ar", "YouTube."),
        ("he said שלום.", "en", "he said שלום."),
        ("שלום.", "", "שלום."),
    ],
)
def test_punctuation_at_the_edges_keeps_its_side(line: str, language: str, shown: str) -> None:
    assert [one for cue in cues(said([line.replace(" ", "\u00a0")]), Style(language)) for one in cue.lines] == [
        shown.replace(" ", "\u00a0")
    ]


CHARACTERS = st.sampled_from("aZ7.,!?-今日本のはがっー「」。、你好的안녕ก่ำเแ้صبחשل؟،’“ \u200d\u0301")


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text(CHARACTERS, min_size=1, max_size=40), max_size=30),
    st.sampled_from(LANGUAGES),
    st.integers(1, 400),
    st.sampled_from([Numbers(), Numbers(max_chars=13), Numbers(max_chars=5, max_lines=1)]),
)
def test_every_character_is_kept_in_order_and_times_rise(
    words: list[str], language: str, ms_per_letter: int, numbers: Numbers
) -> None:
    transcript = said(words, ms_per_letter)
    kept = "".join(word.text for utterance in transcript.utterances for word in utterance.words)
    found = cues(transcript, Style(language, numbers=numbers))
    assert text(found) == "".join(kept.split())
    assert all(cue.start_ms < cue.end_ms for cue in found)
    assert all(one.end_ms < other.start_ms for one, other in pairwise(found))


@given(st.text(CHARACTERS, min_size=1, max_size=80), st.integers(1, 40))
def test_the_pieces_of_a_word_are_the_word(word: str, columns: int) -> None:
    found = pieces(word, columns)
    assert "".join(found) == word
    assert all(found)


# Labels, dialogue and profiles


def turns(*said_by: tuple[str | None, str], ms_per_letter: int = 60, apart_ms: int = 120) -> Transcript:
    at, heard = 0, []
    for speaker, sentence in said_by:
        words = []
        for word in sentence.split():
            stop = at + ms_per_letter * len(word)
            words.append([word, at, stop, 1.0])
            at = stop + 20
        heard.append({"result": words, "speaker": speaker, "channel": 0})
        at += apart_ms
    return read_result(json.dumps({"results": heard, "duration": 36_000}))


ASKED = (
    ("Jan", "Shall we all agree on the budget of the city for the coming year, or do we want to wait?"),
    ("Petra", "Yes, let us do that."),
    ("Petra", "It is late enough."),
    (None, "Hello."),
)


def test_a_label_says_who_begins_to_speak_and_has_room_in_its_line() -> None:
    found = cues(turns(*ASKED), Style(speaker_labels=SpeakerLabels.CHANGES))
    shown = [line for cue in found for line in cue.lines]
    assert [line.lstrip("-").split("]")[0] + "]" for line in shown if "[" in line] == ["[Jan]", "[Petra]"]
    assert all(len(line) <= 42 for line in shown)


def test_a_label_can_stand_in_every_cue_or_in_none() -> None:
    always = cues(turns(*ASKED), Style(speaker_labels=SpeakerLabels.ALWAYS))
    assert all(cue.lines[0].lstrip("-").startswith(f"[{cue.speaker}] ") for cue in always if cue.speaker)
    assert not any("[" in line for cue in cues(turns(*ASKED)) for line in cue.lines)


@pytest.mark.parametrize(
    ("language", "upper", "lower"), [("en", "-Yes.", "-No."), ("fr", "- Yes.", "- No."), ("nl", "Yes.", "-No.")]
)
def test_two_short_turns_share_a_cue_with_dashes_by_language(language: str, upper: str, lower: str) -> None:
    (found,) = cues(turns(("A", "Yes."), ("B", "No.")), Style(language=language))
    assert (found.lines, found.speakers) == ((upper, lower), ("A", "B"))


@pytest.mark.parametrize(
    ("style", "chars", "speed", "least", "gap"),
    [
        (Style(), 42, 20, 834, 84),
        (Style("ar-EG"), 42, 23, 834, 84),
        (Style("ja"), 13, 7, 834, 84),
        (Style("zh_TW"), 16, 11, 834, 84),
        (Style("nl", Profile.BBC), 37, 17, 834, 84),
        (Style("nl", Profile.DUTCH), 42, 15, 1400, 120),
        (Style("nl", Profile.DUTCH, Numbers(max_chars=39, gap_ms=0)), 39, 15, 1400, 0),
    ],
)
def test_a_profile_gives_the_numbers_and_each_can_be_set(
    style: Style, chars: int, speed: float, least: int, gap: int
) -> None:
    layout = style.layout
    assert (layout.max_chars, layout.chars_per_second, layout.min_ms, layout.gap_ms) == (chars, speed, least, gap)


def test_a_number_with_which_no_cue_can_be_made_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="no cue"):
        Style(numbers=Numbers(max_chars=0))


NAMES = st.sampled_from([None, "A", "Petra", "x" * 60])


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(NAMES, st.text("abc.,- ", min_size=1, max_size=60)), max_size=12),
    st.sampled_from(SpeakerLabels),
    st.sampled_from(LANGUAGES),
    st.integers(1, 200),
)
def test_labels_and_dashes_change_no_word_and_never_mix_speakers(
    said_by: list[tuple[str | None, str]], labels: SpeakerLabels, language: str, ms_per_letter: int
) -> None:
    transcript = turns(*said_by, ms_per_letter=ms_per_letter)
    found = cues(transcript, Style(language, speaker_labels=labels))
    kept = "".join(word.text for utterance in transcript.utterances for word in utterance.words)
    shown = text(found)
    for name in ("A", "Petra", "x" * 60):
        shown = shown.replace(f"[{name}]", "")
    assert shown.replace("-", "") == kept.replace("-", "")
    assert all(cue.start_ms < cue.end_ms for cue in found)
    assert all(one.end_ms < other.start_ms for one, other in pairwise(found))
    assert all(
        len(line) <= 42 or " " not in line.strip() for cue in found for line in cue.lines if language in ("en", "")
    )
