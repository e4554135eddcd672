"""Which lines make a record: the presets, own patterns, limits; and the same records whatever is read at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.encoding import UTF8, encoding
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.framing import Framer, Multiline

LOG = "2024-01-02 03:04:05,678 ERROR it failed\n"
PYTHON = """Traceback (most recent call last):
  File "/srv/app.py", line 3, in <module>
    int("x")
    ~~~^^^^^
ValueError: invalid literal for int() with base 10: 'x'
"""
CHAIN = f"{PYTHON}\nDuring handling of the above exception, another exception occurred:\n\n{PYTHON}"
GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "/srv/app.py", line 9, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: one
    +------------------------------------
"""
JAVA = """java.lang.IllegalStateException: outer
\tat com.example.Shop.buy(Shop.java:14)
\t... 8 more
Caused by: java.io.IOException: inner
\tat com.example.Shop.pay(Shop.java:31)
"""
GO = """panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.(*Shop).buy(0xc000012345, 0x5)
\t/srv/shop.go:10 +0x1d
main.main()
\t/srv/shop.go:5 +0x20
exit status 2
"""


def records(text: str, **settings: Any) -> list[str]:
    lines = text.encode().splitlines(keepends=True)
    starts = Framer(Multiline(**settings)).starts(lines)
    return [b"".join(lines[a:b]).decode() for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("python", [LOG, LOG + PYTHON, LOG]),
        ("python", [PYTHON, PYTHON, LOG]),
        ("python", [LOG + CHAIN, PYTHON]),
        ("python", [LOG + GROUP, LOG]),
        ("python", [LOG + PYTHON, "INFO:root:started\n", "WARNING: low\n", LOG]),
        (
            "python",
            [LOG + PYTHON.replace("ValueError: invalid literal for int() with base 10: 'x'", "KeyboardInterrupt")],
        ),
        ("java", [LOG + JAVA, LOG, 'Exception in thread "main" ' + JAVA, LOG]),
        ("java", [JAVA, JAVA]),
        ("go", [LOG, GO, LOG]),
        ("go", ["http: panic serving 192.0.2.1:5: oops\n" + GO.partition("\n\n")[2]]),
        ("postgres", [LOG + "\tSELECT 1\n\tFROM t\n", LOG]),
        (["python", "java"], [LOG + PYTHON, LOG + JAVA, LOG]),
    ],
)
def test_presets(preset: Any, expected: list[str]) -> None:
    assert records("".join(expected), preset=preset) == expected


def test_parts_of_containers_lines_are_joined_with_the_next_of_their_stream() -> None:
    cri = [
        "2024-01-02T03:04:05.1Z stdout P half \n2024-01-02T03:04:05.2Z stdout F and half\n",
        "2024-01-02T03:04:05.3Z stderr F x\n",
    ]
    assert records("".join(cri), preset="cri") == cri
    docker = ['{"log":"half ","stream":"stdout","time":"t"}\n{"log":"and half\\n","stream":"stdout","time":"t"}\n']
    docker += ['{"log":"a \\"quoted\\" line\\n","stream":"stdout","time":"t"}\n', "no part\n"]
    assert records("".join(docker), preset="docker") == docker


def test_a_quoted_value_of_csv_may_hold_newlines() -> None:
    rows = ['1,"two\nlines, ""quoted""\nand more",x\n', "2,plain,y\n", '3,"a","b\n\n"\n']
    assert records("".join(rows), preset="csv") == rows


def test_own_patterns() -> None:
    text = "a 1\n b\n c\r\na 2\n"
    assert records(text, start="^a") == ["a 1\n b\n c\r\n", "a 2\n"]
    assert records(text, continue_="^ ") == ["a 1\n b\n c\r\n", "a 2\n"]
    assert records("Ärger\n mehr\nÄrger\n", start=r"^\wrger") == ["Ärger\n mehr\n", "Ärger\n"]
    assert records("a\n\nb\n", continue_="^$") == ["a\n\n", "b\n"]


def test_limits_end_a_record() -> None:
    text = "a\n" + " b\n" * 9
    assert [part.count("\n") for part in records(text, start="^a", max_lines=4)] == [4, 4, 2]
    assert [len(part) for part in records("a" * 600 + "\n" + " b\n" * 300, start="^a", max_bytes=1024)] == [1024, 477]


SNIPPETS = [
    LOG, PYTHON, CHAIN, GROUP, JAVA, GO, "\n", "  indented\n", "ValueError: x\n",
    "Traceback (most recent call last):\n", 'a,"b\n', '"",c"\n',
]  # fmt: skip
SETTINGS = [
    {"preset": "python"}, {"preset": ["python", "java"]}, {"preset": "java"}, {"preset": "go"}, {"preset": "cri"},
    {"preset": "csv"},
    {"start": "^2024"}, {"continue_": r"^\s"}, {"preset": "python", "max_lines": 3},
    {"start": "^never", "max_bytes": 1024}, {"start": "^2024", "max_lines": 2},
]  # fmt: skip
CRI = [f"t {stream} {tag} x\n" for stream in ("stdout", "stderr") for tag in "PF"]


@given(
    st.lists(st.sampled_from([*SNIPPETS, *CRI]), max_size=12).map("".join),
    st.sampled_from(SETTINGS),
    st.lists(st.integers(1, 12), min_size=1),
    st.sampled_from(["utf-8", "utf-16-le"]),
    st.sampled_from([64 << 10, 100]),
)
def test_records_are_the_same_however_many_lines_are_there_at_a_time(
    text: str, settings: dict[str, Any], counts: list[int], name: str, window: int
) -> None:
    """As source and worker cut them: at the end of what is closed, and one by one."""
    framer, one = Framer(Multiline(**settings)), UTF8 if name == "utf-8" else encoding(name)
    lines = [line.encode(name) for line in text.splitlines(keepends=True)]
    whole = [record.encode(name) for record in records(text, **settings)] if text else []
    if name == "utf-8" and framer.plain(text.encode(), one):
        assert whole == lines
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tailrace.pipeline.framing._WINDOW", window)
        found: list[bytes] = []
        data, at = b"", 0
        for turn in range(len(lines) + 1):
            count = counts[turn % len(counts)]
            data += b"".join(lines[at : at + count])
            at += count
            if not data:
                continue
            ended = at >= len(lines)
            cut = len(data) if ended else framer.closed(data, one)
            chunk, data = data[:cut], data[cut:]
            while chunk:
                end = framer.first(chunk, one) or len(chunk)
                found.append(chunk[:end])
                chunk = chunk[end:]
    assert found == whole


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({}, "expected exactly one of preset, start and continue, found none"),
        ({"preset": "python", "start": "x"}, "found preset and start"),
        ({"preset": "pyton"}, "there is no preset 'pyton'"),
        ({"preset": ["cri", "python"]}, "'cri' stands alone"),
        ({"start": "("}, "is not a valid regular expression"),
        ({"continue_": "["}, "continue: '\\[' is not a valid"),
    ],
)
def test_what_makes_no_records_is_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises((ValueError, ConfigError), match=why):
        Multiline(**settings)
