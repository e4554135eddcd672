from __future__ import annotations

import hashlib
import hmac
import re
from typing import Any

import pytest
from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.enrich.fingerprint import Fingerprint

KEY = "0123456789abcdef"


def prints(events: list[Event], fields: list[str] | None = None, **options: Any) -> list[str]:
    stage = Fingerprint(fields or ["a"], **{"key": KEY, **options})
    return [entry["fingerprint"] for entry in stage.process(events) if not isinstance(entry, Fail)]


def mac(text: str) -> str:
    return hmac.new(KEY.encode(), text.encode(), "sha256").hexdigest()


def test_it_is_the_hmac_of_the_values_as_json_whatever_the_fields_are_called() -> None:
    assert prints([{"a": "192.0.2.1"}]) == [mac('"192.0.2.1"')]
    assert prints([{"b": "192.0.2.1"}], ["b"]) == [mac('"192.0.2.1"')]
    assert prints([{"b": {"y": 1, "x": "é"}, "a": 1.5}], ["a", "b"]) == [mac('1.5,{"x":"é","y":1}')]


def test_it_is_what_openssl_says() -> None:
    # printf '"192.0.2.1"' | openssl dgst -sha256 -hmac 0123456789abcdef
    assert prints([{"a": "192.0.2.1"}]) == ["312b20c24d403be9a1f9916308ea601f6272a33c93a41a4c8d6c36d1fbd29355"]


def test_types_null_and_absence_are_told_apart() -> None:
    events: list[Event] = [
        {"a": 1},
        {"a": "1"},
        {"a": True},
        {"a": None},
        {"a": "null"},
        {"b": 1},
        {"a": 1, "b": None},
        {"a": None, "b": 1},
        {"a": '1","b'},
        {"a": ["1"]},
    ]
    assert len(set(prints(events, ["a", "b"]))) == len(events)


def test_the_length_and_the_name_of_the_key() -> None:
    assert prints([{"a": 1}], length=16, key_id="2026-01") == [f"2026-01:{mac('1')[:16]}"]


def test_it_may_stand_in_place_of_the_value_and_replaces_what_a_line_claims() -> None:
    stage = Fingerprint(["user"], into="user", key=KEY)
    event = {"user": "ann", "x": 1}
    (entry,) = stage.process([event])
    assert entry is event
    assert event == {"user": mac('"ann"'), "x": 1}
    assert prints([{"a": 1, "fingerprint": "forged"}]) == [mac("1")]


def test_without_any_field_an_event_stays_as_it_is_or_is_a_dead_letter() -> None:
    assert Fingerprint(["a"], key=KEY).process([{"b": 1}]) == [{"b": 1}]
    fail, _ = Fingerprint(["a", "c"], key=KEY, required=True).process([{"b": 1}, {"c": 1}])
    assert isinstance(fail, Fail)
    assert (fail.code, fail.why) == ("missing_field", "the event has none of the fields a, c")


def test_what_json_cannot_hold_is_a_dead_letter() -> None:
    entries = Fingerprint(["a"], key=KEY).process([{"a": {1}}, {"a": "\ud800"}, {"a": 2**64}])
    assert [entry.code for entry in entries if isinstance(entry, Fail)] == ["bad_type"] * 3


def test_unkeyed_methods_only_where_somebody_says_so() -> None:
    assert prints([{"a": "x"}], key="", method="sha256", unkeyed=True) == [hashlib.sha256(b'"x"').hexdigest()]
    assert prints([{"a": "x"}], key="", method="blake2b", unkeyed=True, length=128) == [
        hashlib.blake2b(b'"x"').hexdigest()
    ]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, 'key: hmac-sha256 needs a key; keep it out of this file: key = "${FINGERPRINT_KEY}"'),
        ({"key": KEY[:-1]}, "key: is shorter than 16 bytes; make one with: openssl rand -hex 32"),
        ({"key": KEY, "unkeyed": True}, "unkeyed: hmac-sha256 has a key; leave `unkeyed` out"),
        ({"key": KEY, "length": 65}, "length: is 65, but hmac-sha256 gives 64 digits"),
        ({"method": "sha256", "unkeyed": True, "key": KEY}, "key: sha256 takes no key; hmac-sha256 does"),
        ({"method": "blake2b", "unkeyed": True, "key_id": "a"}, "key_id: blake2b takes no key; hmac-sha256 does"),
        ({"method": "sha256"}, "method: sha256 has no key: addresses, names and numbers are found from their hashes"),
        ({"key": KEY, "into": ""}, "into: a field needs a name"),
        ({"key": KEY, "fields": []}, "fields: is empty"),
    ],
)
def test_wrong_options_are_told(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}"):
        Fingerprint(**{"fields": ["a"], **options})


def test_the_key_is_in_no_message() -> None:
    assert KEY not in repr(Fingerprint(["a"], key=KEY))
