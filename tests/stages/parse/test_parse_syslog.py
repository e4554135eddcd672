"""parse.syslog: RFC 3164 as found in files, and RFC 5424."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given, settings
from tailrace.pipeline.batch import Fail, Origin, Skip
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.parse.syslog import Syslog

from .hostile_lines import lines_like

LATE_2015 = 1_449_000_000.0  # 2015-12-01
OLD = "Mar  7 13:06:56 web-1 sshd[1291]: Server listening on :: port 22."
PRI = "<34>Oct 11 22:14:15 mymachine su: 'su root' failed"
ISO = "2024-01-02T03:04:05.123456+01:00 web-1 postfix/smtpd[77]: connect"
NEW = "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 8710 ID47 - An event"
SD = r'<165>1 2003-10-11T22:14:15.003Z h app - ID47 [x@32473 iut="3" src="A\"p\]" iut="4"][y] ' + "\ufeffmsg"


def one(line: str, bound: float = LATE_2015, timezone: str = "UTC") -> Any:
    stage = Syslog(timezone)
    (entry,) = stage.parse(of(line, origin(now=bound)))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


def test_classic_line_without_pri() -> None:
    event = one(OLD)
    assert event == {
        "timestamp": "2015-03-07T13:06:56Z",
        "host": "web-1",
        "app": "sshd",
        "pid": 1291,
        "message": "Server listening on :: port 22.",
    }
    assert list(event) == ["timestamp", "host", "app", "pid", "message"]


def test_classic_line_with_pri() -> None:
    assert one(PRI) == {
        "timestamp": "2015-10-11T22:14:15Z",
        "host": "mymachine",
        "app": "su",
        "pid": None,
        "facility": 4,
        "severity": 2,
        "message": "'su root' failed",
    }


def test_iso_time_as_rsyslog_writes_it() -> None:
    event = one(ISO)
    assert (event["timestamp"], event["app"], event["pid"]) == ("2024-01-02T02:04:05.123456Z", "postfix/smtpd", 77)


def test_rfc5424() -> None:
    assert one(NEW) == {
        "timestamp": "2003-10-11T22:14:15.003Z",
        "host": "mymachine.example.com",
        "app": "evntslog",
        "pid": 8710,
        "msgid": "ID47",
        "facility": 20,
        "severity": 5,
        "sd": None,
        "message": "An event",
    }


def test_structured_data_with_escapes_and_repeated_names() -> None:
    event = one(SD)
    assert event["sd"] == {"x@32473": {"iut": ["3", "4"], "src": 'A"p]'}, "y": {}}
    assert event["message"] == "msg"


def test_nil_parts_are_null() -> None:
    assert one("<13>1 - - - - - -") == {
        "timestamp": None,
        "host": None,
        "app": None,
        "pid": None,
        "msgid": None,
        "facility": 1,
        "severity": 5,
        "sd": None,
        "message": None,
    }


def test_all_forms_are_told_apart_line_by_line() -> None:
    lines = [OLD, NEW, PRI, SD, "junk", ISO]
    for order in (lines, lines[::-1], lines[1:] + lines[:1]):
        stage = Syslog()
        entries = stage.parse(of("\n".join(order), origin(now=LATE_2015)))
        assert [("fail" if isinstance(entry, Fail) else entry) for entry in entries] == [
            "fail" if line == "junk" else one(line) for line in order
        ]


@pytest.mark.parametrize(
    ("line", "timestamp", "host", "app", "message"),
    [
        ("Oct  1 22:14:15 kernel: a: b", "2015-10-01T22:14:15Z", None, "kernel", "a: b"),
        (
            "Oct  1 22:14:15 h last message repeated 2 times",
            "2015-10-01T22:14:15Z",
            "h",
            None,
            "last message repeated 2 times",
        ),
        ("Oct 1 22:14:15 h a: b", "2015-10-01T22:14:15Z", "h", "a", "b"),
        ("Oct  1 2019 22:14:15: %ASA-6-1: Built", "2019-10-01T22:14:15Z", None, "%ASA-6-1", "Built"),
        ("2019 Oct  1 22:14:15 h a: b", "2019-10-01T22:14:15Z", "h", "a", "b"),
        ("Oct  1 22:14:15 2019 h a: b", "2019-10-01T22:14:15Z", "h", "a", "b"),
        ("Oct  1 22:14:15.250 h a: b", "2015-10-01T22:14:15.250Z", "h", "a", "b"),
        ("63 <13>Oct  1 22:14:15 h a: b", "2015-10-01T22:14:15Z", "h", "a", "b"),
        ("Oct  1 22:14:15 ::1 a: b", "2015-10-01T22:14:15Z", "::1", "a", "b"),
        ("Oct  1 22:14:15 h a:", "2015-10-01T22:14:15Z", "h", "a", ""),
        ("Oct  1 22:14:15 h a:   b", "2015-10-01T22:14:15Z", "h", "a", "  b"),
        ("Oct  1 22:14:15", "2015-10-01T22:14:15Z", None, None, ""),
        ("Feb 29 12:00:00 h a: b", "2012-02-29T12:00:00Z", "h", "a", "b"),
        ("Jun 30 23:59:60 h a: b", "2015-06-30T23:59:59.999999Z", "h", "a", "b"),
    ],
)
def test_rare_forms(line: str, timestamp: str, host: str | None, app: str | None, message: str) -> None:
    event = one(line)
    assert (event["timestamp"], event["host"], event["app"], event["message"]) == (timestamp, host, app, message)


@pytest.mark.parametrize(("pid", "expected"), [("7", 7), ("07", "07"), ("a-1", "a-1"), ("9" * 30, "9" * 30)])
def test_pid_is_an_integer_where_that_loses_nothing(pid: str, expected: object) -> None:
    assert one(f"Oct  1 22:14:15 h a[{pid}]: b")["pid"] == expected


def test_year_and_zone_follow_the_rules() -> None:
    assert one("Dec 31 23:30:00 h a: b", bound=1_451_606_400.0)["timestamp"] == "2015-12-31T23:30:00Z"
    assert one("Dec 31 23:30:00 h a: b", timezone="America/New_York")["timestamp"] == "2015-01-01T04:30:00Z"
    with pytest.raises(ValueError, match="'Nowhere' is unknown"):
        Syslog("Nowhere")


def test_another_bound_is_heeded() -> None:
    stage = Syslog()
    for now, year in ((LATE_2015, 2015), (LATE_2015 + 366 * 86400, 2016)):
        (event,) = stage.parse(of(OLD, origin(now=now)))
        assert isinstance(event, dict)
        assert event["timestamp"].startswith(str(year))


@pytest.mark.parametrize(
    ("line", "code", "why"),
    [
        ("junk", "no_match", "expected a time"),
        ("<192>Oct 11 22:14:15 h su: x", "no_match", "PRI 192 is above 191"),
        ("<192>1 - - - - - -", "no_match", "PRI 192"),
        ("<13>junk", "no_match", "at column 5: 'junk'"),
        ("13:06:56 h su: x", "no_match", "expected a time such as"),
        ("<166>%ASA-6-302013: Built", "no_match", "Cisco's `logging timestamp` gives one"),
        ("Mar 27 13:06 h su: x", "no_match", "from column 1 on; it goes wrong at column 13: ' h su: x'"),
        ("2015-03-27_13:06:56 h x", "no_match", "it goes wrong at column 11: '_13:06:56 h x'"),
        ("Feb 30 12:00:00 h a: b", "bad_timestamp", "Feb 30"),
        ("<13>1 2003-13-11T22:14:15Z h a - - - m", "bad_timestamp", "2003-13-11"),
        ("<13>1  - - - - -", "no_match", "expected the time, or -, at column 7: ' - - - - -'"),
        ("<13>1 - - -", "no_match", "expected a blank after the app at column 12, where the line ends"),
        ("<13>1 - - - - - [=]", "no_match", "from column 17 on; it goes wrong at column 18: '=]'"),
        ("<13>1 - - - - - [a", "no_match", "from column 17 on; it goes wrong at column 19, where the line ends"),
        ('<13>1 - - - - - [a b="c]', "no_match", 'structured data, [id name="value"] or -, from column 17 on; it goes'),
        ('<13>1 - - - - - [a b="c" d=e] m', "no_match", "it goes wrong at column 28: 'e] m'"),
        ('<13>1 - - - - - [a b="c"]m', "no_match", "it goes wrong at column 26: 'm'"),
    ],
)
def test_bad_line_tells_why(line: str, code: str, why: str) -> None:
    told = one(line)
    assert told[0] == code
    assert why in told[1]


def test_every_line_of_a_real_log_parses(real_lines: Callable[[str], list[str]], at: Callable[[float], Origin]) -> None:
    lines = real_lines("auth.log")
    stage = Syslog()
    entries = stage.parse(of("\n".join(lines), at(LATE_2015)))
    assert len(entries) == len(lines)
    assert [line for line, entry in zip(lines, entries, strict=True) if isinstance(entry, Fail)] == []
    assert all(entry["app"] for entry in entries if isinstance(entry, dict))


@settings(max_examples=300)
@example(["0001-01-01T0:0:0 0 ;:"])
@given(
    lines_like(
        *(OLD, PRI, ISO, NEW, SD, "<192>Oct 11 22:14:15 h su: x", "Feb 30 10:00:00 h a: b", "Oct  1 22:14:15 h"),
        "<189>94: sw01: *Feb 28 2010 00:20:10.663 CEST: %SYS-5-CONFIG_I: x",
        "Oct  1 22:14:15 CET h auth.info a b[1] (c[2]) <Notice>: x",
    )
)
def test_batch_equals_line_by_line(
    same_line_by_line: Callable[[Parse, list[str]], None],
    same_beside_several_lines: Callable[[Parse, list[str]], None],
    lines: list[str],
) -> None:
    same_line_by_line(Syslog(), lines)
    same_beside_several_lines(Syslog(), lines)


@pytest.mark.parametrize(
    "text",
    [
        "<13>1 " + "- " * 50_000,
        "<13>1 - - - - - " + "[a]" * 33_000 + "x",
        "<13>1 - - - - - [a" + ' b="c"' * 16_000,
        '<13>1 - - - - - [a b="' + "\\" * 100_001,
        '<13>1 - - - - - [a b="' + '\\"' * 50_000,
        "<13>1 - - - - - [a" + " " * 100_000,
        "Oct  1 22:14:15 " + "a" * 100_000,
        "Oct  1 22:14:15 h " + "a" * 100_000,
        "Oct  1 22:14:15 h a[" + "]" * 100_000,
        "Oct  1 22:14:15 " + ":" * 100_000,
        "9" * 100_000,
        "<" * 100_000,
        "Oct  1 22:14:15 h " + "a " * 50_000 + "[1]",
        "Oct  1 22:14:15 h " + "a[1] (" * 20_000,
        "Oct  1 22:14:15 " + "Z " * 50_000,
        "Oct  1 22:14:15 XYZ " + "a" * 100_000,
        "1: " * 30_000,
        ":" + " " * 100_000,
        "A/" * 50_000,
        "Oct  1 22:14:15 h\n" * 5_000 + "x",
        "<13>1 2003-10-11T22:14:15Z\n" * 4_000 + "x",
    ],
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    started = time.process_time()
    Syslog().parse(of(text))
    assert time.process_time() - started < 1.0


@pytest.mark.parametrize(
    "line",
    [
        "-- Boot 0123456789abcdef0123456789abcdef --",
        "-- Reboot --",
        "-- No entries --",
        "-- Journal begins at Wed 2015-03-25 13:06:56 UTC, ends at Fri 2015-03-27 13:06:56 UTC. --",
        "-- Logs begin at Wed 2015-03-25 13:06:56 UTC, end at Fri 2015-03-27 13:06:56 UTC. --",
    ],
)
def test_what_journalctl_says_between_the_lines_is_no_event(line: str) -> None:
    said, event = Syslog().parse(of(f"{line}\nMar 27 13:06:56 h app: x", origin(now=LATE_2015)))
    assert isinstance(said, Skip)
    assert said.reason == "header"
    assert event == one("Mar 27 13:06:56 h app: x")
    assert one(f"Mar 27 13:06:56 h {line}")["message"] == line
