"""What the presets of enrich.redact find, and what they leave alone."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.stages.patterns.accounts import is_card
from tailrace.stages.patterns.searched import Text
from tailrace.stages.patterns.secrets import PRESETS


def found(preset: str, text: str) -> list[str]:
    return [text[first:last] for first, last in dict.fromkeys(PRESETS[preset](Text(text)))]  # it may say one twice


@pytest.mark.parametrize(
    ("preset", "text", "expected"),
    [
        ("email", "mail ann.b+x@mail.example.com, <bob@example.org>!", ["ann.b+x@mail.example.com", "bob@example.org"]),
        ("email", "GET /?to=ann%40example.com&x=1", ["ann%40example.com"]),
        ("email", "user=ann@example.com.", ["ann@example.com"]),
        ("email", "jérôme@exämple.com", ["jérôme@exämple.com"]),
        ("email", "x" * 100 + "@example.com", ["x" * 64 + "@example.com"]),
        ("email", "@example.com a@b a@ b@.com", []),
        ("card", "4111111111111111, 4111 1111 1111 1111; 5500-0000-0000-0004",
         ["4111111111111111", "4111 1111 1111 1111", "5500-0000-0000-0004"]),
        ("card", "3782 822463 10005 30569309025904 6011111111111117",
         ["3782 822463 10005", "30569309025904", "6011111111111117"]),
        ("card", "12 4111 1111 1111 1111 99", ["4111 1111 1111 1111"]),
        ("card", "4111 1111 1111 1111 2222", ["4111 1111 1111 1111"]),
        ("card", "4111111111111112 1764131121000 0.4111111111111111 x4111111111111111 41111111111111119", []),
        ("card", "2026-11-26 04:25:21 1111-1111-1111-1111", []),
        ("card", "1234 3056 9309 0259 04; 41111111 11111111, 1234-41111111-11111111 4111111111111111",
         ["3056 9309 0259 04", "41111111 11111111", "41111111-11111111", "4111111111111111"]),
        ("iban", "to DE89 3704 0044 0532 0130 00 PLEASE", ["DE89 3704 0044 0532 0130 00"]),
        ("iban", "GB82WEST12345698765432.", ["GB82WEST12345698765432"]),
        ("iban", "DE89370400440532013001 XX82WEST12345698765432", []),
        ("iban", "DE89370400440532013000A aDE89370400440532013000", []),
        ("ipv4", "192.0.2.1:80 host_192.0.2.7, 10.0.0.255. ip-198.51.100.1",
         ["192.0.2.1", "192.0.2.7", "10.0.0.255", "198.51.100.1"]),
        ("ipv4", "Chrome/120.0.0.0 0.0.0.0:80 v1.2.3.4 1.2.3.4.5 999.1.1.1 192.0.2.256 1.2.3 1.2.3.4x 01.2.3.4", []),
        ("ipv6", "[2001:db8::1]:443 from 2001:DB8:0:0:0:0:0:1. ::1", ["2001:db8::1", "2001:DB8:0:0:0:0:0:1", "::1"]),
        ("ipv6", "client:2001:db8::5, fe80::1%eth0 ::ffff:192.0.2.1:", ["2001:db8::5", "fe80::1", "::ffff:192.0.2.1"]),
        ("ipv6", "2001:db8:0:0:0:0:0:1:8080", ["2001:db8:0:0:0:0:0:1"]),
        ("ipv6", "at the face.2001:db8::2", ["2001:db8::2"]),
        ("ipv6", "04:25:21 00:1a:2b:3c:4d:5e std::vector Foo::Bar :: a:b:c:d", []),
        ("bearer", "Authorization: Bearer abc.def-9, BEARER%20xyz", ["abc.def-9", "xyz"]),
        ("bearer", "Basic dXNlcjpwYXNz, basic dTpwYXNzdw==; basic understanding of Basic Auth",
         ["dXNlcjpwYXNz", "dTpwYXNzdw=="]),
        ("bearer", "t=eyJhbGciOi.eyJzdWIi.sig-_ and eyJust", ["eyJhbGciOi.eyJzdWIi.sig-_"]),
        ("password_kv", "password=hunter2&x=1 PASSWORD: abc, pwd='a b' DB_PASSWORD = q",
         ["hunter2", "abc", "a b", "q"]),
        ("password_kv", '{"password": "hun\\"ter", "api_key":"zz", "userPassword": 12}', ['hun\\"ter', "zz", "12"]),
        ("password_kv", '{\\"password\\":\\"hun\\\\ter\\",\\"x\\":1}', ["hun\\\\ter"]),
        ("password_kv", "client_secret=s1 access-key: s2 csrftoken=s3 token%3Ds4", ["s1", "s3", "s4", "s2"]),
        ("password_kv", "https://ann:pa55@host.example/x postgres://u:p@h/", ["pa55", "p"]),
        ("password_kv", 'password="no end', ["no end"]),
        ("password_kv", "password=\\abc", ["\\abc"]),
        ("password_kv", "sudo: ann : TTY=pts/0 ; PWD=/home/ann ; USER=root", []),
        ("password_kv", "bypass=1 compass: n key=1 monkey: x unexpected token: } password= tokens: 5 passed: 3", []),
    ],
)  # fmt: skip
def test_what_is_found(preset: str, text: str, expected: list[str]) -> None:
    assert sorted(found(preset, text)) == sorted(expected)


def test_whole_numbers_as_cards() -> None:
    assert is_card(4111111111111111)
    assert not is_card(4111111111111112)
    assert not is_card(1764131121000)
    assert not is_card(41111111111111110)


PIECES = st.sampled_from(
    [
        "@", "%40", "a", "ann@example.com", "example.com", "4111", "1111", " ", "-", "4111111111111111", "DE89",
        "3704 0044", "0532013000", "192.0.2.1", ".", "1", ":", "::", "2001:db8::1", "ffff", "Bearer", "bearer ",
        "eyJhbG.", "password", "=", "\"", "'", "\\", "token", "key", "api_", "://", "u:p@",
        "é", "İ", "\n", "pass", "secret",
        "&", "B",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=12).map("".join) | st.text(max_size=20).filter(lambda text: "\0" not in text)


@pytest.mark.parametrize("preset", PRESETS)
@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
def test_what_is_found_in_a_value_does_not_depend_on_its_neighbours(preset: str, texts: list[str]) -> None:
    alone = [sorted(set(PRESETS[preset](Text(text)))) for text in texts]
    shifted, start = [], 0
    for text, spans in zip(texts, alone, strict=True):
        shifted += [(first + start, last + start) for first, last in spans]
        assert all(0 <= first < last <= len(text) for first, last in spans)
        start += len(text) + 1
    assert sorted(set(PRESETS[preset](Text("\0".join(texts))))) == shifted


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "piece",
    ["@", "a@", "a.", "4", "4111 ", "4111-", "DE89", "A1 ", "1.", ".1", ":", "::", "f:", "1:2:3:", "bearer ", "eyJ",
     "eyJ.", "a-", "password", "password=", 'password="', "key", "api_key", "pass\\", "://", "://a:", '"\\', "secret_",
     "token ", "password='", 'password=\\"', "password=["],
)  # fmt: skip
def test_a_hostile_text_takes_time_in_proportion_to_its_length(preset: str, piece: str) -> None:
    """Quadratic ones need minutes for this."""
    text = piece * (200_000 // len(piece))
    started = time.process_time()
    found(preset, text)
    assert time.process_time() - started < 5
