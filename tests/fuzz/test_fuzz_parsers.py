"""Any bytes through each parser, as a worker does it: each line is an event or a dead letter, in whatever piece."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.chain.loader import resolve
from tailrace.pipeline.chain.outcome import Tally
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.work.layout import Result, read_result
from tailrace.pipeline.work.ring import NONE, Ring, geometry
from tailrace.pipeline.work.worker import BUSY, DONE, Work

SAMPLES: dict[str, list[bytes]] = {
    "parse.raw": [b"plain"],
    "parse.json": [b'{"a": 1, "b": [1.5, null, "x\\u0000\\ud800"], "c": {"d": -0.0}}', b'{"a": 18446744073709551616}'],
    "parse.combined": [
        b'127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326 "http://a/" "Mozilla (X11)"',
        b'::1 - frank [29/Feb/2024:23:59:60 +0000] "GET /\\"x HTTP/1.1" 304 -',
        b'shop.example.com:443 "192.0.2.1, ::1" 192.0.2.2 - al [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1 "-" '
        b'"a" "192.0.2.1, unknown" 0.1 "x y"',
    ],
    "parse.nginx_error": [
        b'2026/03/27 13:06:56 [error] 31#7: *25 limiting requests, excess: 1.5 by zone "z", client: 192.0.2.7, '
        b'server: s, request: "GET / HTTP/1.1", upstream: "http://192.0.2.8/", host: "h", referrer: "https://example.com/"',
    ],
    "parse.auto": [
        b'{"a": 1}',
        b"a=1 b=2",
        b"<34>Oct 11 22:14:15 host su[12]: failed",
        b'- - - [10/Oct/2000:13:55:36 +0000] "',
    ],
    "parse.logfmt": [b'level=info msg="a \\"b\\" c" at=2024-01-01T00:00:00Z n=1 flag empty='],
    "parse.syslog": [
        b"<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed",
        b'<165>1 2003-10-11T22:14:15.003Z host app - ID47 [x@1 a="1" b="\\]"][y] \xef\xbb\xbfbody',
        b"<189>94: sw01: *Feb 28 2010 00:20:10.663 CEST: %SYS-5-CONFIG_I: x",
        b"Oct 11 22:14:15 UTC mac auth.info Some App[12] (a[3]) <Notice>: x",
    ],
    "parse.klog": [b'I0229 13:06:56.123456   77 sync.go:9] "a \\"b\\"" pod="c/d" n=3 e={X:1 Y:2}'],
    "parse.postgres": [b"2022-01-30 00:08:42.390 UTC [15462] LOG:  checkpoint starting: time"],
    "parse.regex": [b"12 abc", b"7 x y"],
    "parse.kv": [b"a = 1 b=\"x \\\" y\" 'c d'=' ' e f=", b"a=1\tb"],
    "parse.cef": [
        b"<13>Sep 19 08:26:10 host CEF:0|a\\|b|c|1|2|n|5|msg=a\\=b c cs1=x cs1Label=Why act=",
        b"CEF:1|a|b|c|d|e|f",
    ],
    "parse.leef": [b"LEEF:2.0|a|b|c|d|x5E|k=v^l=^k=w", b"LEEF:1.0|a|b|c|d|k=v\tl=x y"],
    "parse.csv": [b'1,"a ""b"", c",', b"2,x,y"],
    "parse.docker": [b'{"log":"a\\n","stream":"stdout","time":"2024-01-01T00:00:00.5Z","attrs":{"a":"b"}}'],
    "parse.cri": [b"2024-01-01T00:00:00.5Z stdout F a b", b"2024-01-01T01:00:00+01:00 stderr P:x:y half"],
}
OPTIONS: dict[str, dict[str, Any]] = {
    "parse.regex": {"pattern": r"(?P<n>\d+) (?P<rest>.*)"},
    "parse.csv": {"columns": ["a", "b", "c"]},
}
NASTY = [
    b"\0", b"\r", b"\x85", b"\xe2\x80\xa8", b"\x0b", b"\x1c", b"\xff", b"\xc0\xaf", b"\xed\xa0\x80",
    b"\xef\xbb\xbf", b'"', b"\\", b"[", b"]", b"{", b"}", b"=", b" ", b"\xd9\xa3", b"9" * 30, b"1e999", b"NaN", b"-",
    b"\x1b[2J", b"[" * 300, b'{"a":' * 300, b"9" * 5000, b"\n",
]  # fmt: skip
JUNK = st.lists(st.sampled_from(NASTY) | st.binary(max_size=6), max_size=4).map(b"".join)


@st.composite
def torn(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """A good line with something put in or cut out."""
    line = draw(st.sampled_from(samples))
    start = draw(st.integers(0, len(line)))
    end = draw(st.integers(start, len(line)))
    return line[:start] + draw(JUNK) + line[end:]


def text(samples: list[bytes]) -> st.SearchStrategy[bytes]:
    line = torn(samples) | st.sampled_from(samples) | JUNK
    return st.lists(line, min_size=1, max_size=10).map(lambda lines: b"\n".join(lines) + b"\n")


class Bench:
    """A slot, and a worker's step object for each parser, in this process."""

    def __init__(self) -> None:
        self._ring = Ring.create(geometry(1 << 18, 1 << 18, 1, 1))
        self._works: dict[str, Work] = {}

    def work(self, use: str, data: bytes, *, careful: bool) -> Result:
        if use not in self._works:
            stage: Any = resolve(use, "")(**OPTIONS.get(use, {}))
            out: Any = resolve("write.file", "")(path="out/{source}")
            steps = [Step(use, "parse", stage), Step("write.file", "write", out, sink=0, sink_id="out")]
            self._works[use] = Work(steps, 60.0)
        work, slot = self._works[use], self._ring.slots[0]
        slot.input[: len(data)] = data
        chunk = Chunk(1, "test-1", "a.log", "/a.log", 0, len(data), len(data), 1_700_000_000.0, 1_700_000_000.0)
        slot.ask(chunk, 0, len(data) if careful else 0, NONE)
        work.begin(slot)
        while (status := work.step()) == BUSY:
            pass
        assert status == DONE
        assert slot.progress[0] == len(data)
        return read_result(slot.output, slot.progress[1])

    def close(self) -> None:
        self._ring.close()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    one = Bench()
    yield one
    one.close()


def total(tally: Tally) -> tuple[int, int, int]:
    """(lines, written, filtered)"""
    return tally.lines, sum(tally.written.values()), sum(tally.filtered.values())


def check(bench: Bench, use: str, data: bytes) -> None:
    at_once, alone = (bench.work(use, data, careful=careful) for careful in (False, True))
    lines, written, filtered = total(at_once.tally)
    assert lines == data.count(b"\n") == written + filtered + len(at_once.dead), "every line comes to something"
    output = b"".join(bytes(payload.data) for payload in at_once.payloads)
    events = [json.loads(line) for line in output.split(b"\n")[:-1]]
    assert output.count(b"\n") == written
    assert all(type(event) is dict for event in events)
    for dead in at_once.dead:
        assert dead.stage in (use, "write.file")
        assert b"\n" not in data[dead.offset : dead.offset + dead.length]
        assert data[dead.offset + dead.length : dead.offset + dead.length + 1] == b"\n"
        assert dead.trace is None, f"a parser that raises: {dead.trace}"
    assert all(one.offset < other.offset for one, other in pairwise(at_once.dead) if one.stage == other.stage)
    assert output == b"".join(bytes(payload.data) for payload in alone.payloads), "the same as line by line"
    assert total(alone.tally) == (lines, written, filtered)
    assert sorted((d.offset, d.length, d.stage, d.error, d.why) for d in at_once.dead) == sorted(
        (d.offset, d.length, d.stage, d.error, d.why) for d in alone.dead
    )


@given(
    case=st.sampled_from(sorted(SAMPLES)).flatmap(lambda use: st.tuples(st.just(use), text(SAMPLES[use]))),
)
@example(case=("parse.json", b'{"a": ' + b"9" * 100_000 + b"}\n" + b"[" * 100_000 + b"\n"))
def test_any_bytes_become_events_or_dead_letters_in_any_piece(bench: Bench, case: tuple[str, bytes]) -> None:
    check(bench, *case)


@given(data=st.binary(max_size=200).map(lambda junk: junk + b"\n"))
def test_plain_junk_for_every_parser(bench: Bench, data: bytes) -> None:
    for use in SAMPLES:
        check(bench, use, data)
