"""Lines of each format, and the bare loops that make events of them, for ``benchmarks.stages``: what a programmer would
write for lines that are all as they should be, with no error handling, around the same C-level calls."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

import msgspec

Line = Callable[[Random, int], str]
Bare = Callable[[str], list[Any]]

_MONTHS = dict(
    zip(["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], range(1, 13), strict=True)
)
_decode = msgspec.json.Decoder().decode


def _clock(n: int) -> str:
    return f"{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}"


def _ip(r: Random) -> str:
    return f"192.0.2.{r.randint(1, 254)}"


def _json(r: Random, n: int) -> str:
    return (
        f'{{"timestamp":"2026-02-02T{_clock(n)}Z","level":"info","user":"user{r.randint(1, 999)}","path":"/cart/{n}",'
        f'"status":200,"seconds":{r.random():.6f},"tags":["a","b"]}}'
    )


def _json_bare(text: str) -> list[Any]:
    return list(map(_decode, text.encode().split(b"\n")))


def combined_line(r: Random, n: int) -> str:
    return (
        f'{_ip(r)} - - [02/Feb/2026:{_clock(n // 50)} +0000] "GET /item/{n}?q={r.randint(1, 99)} HTTP/1.1" 200 '
        f'{r.randint(100, 99999)} "https://example.com/{r.randint(1, 99)}" "Mozilla/5.0 (X11; Linux) Firefox/{n % 30}"'
    )


_COMBINED = re.compile(
    r'^(\S+) (\S+) (\S+) \[([^\]]*)\] "(\S+) (\S+) ([^"\s]+)" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)"$', re.MULTILINE
)
_COMBINED_NAMES = [
    "host", "ident", "user", "time", "method", "path", "proto", "status", "size", "referer", "agent",
]  # fmt: skip


def _combined_bare(text: str) -> list[Any]:
    columns = list(zip(*_COMBINED.findall(text), strict=True))
    known = {stamp: f"{stamp[7:11]}-{_MONTHS[stamp[3:6]]:02}-{stamp[:2]}T{stamp[12:20]}Z" for stamp in set(columns[3])}
    columns[3] = [known[stamp] for stamp in columns[3]]  # type: ignore[call-overload]
    columns[7] = list(map(int, columns[7]))  # type: ignore[call-overload]
    columns[8] = [None if size == "-" else int(size) for size in columns[8]]  # type: ignore[call-overload]
    for index in (1, 2, 9, 10):
        columns[index] = [None if value == "-" else value for value in columns[index]]  # type: ignore[call-overload]
    return [dict(zip(_COMBINED_NAMES, row, strict=True)) for row in zip(*columns, strict=True)]


def _syslog(r: Random, n: int) -> str:
    return f"Feb  2 {_clock(n // 20)} web{n % 9} sshd[{r.randint(300, 9999)}]: Accepted publickey for ann from {_ip(r)}"


_SYSLOG = re.compile(r"^(\w{3}) +(\d+) ([\d:]{8}) (\S+) ([^\s:\[]+)(?:\[(\d+)\])?: (.*)$", re.MULTILINE)


def _syslog_bare(text: str) -> list[Any]:
    known: dict[tuple[str, str, str], str] = {}
    events = []
    for month, day, clock, host, app, pid, message in _SYSLOG.findall(text):
        stamp = known.get((month, day, clock))
        if stamp is None:
            stamp = known[month, day, clock] = f"2026-{_MONTHS[month]:02}-{int(day):02}T{clock}Z"
        event = {"timestamp": stamp, "host": host, "app": app, "pid": int(pid) if pid else None, "message": message}
        events.append(event)
    return events


def _logfmt(r: Random, n: int) -> str:
    return (
        f'ts=2026-02-02T{_clock(n)}Z level=info caller=main.go:{r.randint(10, 99)} msg="order paid" order={n} '
        f"amount={r.random():.2f} user=ann"
    )


_LOGFMT = re.compile(r'([^\s="]+)=(?:"([^"]*)"|([^\s"]*))')


def _logfmt_bare(text: str) -> list[Any]:
    find = _LOGFMT.findall
    return [{key: quoted or plain for key, quoted, plain in find(line)} for line in text.split("\n")]


def _kv(r: Random, n: int) -> str:
    return f"user: ann{n}, action: pay, amount: {r.random():.2f}, order: {n}, from: {_ip(r)}"


def _kv_bare(text: str) -> list[Any]:
    return [dict([pair.split(": ", 1) for pair in line.split(", ")]) for line in text.split("\n")]


def _kv_usual(r: Random, n: int) -> str:
    return f"user=ann{n} action=pay amount={r.random():.2f} order={n} from={_ip(r)}"


def _kv_usual_bare(text: str) -> list[Any]:
    return [dict([pair.split("=", 1) for pair in line.split(" ")]) for line in text.split("\n")]


def _cef(r: Random, n: int) -> str:
    return (
        f"CEF:0|Example|Firewall|2.1|{n % 300}|worm stopped|{n % 10}|src={_ip(r)} spt={r.randint(1024, 65000)} "
        f"dst={_ip(r)} dpt=443 act=blocked msg=a message of several words request=http://example.com/{n}"
    )


_CEF = re.compile(r"([A-Za-z0-9_.]+)=(.*?)(?= [A-Za-z0-9_.]+=|$)")
_CEF_NAMES = ["cefVersion", "deviceVendor", "deviceProduct", "deviceVersion", "deviceEventClassId", "name", "severity"]


def _cef_bare(text: str) -> list[Any]:
    events = []
    for line in text.split("\n"):
        *head, extension = line.split("|", 7)
        event = dict(zip(_CEF_NAMES, head, strict=True))
        event["cefVersion"] = head[0][4:]
        event.update(_CEF.findall(extension))
        events.append(event)
    return events


def _leef(r: Random, n: int) -> str:
    return (
        f"LEEF:1.0|Microsoft|MSExchange|4.0|{n % 300}|src={_ip(r)}\tdst={_ip(r)}\tsev={n % 10}\tcat=anomaly\t"
        f"srcPort={r.randint(1024, 65000)}\tdstPort=21\tusrName=joe.black\tmsg=this is a message"
    )


def _leef_bare(text: str) -> list[Any]:
    events = []
    for line in text.split("\n"):
        version, vendor, product, edition, name, rest = line.split("|", 5)
        event = {
            "leefVersion": version[5:], "vendor": vendor, "product": product, "version": edition, "eventId": name,
        }  # fmt: skip
        event.update([pair.split("=", 1) for pair in rest.split("\t")])  # type: ignore[misc]  # each is a pair
        events.append(event)
    return events


def _csv(r: Random, n: int) -> str:
    return f'2026-02-02T{_clock(n)}Z,ann{n % 99},{r.random():.2f},"two, in a box",{_ip(r)},/cart/{n}'


CSV_COLUMNS = ["time", "user", "amount", "note", "ip", "path"]


def _csv_bare(text: str) -> list[Any]:
    return [dict(zip(CSV_COLUMNS, row, strict=True)) for row in csv.reader(text.split("\n"))]


def _utc(stamp: str) -> str:
    return stamp if stamp[-1] == "Z" else datetime.fromisoformat(stamp).astimezone(UTC).isoformat()


def _docker(r: Random, n: int) -> str:
    text = f"order {n} paid by {_ip(r)} with some more words"
    return f'{{"log":"{text}\\n","stream":"stdout","time":"2026-02-02T{_clock(n)}.1234Z"}}'


def _docker_bare(text: str) -> list[Any]:
    return [
        {"timestamp": _utc(one["time"]), "stream": one["stream"], "message": one["log"][:-1]}
        for one in map(_decode, text.encode().split(b"\n"))
    ]


def _cri(r: Random, n: int) -> str:
    return f"2026-02-02T{_clock(n)}.123456789Z stdout F order {n} paid by {_ip(r)} with some more words"


_CRI = re.compile(r"^(\S+) (stdout|stderr) ([FP])(?::\S*)? (.*)$", re.MULTILINE)


def _cri_bare(text: str) -> list[Any]:
    return [
        {"timestamp": _utc(stamp), "stream": stream, "message": message}
        for stamp, stream, _, message in _CRI.findall(text)
    ]  # fmt: skip


W3C_FIELDS = "date time s-ip cs-method cs-uri-stem cs-uri-query cs-username c-ip cs(User-Agent) sc-status time-taken"


def _w3c(r: Random, n: int) -> str:
    return (
        f"2026-02-02 {_clock(n // 20)} 192.0.2.20 GET /cart/{n} id={n % 99} - {_ip(r)} Mozilla/5.0+(X11) 200 {n % 99}"
    )


def _w3c_bare(text: str) -> list[Any]:
    names = ["timestamp", *W3C_FIELDS.split()[2:]]
    events = []
    for line in text.split("\n"):
        date, clock, *rest = line.split(" ")
        event: dict[str, Any] = dict(
            zip(names, [f"{date}T{clock}Z", *(None if one == "-" else one for one in rest)], strict=True)
        )
        event["sc-status"], event["time-taken"] = int(event["sc-status"]), int(event["time-taken"])
        events.append(event)
    return events


def _klog(r: Random, n: int) -> str:
    return f"I0202 {_clock(n)}.123456    {r.randint(1000, 9999)} server.go:{n % 500}] Version: v1.30.2 of node {n}"


_KLOG = re.compile(r"^([IWEF])(\d\d)(\d\d) ([\d:.]{15}) +(\d+) ([^:]+):(\d+)\] (.*)$", re.MULTILINE)
_KLOG_LEVELS = {"I": "info", "W": "warning", "E": "error", "F": "fatal"}


def _klog_bare(text: str) -> list[Any]:
    return [
        {
            "level": _KLOG_LEVELS[level], "timestamp": f"2026-{month}-{day}T{clock}Z", "pid": int(thread),
            "file": file, "line": int(line), "message": message,
        }
        for level, month, day, clock, thread, file, line, message in _KLOG.findall(text)
    ]  # fmt: skip


def _nginx(r: Random, n: int) -> str:
    head = f"2026/02/02 {_clock(n // 20)} [error] 412#412: *{n} "
    request = f', client: {_ip(r)}, server: example.com, request: "GET /item/{n} HTTP/1.1"'
    if n % 3:
        return f'{head}open() "/srv/www/{n}" failed (2: No such file or directory){request}, host: "example.com"'
    return f'{head}upstream timed out (110: timed out){request}, upstream: "http://192.0.2.20/", host: "example.com"'


_NGINX = re.compile(r"^([\d/]{10} [\d:]{8}) \[(\w+)\] (\d+)#(\d+): (?:\*(\d+) )?(.*)$", re.MULTILINE)
_NGINX_TAIL = re.compile(
    r', client: ([^ ,"]+)(?:, server: ([^ ,"]*))?(?:, request: "([^"]*)")?(?:, upstream: "([^"]*)")?'
    r'(?:, host: "([^"]*)")?(?:, referrer: "([^"]*)")?$'
)
_NGINX_NAMES = ("client", "server", "request", "upstream", "host", "referrer")


def _nginx_bare(text: str) -> list[Any]:
    known: dict[str, str] = {}
    events = []
    for stamp, level, pid, tid, connection, message in _NGINX.findall(text):
        at = known.get(stamp)
        if at is None:
            at = known[stamp] = f"{stamp[:10].replace('/', '-')}T{stamp[11:]}Z"
        event: dict[str, Any] = {
            "timestamp": at, "level": level, "pid": int(pid), "tid": int(tid),
            "connection": int(connection) if connection else None, "message": message,
        }  # fmt: skip
        if tail := _NGINX_TAIL.search(message):
            event["message"] = message[: tail.start()]
            event.update([pair for pair in zip(_NGINX_NAMES, tail.groups(), strict=True) if pair[1] is not None])
        events.append(event)
    return events


def _postgres(r: Random, n: int) -> str:
    return f"2026-02-02 {_clock(n)}.456 UTC [{r.randint(100, 9999)}] LOG:  duration: {r.random() * 9:.3f} ms of {n}"


_POSTGRES = re.compile(r"^([\d-]{10}) ([\d:.]{12}) (\w+) \[(\d+)\] (\w+):  (.*)$", re.MULTILINE)


def _postgres_bare(text: str) -> list[Any]:
    return [
        {"timestamp": f"{date}T{clock}Z", "pid": int(pid), "level": level, "message": message}
        for date, clock, _, pid, level, message in _POSTGRES.findall(text)
    ]


PARSERS: dict[str, tuple[Line, Bare, dict[str, Any]]] = {
    "json": (_json, _json_bare, {}),
    "combined": (combined_line, _combined_bare, {}),
    "syslog": (_syslog, _syslog_bare, {}),
    "logfmt": (_logfmt, _logfmt_bare, {}),
    "kv": (_kv_usual, _kv_usual_bare, {}),
    "kv (own delimiters)": (_kv, _kv_bare, {"field_delimiter": ", ", "key_value_delimiter": ": "}),
    "cef": (_cef, _cef_bare, {}),
    "leef": (_leef, _leef_bare, {}),
    "csv": (_csv, _csv_bare, {"columns": CSV_COLUMNS}),
    "docker": (_docker, _docker_bare, {}),
    "cri": (_cri, _cri_bare, {}),
    "w3c": (_w3c, _w3c_bare, {"fields": W3C_FIELDS}),
    "klog": (_klog, _klog_bare, {}),
    "nginx_error": (_nginx, _nginx_bare, {}),
    "postgres": (_postgres, _postgres_bare, {}),
}
"""By the parser's name, which ends at a blank: a line, its bare loop, and the stage's options."""
