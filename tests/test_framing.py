"""Which lines make a record: the presets, own patterns, limits; and the same records whatever is read at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.encoding import UTF8, Encoding, encoding
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.framing import Framer, Multiline, lines_of

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
STACK = 'Stack (most recent call last):\n  File "/srv/app.py", line 5, in <module>\n    log()\n'
DOTTED = PYTHON.replace("ValueError", "json.decoder.JSONDecodeError")
GO_FATAL = """fatal error: unexpected signal
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47]

runtime stack:
runtime.throw({0x1, 0x2})
\t/usr/lib/go/panic.go:1 +0x4d
...additional frames elided...
created by main.main in goroutine 1
\t/srv/shop.go:5 +0x20
"""


def records(text: str, **settings: Any) -> list[str]:
    return [record.decode() for record in framed(text.encode(), UTF8, Framer(Multiline(**settings)))]


def framed(data: bytes, written_in: Encoding, framer: Framer) -> list[bytes]:
    lines, ends = lines_of(data, written_in)
    begins = [ends[first - 1] if first else 0 for first in framer.starts(lines, ends)]
    return [data[a:b] for a, b in zip(begins, [*begins[1:], len(data)], strict=True)]


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
        (["python", "java"], [LOG + DOTTED, LOG + JAVA, "Shutdown: now\n"]),  # (the last line of a Python trace)
        ("python", [LOG + PYTHON + STACK, LOG, LOG + STACK, LOG]),
        ("python", [LOG + PYTHON.replace("ValueError", "__main__.f.<locals>.Odd"), LOG]),
        ("python", [LOG + '  File "/srv/app.py", line 1\n    x = = 1\n        ^\nSyntaxError: invalid syntax\n', LOG]),
        ("python", [LOG, "SyntaxError: told in a line of its own\n"]),
        ("python", [LOG + PYTHON + "[SQL: SELECT 1]\n(Background on this error at: https://example.com)\n", LOG]),
        ("python", ["Task exception was never retrieved\nfuture: <Task finished name='T'>\n" + PYTHON, LOG]),
        ("java", [LOG + "OrderException: outer\n\tat Shop.main(Shop.java:3)\n", LOG]),
        ("java", [JAVA + "Wrapped by: java.lang.IllegalStateException: outer\n\t... 3 common frames omitted\n", LOG]),
        ("go", [LOG, GO.replace("[running]", "gp=0xc000002380 m=0 mp=0x5a1 [running]"), LOG]),
        ("go", [LOG, GO.replace("main.main()", "example.com/a%2eb.Map[go.shape.int,go.shape.string](...)"), LOG]),
        ("go", [LOG, GO_FATAL, LOG]),
        ("go", [LOG, "SIGQUIT: quit\nPC=0x47 m=0 sigcode=0\n\n" + GO.partition("\n\n")[2] + "rax    0xca\n", LOG]),
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


@pytest.mark.parametrize("name", ["cri", "docker"])
def test_traces_in_the_lines_of_containers(name: str) -> None:
    """Each output by itself; where the other one comes between, a record ends."""

    def wrapped(text: str, stream: str) -> str:
        if name == "cri":
            return "".join(f"2024-01-02T03:04:05.1Z {stream} F {line}\n" for line in text.splitlines())
        lines = [
            json.dumps({"log": line, "stream": stream, "time": "t"}, separators=(",", ":"))
            for line in text.splitlines(True)
        ]
        return "".join(f"{line}\n" for line in lines)

    found = [
        wrapped(LOG + CHAIN, "stderr"),
        wrapped(LOG, "stderr"),
        wrapped(LOG + JAVA, "stdout"),
        wrapped(LOG, "stderr"),
    ]
    assert records("".join(found), preset=[name, "python", "java"]) == found
    begun, rest = PYTHON[: PYTHON.index("    int")], PYTHON[PYTHON.index("    int") :]
    cut = [wrapped(LOG + begun, "stderr"), wrapped(LOG, "stdout"), wrapped(rest, "stderr")]
    assert records("".join(cut), preset=[name, "python"])[:2] == cut[:2]


def test_a_quoted_value_of_csv_may_hold_newlines() -> None:
    rows = ['1,"two\nlines, ""quoted""\nand more",x\n', "2,plain,y\n", '3,"a","b\n\n"\n']
    assert records("".join(rows), preset="csv") == rows


def test_own_patterns() -> None:
    text = "a 1\n b\n c\r\na 2\n"
    assert records(text, start="^a") == ["a 1\n b\n c\r\n", "a 2\n"]
    assert records(text, continue_="^ ") == ["a 1\n b\n c\r\n", "a 2\n"]
    assert records("Ärger\n mehr\nÄrger\n", start=r"^\wrger") == ["Ärger\n mehr\n", "Ärger\n"]
    assert records("a\n\nb\n", continue_="^$") == ["a\n\n", "b\n"]


def test_what_is_plain_at_a_look_has_no_record_of_several_lines() -> None:
    """Mutation: the first line of what is looked at is none that others follow, or one that begins a record is not."""
    for preset, text in (
        ("python", "Traceback (most recent call last):\nValueError: x\n"),
        ("python", "\ufeffTraceback (most recent call last):\nValueError: x\n"),
        ("go", "panic: x\nmain.main()\n"),
        ("go", "a line\npanic: x\nmain.main()\n"),
    ):
        framer = Framer(Multiline(preset=preset))
        assert not framer.plain(text.encode(), UTF8), text
        lines, ends = lines_of(text.encode(), UTF8)
        assert len(framer.starts(lines, ends)) == len(lines) - 1, text


@pytest.mark.parametrize("name", ["utf-8", "utf-16-le", "utf-32-be", "shift_jis"])
def test_a_record_has_so_many_bytes_of_the_file_at_most(name: str) -> None:
    """Mutation: those of its text in UTF-8 are counted. Then it may not fit into a slot, and nothing goes on."""
    framer, one = Framer(Multiline(start="^R", max_bytes=1024)), encoding(name)
    data = "  それ\n".encode(name) * 400
    assert max(map(len, framed(data, one, framer))) <= 1024
    assert 1000 < framer.first(data, one) <= 1024
    assert framer.closed(data[: 1024 + len("  それ\n".encode(name))], one) >= 1000


def test_a_long_first_line_of_wide_units_does_not_shift_them() -> None:
    """Mutation: where no newline stands before the window, it begins one byte behind the beginning."""
    one = encoding("utf-16-le")
    long = ("\u0a41\u0100" * 20_000 + "\n").encode("utf-16-le")  # a byte further on these are newlines
    assert Framer(Multiline(start="^R")).closed(long + "  x\n".encode("utf-16-le"), one) == 0


PATTERNS = [
    {"start": "^a"}, {"start": "a"}, {"start": "^a$"}, {"start": r"^a\r"}, {"start": r"^a\nb"}, {"start": r"^a\x0ab"},
    {"start": r"^a\s"}, {"start": "^[^b]"}, {"start": "^a?"}, {"start": "^(?:a|b)"}, {"start": "^a++b"},
    {"continue_": "^$"}, {"continue_": "^b$"}, {"continue_": "^ "}, {"continue_": r"^\s*$"}, {"continue_": "^[^a]*+$"},
    {"continue_": "b"}, {"continue_": "^(?=b)"}, {"continue_": r"^b\Z"}, {"continue_": r"b?"}, {"continue_": "^b|^ "},
    {"preset": "python"}, {"preset": ["go", "java", "python"]},
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@given(texts=st.lists(st.sampled_from(["a", "b", " ", "ab", "", "x", "panic: "]), max_size=5))
def test_what_is_said_at_a_look_is_so(texts: list[str], pattern: dict[str, Any]) -> None:
    framer = Framer(Multiline(**pattern))
    for end in ("\n", "\r\n"):
        data = "".join(text + end for text in texts).encode()
        lines, ends = lines_of(data, UTF8)
        if framer.plain(data, UTF8) and lines:
            assert framer.starts(lines, ends) == list(range(len(lines)))


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
    {"preset": "csv"}, {"preset": ["cri", "python"]},
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
    whole = framed(text.encode(name), one, framer) if text else []
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
        ({"preset": ["python", "cri"]}, "there is one at most, and it comes first"),
        ({"preset": ["cri", "docker"]}, "there is one at most"),
        ({"preset": ["csv", "python"]}, "'csv' stands alone"),
        ({"start": "("}, "is not a valid regular expression"),
        ({"continue_": "["}, "continue: '\\[' is not a valid"),
    ],
)
def test_what_makes_no_records_is_refused(settings: dict[str, Any], why: str) -> None:
    with pytest.raises((ValueError, ConfigError), match=why):
        Multiline(**settings)
