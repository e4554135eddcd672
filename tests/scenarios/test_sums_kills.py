"""A count per user over two files, and a daemon that is killed: equal to that of an uninterrupted run."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable

from ..configuration import configuration, to_file
from ..waiting import until
from .daemon import Daemon

STAGE = {
    "use": "enrich.aggregate", "by": ["user"], "window": "1m", "values": {"requests": "count", "bytes": "sum(size)"},
}  # fmt: skip
LINES = 60_000  # of each file


def lines(file: int) -> bytes:
    return b"".join(
        b'{"timestamp":%d,"user":"user %d","size":%d.25}\n' % (1_700_000_000 + n // 50, n * (file + 3) % 11, n % 1000)
        for n in range(LINES)
    )


def test_a_count_per_user_is_that_of_an_uninterrupted_run(make_daemon: Callable[..., Daemon], kills: int) -> None:
    text = configuration(
        "parse.json", STAGE, to_file(), workers=2, commit_interval="20ms", chunk_bytes="64KiB", commit_bytes="64KiB"
    )
    daemon = make_daemon(text)
    expected: Counter[tuple[str, int]] = Counter()
    for file in range(2):
        (daemon.logs / f"{file}.log").write_bytes(lines(file))
        for n in range(LINES):
            expected[f"user {n * (file + 3) % 11}", (1_700_000_000 + n // 50) // 60] += 1
    rng = random.Random(kills)  # noqa: S311  (moments, no secret)
    pause = threading.Event()
    for _ in range(kills):
        daemon.start()
        pause.wait(rng.uniform(0.3, 0.7))
        daemon.kill_group()
        until(daemon.group_is_gone, "the killed daemon's processes are gone")
    assert daemon.run_to_end() == 0, daemon.stderr()
    events = daemon.events("all.ndjson")
    assert len(events) == len(expected), "each result once"
    assert sum(event["requests"] for event in events) == 2 * LINES
    assert Counter(event["user"] for event in events) == Counter(user for user, _ in expected)
    found = {(event["user"], event["timestamp"]): event["requests"] for event in events}
    ordered = sorted(expected, key=lambda one: (one[1], one[0]))
    assert [found[one] for one in sorted(found, key=lambda one: (one[1], one[0]))] == [expected[one] for one in ordered]
    assert sum(event["bytes"] for event in events) == 2 * sum(n % 1000 + 0.25 for n in range(LINES))
