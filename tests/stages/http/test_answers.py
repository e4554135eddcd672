"""A status leads to a verdict, and the verdict to what the engine is told."""

from __future__ import annotations

import pytest
from tailrace.pipeline.errors import Park, Retry, Split
from tailrace.stages.http.answers import LONGEST_DELAY, Answer, Verdict, retry_after, settle, verdict

NOW = 1_767_312_000.0  # 2026-01-02T00:00:00Z


@pytest.mark.parametrize(
    ("meant", "statuses"),
    [
        ("delivered", [200, 201, 202, 204, 299]),
        ("retry", [408, 425, 429, 500, 502, 503, 504, 507, 599]),
        ("split", [400, 413, 422]),
        ("park", [100, 301, 302, 304, 307, 401, 402, 403, 404, 405, 407, 409, 410, 415, 451, 501, 505, 600]),
    ],
)
def test_each_status_has_one_verdict(meant: Verdict, statuses: list[int]) -> None:
    assert {status: verdict(status) for status in statuses} == dict.fromkeys(statuses, meant)


def test_success_codes_take_the_place_of_2xx_and_overrides_come_first() -> None:
    assert verdict(204, [200, 204]) == "delivered"
    assert verdict(260, [200, 204]) == "park"
    assert verdict(409, overrides={"409": "delivered"}) == "delivered"
    assert verdict(200, overrides={"200": "park"}) == "park"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        ("0", None),
        ("999999999", LONGEST_DELAY),
        ("Fri, 02 Jan 2026 00:00:30 GMT", 30.0),
        ("Friday, 02-Jan-26 00:01:00 GMT", 60.0),
        ("Thu, 01 Jan 2026 00:00:00 GMT", None),
        ("soon", None),
        ("-5", None),
        ("\u0667", None),
        ("Fri, 99 Jan 2026 00:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    answer = Answer("POST http://h/in", 429, "Too Many Requests", {"retry-after": "12"}, b"slow down")
    with pytest.raises(Retry, match="429 Too Many Requests: slow down") as caught:
        settle(answer, "retry", 3, NOW)
    assert caught.value.delay == 12.0


@pytest.mark.parametrize(("status", "code"), [(400, "rejected"), (422, "rejected"), (413, "too_large")])
def test_a_split_names_the_code_of_the_dead_letter(status: int, code: str) -> None:
    with pytest.raises(Split) as caught:
        settle(Answer("POST http://h/in", status, "No"), "split", 3, NOW)
    assert caught.value.code == code


def test_a_rejected_batch_is_refused_record_by_record() -> None:
    verdicts = settle(Answer("POST http://h/in", 409, "Conflict", {}, b"there"), "reject", 2, NOW)
    assert verdicts is not None
    assert verdicts.refused == [(n, "rejected", "POST http://h/in: 409 Conflict: there") for n in range(2)]


def test_a_redirect_is_told_with_what_to_do() -> None:
    with pytest.raises(Park, match="redirects are not followed: name the place itself as `endpoint`"):
        settle(Answer("POST http://h/in", 301, "Moved Permanently"), "park", 1, NOW)


def test_a_servers_words_are_cut_and_cannot_move_a_cursor() -> None:
    answer = Answer("POST http://h/in", 400, "\x1b[2J", {}, b"\x1b[31m" + b"a\nb " + b"\xff" * 1000)
    text = str(answer)
    assert "\x1b" not in text
    assert "\n" not in text
    assert "\\x1b[31ma b " in text
    assert len(text) < 400
    assert text.endswith(" ...")
