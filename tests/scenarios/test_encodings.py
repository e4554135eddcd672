"""Text of another encoding, whichever way it comes: by its byte order mark, and by `source.encoding`."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from ..configuration import configuration, to_file
from .conftest import MakeDaemon

TEXT = "M\u00fcller\n\u0416\u0430\u0431\u0430 \u0a0a\n" * 3
EVENTS = [{"message": line} for line in TEXT.splitlines()]
UTF16 = f"\ufeff{TEXT}".encode("utf-16-le")
LATIN1 = ("Gr\u00fc\u00dfe\n" * 3).encode("latin-1")


@pytest.mark.parametrize("way", ["run", "packed", "stdin", "replay", "replay-stdin"])
@pytest.mark.parametrize("encoding", ["utf-16 by its mark", "latin-1"])
def test_case_034_text_of_another_encoding_comes_out_right(make_daemon: MakeDaemon, way: str, encoding: str) -> None:
    marked = encoding != "latin-1"
    source: dict[str, Any] = {} if marked else {"encoding": "latin-1"}
    source |= {"compressed": "read"} if way == "packed" else {}
    text = configuration("parse.raw", to_file(), source=source)
    if way == "stdin":
        text = text.replace('paths = ["logs/*.log"]', 'use = "stdin"')
    daemon = make_daemon(text)
    data = UTF16 if marked else LATIN1
    log = daemon.logs / "a.log"
    log.write_bytes(gzip.compress(data) if way == "packed" else data)
    if way == "replay":
        events = daemon.command("replay", "-c", "config.toml", str(log)).events
    elif way == "replay-stdin":
        events = daemon.command("replay", "-c", "config.toml", "-", data=data).events
    else:
        done = daemon.command("run", "--until-eof", "config.toml", data=data)
        assert done.code == 0, done.err
        events = daemon.events("all.ndjson")
    assert events == (EVENTS if marked else [{"message": "Gr\u00fc\u00dfe"}] * 3)


@pytest.mark.parametrize("way", ["run", "stdin"])
def test_case_030_an_over_long_line_is_called_so(make_daemon: MakeDaemon, way: str) -> None:
    text = configuration("parse.raw", to_file(), source={"max_line_bytes": "256B"})
    if way == "stdin":
        text = text.replace('paths = ["logs/*.log"]', 'use = "stdin"')
    daemon = make_daemon(text)
    data = b"one\n" + b"x" * 1000 + b"\ntwo\n"
    (daemon.logs / "a.log").write_bytes(data)
    assert daemon.command("run", "--until-eof", "config.toml", data=data).code == 0
    assert [event["message"] for event in daemon.events("all.ndjson")] == ["one", "two"]
    (letter,) = daemon.dead_letters()
    assert "too_long" in str(letter)
