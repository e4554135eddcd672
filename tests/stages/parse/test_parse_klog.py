"""parse.klog: headers of klog and glog, structured messages."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from tailrace.pipeline.batch import Fail, Lines, Skip
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.parse.klog import Klog

from .hostile_lines import lines_like

LATE_2015 = 1_449_000_000.0  # 2015-12-01
HEAD = "I0327 13:06:56.123456 1 a.go:1]"
PLAIN = "I0327 13:06:56.123456       1 server.go:42] Listening on :8080"
PAIRS = r'E0327 13:06:56.123456   77 sync.go:9] "Pod \"a\" failed" pod="kube-system/dns" err="x=1 y" n=3 ok=true'


def one(line: str, **options: Any) -> Any:
    (entry,) = Klog(**options).parse(of(line, origin(now=LATE_2015)))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


def test_a_plain_message() -> None:
    event = {
        "timestamp": "2015-03-27T13:06:56.123456Z",
        "level": "info",
        "pid": 1,
        "file": "server.go",
        "line": 42,
        "message": "Listening on :8080",
    }
    assert one(PLAIN) == event
    assert list(one(PLAIN)) == list(event)


def test_a_structured_message() -> None:
    event = one(PAIRS)
    assert (event["level"], event["message"]) == ("error", 'Pod "a" failed')
    assert event["fields"] == {"pod": "kube-system/dns", "err": "x=1 y", "n": 3, "ok": True}
    assert one(PAIRS, structured=False)["message"] == PAIRS.split("] ")[1]
    assert "fields" not in one(PAIRS, structured=False)


@pytest.mark.parametrize(
    ("pairs", "fields"),
    [
        ("", {}),
        (' a=""', {"a": ""}),
        (" a=", {"a": ""}),
        (' a="3" b=3 c=-1.5 d=<nil> e=false', {"a": "3", "b": 3, "c": -1.5, "d": None, "e": False}),
        (" a={X:1 Y:two words} b=[p q]", {"a": "{X:1 Y:two words}", "b": "[p q]"}),
        (' a={"x": "y z=1"} b="2"', {"a": '{"x": "y z=1"}', "b": "2"}),
        (" a=12ms b=1e999", {"a": "12ms", "b": "1e999"}),
        (r' a="tab\tnewline\n"', {"a": "tab\tnewline\n"}),
    ],
)
def test_values_of_pairs(pairs: str, fields: dict[str, Any]) -> None:
    event = one(f'{HEAD} "m"{pairs}')
    assert (event["message"], event["fields"]) == ("m", fields)


@pytest.mark.parametrize("message", ['"a" is a name', '"a" b="c" d" e', '"a" b="c"d', '"a', '"', 'x "a" b="c"'])
def test_a_message_that_is_not_structured_as_a_whole_stays_as_it_is(message: str) -> None:
    event = one(f"{HEAD} {message}")
    assert event["message"] == message
    assert "fields" not in event


def test_a_text_of_several_lines() -> None:
    record = f'{HEAD} "m" a=<\n\tone\n\ttwo\n > b="c"'.encode()
    (event,) = Klog().parse(Lines.of([record], origin(now=LATE_2015)))
    assert isinstance(event, dict)
    assert event["fields"] == {"a": "one\ntwo", "b": "c"}
    (event,) = Klog().parse(Lines.of([f"{HEAD} goroutine 1:\nmain()".encode()], origin(now=LATE_2015)))
    assert isinstance(event, dict)
    assert event["message"] == "goroutine 1:\nmain()"


@pytest.mark.parametrize(
    ("head", "zone", "expected"),
    [
        ("I0327 13:06:56.123456", "Europe/Berlin", "2015-03-27T12:06:56.123456Z"),
        ("I1227 13:06:56.123456", "UTC", "2014-12-27T13:06:56.123456Z"),
        ("I0229 13:06:56.123456", "UTC", "2012-02-29T13:06:56.123456Z"),
        ("I20140327 13:06:56.123456", "UTC", "2014-03-27T13:06:56.123456Z"),
        ("I0630 23:59:60.123456", "UTC", "2015-06-30T23:59:59.999999Z"),
    ],
)
def test_year_and_zone_follow_the_rules(head: str, zone: str, expected: str) -> None:
    assert one(f"{head} 1 a.go:1] m", timezone=zone)["timestamp"] == expected


def test_another_bound_is_heeded() -> None:
    stage = Klog()
    for now, year in ((LATE_2015, 2015), (LATE_2015 + 366 * 86400, 2016)):
        (event,) = stage.parse(of(PLAIN, origin(now=now)))
        assert isinstance(event, dict)
        assert event["timestamp"].startswith(str(year))


@pytest.mark.parametrize(
    ("line", "code", "why"),
    [
        ("Log file made at: 2015/03/27", "no_match", "expected a level (I, W, E or F) at column 1"),
        ("I327 13:06", "no_match", "expected a date such as 0327 at column 2"),
        ("I0327 13:06:56 1 a.go:1] m", "no_match", "expected a blank and a time such as 13:06:56.123456 at column 6"),
        ("I0327 13:06:56.1 a.go:1] m", "no_match", "expected a blank and the process id at column 17"),
        ("I0327 13:06:56.1 1 a.go] m", "no_match", "expected a colon and the line in the file at column"),
        ("I0327 13:06:56.1 1 a.go:1]m", "no_match", "expected ] and a blank at column 26"),
        ("I0230 13:06:56.123456 1 a.go:1] m", "bad_timestamp", "0230"),
        ("I0327 24:06:56.123456 1 a.go:1] m", "bad_timestamp", "24:06:56"),
    ],
)
def test_bad_line_tells_why(line: str, code: str, why: str) -> None:
    told = one(line)
    assert told[0] == code
    assert why in told[1]


@pytest.mark.parametrize(
    "line",
    [
        "Log file created at: 2015/03/27 13:06:56",
        "Running on machine: node1",
        "Binary: Built with gc go1.21.5 for linux/amd64",
        "Log line format: [IWEF]mmdd hh:mm:ss.uuuuuu threadid file:line] msg",
    ],
)
def test_the_lines_at_the_beginning_of_a_file_are_no_events(line: str) -> None:
    header, event = Klog().parse(of(f"{line}\n{PLAIN}", origin(now=LATE_2015)))
    assert isinstance(header, Skip)
    assert header.reason == "header"
    assert event == one(PLAIN)


def test_the_zone_must_exist() -> None:
    with pytest.raises(ValueError, match="timezone: 'Nowhere' is unknown"):
        Klog(timezone="Nowhere")


@settings(max_examples=200)
@given(lines_like(PLAIN, PAIRS, "I0230 13:06:56.123456 1 a.go:1] m", "W20150327 13:06:60.1 1 a.go:1] m", "E0327 13"))
def test_batch_equals_line_by_line(
    same_line_by_line: Callable[[Parse, list[str]], None],
    same_beside_several_lines: Callable[[Parse, list[str]], None],
    lines: list[str],
) -> None:
    same_line_by_line(Klog(), lines)
    same_beside_several_lines(Klog(), lines)


@pytest.mark.parametrize(
    "text",
    [
        f'{HEAD} "' + "\\" * 100_001,
        f'{HEAD} "m"' + " a=b" * 25_000 + '"',
        f'{HEAD} "m" a=' + "b " * 50_000 + '"',
        f'{HEAD} "m" a=' + '"b" ' * 25_000 + "c",
        f'{HEAD} "m" a=b' + '"b' * 50_000,
        "I0327 13:06:56.123456" + " " * 100_000,
        "I0327 13:06:56.123456 1 " + "a" * 100_000,
        "I0327 13:06:56.123456 1\n" * 4_000 + "x",
    ],
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    started = time.process_time()
    Klog().parse(of(text))
    assert time.process_time() - started < 1.0
