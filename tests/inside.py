"""What tests replace inside the product, each named once: where one of these moves, this table is what follows it.

Waits that would make a test slow, limits that would make it large, and what the model of the engine drives by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

PLACES = {
    "first_backoff": "pipeline.sinks.breaker:FIRST_BACKOFF",
    "longest_backoff": "pipeline.sinks.breaker:LONGEST_BACKOFF",
    "first_rewind": "pipeline.run.rewind:FIRST_REWIND",
    "longest_rewind": "pipeline.run.rewind:LONGEST_REWIND",
    "most_rewinds": "pipeline.run.rewind:MOST_REWINDS",
    "longest_wait": "pipeline.run.engine:LONGEST_WAIT",
    "hangs_after": "pipeline.sinks.crew:HANGS_AFTER",
    "stuck_after": "pipeline.sinks.crew:STUCK_AFTER",
    "sums_looked_at": "pipeline.sums.sums:LOOK_EVERY",
    "full_retry": "pipeline.run.commit:FULL_RETRY",
    "scan_cost": "pipeline.source.tail.tail:SCAN_COST",
    "first_seen_at": "pipeline.source.tail.file:time",
    "retire_after": "pipeline.source.tail.registry:RETIRE_AFTER",
    "most_ended": "pipeline.source.tail.registry:MOST_ENDED",
    "packed_portion": "pipeline.source.recorded.streams:_INPUT_BYTES",
    "passed_at_a_time": "pipeline.source.tail.unpacking:PORTION",
    "unpacked_at_most": "pipeline.source.tail.unpacking:MOST",
    "letters_at_once": "pipeline.state.letters:_AT_ONCE",
    "paths_remembered": "stages.outputs.template:REMEMBERED",
    "standard_output": "stages.write.stdout:STANDARD_OUTPUT",
    "still": "stages.write.stdout:STILL",
    "patience": "stages.write.stdout:PATIENCE",
    "log_configured": "pipeline.telemetry.log:_current",
    # For the model of the engine.
    "engine_clock": "pipeline.run.engine:monotonic",
    "engine_select": "pipeline.run.sleeping:select",
    "sink_thread": "pipeline.sinks.crew:SinkThread",
    "source_time": "pipeline.run.supply:time",
    "settle_memory": "pipeline.run.assembly:settle_memory",
    "raise_file_limit": "pipeline.run.daemon:raise_file_limit",
    "collect_every": "pipeline.work.worker:COLLECT_EVERY",
    "time_budget": "pipeline.work.worker:Budget",
    "watcher": "pipeline.source.tail.hints:Hints",
    "allowance": "pipeline.source.tail.tail:allowance",
    "before_disk": "pipeline.disk:before",
}


def adjust(put: Callable[[object, str, object], object], **values: object) -> None:
    """Replace these. ``put`` is the ``setattr`` of a MonkeyPatch, or the built-in one in a process that ends with it.

    Modules are imported only when something of theirs is replaced: a daemon adjusted from within stays small.
    """
    for name, value in values.items():
        module, _, attribute = PLACES[name].partition(":")
        owner = import_module(f"tailrace.{module}")
        getattr(owner, attribute)  # it must be there
        put(owner, attribute, value)
