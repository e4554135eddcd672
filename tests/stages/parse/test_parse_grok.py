"""parse.grok."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.pipeline.batch import Fail, Lines
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.parse.combined import Combined
from tailrace.stages.parse.grok import Grok

from .hostile_lines import lines_like

COMMON_LINE = '192.0.2.9 - bob [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 1234'
ACCESS = COMMON_LINE + ' "http://x.example/" "Mozilla/5.0 (X11)"'


def one(line: str, pattern: str, **options: Any) -> Any:
    (entry,) = Grok(pattern=pattern, **options).parse(of(line))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


def found(line: str, pattern: str, **options: Any) -> Any:
    """The fields that are not null."""
    return without_null(one(line, pattern, **options))


def without_null(event: dict[str, Any]) -> dict[str, Any]:
    kept = {name: without_null(value) if isinstance(value, dict) else value for name, value in event.items()}
    return {name: value for name, value in kept.items() if value not in (None, {})}


def test_references_become_fields_and_those_without_a_name_do_not() -> None:
    pattern = r"^%{IP:client} %{WORD} (x|y) %{NUMBER:took:float} (?<rest>\w+)$"
    assert one("192.0.2.1 GET y 1.5 abc", pattern) == {"client": "192.0.2.1", "took": 1.5, "rest": "abc"}


def test_nested_names_make_nested_events() -> None:
    line = "GET /a 200"
    pattern = "%{WORD:[http][method]} %{NOTSPACE:url} %{INT:[http][response][status]:int}"
    assert one(line, pattern) == {"http": {"method": "GET", "response": {"status": 200}}, "url": "/a"}


def test_types_are_those_of_all_parsers() -> None:
    stage = Grok(
        pattern="%{NOTSPACE:t:timestamp} %{NOTSPACE:ip:ip} %{WORD:ok:boolean} %{NOTSPACE:[n][m]:long} %{NOTSPACE:x}",
        types={"x": "float"},
    )
    good, bad, other = stage.parse(
        of("2024-01-02T03:04:05+01:00 ::1 yes 7 2\nx ::1 no 1 1\n2024-01-02T03:04:05Z ::1 no y 1")
    )
    assert good == {"t": "2024-01-02T02:04:05Z", "ip": "::1", "ok": True, "n": {"m": 7}, "x": 2.0}
    assert isinstance(bad, Fail)
    assert isinstance(other, Fail)
    assert (bad.code, bad.why[:5]) == ("bad_timestamp", "t: 'x")
    assert (other.code, other.why) == ("bad_type", "[n][m]: 'y' is not an int")
    assert one("x", "%{WORD:a:int}", on_bad_type="null") == {"a": None}


def test_what_is_empty_or_took_no_part_is_null() -> None:
    assert one("a=", "a=%{DATA:x}(?:;%{WORD:y:int})?$") == {"x": None, "y": None}


def test_several_values_of_one_field_are_an_array_and_one_is_itself() -> None:
    pattern = "^(?:%{INT:n:int}|%{WORD:n})(?:,%{WORD:n})?$"
    stage = Grok(pattern=pattern)
    assert stage.parse(of("5\nab\n5,x\nab,cd")) == [{"n": 5}, {"n": "ab"}, {"n": [5, "x"]}, {"n": ["ab", "cd"]}]
    assert one("1,99999999999999999999", "%{INT:n:int},%{INT:n:int}")[0] == "bad_type"


def test_first_pattern_that_matches_wins() -> None:
    stage = Grok(pattern="^a%{INT:a:int}$", patterns=["^%{WORD:b}$", "%{NOTSPACE:c}$"])
    assert stage.parse(of("a1\nab\n! ?\na2")) == [{"a": 1}, {"b": "ab"}, {"c": "?"}, {"a": 2}]


def test_own_definitions_replace_those_of_the_directory_and_these_ours(tmp_path: Path) -> None:
    (tmp_path / "app").write_text("# of the app\n\nCODE [A-Z]{3}\nWORD w+\nID %{CODE}-%{INT:id:int}\r\n")
    options = {"patterns_dir": str(tmp_path), "definitions": {"CODE": "[a-z]{3}"}}
    assert one("abc-7 wwx", "%{ID} %{WORD:w}", **options) == {"id": 7, "w": "ww"}


@pytest.mark.parametrize(
    ("pattern", "line", "value"),
    [
        (r"(?<x>[[:alpha:]]+)", "12é3", "é"),
        (r"(?<x>[[:digit:][:upper:]_]+)", "abC_1d", "C_1"),
        (r"(?<x>[^[:space:]]+)$", "a b", "b"),
        (r"(?<x>[[[:alnum:]]_%-]+)", "!é_%-a!", "é_%-a"),
        (r"(?<x>[^[:alpha:]-]+)", "ab-1.c", "1."),
        (r"(?<x>\h+)z", "xfez", "fe"),
        (r"(?<x>[]a]+)", "b]a", "]a"),
        (r"(?<x>[+--]+)", "a+,-b", "+,-"),
        (r"(?<x>(?i)ab|cd)E", "xCDE", "CD"),
        (r"a(?i:b)(?<x>(?>c+)d)", "aBccd", "ccd"),
        (r"%{WORD:x}\z", "a b", "b"),
        (r"\{(?<x>\d+)\}%\{", "{5}%{", "5"),
    ],
)
def test_expressions_may_be_written_for_the_engine_of_logstash(pattern: str, line: str, value: str) -> None:
    assert one(line, pattern) == {"x": value}


def test_records_of_several_lines_are_taken_one_by_one() -> None:
    stage = Grok(patterns=["^%{WORD:level} (?m)%{GREEDYDATA:all}", r"^=%{DATA:first}$"])
    records = [b"ERROR a\n  b", b"=one\ntwo", b"-"]
    events = stage.parse(Lines.of(records, origin()))
    assert events[:2] == [{"level": "ERROR", "all": "a\n  b"}, {"first": "one"}]
    assert isinstance(events[2], Fail)


@pytest.mark.parametrize(
    ("options", "messages"),
    [
        ({}, ["give a `pattern`"]),
        ({"pattern": "%{WROD:x}"}, ["pattern: %{WROD:x}: there is no pattern 'WROD'; did you mean 'WORD'?"]),
        ({"patterns": ["%{WORD:x}", "%{_LOW:x} %{X:y}"]}, ["patterns[1]: %{X:y}: there is no pattern 'X'"]),
        ({"pattern": "%{CATALINA8_LOG}"}, ["it is one of those with ecs = true"]),
        ({"pattern": "%{MONGO3_LOG} %{CISCOFW106001}", "ecs": True}, ["it is one of those with ecs = false"]),
        ({"pattern": "%{WORD}"}, ["pattern: it has no field"]),
        ({"pattern": "%{WORD:x"}, ["pattern: %{WORD:x is no reference"]),
        ({"pattern": "%{WORD:x:integr}"}, ["'integr' is no type; did you mean 'integer'?"]),
        ({"pattern": "%{WORD:[a]b}"}, ["'[a]b' is no field"]),
        ({"pattern": "%{WORD:a} %{WORD:[a][b]}"}, ["'a' cannot be both a value and the fields of [a][b]"]),
        ({"pattern": "%{WORD:[a][b]} %{WORD:a}"}, ["'a' cannot be both a value and fields"]),
        ({"pattern": "%{INT:a:int} %{INT:a:float}"}, ["the field 'a' has two types, int and float"]),
        ({"pattern": "%{WORD:status}", "types": {"staus": "int"}}, ["types.staus: no pattern has a field", "'status'"]),
        (
            {"pattern": "%{A:x}", "definitions": {"A": "a%{B}", "B": "b%{C}?", "C": "%{A}"}},
            ["definitions.A: in the definition of C: %{A} is made of itself: A -> B -> C -> A"],
        ),
        ({"pattern": "%{WORD:x}", "definitions": {"A": "(a"}}, ["definitions.A: the definition of A, '(a', is no"]),
        ({"pattern": "%{WORD:x}", "definitions": {"A": "%{WRD}"}}, ["definitions.A: in the definition of A: %{WRD}:"]),
        ({"pattern": r"(a)\1%{WORD:x}"}, [r"\1 refers to another group"]),
        ({"pattern": r"%{WORD:x}(?"}, ["no valid expression"]),
        ({"pattern": "%{WORD:x}[a"}, ["the set that begins with '[a' has no end"]),
        ({"pattern": "%{WORD:x}[[:letter:]]"}, ["[:letter:] is not known"]),
        ({"pattern": "%{WORD:x}[a&&b]"}, ["&& in a set"]),
        ({"pattern": "%{WORD:x}(?x)"}, ["has a flag 'x'"]),
        ({"pattern": "%{WORD:x}a{2}+"}, ["repeats a repeat"]),
        ({"pattern": "%{WORD:x}", "patterns_dir": "/nowhere/at/all"}, ["patterns_dir: cannot read /nowhere/at/all"]),
        ({"pattern": "%{L9}", "definitions": {f"L{n}": f"%{{L{n - 1}}}" * 9 for n in range(1, 10)} | {"L0": "a"}},
         ["longer than 262144 characters"]),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_told(options: dict[str, Any], messages: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        Grok(**options)
    for message in messages:
        assert message in str(caught.value)


def test_file_of_definitions_that_is_wrong_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "app").write_text("A a\nB\n")
    with pytest.raises(ValueError, match=r"app, line 2: expected a name, a blank and an expression, found 'B'"):
        Grok(pattern="%{A:a}", patterns_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("pattern", "line", "why"),
    [
        ("%{COMBINEDAPACHELOG}", ACCESS.replace("May", "Mai?"), "expected '/' in %{HTTPDATE:timestamp} at column 24"),
        ("%{COMBINEDAPACHELOG}", ACCESS[:30], "expected ':' in %{TIME} at column 31, where the line ends: "),
        ("^%{INT:n} took %{INT:ms}ms$", "5 took 7s", "expected 'ms' at column 9: 's'"),
        ("=%{INT:n}$", "ab", "expected '=', which is nowhere in the line: 'ab'"),
    ],
)  # fmt: skip
def test_no_match_names_the_reference_that_the_line_does_not_meet(pattern: str, line: str, why: str) -> None:
    code, told = one(line, pattern)
    assert code == "no_match"
    assert told.startswith(f"the pattern does not match: {why}")


COMMON = {
    "clientip": "192.0.2.9", "ident": "-", "auth": "bob", "timestamp": "17/May/2015:10:05:03 +0000", "verb": "GET",
    "request": "/a?b=c", "httpversion": "1.1", "response": "200", "bytes": "1234",
}  # fmt: skip

KNOWN: list[tuple[str, bool, str, dict[str, Any]]] = [
    ("COMBINEDAPACHELOG", False, ACCESS, COMMON | {"referrer": '"http://x.example/"', "agent": '"Mozilla/5.0 (X11)"'}),
    ("COMMONAPACHELOG", False, ACCESS, COMMON),
    ("COMBINEDAPACHELOG", True, ACCESS.replace("bob", "-"), {
        "source": {"address": "192.0.2.9"}, "timestamp": "17/May/2015:10:05:03 +0000",
        "http": {"request": {"method": "GET", "referrer": "http://x.example/"}, "version": "1.1",
                 "response": {"status_code": 200, "body": {"bytes": 1234}}},
        "url": {"original": "/a?b=c"}, "user_agent": {"original": "Mozilla/5.0 (X11)"}}),
    ("NGINXACCESS", False, ACCESS, COMMON | {
        "ident": None, "referrer": "http://x.example/", "agent": "Mozilla/5.0 (X11)"}),
    ("SYSLOGLINE", False, "Mar  7 10:00:00 web-1 sshd[123]: Accepted password", {
        "timestamp": "Mar  7 10:00:00", "logsource": "web-1", "program": "sshd", "pid": "123",
        "message": "Accepted password"}),
    ("SYSLOGLINE", True, "2024-01-02T03:04:05.678+01:00 web-1 app: hi", {
        "timestamp": "2024-01-02T03:04:05.678+01:00", "host": {"hostname": "web-1"}, "process": {"name": "app"},
        "message": "hi"}),
    ("SYSLOGPAMSESSION", False, "May 10 09:10:11 h su[12]: pam_unix(su:session): session opened for user root by ann", {
        "timestamp": "May 10 09:10:11", "logsource": "h", "program": "su", "pid": "12", "pam_module": "pam_unix",
        "message": "pam_unix(su:session): session opened for user root by ann", "pam_caller": "su:session",
        "pam_session_state": "opened", "username": "root", "pam_by": "ann"}),
    ("CRONLOG", False, "May 10 09:10:11 h CRON[12]: (root) CMD (run-parts /etc)", {
        "timestamp": "May 10 09:10:11", "logsource": "h", "program": "CRON", "pid": "12", "user": "root",
        "action": "CMD", "message": "run-parts /etc"}),
    ("SYSLOG5424LINE", False, '<165>1 2003-10-11T22:14:15.003Z m.example.com ev - ID47 [x@1 a="b"][y@1] An event', {
        "syslog5424_pri": 165, "syslog5424_ver": 1, "syslog5424_ts": "2003-10-11T22:14:15.003Z",
        "syslog5424_host": "m.example.com", "syslog5424_app": "ev", "syslog5424_msgid": "ID47",
        "syslog5424_sd": '[x@1 a="b"][y@1]', "syslog5424_msg": "An event"}),
    ("HTTPD_ERRORLOG", False, "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] "
     "[client 192.0.2.7:80] File does not exist: /usr", {
        "timestamp": "Fri Sep 09 10:42:29.902022 2011", "module": "core", "loglevel": "error", "pid": "35708",
        "tid": "4328636416", "clientip": "192.0.2.7", "clientport": "80", "errorcode": "File does not exist",
        "message": "/usr"}),
    ("NGINXERROR", False, "2024/01/02 03:04:05 [error] 12#34: *56 open() failed", {
        "timestamp": "2024/01/02 03:04:05", "loglevel": "error", "pid": "12", "tid": "34", "connection": "56",
        "message": "open() failed"}),
    ("HAPROXYHTTP", True, "Feb  6 12:14:14 localhost haproxy[14389]: 192.0.2.2:33317 [06/Feb/2009:12:14:14.655] "
     'http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {shop.example} "GET /index.html HTTP/1.1"', {
        "timestamp": "Feb  6 12:14:14", "host": {"hostname": "localhost"}, "process": {"name": "haproxy", "pid": 14389},
        "source": {"address": "192.0.2.2", "port": 33317, "bytes": 2750},
        "haproxy": {
            "request_date": "06/Feb/2009:12:14:14.655", "frontend_name": "http-in", "backend_name": "static",
            "server_name": "srv1", "total_waiting_time_ms": 0, "connection_wait_time_ms": 30, "total_time_ms": "109",
            "http": {"request": {"time_wait_ms": 10, "time_wait_without_data_ms": 69,
                                 "captured_headers": "shop.example"}},
            "termination_state": "----", "server_queue": 0, "backend_queue": 0,
            "connections": {"active": 1, "frontend": 1, "backend": 1, "server": 1, "retries": 0}},
        "http": {"response": {"status_code": 200}, "request": {"method": "GET"}, "version": "1.1"},
        "url": {"original": "/index.html", "path": "/index.html"}}),
    ("HAPROXYTCP", False, "Feb  6 12:12:56 localhost haproxy[14387]: 192.0.2.2:33313 [06/Feb/2009:12:12:51.443] fnt "
     "bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0", {
        "syslog_timestamp": "Feb  6 12:12:56", "syslog_server": "localhost", "program": "haproxy", "pid": "14387",
        "client_ip": "192.0.2.2", "client_port": "33313", "accept_date": "06/Feb/2009:12:12:51.443",
        "haproxy_monthday": "06", "haproxy_month": "Feb", "haproxy_year": "2009", "haproxy_time": "12:12:51",
        "haproxy_hour": "12", "haproxy_minute": "12", "haproxy_second": "51", "haproxy_milliseconds": "443",
        "frontend_name": "fnt", "backend_name": "bck", "server_name": "srv1", "time_queue": "0",
        "time_backend_connect": "0", "time_duration": "5007", "bytes_read": "212", "termination_state": "--",
        "actconn": "0", "feconn": "0", "beconn": "0", "srvconn": "0", "retries": "3", "srv_queue": "0",
        "backend_queue": "0"}),
    ("S3_ACCESS_LOG", False, "79a5 bucket [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a5 3E57 REST.GET.VERSIONING - "
     '"GET /bucket?versioning HTTP/1.1" 200 - 113 - 7 - "-" "S3Console/0.4" -', {
        "owner": "79a5", "bucket": "bucket", "timestamp": "06/Feb/2019:00:00:38 +0000", "clientip": "192.0.2.3",
        "requester": "79a5", "request_id": "3E57", "operation": "REST.GET.VERSIONING", "key": "-", "verb": "GET",
        "request": "/bucket?versioning", "httpversion": "1.1", "response": 200, "bytes": 113, "request_time_ms": 7,
        "referrer": '"-"', "agent": '"S3Console/0.4"'}),
    ("ELB_ACCESS_LOG", True, "2015-05-13T23:39:43.945958Z lb 192.0.2.39:2817 192.0.2.1:80 0.000073 0.001048 -1 200 200 "
     '0 29 "GET http://www.example.com:80/x?y=1 HTTP/1.1"', {
        "timestamp": "2015-05-13T23:39:43.945958Z", "source": {"ip": "192.0.2.39", "port": 2817},
        "aws": {"elb": {"name": "lb",
                        "backend": {"ip": "192.0.2.1", "port": 80, "http": {"response": {"status_code": 200}}},
                        "request_processing_time": {"sec": 0.000073}, "backend_processing_time": {"sec": 0.001048}}},
        "http": {"response": {"status_code": 200, "body": {"bytes": 29}},
                 "request": {"body": {"bytes": 0}, "method": "GET"},
                 "version": "1.1"},
        "url": {"original": "http://www.example.com:80/x?y=1", "scheme": "http", "domain": "www.example.com",
                "port": 80, "path": "/x", "query": "y=1"}}),
    ("REDISMONLOG", False, '1339518083.107412 [0 192.0.2.1:60866] "keys" "*"', {
        "timestamp": "1339518083.107412", "database": "0", "client": "192.0.2.1", "port": 60866, "command": "keys",
        "params": '"*"'}),
    ("MONGO3_LOG", False, "2014-11-03T18:28:32.450-0500 I NETWORK  [initandlisten] waiting for connections", {
        "timestamp": "2014-11-03T18:28:32.450-0500", "severity": "I", "component": "NETWORK",
        "context": "initandlisten", "message": "waiting for connections"}),
    ("POSTGRESQL", False, "2013-02-28 16:54:27 UTC ann 52d8 1234", {
        "timestamp": "13-02-28 16:54:27", "user_id": "ann", "connection_id": "52d8", "pid": "1234"}),
    ("JAVASTACKTRACEPART", False, "\tat com.example.Main.<init>(Main.java:12)", {
        "class": "com.example.Main", "method": "<init>", "file": "Main.java", "line": "12"}),
    ("TOMCATLOG", True, "31-Jul-2020 16:40:38.578 INFO [main] org.example.Server.start up", {
        "timestamp": "31-Jul-2020 16:40:38.578", "message": "up",
        "log": {"level": "INFO", "origin": {"function": "start"}},
        "java": {"log": {"origin": {"thread": {"name": "main"}, "class": {"name": "org.example.Server"}}}}}),
    ("RAILS3HEAD", False, 'Started GET "/c/1?x=y" for 192.0.2.1 at 2012-08-30 14:01:02 +0200', {
        "verb": "GET", "request": "/c/1?x=y", "clientip": "192.0.2.1", "timestamp": "2012-08-30 14:01:02 +0200"}),
    ("CISCO_TAGGED_SYSLOG", False, "<182>May  8 2013 10:11:12 fw1 : %ASA-6-302013: Built", {
        "syslog_pri": "182", "timestamp": "May  8 2013 10:11:12", "sysloghost": "fw1", "ciscotag": "ASA-6-302013"}),
    ("CISCOFW302013_302014_302015_302016", False, "Teardown TCP connection 9 for outside:192.0.2.1/80 to "
     "inside:198.51.100.2/5 duration 0:00:30 bytes 99 TCP FINs", {
        "action": "Teardown", "protocol": "TCP", "connection_id": "9", "src_interface": "outside",
        "src_ip": "192.0.2.1", "src_port": "80", "dst_interface": "inside", "dst_ip": "198.51.100.2", "dst_port": "5",
        "duration": "0:00:30", "bytes": "99", "reason": "TCP FINs"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "ecs", "line", "fields"), KNOWN, ids=[f"{name}-{ecs}" for name, ecs, *_ in KNOWN])
def test_known_pattern_takes_a_line_of_its_format(name: str, ecs: bool, line: str, fields: dict[str, Any]) -> None:
    assert found(line, f"%{{{name}}}", ecs=ecs) == without_null(fields)


@pytest.mark.parametrize("ecs", [False, True])
def test_every_pattern_that_we_have_can_be_used(ecs: bool) -> None:
    files = (Path(__file__).parents[3] / "stages/patterns/library").glob("*.txt")
    wrong = {"legacy.txt", "ecs.txt"} - {"ecs.txt" if ecs else "legacy.txt"}
    names = [
        line.split(" ")[0]
        for file in files
        if file.name not in wrong
        for line in file.read_text().split("\n")
        if re.match(r"\w+ ", line)
    ]
    assert len(names) > 200
    for name in names:
        Grok(pattern=f"%{{{name}:whole}}", ecs=ecs)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("IP", ["192.0.2.255", "::", "::1", "1::", "1:2:3:4:5:6:7:8", "fe80::1%eth0", "::ffff:192.0.2.1", "1:2::3:4"],
         ["192.0.2.256", "1.2.3", "1:2:3", ":::", "1::2::3", "1:2:3:4:5:6:7:8:9"]),
        ("NUMBER", ["5", "-5.25", "+.5"], ["5.", "x", "--5", "1.2.3"]),
        ("QUOTEDSTRING", ['""', '"a\\"b"', "'a b'", "`x`"], ['"a', '"a\\"', 'a"']),
        ("TIMESTAMP_ISO8601", ["2024-01-02T03:04:05Z", "2024-01-02 03:04:05,678", "2024-1-2T3:04"],
         ["2024-13-02T03:04"]),
        ("MONTH", ["Jan", "january", "März", "Okt", "Dezember"], ["Janu", "Mond"]),
        ("PATH", ["/", "/var/log/é+x.log", "C:\\a b\\c", "\\\\srv\\x"], ["a/b", "C:"]),
        ("URI", ["http://u:p@h.example:80/a?b=c#d", "file:///etc/x"], ["http:/x", "//h/x"]),
        ("EMAILADDRESS", ["ann+x@mail.example.com"], ["ann", "@x"]),
        ("LOGLEVEL", ["info", "WARNING", "Err", "EMERGENCY"], ["loud", "iNFO"]),
        ("MAC", ["00:1A:2b:3c:4d:5e", "00-1a-2b-3c-4d-5e", "001a.2b3c.4d5e"], ["00:1a:2b:3c:4d"]),
    ],
)  # fmt: skip
def test_known_pattern_takes_what_it_names_and_nothing_else(name: str, good: list[str], bad: list[str]) -> None:
    stage = Grok(pattern=f"^%{{{name}:x}}$")
    events: list[Any] = stage.parse(of("\n".join(good)))
    assert [event["x"] for event in events] == good
    assert all(isinstance(entry, Fail) for entry in stage.parse(of("\n".join(bad))))


PATTERNS = [
    "%{COMBINEDAPACHELOG}",
    "%{SYSLOGLINE}",
    '"%{DATA:a}"(?:%{DATA:b}-)?%{GREEDYDATA:c}',
    r"^%{NOTSPACE:a}%{SPACE:b}(?<c>\D*)$",
    r"(?<a>[^x]*)$",
    r"(?<a>(?<=\s)\W.)|(?<b>.(?!.))|\A(?<c>[\W\d]++)\z",
    r"(?>[^-]+)-(?<a>.)|(?<!\S)(?<b>[\s\S]+)\Z",
    r"(?m)%{DATA:a}(?<b>[[:space:]]|[[:^word:]])(?<c>\n?.?)",
    r"(?:%{DATA:a},)?(?<b>(?i)A|Z)(?<c>[^\w\s]|[\x00-\x20])",
    "%{QS:a}%{DATA:b}(?=%{DATA:c}[)])|%{URI:a}|%{PATH:b}",
]
SAMPLES = [ACCESS, "Mar  7 10:00:00 web-1 sshd[123]: x", '"a"b-c', "a, A)", "http://h/x", "x y"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2), lines_like(*SAMPLES))
def test_batch_equals_line_by_line(
    same_line_by_line: Callable[[Parse, list[str]], None], patterns: list[str], lines: list[str]
) -> None:
    same_line_by_line(stage_of(tuple(patterns)), lines)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PATTERNS), lines_like(*SAMPLES))
def test_form_for_pieces_finds_what_the_pattern_finds(pattern: str, lines: list[str]) -> None:
    stage = stage_of((pattern,))
    as_piece, missed = stage._cascade[0].events("\n".join(lines))
    assert (as_piece, missed) == stage._cascade[0].events(lines)


MADE: dict[tuple[str, ...], Grok] = {}


def stage_of(patterns: tuple[str, ...]) -> Grok:
    """Made once: the patterns take longer to compile than to use."""
    if patterns not in MADE:
        MADE[patterns] = Grok(patterns=list(patterns))
    return MADE[patterns]


@pytest.mark.alone
def test_combined_log_costs_not_much_more_than_its_own_parser() -> None:
    text = "\n".join([ACCESS] * 2000)

    def seconds(stage: Parse) -> float:
        started = time.process_time()
        stage.parse(of(text))
        return time.process_time() - started

    stages: list[Parse] = [Grok(pattern="%{COMBINEDAPACHELOG}"), Combined()]
    grok, own = [min(took) for took in zip(*[[seconds(stage) for stage in stages] for _ in range(15)], strict=True)]
    assert grok < 2 * own


@pytest.mark.parametrize("line", ["a-" * 2000, "a." * 2000, "/a" * 2000, "1:" * 2000, '"\\' * 2000, "http://" * 700])
def test_hostile_line_takes_bounded_time(line: str) -> None:
    started = time.process_time()
    for pattern in ("%{COMBINEDAPACHELOG}", "%{SYSLOGLINE}", "%{URI:x}!!", "%{PATH:x}\x01", "%{QS:x}\x01", "%{IP:x}!"):
        stage_of((pattern,)).parse(of(line))
    assert time.process_time() - started < 5
