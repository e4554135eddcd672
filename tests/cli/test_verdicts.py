"""Is it well? The sentences about what needs somebody, the worst first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tailrace.pipeline.cli.screen.figures import lasting
from tailrace.pipeline.cli.screen.verdicts import verdicts

from .answers import MIB, NOW, file, healthy, letters, many_letters, one_lags, sink_down
from .control_stub import Json


def first(status: Json) -> str:
    return str(verdicts(status, lambda _: "then")[0].text)


def changed(path: str, value: object, status: Callable[[], Json] = healthy) -> Json:
    """A status with one other value, at keys with a dot between them."""
    whole = status()
    place: Any = whole
    *keys, last = path.split(".")
    for key in keys:
        place = place[int(key) if key.isdigit() else key]
    place[last] = value
    return whole


ROW = file("/var/log/a.log", 0, 0.0)
VERDICTS: list[tuple[Json, str]] = [
    (healthy(), "well: all sinks are up, and no file is far behind"),
    (
        sink_down(),
        "sink search is down since then (12m): connection refused (http://search.internal:9200/_bulk). Nothi",
    ),
    (
        one_lags(),
        "/var/log/shop/audit.log lags by 1.2 GiB, the oldest of it 4m 12s old; what holds it up is stage:pars",
    ),
    (
        many_letters(),
        "1,237 dead letters, the last 14s ago; most from parse.json, bad_json (1,200): `tailrace dlq list",
    ),
    (
        changed("dead_letters", letters(("a b", "c;d", 1)) | {"full": True}) | {"state": "blocked"},
        "dead letters take 400 bytes of 256.0 MiB, and the pipeline waits for room: `tailrace dlq stats` shows what",
    ),
    (
        changed("dead_letters.bytes", 250 * MIB),
        "dead letters take 98% of their room, 250.0 MiB of 256.0 MiB; when it is f",
    ),
    (changed("memory.bytes", 700 * MIB), "memory is at 99% of its ceiling, 704.0 MiB: see `tailrace check`"),
    (changed("files", {"count": 0, "rows": []}), "no file matches source.paths now: see `tailrace check`"),
    (
        changed("files.rows", [ROW | {"state": "unreadable", "why": "Permission denied", "lag_bytes": 5}]),
        "/var/log/a.log cannot be read: Permission denied; 5 bytes of it wait: give the user that runs tailrace access",
    ),
    (
        changed("files.rows", [ROW | {"balance": ROW["balance"] | {"seen": 1}}]),
        "/var/log/a.log: its bytes do not add up; `tailrace status --json` has its balance",
    ),
    (changed("reasons", ["it is going back"]), "it is going back"),
]


@pytest.mark.parametrize(("status", "words"), VERDICTS)
def test_the_worst_is_said_first_with_what_to_do(status: Json, words: str) -> None:
    assert first(status).startswith(words)


def test_what_the_daemon_says_itself_is_said_once_and_the_worst_is_first() -> None:
    status = many_letters()
    status["sinks"] = sink_down()["sinks"]
    status["ready"] = False
    status["reasons"] = ["sink search is down for 12m: connection refused", "the last commit failed"]
    found = verdicts(status, lambda _: "then")
    assert [verdict.mark for verdict in found] == ["✗", "✗", "!"]
    assert [verdict.text[:15] for verdict in found] == ["the last commit", "sink search is ", "1,237 dead lett"]


def test_old_dead_letters_and_a_last_line_without_its_newline_are_no_news() -> None:
    status = many_letters()
    for one in status["dead_letters"]["groups"]:
        one["last"] = NOW - 86_400
    status["files"]["rows"] = [file("/var/log/a.log", 10, 3600.0, state="quiet")]
    assert first(status).startswith("well")


def test_of_many_sinks_and_files_only_some_are_named() -> None:
    status = sink_down()
    status["sinks"] = [status["sinks"][1] | {"id": f"s{n}", "down_seconds": n} for n in range(5)]
    status["files"]["rows"] = [ROW | {"path": f"/{n}.log", "state": "unreadable", "why": "x" * 999} for n in range(5)]
    status["reasons"] = [f"sink s{n} is down for {n}s" for n in range(5)]
    found = [verdict.text for verdict in verdicts(status, str)]
    assert [text.split()[1] for text in found[:4]] == ["s4", "s3", "s2", "more"]
    assert found[7] == "2 more files cannot be read"
    assert len(found) == 8
    assert max(map(len, found)) < 400


def test_a_command_to_copy_is_quoted_for_the_shell() -> None:
    status = changed("dead_letters", letters(("my stage", "a;b", 1)))
    assert "`tailrace dlq list --stage 'my stage' --error 'a;b'`" in first(status)


def test_figures_are_short() -> None:
    seconds = (None, 0, 0.012, 0.38, 9.96, 59.7, 302, 3600, 7500, 86_399, 90_000 * 3)
    spelled = ["?", "0s", "12ms", "0.4s", "10s", "1m", "5m 2s", "1h", "2h 5m", "23h 59m", "3d 3h"]
    assert list(map(lasting, seconds)) == spelled
