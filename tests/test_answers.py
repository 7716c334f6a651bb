"""The reading of what the service says: sessions, transcripts, complaints, in every shape that its pages show."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from scriptixd.errors import AccountTrouble, Away, Trouble
from scriptixd.jobs.ports import Finished, Refused, Running, Unclear
from scriptixd.service.access import Access
from scriptixd.service.answers import read_result, read_session_id
from scriptixd.service.reply import MAX_WAIT, Reply

ACCESS = Access("https://api.example.org/api/v3", "a-secret-key")
WORDS = [{"result": [["hello", 0.2, 0.61, 0.93]], "speaker": "unk", "text": "hello", "sconf": 0.85, "channel": 0}]
DONE = {"session_id": "49b5", "status": "done", "error": None, "duration": 592, "results": WORDS}
PAGE = b"<!DOCTYPE html>\n<html><body>Bad day</body></html>"


def reply(value: object, status: int = 200, **headers: str) -> Reply:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(status, CaseInsensitiveDict(named), body, wall=1_700_000_000.0)


def wrapped(**changes: object) -> dict[str, object]:
    return {"count": 1, "total_results": 1, "result": {**DONE, **changes}}


# Transcripts


@pytest.mark.parametrize("value", [wrapped(), {**DONE}, {**DONE, "result": None}, {**DONE, "result": "x"}])
def test_a_transcript_is_finished_wrapped_or_bare_and_comes_back_byte_for_byte(value: object) -> None:
    answer = reply(value)
    finished = read_result(answer, ACCESS)
    assert isinstance(finished, Finished)
    assert finished.body is answer.body
    assert finished.media_seconds == 592.0


@pytest.mark.parametrize("status", ["done", "DONE", "Completed", "complete", " finished "])
def test_every_word_of_success_in_any_case_is_success(status: str) -> None:
    assert isinstance(read_result(reply(wrapped(status=status)), ACCESS), Finished)


def test_the_old_done_true_is_success_without_a_status() -> None:
    assert isinstance(read_result(reply({"done": True, "results": WORDS}), ACCESS), Finished)


def test_silence_is_a_transcript_without_words() -> None:
    assert isinstance(read_result(reply(wrapped(results=[])), ACCESS), Finished)


@pytest.mark.parametrize("results", [[None, *WORDS], ["odd"], [[1, 2]], [{"unknown": {"deep": [1]}}]])
def test_odd_utterances_do_not_keep_a_paid_transcript_away(results: object) -> None:
    assert isinstance(read_result(reply(wrapped(results=results)), ACCESS), Finished)


@pytest.mark.parametrize("results", [None, {}, "text", 3])
def test_success_without_a_list_of_results_is_no_success(results: object) -> None:
    assert isinstance(read_result(reply(wrapped(results=results)), ACCESS), Unclear)


def test_a_byte_order_mark_is_no_obstacle() -> None:
    body = b"\xef\xbb\xbf" + json.dumps(wrapped()).encode()
    assert isinstance(read_result(reply(body), ACCESS), Finished)


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [(592, 592.0), (12.5, 12.5), ("12.5", 12.5), (0, None), (None, None), ("soon", None), (True, None), (-1, None)],
)
def test_the_length_is_what_the_service_says_if_it_is_one(duration: object, seconds: float | None) -> None:
    finished = read_result(reply(wrapped(duration=duration)), ACCESS)
    assert isinstance(finished, Finished)
    assert finished.media_seconds == seconds


@pytest.mark.parametrize("status", ["queued", "processing", "Uploading", "new", "created", "some new word", 3, 0])
def test_every_other_status_is_still_running(status: object) -> None:
    answer = read_result(reply(wrapped(status=status, results=None)), ACCESS)
    assert answer == Running(str(status).lower())


def test_done_false_is_still_running() -> None:
    assert read_result(reply({"done": False, "results": None}), ACCESS) == Running("not done")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"error": "no speech engine for xx"}, "no speech engine for xx"),
        ({"error": "error"}, "error"),
        ({"status": "error", "results": None}, "its status is 'error'"),
        ({"status": "Failed", "error": {"code": 9, "message": "media is\nbroken"}}, "media is broken"),
        ({"status": "processing", "error": "out of luck"}, "out of luck"),
    ],
)
def test_an_error_is_the_services_verdict_whatever_the_status_says(changes: dict[str, object], reason: str) -> None:
    assert read_result(reply(wrapped(**changes)), ACCESS) == Refused(reason)


@pytest.mark.parametrize("error", [None, "", "null", "None", {}, [], False])
def test_an_error_of_nothing_is_none(error: object) -> None:
    assert isinstance(read_result(reply(wrapped(error=error)), ACCESS), Finished)


@pytest.mark.parametrize(
    "body", [PAGE, b"", b"not json", b"[1, 2]", b'{"status": "done", "resul', b'"done"', b"\xff{}"]
)
def test_what_is_not_the_services_json_is_no_answer(body: bytes) -> None:
    assert isinstance(read_result(reply(body), ACCESS), Unclear)


def test_json_that_says_nothing_about_a_status_is_no_answer() -> None:
    assert isinstance(read_result(reply({"hello": "world"}), ACCESS), Unclear)


@pytest.mark.parametrize("status", [202, 425])
@pytest.mark.parametrize("body", [b"", PAGE, b'{"status": "odd"}'])
def test_accepted_and_too_early_mean_that_it_runs(status: int, body: bytes) -> None:
    assert isinstance(read_result(reply(body, status), ACCESS), Running)


@pytest.mark.parametrize("status", [204, 400, 404, 405, 409, 410, 422])
def test_refusals_that_may_mean_not_yet_are_unclear(status: int) -> None:
    assert isinstance(read_result(reply({"error": "not found"}, status), ACCESS), Unclear)
    assert isinstance(read_result(reply({"status": "error", "message": "not found"}, status), ACCESS), Unclear)
    assert isinstance(read_result(reply(PAGE, status), ACCESS), Unclear)


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_a_refusal_that_says_it_is_at_work_is_believed(status: int) -> None:
    assert read_result(reply({"result": {"status": "processing"}}, status), ACCESS) == Running("processing")


def test_a_finished_transcript_needs_a_200() -> None:
    assert isinstance(read_result(reply(wrapped(), 404), ACCESS), Unclear)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AccountTrouble), (403, AccountTrouble), (429, Away), (500, Away), (503, Away), (302, Away)],
)
def test_refusals_of_the_asker_are_trouble_and_no_answer(status: int, kind: type[Trouble]) -> None:
    with pytest.raises(kind):
        read_result(reply({"error": "x"}, status), ACCESS)


def test_reading_a_long_transcript_makes_no_python_objects_of_its_words() -> None:
    utterance = {"result": [["word", 0.1, 0.2, 0.9]] * 50, "text": "word " * 50}
    answer = reply(wrapped(results=[utterance] * 2000))
    tracemalloc.start()
    finished = read_result(answer, ACCESS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(finished, Finished)
    assert peak < len(answer.body)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["result", "results", "status", "done", "error", "session_id", "duration", "message", "detail"]
            ),
            inside,
            max_size=4,
        )
    ),
    max_leaves=12,
)
STATUSES = (200, 201, 202, 204, 301, 400, 401, 402, 403, 404, 409, 410, 418, 422, 425, 429, 500, 503)


@given(json_values | st.binary(max_size=40), st.sampled_from(STATUSES))
def test_nothing_that_comes_back_is_a_bug_of_ours(value: object, status: int) -> None:
    answer = reply(value, status)
    for read in (read_result, read_session_id):
        with suppress(Trouble):
            read(answer, ACCESS)


# Sessions


@pytest.mark.parametrize(
    "value",
    [
        {"count": 1, "result": {"session_id": "1b8a37b"}},
        {"session_id": "1b8a37b"},
        {"session_id": "1b8a37b", "result": 1},
    ],
)
def test_the_session_is_found_wrapped_or_bare(value: object) -> None:
    assert read_session_id(reply(value), ACCESS) == "1b8a37b"


@pytest.mark.parametrize(
    "value", [{"result": {}}, {}, *({"result": {"session_id": one}} for one in (None, "null", "", " None "))]
)
def test_no_session_yet_is_none(value: object) -> None:
    assert read_session_id(reply(value), ACCESS) is None


@pytest.mark.parametrize("status", [202, 204, 404, 409, 410, 425])
def test_an_upload_that_is_not_known_has_no_session(status: int) -> None:
    assert read_session_id(reply(b"", status), ACCESS) is None


@pytest.mark.parametrize("body", [PAGE, b"", b"media bytes \x00\x01", b"[]"])
def test_something_else_than_the_service_is_no_evidence_that_there_is_no_session(body: bytes) -> None:
    with pytest.raises(Away):
        read_session_id(reply(body), ACCESS)


@pytest.mark.parametrize("session_id", ["..", ".", "a/b", "a\nb", "x" * 2000])
def test_a_session_that_cannot_be_part_of_an_address_is_not_taken(session_id: object) -> None:
    with pytest.raises(Away):
        read_session_id(reply({"session_id": session_id}), ACCESS)


# Complaints


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"error": {"code": 422, "message": "shape A", "details": {"field": "language", "issue": "x"}}}, "shape A"),
        ({"error": "b", "error_description": "shape B", "message": "m", "detail": "d"}, "shape B"),
        ({"error": "Unauthorized", "message": "shape C", "error_code": "INVALID_API_KEY"}, "shape C"),
        ({"error": "rate_limit_exceeded", "message": "shape D"}, "shape D"),
        ({"error": "e", "detail": "only detail"}, "only detail"),
        ({"error": "only error"}, "only error"),
        ({"error_message": "shape E"}, "shape E"),
        ({"err": "shape E too"}, "shape E too"),
        ({"detail": [{"loc": ["header", "x"], "msg": "a list"}, {"msg": "of them"}]}, "a list; of them"),
        (b"ERR_INVALID_OFFSET: plain text\n", "ERR_INVALID_OFFSET: plain text"),
        (PAGE, "a web page"),
        (b"", ""),
        ({"error": "two\nlines\x1b[31m and colour."}, "two lines [31m and colour"),
    ],
)
def test_every_shape_of_error_becomes_one_line(value: object, text: str) -> None:
    assert reply(value, 400).quote() == text


def test_a_long_complaint_is_shortened_and_secrets_are_left_out() -> None:
    answer = reply({"error": "key a-secret-key is bad " * 50}, 400)
    quote = answer.quote(("a-secret-key",))
    assert "a-secret-key" not in quote
    assert len(quote) <= 200


# Waits


@pytest.mark.parametrize(
    ("headers", "body", "wait"),
    [
        ({"Retry_After": "7"}, {}, 7.0),
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, {}, 30.0),
        ({"Retry_After": "Tue, 14 Nov 2023 22:13:50 GMT"}, {}, 30.0),  # without a Date our own clock counts
        ({"Retry_After": "Wed, 21 Oct 2015 07:28:00 GMT"}, {}, 0.0),
        ({"Retry_After": "-5"}, {}, 0.0),
        ({"Retry_After": "99999999"}, {}, MAX_WAIT),
        ({"Retry_After": "soon"}, {"retry_after": 60}, 60.0),
        ({}, {"error": {"retry_after": "9"}}, 9.0),
        ({}, {"retry_after": True}, None),
        ({}, {"retry_after": "inf"}, None),
        ({"Retry_After": "nan"}, {}, None),
        ({}, {}, None),
    ],
)
def test_the_wait_is_what_header_or_body_ask(headers: dict[str, str], body: object, wait: float | None) -> None:
    assert reply(body, 429, **headers).retry_after() == wait
