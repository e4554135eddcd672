"""The stage that takes secrets out."""

from __future__ import annotations

import copy
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.stages.enrich.redact import Redact

KEY = "0123456789abcdef"
CARD = 4111111111111111


def redact(event: dict[str, Any], **options: Any) -> dict[str, Any]:
    (result,) = Redact(**options).process([event])
    assert result is event
    return result


def test_everything_is_looked_for_by_default() -> None:
    event = {
        "message": "ann@example.com paid with 4111 1111 1111 1111 from 192.0.2.1",
        "account": "DE89370400440532013000",
        "client": "2001:db8::1",
        "header": "Bearer abc",
        "query": "password=x&page=2",
        "status": 200,
        "clean": "nothing",
    }
    assert redact(event) == {
        "message": "[REDACTED] paid with [REDACTED] from [REDACTED]",
        "account": "[REDACTED]",
        "client": "[REDACTED]",
        "header": "Bearer [REDACTED]",
        "query": "password=[REDACTED]&page=2",
        "status": 200,
        "clean": "nothing",
    }


def test_only_the_presets_that_are_named() -> None:
    event = {"m": "ann@example.com 192.0.2.1", "password": "x"}
    assert redact(event, presets=["ipv4"]) == {"m": "ann@example.com [REDACTED]", "password": "x"}


def test_values_at_any_depth_and_names_stay() -> None:
    event = {"a": {"ann@example.com": ["x", ["bob@example.com"], {"n": ("eve@example.com", 1)}]}, "b": []}
    assert redact(event, mask="*") == {"a": {"ann@example.com": ["x", ["*"], {"n": ["*", 1]}]}, "b": []}


def test_what_stands_in_several_places_is_redacted_once() -> None:
    shared: dict[str, Any] = {"a": "ann@example.com", "b": "clean", "c": CARD}
    shared["itself"] = shared
    result = redact({"x": shared, "y": [shared, "bob@example.com"], "z": "clean too"}, method="remove")
    assert result == {"x": shared, "y": [shared, ""], "z": "clean too"}
    assert {name: value for name, value in shared.items() if name != "itself"} == {"b": "clean"}


def test_a_card_may_be_a_whole_number() -> None:
    event = {"n": CARD, "list": [CARD, 5], "other": CARD + 1, "true": True, "big": 2**63}
    assert redact(event) == {
        "n": "[REDACTED]",
        "list": ["[REDACTED]", 5],
        "other": CARD + 1,
        "true": True,
        "big": 2**63,
    }
    assert redact({"n": CARD}, presets=["email"]) == {"n": CARD}


def test_values_of_fields_that_are_secret_by_their_name() -> None:
    event = {
        "password": "a", "db_password": {"now": "b"}, "user": {"accessToken": 7}, "apiKey": ["c"], "pass": "d",
        "pwd": None, "tokens": 5, "compass": "n", "passed": 1, "key": "k", "secret": "",
    }  # fmt: skip
    assert redact(event) == {
        "password": "[REDACTED]", "db_password": "[REDACTED]", "user": {"accessToken": "[REDACTED]"},
        "apiKey": "[REDACTED]", "pass": "[REDACTED]", "pwd": None, "tokens": 5, "compass": "n", "passed": 1, "key": "k",
        "secret": "",
    }  # fmt: skip


def test_fields_are_redacted_as_a_whole_at_any_depth() -> None:
    event = {"user_name": "ann", "n": 1, "in": [{"user_id": 7, "x": "y"}], "user_x": None}
    assert redact(event, presets=[], fields=["user_*"]) == {
        "user_name": "[REDACTED]",
        "n": 1,
        "in": [{"user_id": "[REDACTED]", "x": "y"}],
        "user_x": None,
    }


def test_patterns_of_ones_own() -> None:
    event = {"m": "order A-17 for B-2", "n": "id=17;x", "o": "A-1"}
    assert redact(event, presets=[], patterns=[r"\b[A-Z]-\d+", r"id=(?P<secret>\d*)"], mask="#") == {
        "m": "order # for #",
        "n": "id=#;x",
        "o": "#",
    }
    assert redact({"n": 123456789, "m": 12}, presets=[], patterns=[r"\d{9}"]) == {"n": "[REDACTED]", "m": 12}
    either = {"m": "a1 b2"}
    assert redact(either, presets=[], patterns=[r"a(?P<secret>\d)|b\d"], mask="#") == {"m": "a# #"}
    anchored = {"m": "x A", "n": "A x"}
    assert redact(anchored, presets=[], patterns=["^A"], mask="#") == {"m": "x A", "n": "# x"}


def test_what_overlaps_is_replaced_once() -> None:
    assert redact({"m": "password=ann@example.com,x"}) == {"m": "password=[REDACTED]"}


def test_a_hash_needs_a_key_and_is_the_same_for_the_same_value() -> None:
    digest = hmac.new(KEY.encode(), b"ann@example.com", "sha256").hexdigest()[:32]
    event = {"a": "ann@example.com", "b": "to ann@example.com", "secret": {"x": 1}, "n": CARD}
    result = redact(event, method="hash", key=KEY)
    assert (result["a"], result["b"]) == (digest, f"to {digest}")
    assert result["secret"] == hmac.new(KEY.encode(), b'{"x":1}', "sha256").hexdigest()[:32]
    assert len(redact({"secret": {"n": 2**70}}, method="hash", key=KEY)["secret"]) == 32
    assert result["n"] == hmac.new(KEY.encode(), str(CARD).encode(), "sha256").hexdigest()[:32]


def test_remove_cuts_out_and_drops_fields_that_are_empty_then() -> None:
    event = {
        "a": "ann@example.com",
        "b": "to ann@example.com",
        "password": "x",
        "n": CARD,
        "l": ["bob@example.com"],
        "e": "",
    }
    assert redact(event, method="remove") == {"b": "to ", "l": [""], "e": ""}


def test_values_with_nul_and_surrogates() -> None:
    event = {"a": "x\0ann@example.com\0", "b": "bob@example.com", "c": "\ud800 eve@example.com"}
    assert redact(event, mask="*") == {"a": "x\0*\0", "b": "*", "c": "\ud800 *"}
    assert redact({"a": "ann@example.com"}, method="hash", key=KEY)["a"] != "ann@example.com"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"presets": []}, "presets: is empty"),
        ({"patterns": ["("]}, r"patterns\[0\]: is not a regular expression"),
        ({"patterns": ["a", "x*"]}, r"patterns\[1\]: matches the empty text"),
        ({"fields": [""]}, "a name that is not empty"),
        ({"method": "hash"}, "key: needs 16 characters at least"),
        ({"method": "hash", "key": "short"}, "key: needs 16 characters at least"),
        ({"key": KEY}, 'key: is for method = "hash"'),
        ({"mask": "\0"}, "mask: holds a NUL"),
    ],
)
def test_wrong_options(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Redact(**options)


def test_the_key_is_not_shown() -> None:
    assert KEY not in repr(Redact(method="hash", key=KEY))


VALUES = st.recursive(
    st.sampled_from(["", "\0", "ann@example.com", "a\0b 192.0.2.1", "token=x", "é", "clean", CARD, 5, 2.5, True, None]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "secret", "z"]), inner, max_size=3)
    ),
    max_leaves=8,
)
EVENTS = st.lists(st.dictionaries(st.sampled_from(["m", "n", "password", "o"]), VALUES, max_size=4), max_size=5)


@pytest.mark.parametrize("options", [{}, {"method": "remove"}, {"patterns": ["^c.*n$"], "fields": ["o"]}], ids=str)
@given(events=EVENTS)
def test_events_together_come_out_as_each_alone(options: dict[str, Any], events: list[dict[str, Any]]) -> None:
    stage = Redact(**options)
    alone = [stage.process([copy.deepcopy(event)])[0] for event in events]
    together = stage.process(copy.deepcopy(events))
    assert together == alone
    assert "ann@" not in str(together)
    assert str(CARD) not in str(together)
    assert stage.process(copy.deepcopy(together)) == together
