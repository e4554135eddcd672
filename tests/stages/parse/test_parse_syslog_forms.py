"""parse.syslog: the forms of devices, macOS, BusyBox, FreeBSD and journalctl, and zones behind the time."""

from __future__ import annotations

from typing import Any

import pytest
from tailrace.pipeline.batch import Fail
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.parse.syslog import Syslog

LATE_2015 = 1_449_000_000.0  # 2015-12-01
BERLIN = "Europe/Berlin"


def one(line: str, timezone: str = "UTC") -> Any:
    (entry,) = Syslog(timezone).parse(of(line, origin(now=LATE_2015)))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry


def shown(line: str, *names: str, timezone: str = "UTC") -> tuple[Any, ...]:
    event = one(line, timezone)
    assert isinstance(event, dict), event
    return tuple(event.get(name) for name in names)


@pytest.mark.parametrize(
    ("line", "timestamp", "host", "app"),
    [
        ("Oct  4 20:57:20.720 CEST: %LINEPROTO-5-UPDOWN: x", "2015-10-04T18:57:20.720Z", None, "%LINEPROTO-5-UPDOWN"),
        ("Apr  4 2014 20:57:20 CEST: %LINEPROTO-5-UPDOWN: x", "2014-04-04T18:57:20Z", None, "%LINEPROTO-5-UPDOWN"),
        ("Jan  4 2014 20:57:20 CET sw01 sshd[5]: x", "2014-01-04T19:57:20Z", "sw01", "sshd"),
        ("Jan  4 20:57:20 CET sshd[5]: x", "2015-01-04T19:57:20Z", None, "sshd"),
        ("Jan  4 20:57:20 UTC sw01 sshd[5]: x", "2015-01-04T20:57:20Z", "sw01", "sshd"),
        ("Jan  4 20:57:20Z sw01 sshd[5]: x", "2015-01-04T20:57:20Z", "sw01", "sshd"),
        ("Jan  4 20:57:20 -03:00 sw01 sshd[5]: x", "2015-01-04T23:57:20Z", "sw01", "sshd"),
        ("Oct 25 02:30:00 CEST sw01 sshd[5]: x", "2015-10-25T00:30:00Z", "sw01", "sshd"),
        ("Oct 25 02:30:00 CET sw01 sshd[5]: x", "2015-10-25T01:30:00Z", "sw01", "sshd"),
        ("Fri Mar 27 13:06:56 CET 2015 sw01 sshd[5]: x", "2015-03-27T12:06:56Z", "sw01", "sshd"),
        ("2015-03-27 13:06:56 CET sshd[5]: x", "2015-03-27T12:06:56Z", None, "sshd"),
        ("Jan  4 20:57:20 MINT sshd[5]: x", "2015-01-04T19:57:20Z", "MINT", "sshd"),
        ("Jan  4 20:57:20 CRON[7]: x", "2015-01-04T19:57:20Z", None, "CRON"),
    ],
)
def test_a_zone_behind_the_time(line: str, timestamp: str, host: str | None, app: str) -> None:
    assert shown(line, "timestamp", "host", "app", timezone=BERLIN) == (timestamp, host, app)


@pytest.mark.parametrize(
    ("line", "zone"),
    [
        ("Oct  4 20:57:20.720 CEST: %LINEPROTO-5-UPDOWN: x", "CEST"),
        ("Apr  4 2024 20:57:20 CET sw01 sshd[5]: x", "CET"),
        ("Apr  4 20:57:20 PST sshd[5]: x", "PST"),
        ("2015-04-04 20:57:20 EDT web-1 app: x", "EDT"),
        ("2015-04-04 20:57:20 EDT app: x", "EDT"),
        ("Apr  4 20:57:20 XYZ: %LINEPROTO-5-UPDOWN: x", "XYZ"),
        ("Apr  4 20:57:20 XYZ sw01 sshd[5]: x", "XYZ"),
        ("Apr  4 20:57:20 XYZ 2015 sw01 sshd[5]: x", "XYZ"),
        ("<189>94: *Feb 28 2010 00:20:10.663 EST: %SYS-5-CONFIG_I: x", "EST"),
        ("Apr  4 20:57:20 OFFICE: %LINEPROTO-5-UPDOWN: x", "OFFICE"),
        ("Apr  4 20:57:20 Zone: %LINEPROTO-5-UPDOWN: x", "Zone"),
    ],
)
def test_a_zone_that_is_not_known_is_neither_utc_nor_a_host(line: str, zone: str) -> None:
    code, why = one(line)
    assert code == "bad_timestamp"
    assert f"{zone!r} is not a name of the zone 'UTC'; set timezone" in why


@pytest.mark.parametrize(
    ("line", "timestamp", "host", "app", "message"),
    [
        ("<189>94: *Feb 28 2010 00:20:10.663 UTC: %SYS-5-A: x", "2010-02-28T00:20:10.663Z", None, "%SYS-5-A", "x"),
        ("<190>236: sw01: Jan  6 2012 22:11:43.398 UTC: %F-6-B: x", "2012-01-06T22:11:43.398Z", "sw01", "%F-6-B", "x"),
        ("<189>sw01: 000123: .Mar  1 18:46:11: %SYS-5-A: x", "2015-03-01T18:46:11Z", "sw01", "%SYS-5-A", "x"),
        ("000123: *Mar  1 18:46:11.123: %SYS-5-A: x", "2015-03-01T18:46:11.123Z", None, "%SYS-5-A", "x"),
        ("Apr  4 2014 20:57:20.720 sw01 sshd[5]: x", "2014-04-04T20:57:20.720Z", "sw01", "sshd", "x"),
        (
            "2014 Apr  4 20:57:20.720 sw01 %ETHPORT-5-IF_UP: x",
            "2014-04-04T20:57:20.720Z",
            "sw01",
            "%ETHPORT-5-IF_UP",
            "x",
        ),
        ("Apr  4 20:57:20.720 2014 sw01 sshd[5]: x", "2014-04-04T20:57:20.720Z", "sw01", "sshd", "x"),
        ("<189>: 2013 Mar 12 15:14:00 UTC: %VSHD-5-C_I: x", "2013-03-12T15:14:00Z", None, "%VSHD-5-C_I", "x"),
        ("2013 Mar 12 15:14:00 sw01 %$VDC-1%$ %ETH-5-UP: x", "2013-03-12T15:14:00Z", "sw01", "%ETH-5-UP", "x"),
        ("Sep  6 09:13:00 r1 82: Sep  6 14:12:56.872: %SYS-5-A: x", "2015-09-06T09:13:00Z", "r1", "%SYS-5-A", "x"),
        (
            "Sep  6 09:13:00 r1 636: .Jul 10 15:58:56.590 EDT: %SEC-6-B: x",
            "2015-09-06T09:13:00Z",
            "r1",
            "%SEC-6-B",
            "x",
        ),
        ("Sep  6 09:25:12 r1 89: %SYS-5-A: x", "2015-09-06T09:25:12Z", "r1", "%SYS-5-A", "x"),
        ("Sep  6 09:25:12 r1 89: 3d02h: %SYS-5-A: x", "2015-09-06T09:25:12Z", "r1", "%SYS-5-A", "x"),
        ("Sep  6 09:25:12 r1 93: text: x", "2015-09-06T09:25:12Z", "r1", None, "93: text: x"),
        ("Sep  6 09:25:12 r1: %SYS-5-A: x", "2015-09-06T09:25:12Z", "r1", "%SYS-5-A", "x"),
        ("Oct 01 2014 22:14:15 fw01 : %ASA-6-302013: x", "2014-10-01T22:14:15Z", "fw01", "%ASA-6-302013", "x"),
        ("2014-08-16T09:39:03Z fw01  : %FTD-1-430002: x", "2014-08-16T09:39:03Z", "fw01", "%FTD-1-430002", "x"),
        ("<166>:Oct 01 22:14:15 UTC: %ASA-session-6-3: x", "2015-10-01T22:14:15Z", None, "%ASA-session-6-3", "x"),
        ("<189>20: xr1 RP/0/RSP0/CPU0:Mar 27 13:06:56.1 UTC: ospf[9]: x", "2015-03-27T13:06:56.1Z", "xr1", "ospf", "x"),
    ],
)
def test_cisco(line: str, timestamp: str, host: str | None, app: str | None, message: str) -> None:
    assert shown(line, "timestamp", "host", "app", "message") == (timestamp, host, app, message)


@pytest.mark.parametrize("uptime", ["1w2d", "1y3w", "3d02h", "00:00:46", "*00:01:02.123", "94: sw01: 1w2d"])
def test_the_time_since_a_device_started_is_no_timestamp(uptime: str) -> None:
    for pri in ("", "<189>", "<189>94: "):
        if not (uptime.startswith("94") and pri.endswith(" ")):
            code, why = one(f"{pri}{uptime}: %SYS-5-CONFIG_I: x")
            assert code == "bad_timestamp"
            assert "is the time since the device started, and no date; Cisco's `service timestamps log datetime`" in why
    assert "`journalctl -o short-iso` gives one, at column 1" in one("[    1.234567] host kernel: x")[1]


@pytest.mark.parametrize(
    ("text", "app", "pid", "message"),
    [
        ("Google Chrome[35628]: a: b", "Google Chrome", 35628, "a: b"),
        ("Microsoft Word[14463]: a", "Microsoft Word", 14463, "a"),
        ("sandboxd[129] ([31211]): a(31211) b", "sandboxd", 129, "a(31211) b"),
        ("com.apple.xpc.launchd[1] (com.apple.quicklook[21498]): a", "com.apple.xpc.launchd", 1, "a"),
        ("Google Chrome He[12] ([13]): a", "Google Chrome He", 12, "a"),
        ("BezelServices 255.10[94]: a", "BezelServices 255.10", 94, "a"),
        ("dhcpd[]: a", "dhcpd", None, "a"),
        ("app[12] : a", "app", 12, "a"),
        ("app[12] a: b", "app", 12, "a: b"),
        ("app[main-1]: a", "app", "main-1", "a"),
        ("app[main-1] (x): a", "app", "main-1", "a"),
        ("syslogd 1.4.1: restart.", "syslogd 1.4.1", None, "restart."),
        ("syslogd 1.5.0#5: restart.", "syslogd 1.5.0#5", None, "restart."),
        ("last message repeated 2 times", None, None, "last message repeated 2 times"),
        ("--- last message repeated 1 time ---", None, None, "--- last message repeated 1 time ---"),
        ("Connection from 10.0.0.1: ok", None, None, "Connection from 10.0.0.1: ok"),
        ("peer 10.0.0.1: ok", None, None, "peer 10.0.0.1: ok"),
        ("a message of [some] words: x", None, None, "a message of [some] words: x"),
        ("app:a: b", "app", None, "a: b"),
        ("app[7]:a", "app", 7, "a"),
        ("<1234> is: no priority", None, None, "<1234> is: no priority"),
    ],
)
def test_a_tag_with_blanks_or_more_behind_its_pid(text: str, app: str | None, pid: object, message: str) -> None:
    assert shown(f"Jul  3 10:00:00 mac {text}", "host", "app", "pid", "message") == ("mac", app, pid, message)


@pytest.mark.parametrize(
    "text", ["--- last message repeated 1 time ---", "last message repeated 2 times", "-- MARK --"]
)
def test_what_syslogd_says_itself_has_no_host(text: str) -> None:
    assert shown(f"Dec  1 11:35:28 {text}", "host", "app", "message") == (None, None, text)


def test_a_level_of_macos_is_the_severity() -> None:
    assert one("Jul  3 10:00:00 mac kernel[0] <Debug>: x") == {
        "timestamp": "2015-07-03T10:00:00Z",
        "host": "mac",
        "app": "kernel",
        "pid": 0,
        "severity": 7,
        "message": "x",
    }
    line = "2018-03-27 13:06:56.123456+0100  localhost kernel[0]: (AppleACPI) x"
    assert shown(line, "host", "app", "pid", "message") == ("localhost", "kernel", 0, "(AppleACPI) x")


@pytest.mark.parametrize(
    ("line", "host", "app", "facility", "severity"),
    [
        ("Oct 11 22:14:15 alpine auth.info sshd[123]: x", "alpine", "sshd", 4, 6),
        ("Oct 11 22:14:15 alpine kern.warn kernel: [  1.0] x", "alpine", "kernel", 0, 4),
        ("Oct 11 22:14:15 <auth.info> bsd1 sshd[123]: x", "bsd1", "sshd", 4, 6),
        ("Oct 11 22:14:15 <4.6> bsd1 sshd[123]: x", "bsd1", "sshd", 4, 6),
        ("Oct 11 22:14:15 <local7.debug> bsd1 sshd[123]: x", "bsd1", "sshd", 23, 7),
        ("Mon Mar 27 13:06:56 2014 daemon.err app[1]: x", None, "app", 3, 3),
        ("Mon Mar 27 13:06:56 2014 [1395925616.123] daemon.err app[1]: x", None, "app", 3, 3),
        ("Oct 11 22:14:15 daemon.err app[1]: x", None, "app", 3, 3),
        ("2015-03-27T13:06:56+01:00 host authpriv.notice sshd[1]: x", "host", "sshd", 10, 5),
        ("auth.info<38>: Mar 27 13:06:56 host app: x", "host", "app", 4, 6),
        ("<34> Oct 11 22:14:15 host su: x", "host", "su", 4, 2),
        ("Mar 27 13:06:56 aix1 auth|security:info sshd[123]: x", "aix1", "sshd", 4, 6),
        ("Mar 27 13:06:56 aix1 user:err|error app: x", "aix1", "app", 1, 3),
        ("Mar 27 13:06:56 sun1 sshd[123]: [ID 800047 auth.info] x", "sun1", "sshd", 4, 6),
        ("Oct 11 22:14:15 mail.example.com app: x", "mail.example.com", "app", None, None),
    ],
)
def test_facility_and_severity_as_words(
    line: str, host: str | None, app: str, facility: int | None, severity: int | None
) -> None:
    assert shown(line, "host", "app", "facility", "severity") == (host, app, facility, severity)
    assert shown(line, "message")[0].endswith("x")


@pytest.mark.parametrize(
    ("head", "timestamp"),
    [
        ("2015-03-27 13:06:56,123", "2015-03-27T13:06:56.123Z"),
        ("2015-03-27 13:06:56.123 +0100", "2015-03-27T12:06:56.123Z"),
        ("2015-03-27T13:06:56+0100", "2015-03-27T12:06:56Z"),
        ("2015-03-27T13:06:56.123456+0100", "2015-03-27T12:06:56.123456Z"),
        ("Fri 2015-03-27 13:06:56 UTC", "2015-03-27T13:06:56Z"),
        ("Mar 27 13:06:56.123456", "2015-03-27T13:06:56.123456Z"),
        ("1427461616.123456", "2015-03-27T13:06:56.123456Z"),
    ],
)
def test_iso_times_and_those_of_journalctl(head: str, timestamp: str) -> None:
    assert one(f"{head} web-1 app[1]: x") == {
        "timestamp": timestamp,
        "host": "web-1",
        "app": "app",
        "pid": 1,
        "message": "x",
    }


@pytest.mark.parametrize(
    ("line", "timestamp", "app", "pid", "message"),
    [
        ("<34>1 2015-03-27T13:06:56Z h app: x y: z", "2015-03-27T13:06:56Z", "app", None, "x y: z"),
        ("<34>1 2015-03-27T13:06:56Z h app[7]: x", "2015-03-27T13:06:56Z", "app", 7, "x"),
        ('<34>1 2015-03-27T13:06:56Z h id="x y" a=b c', "2015-03-27T13:06:56Z", None, None, 'id="x y" a=b c'),
        (
            "<34>1 1427461616.123456789 h urls src=192.0.2.1",
            "2015-03-27T13:06:56.123456789Z",
            None,
            None,
            "urls src=192.0.2.1",
        ),
    ],
)
def test_a_header_of_rfc5424_that_is_only_begun(
    line: str, timestamp: str, app: str | None, pid: int | None, message: str
) -> None:
    assert shown(line, "timestamp", "host", "app", "pid", "message") == (timestamp, "h", app, pid, message)
    assert shown(line, "facility", "severity") == (4, 2)


@pytest.mark.parametrize(
    ("line", "sd", "message"),
    [
        ("<34>1 2003-10-11T22:14:15.003Z h app 12 ID47 An event", None, "An event"),
        ("<34>1 2003-10-11T22:14:15.003Z h app 12 ID47", None, None),
        ("<34> 1 2003-10-11T22:14:15.003Z h app 12 ID47 - An event", None, "An event"),
        ('1 2003-10-11T22:14:15.003Z h app 12 ID47 [a b="c"] An event', {"a": {"b": "c"}}, "An event"),
        ('2003-10-11T22:14:15.003Z h app 12 ID47 [a b="c"] An event', {"a": {"b": "c"}}, "An event"),
        ("2003-10-11T22:14:15.003Z h app 12 ID47 - An event", None, "An event"),
        # Check Point's own form of pairs, which is no structured data
        ('<34>1 2003-10-11T22:14:15.003Z h app 12 ID47 [a:"b"; c:"d"]', None, '[a:"b"; c:"d"]'),
    ],
)
def test_rfc5424_without_structured_data_priority_or_version(line: str, sd: object, message: str | None) -> None:
    names = ("timestamp", "host", "app", "pid", "msgid", "sd", "message")
    assert shown(line, *names) == ("2003-10-11T22:14:15.003Z", "h", "app", 12, "ID47", sd, message)
    assert shown(line, "severity") == (2 if line[0] == "<" else None,)


@pytest.mark.parametrize(
    ("line", "host", "app", "pid", "message"),
    [
        # sequence numbers, and the device's own header behind that of a relay
        ("<189>94: 000123: Mar 27 2015 13:06:56 UTC: %LINK-3-UP: x", None, "%LINK-3-UP", None, "x"),
        ("Mar 27 13:06:56 192.0.2.9 94: sw01: *Mar 27 13:06:55.1: %LINK-3-UP: x", "192.0.2.9", "%LINK-3-UP", None, "x"),
        ("Mar 27 13:06:56 sw01 : 2015 Mar 27 13:06:56 UTC: %ETH-5-UP: x", "sw01", "%ETH-5-UP", None, "x"),
        ("2015 Mar 27 13:06:56 sw01 %$ VDC-1 %$ %ETH-5-UP: x", "sw01", "%ETH-5-UP", None, "x"),
        ("<133>wlc1: *spamApTask2: Mar 27 13:06:56.1: %CAPWAP-3-ERR: x", "wlc1", "%CAPWAP-3-ERR", None, "x"),
        # IOS XR: a process and its id, which are no host
        ("RP/0/RSP0/CPU0:Mar 27 13:06:56.1 UTC: config[65720]: %SYS-5-C : x", None, "config", 65720, "%SYS-5-C : x"),
        ("<189>5: RP/0/RSP0/CPU0:Mar 27 13:06:56.1 : config[5]: %SYS-5-C : x", None, "config", 5, "%SYS-5-C : x"),
        # without a host: AIX, UniFi, Palo Alto, BusyBox
        ("Mar 27 13:06:56 Message forwarded from aix1: sshd[5]: x", "aix1", "sshd", 5, "x"),
        ("<30>Mar 27 13:06:56 U7LT,aabbccddeeff,v4.0: hostapd: x", "U7LT,aabbccddeeff,v4.0", "hostapd", None, "x"),
        ("<14>Mar 27 13:06:56 1,2015/03/27 13:06:56,TRAFFIC", None, None, None, "1,2015/03/27 13:06:56,TRAFFIC"),
        (
            "Mar 27 13:06:56 syslog.info syslogd started: BusyBox v1.36",
            None,
            None,
            None,
            "syslogd started: BusyBox v1.36",
        ),
        ("Mar 27 13:06:56 daemon.info web1 app[5]: x", "web1", "app", 5, "x"),
        ("Fri Mar 27 13:06:56 2015 user.notice : added 8021ad", None, None, None, "added 8021ad"),
        ("Mar 27 13:06:56 - app[5]: x", None, "app", 5, "x"),
        # a relay's header, and a priority or a device's header behind it
        ("Mar 27 13:06:56 192.0.2.9 Mar 27 2015 13:06:55 asa1 : %ASA-5-1: x", "192.0.2.9", "%ASA-5-1", None, "x"),
        ("Mar 27 13:06:56 192.0.2.9 <189>94: sw01: *Mar 27 13:06:55.1: %X-5-Y: x", "192.0.2.9", "%X-5-Y", None, "x"),
        # more blanks than one in front of the tag
        ("Mar 27 13:06:56 combo  -- root[2421]: ROOT LOGIN ON tty2", "combo", "-- root", 2421, "ROOT LOGIN ON tty2"),
        ("Mar 27 13:06:56 web1  app[5]: x", "web1", "app", 5, "x"),
        ("Mar 27 13:06:56 web1 \tapp[5]: x", "web1", "app", 5, "x"),
        ("Mar 27 13:06:56 web1  no tag", "web1", None, None, " no tag"),
        # what programs write behind a time, and is no host
        ("Mar 27 13:06:56.000 [notice] Tor 0.4.8: x", None, None, None, "[notice] Tor 0.4.8: x"),
        ("Mar 27 13:06:56 [main] INFO c.e.App: x", None, None, None, "[main] INFO c.e.App: x"),
        ("2015-03-27T13:06:56Z | INFO | x: y", None, None, None, "| INFO | x: y"),
        ("2015-03-27T13:06:56.123456Z 5 [Note] [Server] x: y", None, None, None, "5 [Note] [Server] x: y"),
        ('<189>Mar 27 13:06:56 devname="fw 1" a=b', None, None, None, 'devname="fw 1" a=b'),
        ("Mar 27 13:06:56 a=b app: x", None, None, None, "a=b app: x"),
        ("Mar 27 13:06:56 [2001:db8::1] app[5]: x", "[2001:db8::1]", "app", 5, "x"),
        ("Mar 27 13:06:56 [192.0.2.1] app[5]: x", "[192.0.2.1]", "app", 5, "x"),
        # Docker's tag with an image and its version
        ("Mar 27 13:06:56 web1 docker/nginx:1.25/web[5]: x", "web1", "docker/nginx:1.25/web", 5, "x"),
        ("Mar 27 13:06:56 web1 kworker/0:1[5]: x", "web1", "kworker/0:1", 5, "x"),
        # what has a colon and is no tag
        ('Mar 27 13:06:56 web1 {"a": 1, "b": "c: d"}', "web1", None, None, '{"a": 1, "b": "c: d"}'),
        ('Mar 27 13:06:56 web1 {"a":1}', "web1", None, None, '{"a":1}'),
        (
            "Mar 27 13:06:56 web1 CEF:0|V|P|1|7|worm|10|src=192.0.2.1",
            "web1",
            None,
            None,
            "CEF:0|V|P|1|7|worm|10|src=192.0.2.1",
        ),
        ("Mar 27 13:06:56 web1 LEEF:1.0|V|P|1|7|a=b", "web1", None, None, "LEEF:1.0|V|P|1|7|a=b"),
        ("Mar 27 13:06:56 web1 http://example.com/ x", "web1", None, None, "http://example.com/ x"),
        ("Mar 27 13:06:56 web1 notice that: x", "web1", None, None, "notice that: x"),
    ],
)
def test_hosts_and_tags_of_devices(line: str, host: str | None, app: str | None, pid: object, message: str) -> None:
    assert shown(line, "host", "app", "pid", "message") == (host, app, pid, message)


@pytest.mark.parametrize(
    ("line", "host", "app", "facility", "severity"),
    [
        # F5: a level between host and tag
        ("<134>Mar 27 13:06:56 f5 notice tmm1[5]: x", "f5", "tmm1", 16, 5),
        ("<134>Mar 27 13:06:56 f5 err logger: x", "f5", "logger", 16, 3),
        ("Mar 27 13:06:56 f5 notice tmm1[5]: x", "f5", "tmm1", None, 5),
        ("Mar 27 13:06:56 web1 INFO app[5]: x", "web1", "app", None, 6),
        # ESXi: a level, or a level and a PRI, in the place of the host
        ("2015-03-27T13:06:56.1Z verbose hostd[5] [Originator@6876] x", None, "hostd", None, 7),
        ("2015-03-27T13:06:56.1Z In(182) vmkernel: x", None, "vmkernel", 22, 6),
        ("2015-03-27T13:06:56.1Z Er(163) hostd[5]: x", None, "hostd", 20, 3),
        ("2015-03-27 13:06:56,123 WARNING root: x", None, "root", None, 4),
        ("2015-03-27T13:06:56.1Z infohost app[5]: x", "infohost", "app", None, None),
        ("<14>2015-03-27T13:06:56.1Z info app[5]: x", "info", "app", 1, 6),
        ("<14>Mar 27 13:06:56 mac1 timed[5] <Notice>: x", "mac1", "timed", 1, 5),
    ],
)
def test_a_level_is_no_host_and_no_part_of_the_tag(
    line: str, host: str | None, app: str, facility: int | None, severity: int | None
) -> None:
    assert shown(line, "host", "app", "facility", "severity") == (host, app, facility, severity)
