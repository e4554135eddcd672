from __future__ import annotations

import platform

import orjson
import pytest
from tailrace.pipeline.batch import Origin as Where
from tailrace.stages.enrich.origin import Origin


def batch(name: str = "a.log", path: str = "/logs/a.log", offsets: tuple[int, ...] = (0, 17)) -> Where:
    return Where(name, path, "7", 0.0, 0.0, offsets)


def test_each_event_gets_the_place_of_its_line() -> None:
    stage = Origin()
    stage.locate(batch())
    host = platform.node()
    assert stage.process([{"a": 1}, {"a": 2}]) == [
        {"a": 1, "file": "a.log", "offset": 0, "event_id": "7:0", "host": host},
        {"a": 2, "file": "a.log", "offset": 17, "event_id": "7:17", "host": host},
    ]


def test_fields_can_be_named_and_left_out() -> None:
    stage = Origin(file="", path="source_path", offset="", event_id="id", host="")
    stage.locate(batch(offsets=(5,)))
    assert stage.process([{}]) == [{"source_path": "/logs/a.log", "id": "7:5"}]


def test_line_cannot_forge_its_place_but_names_its_host() -> None:
    stage = Origin()
    stage.locate(batch(offsets=(5, 9)))
    forged, silent = stage.process([{"event_id": "1:1", "file": "x", "offset": 0, "host": "web1"}, {"host": None}])
    assert forged == {"event_id": "7:5", "file": "a.log", "offset": 5, "host": "web1"}
    assert silent["host"] == platform.node()


def test_name_that_is_no_utf8_can_be_written() -> None:
    stage = Origin(path="path")
    name = b"caf\xe9.log".decode("utf-8", "surrogateescape")
    stage.locate(batch(name, "/logs/" + name, (0,)))
    (event,) = stage.process([{}])
    assert (event["file"], event["path"]) == ("caf\\xe9.log", "/logs/caf\\xe9.log")
    assert orjson.dumps(event)


def test_offsets_that_do_not_fit_the_events_are_an_error() -> None:
    stage = Origin()
    stage.locate(batch(offsets=(0,)))
    with pytest.raises(ValueError, match="zip"):
        stage.process([{}, {}])


def test_bad_configuration_is_refused() -> None:
    with pytest.raises(ValueError, match="offset: the field 'a' holds `file` already"):
        Origin(file="a", offset="a")
    with pytest.raises(ValueError, match="every field is left out"):
        Origin(file="", offset="", event_id="", host="")
