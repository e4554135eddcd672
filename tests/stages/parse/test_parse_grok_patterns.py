"""The patterns that parse.grok brings along."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.batch import Fail
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.stages.parse.grok import Grok

COMMON_LINE = '192.0.2.9 - bob [17/May/2015:10:05:03 +0000] "GET /a?b=c HTTP/1.1" 200 1234'
ACCESS = COMMON_LINE + ' "http://x.example/" "Mozilla/5.0 (X11)"'


def found(line: str, pattern: str, **options: Any) -> Any:
    """The fields that are not null."""
    (entry,) = Grok(pattern=pattern, **options).parse(of(line))
    assert isinstance(entry, dict), entry.why
    return without_null(entry)


def without_null(event: dict[str, Any]) -> dict[str, Any]:
    kept = {name: without_null(value) if isinstance(value, dict) else value for name, value in event.items()}
    return {name: value for name, value in kept.items() if value not in (None, {})}


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
