"""Encodings: where lines end in them, what they become, and which are refused."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tailrace.pipeline.encoding import LONGEST_NEWLINE, encoding, marked, may_be_marked

WIDE = ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]
TEXT = st.text(st.sampled_from("a\n\r\u010a\u0a00\u0a0a\U0001f600\0") | st.characters(codec="utf-8"), max_size=30)


@given(TEXT, st.sampled_from([*WIDE, "utf-8", "gb18030"]), st.integers(0, 40))
@example("\u0a00\u0a00\n", "utf-16-le", 0)  # the bytes of a newline between two characters
@example("\u6100\u0a61\n", "utf-16-be", 0)
def test_newlines_are_found_where_they_are_in_the_text(text: str, name: str, start: int) -> None:
    one, data = encoding(name), text.encode(name)
    assert [line.decode(name) for line in one.split(data)] == text.split("\n")
    ends = [len(text[:at].encode(name)) for at, character in enumerate(text) if character == "\n"]
    assert one.find(data, start) == next((end for end in ends if end >= start), -1)
    assert one.rfind(data, start) == max((end for end in ends if end >= start), default=-1)
    assert one.to_utf8(data).decode() == text
    assert one.is_text(data)
    assert one.width <= LONGEST_NEWLINE


@given(st.binary(max_size=40), st.sampled_from([*WIDE, "shift_jis", "gbk", "euc_jp", "big5", "cp1252"]))
def test_bytes_that_are_no_text_never_join_two_lines(data: bytes, name: str) -> None:
    one = encoding(name)
    assert len(one.to_utf8(data).split(b"\n")) == len(one.split(data))


@pytest.mark.parametrize(
    ("name", "known"),
    [("UTF-16", "utf-16-le"), ("utf8", "utf-8"), ("latin-1", "iso8859-1"), ("Windows-1252", "cp1252")],
)
def test_names_are_pythons(name: str, known: str) -> None:
    assert encoding(name).name == known


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("latin-9x", "did you mean 'latin-1'"),
        ("klingon", "expected the name of a text encoding"),
        ("utf-7", "a newline is a newline"),
        ("iso2022_jp", "a newline is a newline"),
        ("cp037", "a newline is a newline"),
        ("base64", "a newline is a newline"),
        ("", "expected the name"),
        ("a\0b", "expected the name"),
    ],
)
def test_what_lines_cannot_be_found_in_is_refused(name: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        encoding(name)


def test_a_byte_order_mark_names_the_encoding() -> None:
    for name in [*WIDE, "utf-8"]:
        beginning = "\ufeffab".encode(name)
        found = marked(beginning)
        assert found is not None
        assert found.name == name
        assert all(may_be_marked(beginning[:size]) for size in range(4))
    assert marked(b"ab") is None
    assert not may_be_marked(b"ab")
