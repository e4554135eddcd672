"""Parsers of a fixed form convert the fields that are asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest
from tailrace.pipeline.batch import Fail
from tailrace.pipeline.testing.doubles import lines

LINES = {
    "combined": ('192.0.2.7 - - [02/Feb/2026:10:30:48 +0000] "GET /7 HTTP/1.1" 200 5 "-" "{}"', "agent"),
    "syslog": ("Feb  2 11:30:45 web1 app[1]: {}", "message"),
    "klog": ("I0202 10:30:45.123456    4711 server.go:155] {}", "message"),
    "cri": ("2026-02-02T10:30:45.1Z stdout F {}", "message"),
    "docker": ('{{"log":"{}\\n","stream":"stdout","time":"2026-02-02T10:30:45.1Z"}}', "message"),
    "nginx_error": ("2026/02/02 11:30:45 [notice] 1#1: {}", "message"),
    "postgres": ("2026-02-02 10:30:45.123 UTC [811] LOG:  {}", "message"),
}


def parsed(name: str, text: str, **options: Any) -> Any:
    stage = getattr(import_module(f"tailrace.stages.parse.{name}"), "".join(map(str.capitalize, name.split("_"))))
    (entry,) = stage(**options).parse(lines(LINES[name][0].format(text)))
    return (entry.code, entry.why) if isinstance(entry, Fail) else entry[LINES[name][1]]


@pytest.mark.parametrize("name", LINES)
def test_a_field_is_converted_or_says_why_not(name: str) -> None:
    field = LINES[name][1]
    assert parsed(name, "42") == "42"
    assert parsed(name, "42", types={field: "int"}) == 42
    code, why = parsed(name, "many", types={field: "int"})
    assert code == "bad_type"
    assert why.startswith(f"{field}: ")
    assert parsed(name, "many", types={field: "int"}, on_bad_type="null") is None
    assert parsed(name, "2026-02-02 10:30", types={field: "timestamp"}, time_formats=["%Y-%m-%d %H:%M"]) == (
        "2026-02-02T10:30:00Z"
    )
    with pytest.raises(ValueError, match="time_formats"):
        parsed(name, "x", types={field: "timestamp"}, time_formats=["%Q"])
