"""A worker that dies in any stage of the chain: its line is found and named with that stage, all others come out."""

from __future__ import annotations

from .conftest import MakeDaemon

CONFIG = """
[pipeline]
state_dir = "state"
workers = 2
[source]
paths = ["logs/*.log"]
[[stages]]
use = "deadly:Parse"
[[stages]]
use = "deadly:enrich"
[[stages]]
use = "deadly:Sink"
path = "out/all.ndjson"
"""
DEADLY = """
import ctypes
import os
import signal
from dataclasses import dataclass

from tailrace.stages.write.file import File


@dataclass
class Parse:
    def parse(self, lines):
        if "die in parse" in lines.text:
            ctypes.string_at(0)
        return [{"line": line} for line in lines]


def enrich(event):
    if event["line"] == "die in enrich":
        os.kill(os.getpid(), signal.SIGKILL)
    return event


@dataclass
class Sink(File):
    def encode(self, events):
        if any(event["line"] == "die in write" for event in events):
            os._exit(7)
        return super().encode(events)
"""
REASONS = {"die in parse": "SIGSEGV", "die in enrich": "SIGKILL", "die in write": "exit code 7"}
STAGES = {"die in parse": "deadly:Parse", "die in enrich": "deadly:enrich", "die in write": "deadly:Sink"}


def test_case_054_a_worker_that_dies_in_any_stage_loses_the_line_that_killed_it_and_no_other(
    make_daemon: MakeDaemon,
) -> None:
    daemon = make_daemon(CONFIG)
    (daemon.home / "deadly.py").write_text(DEADLY)
    lines = [f"line {n}" for n in range(3000)]
    for place, word in zip((500, 1500, 2999), REASONS, strict=True):
        lines[place] = word
    (daemon.logs / "app.log").write_text("\n".join(lines) + "\n")
    assert daemon.run_to_end() == 0, daemon.stderr()
    assert [event["line"] for event in daemon.events("all.ndjson")] == [line for line in lines if line not in REASONS]
    rows = daemon.query("SELECT CAST(raw AS TEXT), stage, error, why FROM dead_letters ORDER BY offset")
    assert [row[0] for row in rows] == list(REASONS)
    for word, stage, error, why in rows:
        assert (stage, error) == (STAGES[word], "killed")
        assert REASONS[word] in why
