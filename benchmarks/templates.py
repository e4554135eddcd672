"""Rates ``enrich.template``: ``python -m benchmarks.templates``.

Lines in the style of sixteen kinds of logs, made from templates that are known; each ``<...>`` is a value that varies.
A line is grouped right if the lines that got its template are just those that were made from its own (grouping
accuracy, as the public log-parsing sets are rated). The lines are the same every time. A word picks logs whose
templates are printed, with the number of the one they were made from.
"""

from __future__ import annotations

import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from random import Random

from tailrace.stages.enrich.template import Template

from benchmarks.template_styles import STYLES

LINES = 2000
SEED = 1
SHARE = 0.75  # of the lines that are left, for each template in turn: logs have a few frequent ones


_VALUE = re.compile(r"<(\w+)>")


def _hex(random: Random, digits: int) -> str:
    return "".join(random.choices("0123456789abcdef", k=digits))


def _word(random: Random) -> str:
    return "".join(random.choices("abcdefghijklmnoprstuvw", k=random.randint(3, 9)))


def _path(random: Random) -> str:
    return "/" + "/".join([_word(random) for _ in range(random.randint(2, 5))])


def _uuid(random: Random) -> str:
    return "-".join([_hex(random, digits) for digits in (8, 4, 4, 4, 12)])


def _date(random: Random) -> str:
    day = random.choice(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"])
    month = random.choice(["Jan", "Feb", "Mar", "Jun", "Jul", "Nov", "Dec"])
    return f"{day} {month} {random.randint(1, 28):2} {random.randint(0, 23):02}:{random.randint(0, 59):02}:00 2005"


VALUES: dict[str, Callable[[Random], str]] = {
    "n": lambda r: str(r.randint(0, 10 ** r.randint(1, 6))),
    "f": lambda r: f"{r.uniform(0, 900):.{r.randint(1, 7)}f}",
    "ip": lambda r: f"192.0.2.{r.randint(1, 254)}",
    "port": lambda r: str(r.randint(1024, 65535)),
    "hex": lambda r: f"0x{_hex(r, r.randint(1, 12))}",
    "word32": lambda r: r.choice(["ffffffff", "deadbeef", _hex(r, 8)]),
    "hash": lambda r: _hex(r, 40),
    "uuid": _uuid,
    "path": _path,
    "user": lambda r: r.choice(["root", "ann", "bob", "cyrus", "news", "guest", "admin", "test1", "oracle"]),
    "host": lambda r: f"{_word(r)}.{_word(r)}.example.{r.choice(['com', 'net', 'org'])}",
    "node": lambda r: f"node-{r.randint(0, 255)}",
    "class": lambda r: f"org.example.{_word(r)}.{_word(r).capitalize()}{r.choice(['Impl', 'Task', ''])}",
    "package": lambda r: f"com.example.{_word(r)}",
    "size": lambda r: f"{r.uniform(1, 999):.1f} {r.choice(['B', 'KB', 'KB', 'MB', 'GB'])}",
    "life": lambda r: r.choice(["<1 sec", f"{r.randint(0, 59):02}:{r.randint(0, 59):02}"]),
    "date": _date,
    "truth": lambda r: r.choice(["true", "false"]),
    "Truth": lambda r: r.choice(["True", "False"]),
    "source": lambda r: r.choice(["null", f"WorkSource{{{r.randint(10000, 10200)}}}"]),
    "quoted": lambda r: '"' + r.choice(["View Lock", "RILJ", "*launch*", "AlarmClock", "job/x"]) + '"',
    "block": lambda r: f"blk_{r.choice(['-', ''])}{r.randint(10**15, 10**18)}",
    "blocks": lambda r: " ".join([f"blk_{r.randint(10**15, 10**18)}" for _ in range(r.randint(1, 5))]),
    "ips": lambda r: ", ".join([f"192.0.2.{r.randint(1, 254)}:50010" for _ in range(r.randint(1, 3))]),
    "fans": lambda r: " ".join([r.choice(["****", str(r.randint(3000, 3600))]) for _ in range(6)]),
    "attempt": lambda r: f"attempt_{r.randint(10**12, 10**13)}_00{r.randint(10, 20)}_m_{r.randint(0, 9):06}_0",
    "rdd": lambda r: f"rdd_{r.randint(0, 50)}_{r.randint(0, 40)}",
    "state": lambda r: r.choice(["LOOKING", "FOLLOWING", "LEADING"]),
    "intent": lambda r: "android.intent.action." + r.choice(["SCREEN_ON", "SCREEN_OFF", "TIME_TICK", "DATE_CHANGED"]),
    "steps": lambda r: "##".join([str(r.randint(1, 10**6)) for _ in range(6)]),
    "kb": lambda r: f"KB{r.randint(10**6, 10**7)}",
    "client": lambda r: r.choice(["WindowsUpdateAgent", "SPP", "DISM"]),
    "winpath": lambda r: "C:\\Windows\\winsxs\\" + "\\".join([_hex(r, 8), _word(r)]),
    "app": lambda r: r.choice(["Safari", "Mail", "Dock", "QQ", "Microsoft Word"]) + f"[{r.randint(100, 99999)}]",
}


def lines_of(style: str) -> Iterator[tuple[int, str]]:
    """Each line with the number of the template it was made from."""
    random = Random(f"{style} {SEED}")  # noqa: S311 - no secret
    templates = STYLES[style]
    weights = [max(SHARE**number, 0.02) for number in range(len(templates))]
    for number in random.choices(range(len(templates)), weights, k=LINES):
        yield (
            number,
            _VALUE.sub(lambda found: VALUES[found[1]](random) if found[1] in VALUES else found[0], templates[number]),
        )


def accuracy(truth: list[int], given: list[str]) -> float:
    """The part of the lines that are grouped right."""
    ours, theirs = defaultdict(set), defaultdict(set)
    for line, (number, template) in enumerate(zip(truth, given, strict=True)):
        ours[template].add(line)
        theirs[number].add(line)
    return sum(len(lines) for lines in ours.values() if lines == theirs[truth[min(lines)]]) / len(truth)


def main() -> None:
    total, rates = 0.0, []
    for style in STYLES:
        truth, texts = zip(*lines_of(style), strict=True)
        events = [{"message": text} for text in texts]
        seconds = []
        for _ in range(7):
            started = time.process_time()
            Template().process(events)
            seconds.append(time.process_time() - started)
        found = accuracy(list(truth), [event["template"] for event in events])
        total += found
        rates.append(LINES / min(seconds))
        print(f"{style:12} {found:5.3f} {rates[-1]:>9,.0f} lines/s")
        if style in sys.argv[1:]:
            for template in sorted(
                {f"{number:3} {event['template']}" for number, event in zip(truth, events, strict=True)}
            ):
                print(f"    {template}")
    print(f"{'mean':12} {total / len(STYLES):5.3f} {len(rates) / sum([1 / rate for rate in rates]):>9,.0f} lines/s")


if __name__ == "__main__":
    main()
