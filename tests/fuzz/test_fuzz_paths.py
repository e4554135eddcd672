"""Whatever stands in an event, what a path template makes of it lies below its prefix: tried with real directories."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from tailrace.pipeline.outgoing import Outgoing
from tailrace.pipeline.stage import Cut
from tailrace.pipeline.testing.doubles import origin
from tailrace.stages.write.file import File

PARTS = ["..", ".", "/", "//", "\0", "", "a", "é", "\ud800", "\\", "~", "$HOME", "{a}", "%2e%2e", "\n", "x" * 260, "-"]
VALUES = st.one_of(
    st.lists(st.sampled_from(PARTS), max_size=4).map("".join),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
    st.none() | st.booleans() | st.lists(st.just("..")) | st.just({"a": ".."}),
)
TIMES = st.sampled_from(["2024-01-02T03:04:05Z", "../../etc", "0001-01-01T00:00:00+23:59", ""]) | VALUES
TEMPLATES = [
    "in/{a}", "in/{a}/{b}.log", "in/{a}{b}", "in/x{a}/../y" , "in/{time:%Y/%m}/{a}", "in/{source}/{a}", "in/p{a}q/{b}",
    "in/{a}/{a}", "./in/./{a}", "in/{{{a}}}",
]  # fmt: skip


def tree(root: str) -> set[str]:
    return {os.path.join(folder, name) for folder, folders, names in os.walk(root) for name in (*folders, *names)}


@given(
    template=st.sampled_from(TEMPLATES),
    event=st.fixed_dictionaries({"a": VALUES, "b": VALUES, "timestamp": TIMES}),
    source=st.text(max_size=6) | st.sampled_from(["..", ".", "../x", "\0"]),
)
@example(template="in/{a}", event={"a": "..", "b": "", "timestamp": ""}, source="s")
@example(
    template="in/{time:%Y/%m}/{a}", event={"a": "x", "b": "", "timestamp": "0001-01-01T00:00:00+23:59"}, source="s"
)
@example(template="in/{a}{b}", event={"a": ".", "b": ".", "timestamp": ""}, source="s")
def test_nothing_is_made_outside_the_prefix(template: str, event: dict[str, Any], source: str) -> None:
    with tempfile.TemporaryDirectory() as root:
        Path(root, "outside").mkdir()
        try:
            sink = File(path=f"{root}/{template}")
        except ValueError:
            assert ".." in template
            return
        sink.locate(origin(source))
        try:
            payloads = list(sink.encode([event]))
        except (ValueError, TypeError):  # the engine makes a dead letter of it
            payloads = []
        for payload in payloads:
            destination = payload.destination
            try:
                sink.announce([destination])
                sink.deliver(Outgoing(destination, payload.data))
            except OSError:
                pass  # too long for this file system, say: the engine tries again and tells
            assert os.path.realpath(destination).startswith(f"{os.path.realpath(root)}/in/")
        sink.sync(Cut(1))
        sink.close()
        outside = {path for path in tree(root) if not path.startswith(f"{root}/in/")} - {f"{root}/in"}
        assert outside == {f"{root}/outside"}
