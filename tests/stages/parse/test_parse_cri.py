"""parse.cri."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from tailrace.pipeline.batch import Lines
from tailrace.pipeline.cli.main import main
from tailrace.pipeline.stage import Parse
from tailrace.pipeline.testing.doubles import lines as of
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.parse.cri import Cri

from ...configuration import configuration
from .conftest import plain
from .hostile_lines import lines_like

AT = "2016-02-17T00:04:05.931087621Z"


def one(text: str, path: str = "/logs/a.log", **options: Any) -> Any:
    (entry,) = Cri(**options).parse(of(text, origin(path=path)))
    return plain(entry)


def joined(*lines: str) -> Any:
    """A record of several lines, between two others."""
    records = [f"{AT} stdout F before".encode(), "\n".join(lines).encode(), f"{AT} stdout F after".encode()]
    before, entry, after = Cri().parse(Lines.of(records, origin(places=[0, 100, 900])))
    assert before == event("before")
    assert after == event("after")
    return plain(entry)


def event(message: str, **more: Any) -> dict[str, Any]:
    return {"message": message, "stream": "stdout", "timestamp": AT, **more}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (f"{AT} stdout F started", event("started")),
        (f"{AT} stderr F  two  blanks ", event(" two  blanks ", stream="stderr")),
        (f"{AT} stdout F ", event("")),
        (f"{AT} stdout F", event("")),
        (f'{AT} stdout P {{"level":"error","msg":"half', event('{"level":"error","msg":"half', partial=True)),
        (f"{AT} stdout F:a:b x", event("x", tags=["a", "b"])),
        (f"{AT} stdout P:a x\u2028y", event("x\u2028y", tags=["a"], partial=True)),
        ("2024-01-01T01:00:00.5+01:00 stdout F x", event("x") | {"timestamp": "2024-01-01T00:00:00.5Z"}),
    ],
)
def test_line_becomes_an_event(line: str, expected: dict[str, Any]) -> None:
    assert one(line) == expected


@pytest.mark.parametrize(
    ("line", "code", "why"),
    [
        ("hello", "no_match", "expected a time such as '2024-01-01T00:00:00.123456789Z' at column 1: 'hello'"),
        (f"{AT}x", "no_match", "expected a blank after the time at column 31: 'x'"),
        (f"{AT} out F x", "no_match", "expected stdout or stderr at column 32: 'out F x'"),
        (f"{AT} stdout", "no_match", "expected a blank after the stream at column 38, where the line ends: "),
        (f"{AT} stdout message", "no_match", "expected the tag F (full) or P (partial) at column 39: 'message'"),
        (f"{AT} stdout Fx", "no_match", "expected a blank, or : and more tags, after the tag at column 40: 'x'"),
        ("2016-02-30T00:04:05Z stdout F x", "bad_timestamp", "time: '2016-02-30T00:04:05Z' does not match"),
    ],
)
def test_line_that_is_no_cri_tells_where_and_takes_no_other_with_it(line: str, code: str, why: str) -> None:
    before, failed, after = Cri().parse(of(f"{AT} stdout F 1\n{line}\n{AT} stdout P 2"))
    assert [before, after] == [event("1"), event("2", partial=True)]
    kind, told, reason = plain(failed)
    assert (kind, told) == ("fail", code)
    assert reason.startswith(why)


def test_record_of_several_lines_is_one_event() -> None:
    parts = ['{"level":"error","msg":"half', ' and half"}']
    later = "2016-02-17T00:04:05.931087622Z"
    assert joined(f"{AT} stdout P:a {parts[0]}", f"{later} stdout F {parts[1]}") == event("".join(parts), tags=["a"])
    assert joined(f"{AT} stdout F Traceback:", f"{later} stdout P   Fi", f"{later} stdout F le x") == event(
        "Traceback:\n  File x"
    )
    assert joined(f"{AT} stdout P half ", f"{later} stdout P a li") == event("half a li", partial=True)


def test_record_of_several_lines_with_one_that_does_not_fit() -> None:
    kind, code, why = joined(f"{AT} stdout P half ", "hello")
    assert (kind, code) == ("fail", "no_match")
    assert why.startswith("line 2 of the record: expected a time")
    streams = "a record of several lines that are of different streams"
    assert joined(f"{AT} stdout P half ", f"{AT} stderr F x") == ("fail", "no_match", streams)


LINK = {"namespace": "shop", "pod": "cart-7d9f-x2x", "container": "app", "container_id": "0a" * 32}
POD = {"namespace": "shop", "pod": "cart-7d9f-x2x", "uid": "0a1b-2c", "container": "app", "restart": 3}


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/var/log/pods/shop_cart-7d9f-x2x_0a1b-2c/app/3.log", POD),
        ("/host/var/log/pods/shop_cart-7d9f-x2x_0a1b-2c/app/3.log.20240101-120000", POD),
        ("/var/log/pods/shop_cart-7d9f-x2x_0a1b-2c/app/3.log.20240101-120000.gz", POD),
        ("/var/log/pods/shop_cart/app/3.log", {}),
        (f"/var/log/containers/cart-7d9f-x2x_shop_app-{'0a' * 32}.log", LINK),
        (f"/var/log/containers/cart_shop_side-car-{'0a' * 32}.log", LINK | {"pod": "cart", "container": "side-car"}),
        ("/var/log/containers/cart-7d9f-x2x_shop_app-0a0a.log", {}),
        ("/var/log/pods/shop_cart-7d9f-x2x_0a1b-2c/app/current.log", {}),
        ("/logs/a.log", {}),
    ],
)
def test_path_of_a_pod_gives_its_fields(path: str, fields: dict[str, Any]) -> None:
    assert one(f"{AT} stdout F x", path) == event("x", **fields)
    assert one(f"{AT} stdout P x", path) == event("x", partial=True, **fields)
    assert one(f"{AT} stdout F x", path, pod_fields=False) == event("x")


def test_fields_are_those_of_the_file_that_each_piece_comes_from() -> None:
    stage = Cri()
    for container in ("a", "b", "a"):
        (entry,) = stage.parse(of(f"{AT} stdout F x", origin(path=f"/var/log/pods/n_p_u/{container}/0.log")))
        assert isinstance(entry, dict)
        assert entry["container"] == container


@settings(max_examples=300)
@given(lines_like(f"{AT} stdout F a b", f"{AT} stderr P:x:y half", "2016-02-30T00:04:05Z stdout F x", f"{AT} stdout F"))
def test_batch_equals_line_by_line(same_line_by_line: Callable[[Parse, list[str]], None], lines: list[str]) -> None:
    same_line_by_line(Cri(), lines)


@pytest.mark.parametrize("text", ["2" * 100_000, "2016 " * 20_000, f"{AT} stdout F:" + "x" * 100_000, f"{AT} " * 3_000])
@pytest.mark.parametrize("lines", [1, 3])
def test_hostile_line_takes_linear_time(text: str, lines: int) -> None:
    started = time.process_time()
    Cri().parse(of("\n".join([text] * lines)))
    assert time.process_time() - started < 1.0


def test_json_in_the_message_is_parsed_by_the_next_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    then = {"use": "parse.json", "field": "message", "into": "log"}
    (tmp_path / "config.toml").write_text(configuration("parse.cri", then, "write.stdout"))
    (tmp_path / "a.log").write_text(f'{AT} stdout F {{"level":"error","msg":"whole"}}\n')
    assert main(["replay", "-q", "a.log"]) == 0
    assert json.loads(capfd.readouterr().out)["log"] == {"level": "error", "msg": "whole"}
