"""parse.combined: virtual hosts, forwarded addresses, and what stands behind the agent."""

from __future__ import annotations

from typing import Any

import pytest
from tailrace.pipeline.batch import Fail
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.stages.parse.combined import Combined

from .test_parse_combined import FIELDS, PAIR, TRIO, USUAL, one


def fields(start: str, **options: Any) -> Any:
    """Those of a line that begins like this, but for the usual ones."""
    stage = Combined(**options)
    (entry,) = stage.parse(of(f'{start} [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 1 "-" "a"'))
    if isinstance(entry, Fail):
        return entry.why
    assert (entry["path"], entry["agent"]) == ("/", "a")
    return {name: value for name, value in entry.items() if name not in FIELDS[3:] and name != "ident"}


def who(host: str | None, user: str | None = None, **others: str | None) -> dict[str, str | None]:
    return {"host": host, "user": user, **others}


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("shop.example.com:443 192.0.2.17 - -", who("192.0.2.17", vhost="shop.example.com:443")),
        ("shop.example.com:80 192.0.2.18 - alice", who("192.0.2.18", "alice", vhost="shop.example.com:80")),
        ("shop.example.com 2001:db8::7 - Ann Lee", who("2001:db8::7", "Ann Lee", vhost="shop.example.com")),
        ("shop.example.com client.example.org - -", who("client.example.org", vhost="shop.example.com")),
        (
            "shop.example.com:80 client.example.org id bob",
            who("client.example.org", "bob", vhost="shop.example.com:80"),
        ),
        ("192.0.2.9:80 192.0.2.1 - -", who("192.0.2.1", vhost="192.0.2.9:80")),
        ("[2001:db8::9]:443 2001:db8::1 - -", who("2001:db8::1", vhost="[2001:db8::9]:443")),
        ('"shop.example.com" 192.0.2.1 - -', who("192.0.2.1", vhost="shop.example.com")),
        ("192.0.2.1 shop.example.com - bob", who("192.0.2.1", "bob", vhost="shop.example.com")),
        ("shop.example.com unix: - -", who("unix:", vhost="shop.example.com")),
        (f"shop.example.com:80 {PAIR} - bob", who(PAIR, "bob", vhost="shop.example.com:80")),
        (f'shop.example.com:80 "{PAIR}" - -', who(PAIR, vhost="shop.example.com:80")),
        ("shop.example.com:80 - - -", who(None, vhost="shop.example.com:80")),
    ],
)
def test_a_virtual_host_before_the_client_is_a_field_of_its_own(start: str, expected: dict[str, str | None]) -> None:
    assert fields(start) == expected


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (f'"{PAIR}" 192.0.2.21 - -', who(PAIR, forwarded_for=PAIR, peer="192.0.2.21")),
        (f"{PAIR} 192.0.2.21 - bob", who(PAIR, "bob", forwarded_for=PAIR, peer="192.0.2.21")),
        ("192.0.2.1,::1 192.0.2.21 - -", who("192.0.2.1,::1", forwarded_for="192.0.2.1,::1", peer="192.0.2.21")),
        ('"192.0.2.1" 192.0.2.21 - -', who("192.0.2.1", forwarded_for="192.0.2.1", peer="192.0.2.21")),
        ('"-" 192.0.2.21 - bob', who("192.0.2.21", "bob", forwarded_for=None, peer="192.0.2.21")),
        ("- 192.0.2.21 - -", who("192.0.2.21", forwarded_for=None, peer="192.0.2.21")),
        ("unknown 192.0.2.21 - -", who("unknown", forwarded_for="unknown", peer="192.0.2.21")),
        (f'"{TRIO}" - -', who(TRIO)),
        ('"192.0.2.1" - -', who("192.0.2.1")),
        (f"{TRIO} - -", who(TRIO)),
        ("192.0.2.1,198.51.100.1 - -", who("192.0.2.1,198.51.100.1")),
        (f"192.0.2.9 {PAIR} - -", who("192.0.2.9", forwarded_for=PAIR)),
        (f'192.0.2.9 "{PAIR}" - bob', who("192.0.2.9", "bob", forwarded_for=PAIR)),
        (f"192.0.2.9 ({PAIR}) - -", who("192.0.2.9", forwarded_for=PAIR)),
        ("192.0.2.9 (-) - -", who("192.0.2.9", forwarded_for=None)),
        ("192.0.2.9 - - bob", who("192.0.2.9", "bob", forwarded_for=None)),
        (f"v:80 {PAIR} 192.0.2.4 - -", who(PAIR, vhost="v:80", forwarded_for=PAIR, peer="192.0.2.4")),
        (f'v:80 192.0.2.4 "{PAIR}" - -', who("192.0.2.4", vhost="v:80", forwarded_for=PAIR)),
        ("v:80 - 192.0.2.4 - -", who("192.0.2.4", vhost="v:80", forwarded_for=None, peer="192.0.2.4")),
        ("- - -", who(None)),
    ],
)
def test_lists_of_forwarded_addresses_are_told_from_the_host_and_the_user(start: str, expected: dict[str, Any]) -> None:
    assert fields(start) == expected


def test_what_the_first_of_two_single_addresses_is_must_be_told() -> None:
    two = "192.0.2.1 192.0.2.2 - bob"
    assert "say what the first one is by first_of_two" in fields(two)
    expected = {
        "vhost": who("192.0.2.2", "bob", vhost="192.0.2.1"),
        "forwarded_for": who("192.0.2.1", "bob", forwarded_for="192.0.2.1", peer="192.0.2.2"),
        "host": who("192.0.2.1", "bob", forwarded_for="192.0.2.2"),
    }
    for choice, event in expected.items():
        assert fields(two, first_of_two=choice) == event
        assert fields(two.replace("2.1", "2.1:80"), first_of_two=choice)["host"].startswith(event["host"])
    assert fields("- 192.0.2.2 - -", first_of_two="vhost") == who("192.0.2.2", vhost=None)
    assert "behind two addresses" in fields("192.0.2.1 192.0.2.2 192.0.2.3 - -", first_of_two="host")


@pytest.mark.parametrize("start", ["192.0.2.1 192.0.2.2 -", "h - 192.0.2.1", "h - [2001:db8::1]:80", "h ::1 bob"])
def test_an_address_is_no_ident_and_no_user(start: str) -> None:
    assert "expected" in fields(start)


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (' "-"', {"forwarded_for": None}),
        (f' "{TRIO}"', {"forwarded_for": TRIO}),
        (' "192.0.2.1,unknown"', {"forwarded_for": "192.0.2.1,unknown"}),
        (" 0.123 upstream-1", {"extra": "0.123 upstream-1"}),
        (' "192.0.2.7" 0.137 TLSv1.2', {"forwarded_for": "192.0.2.7", "extra": "0.137 TLSv1.2"}),
        (' "-" "0.003" "0.001, 0.002"', {"forwarded_for": None, "extra": '"0.003" "0.001, 0.002"'}),
        (' "192.0.2.7:8080" 0.1', {"extra": '"192.0.2.7:8080" 0.1'}),
        (" 192.0.2.7:8080, 192.0.2.8:8080 0.1, 0.2", {"extra": "192.0.2.7:8080, 192.0.2.8:8080 0.1, 0.2"}),
        (' rt=0.1 uct="0.0" id=abc', {"extra": 'rt=0.1 uct="0.0" id=abc'}),
        (r' "a \"b\"" x', {"extra": r'"a \"b\"" x'}),
        (' "3.20"', {"extra": '"3.20"'}),
        (' ""', {"extra": '""'}),
        (" ", {}),
    ],
)
def test_fields_behind_the_agent_are_kept_and_forwarded_addresses_known(rest: str, expected: dict[str, Any]) -> None:
    (plain,) = Combined().parse(of(USUAL))
    assert Combined().parse(of(USUAL + rest)) == [{**plain, **expected}]
    (strict,) = Combined(extra="error").parse(of(USUAL + rest))
    if "extra" in expected:
        assert isinstance(strict, Fail)
        assert (strict.code, expected["extra"][:4] in strict.why) == ("no_match", True)
    else:
        assert strict == {**plain, **expected}


def test_fields_behind_the_agent_may_follow_a_virtual_host() -> None:
    event = one("shop.example.com:443 " + USUAL + ' "192.0.2.7" 0.1')
    assert (event["vhost"], event["forwarded_for"], event["extra"]) == ("shop.example.com:443", "192.0.2.7", "0.1")
