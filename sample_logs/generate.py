"""Writes the three sample logs: one morning of a small shop, with the bad lines that real logs have.

``python sample_logs/generate.py [DIRECTORY]`` (default: beside this file) writes the same bytes every time. The shop's
payment provider is down from 09:40 to 09:50: look for it in all three files.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

START = datetime(2026, 3, 14, 9, 0, 0, tzinfo=UTC)
OUTAGE = START + timedelta(minutes=40), START + timedelta(minutes=50)
SEED = 9600
OVERLONG_BYTES = 20_000  # above the `max_line_bytes` of config.toml

HOSTS = [
    *(f"198.51.100.{n}" for n in range(1, 60)),
    *(f"203.0.113.{n}" for n in range(100, 120)),
    *(f"2001:db8:{n:x}::{n * 7:x}" for n in range(1, 25)),
    "localhost",
]
PAGES = [
    *("/", "/", "/", "/search?q=rain+coat", "/search?q=caf%C3%A9", "/basket", "/checkout", "/checkout", "/login"),
    *(f"/item/{n}" for n in range(100, 140)),
    *("/static/site.css", "/static/site.js", "/static/logo.svg", "/favicon.ico", "/robots.txt", "/healthz", "/healthz"),
]
AGENTS = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.3",
    "Mozilla/5.0 (compatible; ExampleBot/2.1; +http://bot.example/)",
    'Reader \\"Night Edition\\" 3.2',  # the server escapes quotes with a backslash
    "curl/8.12.1",
    "-",
]
REFERRERS = [
    "-",
    "-",
    "https://shop.example/",
    "https://shop.example/search?q=rain+coat",
    "https://find.example/?q=shop",
]
ITEMS = ["rain coat", "umbrella", "wellington boots", "thé vert", "雨傘", 'notebook "A5"']


def clock(random: Random, count: int, mean_ms: int) -> Iterator[datetime]:
    """``count`` moments, each a little after the one before."""
    now = START
    for _ in range(count):
        now += timedelta(milliseconds=random.randrange(2 * mean_ms))
        yield now


def outage(now: datetime) -> bool:
    return OUTAGE[0] <= now < OUTAGE[1]


def access_lines(random: Random) -> Iterator[bytes]:
    """Apache's combined format."""
    for now in clock(random, 2400, 1500):
        host, page = random.choice(HOSTS), random.choice(PAGES)
        method = "POST" if page in ("/checkout", "/login", "/basket") else random.choice(["GET"] * 12 + ["HEAD"])
        status, size = random.choice([200] * 16 + [301, 304, 304, 404]), str(random.randrange(200, 60_000))
        if page == "/checkout":
            status = 502 if outage(now) else 303
        elif page == "/login":
            status = random.choice([303, 303, 303, 401])
        if status in (304, 303) or method == "HEAD":
            size = "-"
        user = random.choice(["ada", "grace", "edsger"]) if status == 303 else "-"
        request = f"{method} {page} HTTP/{random.choice(['1.1', '1.1', '2.0'])}"
        if random.randrange(400) == 0:  # a TLS hello on the plain port, as the server writes it
            host, request, status, size = "192.0.2.66", r"\x16\x03\x01\x02", 400, "226"
        stamp = now.strftime("%d/%b/%Y:%H:%M:%S +0000")
        tail = f'"{random.choice(REFERRERS)}" "{random.choice(AGENTS)}"'
        yield f'{host} - {user} [{stamp}] "{request}" {status} {size} {tail}'.encode()


def app_lines(random: Random) -> Iterator[bytes]:
    """One JSON object a line, as the shop's own service writes it."""
    for now in clock(random, 2000, 1800):
        trace = f"{random.getrandbits(64):016x}"
        event: dict[str, object] = {
            "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": "info",
            "service": random.choice(["basket", "checkout", "search"]),
            "message": "request done",
            "trace_id": trace,
            "duration_ms": random.randrange(5, 4000) / 10,
            "http": {"method": "GET", "status": 200, "route": "/search"},
        }
        kind = random.randrange(10)
        if event["service"] == "checkout":
            event["order"] = {
                "id": random.randrange(10_000, 99_999),
                "items": [{"name": random.choice(ITEMS), "count": random.randrange(1, 4)}],
                "total": random.randrange(500, 20_000) / 100,
            }
            event["http"] = {"method": "POST", "status": 303, "route": "/checkout"}
            if outage(now):
                event |= {"level": "error", "message": "payment refused: provider does not answer", "retry": kind < 5}
                event["duration_ms"] = 30_000.0
                event["http"] = {"method": "POST", "status": 502, "route": "/checkout"}
        elif kind == 0:
            event |= {"level": "debug", "message": "cache miss", "cache": {"hit": False, "key": f"item:{trace[:4]}"}}
        elif kind == 1:
            event |= {"level": "warning", "message": "slow query\nSELECT name FROM items", "user": None}
        yield json.dumps(event, ensure_ascii=kind > 7, separators=(",", ":") if kind % 2 else None).encode()


def syslog_lines(random: Random) -> Iterator[bytes]:
    """RFC 3164 as files have it (mostly without the priority), one line in eight RFC 5424."""
    for now in clock(random, 2600, 1400):
        host, pid = random.choice(["web1", "web2", "db1"]), random.randrange(300, 32_000)
        address, port = random.choice(HOSTS), random.randrange(1024, 65_536)
        tag, message = random.choice(
            [
                (f"sshd[{pid}]", f"Failed password for invalid user admin from {address} port {port} ssh2"),
                (f"sshd[{pid}]", f"Accepted publickey for deploy from {address} port {port} ssh2: ED25519 SHA256:4qf"),
                (f"CRON[{pid}]", "(root) CMD (test -x /usr/sbin/anacron || run-parts /etc/cron.hourly)"),
                ("kernel", f"[{random.randrange(10_000)}.{random.randrange(1_000_000):06d}] eth0: link is up"),
                (f"postfix/smtpd[{pid}]", f"connect from unknown[{address}]"),
                ("sudo", "deploy : TTY=pts/0 ; PWD=/srv/shop ; USER=root ; COMMAND=/usr/bin/systemctl reload shop"),
            ]
        )
        if outage(now) and random.randrange(3) == 0:
            tag, message = f"haproxy[{pid}]", "Server payments/provider1 is DOWN, reason: Layer4 timeout"
        form = random.randrange(16)
        if form < 2:
            head = f"<{random.choice([13, 30, 86, 165])}>1 {now.isoformat(timespec='microseconds')} {host}.shop.example"
            data = random.choice(["-", f'[origin ip="{address}"][meta sequenceId="{pid}" note="a \\"b\\" \\]"]'])
            yield f"{head} {tag.partition('[')[0].replace('/', '-')} {pid} ID{form} {data} {message}".encode()
            continue
        priority = f"<{random.choice([6, 30, 38, 86])}>" if form == 2 else ""
        yield f"{priority}{now.strftime('%b')} {now.day:2d} {now.strftime('%H:%M:%S')} {host} {tag}: {message}".encode()


def torn(random: Random, line: bytes) -> bytes:
    """A line whose end never reached the disk."""
    return line[: random.randrange(8, len(line) // 2)]


def merged(random: Random, line: bytes) -> bytes:
    """Two writers without a lock: one line begins inside another."""
    return line[: random.randrange(20, len(line) - 5)] + line


def overlong(_random: Random, line: bytes) -> bytes:
    return line[:-2] + b"x" * (OVERLONG_BYTES - len(line)) + line[-2:]


def junk(random: Random, _line: bytes) -> bytes:
    """Binary where text should be, without a newline in it."""
    return random.randbytes(80).replace(b"\n", b"\0").replace(b"\r", b"\0")


def not_utf8(_random: Random, line: bytes) -> bytes:
    """A good line with one Latin-1 letter in its last word."""
    return line[:-3] + b"\xe9" + line[-3:]


def carriage_return(_random: Random, line: bytes) -> bytes:
    return line + b"\r"


def empty(_random: Random, _line: bytes) -> bytes:
    return b""


def bad_status(_random: Random, line: bytes) -> bytes:
    """The letter O where a zero should stand."""
    head, _, tail = line.partition(b'" 200 ')
    return head + b'" 2OO ' + tail


def plain_text(_random: Random, _line: bytes) -> bytes:
    return b'  File "/srv/shop/checkout.py", line 88, in pay'


def not_a_number(_random: Random, line: bytes) -> bytes:
    """Python's json writes NaN, which JSON does not know."""
    return line[:-1] + b', "ratio": NaN}'


def bad_priority(_random: Random, line: bytes) -> bytes:
    return b"<999>" + line


COMMON = [torn] * 6 + [overlong] + [junk] * 2 + [not_utf8] * 4 + [carriage_return] * 6 + [empty] * 4
LOGS = {
    "access.log": (access_lines, [*COMMON, merged, merged, bad_status, bad_status, bad_status]),
    "app.log": (app_lines, [*COMMON, merged, plain_text, plain_text, not_a_number]),
    "syslog.log": (syslog_lines, [*COMMON, bad_priority, bad_priority]),
}


def log(name: str) -> bytes:
    """The whole file: its good lines, each kind of bad line instead of a good one somewhere in it."""
    random = Random(f"{SEED}/{name}")  # noqa: S311 - sample data, no secrets
    lines_of, spoilers = LOGS[name]
    lines = list(lines_of(random))
    for number, spoil in zip(random.sample(range(50, len(lines)), len(spoilers)), spoilers, strict=True):
        lines[number] = spoil(random, lines[number])
    return b"".join(line + b"\n" for line in lines)


def main() -> None:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name in LOGS:
        (directory / name).write_bytes(log(name))


if __name__ == "__main__":
    main()
