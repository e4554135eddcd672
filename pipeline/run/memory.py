"""The memory ceiling: what the processes of a configuration can take together at most, part by part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tailrace.pipeline.chain.parsed import unwrapped
from tailrace.pipeline.delivery import Batch, Request
from tailrace.pipeline.run.commit import DEAD_BYTES, LETTER_COST
from tailrace.pipeline.settings import Config
from tailrace.pipeline.sinks.batching import OPEN
from tailrace.pipeline.sinks.sender import REFUSED_COST
from tailrace.pipeline.stage import Holds, remembers, sums
from tailrace.pipeline.work.layout import most_records
from tailrace.pipeline.work.ring import Geometry, geometry
from tailrace.pipeline.work.worker import PIECE

WORKER_BASE = 24 << 20  # bytes: interpreter, stages and one piece's events
MAIN_BASE = 32 << 20  # bytes: interpreter, configuration, watcher, the database's cache
FILE_COST = 8 << 10  # bytes: what is kept of a file that is followed, and of an output
FEWEST_FILES = 1000
RECORD_COST = 400  # bytes: a payload that waits for its sink
FRAMED_COST = 320  # bytes of a line that is looked at for where records begin; up to four times as many are
LINE_COST = 64  # bytes that the stages that come with tailrace make at most of one byte (parse.logfmt of `a=b c=d`)
TEXT_COST = 4  # bytes that a byte of UTF-8 takes at most as text
BATCH_COST = 8  # times a batch's bytes: the batch, its halves, and what a sink makes of it (compressed, decoded)
EVENT_COST = 600  # bytes: where a record in a batch comes from, and its id
UNPACKING = 160 << 20  # bytes: Zstandard's largest window, what it gives at once, and what is carried over
MEMORY_COST = 10  # times a byte of JSON that stages remember, in the worker and in the main process


def shape_of(config: Config, workers: int) -> Geometry:
    sinks = sum(spec.role == "write" for spec in config.stages)
    return geometry(config.pipeline.chunk_bytes, config.source.longest_read, workers, sinks)


def memory_ceiling(config: Config, stages: Sequence[Any], workers: int, files: int = 0) -> list[tuple[str, int]]:
    """(part, bytes) each. ``stages`` are those of the configuration, built; ``files``: how many there are to follow."""
    settings = config.pipeline
    shape = shape_of(config, workers)
    records = most_records(shape.output_bytes)
    # A release is made while less than DEAD_BYTES wait; two cuts can have letters, the outstanding one and the next.
    release = records * LETTER_COST + TEXT_COST * shape.output_bytes + shape.input_bytes
    count = max(files, FEWEST_FILES)
    parts = [
        (f"ring: {shape.slots} slots", shape.total),
        ("results that wait for their sinks", shape.slots * records * RECORD_COST),
        ("main process", MAIN_BASE),
        (f"{count:,} files and their outputs, {FILE_COST >> 10} KiB each", count * FILE_COST),
        ("dead letters that wait for a commit", 2 * (DEAD_BYTES + release)),
    ]
    batches = [(batch, getattr(stage, "request", None)) for stage in stages if (batch := getattr(stage, "batch", None))]
    if batches:
        parts.append(("batches of sinks", sum(_batches(batch, request) for batch, request in batches)))
        in_slots = shape.slots * (shape.output_bytes + records * REFUSED_COST)  # that are with the sinks already
        parts.append(("records that sinks refuse", DEAD_BYTES + in_slots))
    if getattr(config.source, "compressed", "skip") == "read":
        parts.append(("a file that is unpacked", UNPACKING))
    if config.source.cannot_reread:
        kept = 2 * settings.commit_bytes + shape.slots * shape.input_bytes
        parts.append(("input until it is committed (pipeline.commit_bytes)", kept))
    if any(remembers(unwrapped(stage)) for stage in stages):
        parts.append(("what stages remember (pipeline.stage_memory)", MEMORY_COST * settings.stage_memory))
    if summing := len([stage for stage in stages if sums(stage)]):
        most = summing * MEMORY_COST * settings.stage_memory
        parts.append(("what stages sum up (pipeline.stage_memory each)", most))
    if held := sum(stage.held_bytes for stage in stages if isinstance(stage, Holds)):
        # The main process has them, too, and only where the work is done are they read anew.
        copies = 2 * max(workers, 1) + (1 if workers else 0)
        parts.append(("tables that stages hold, twice while they are read anew", copies * held))
    if (multiline := config.source.multiline) is not None:
        most = min(multiline.max_lines, multiline.max_bytes)
        parts.append(("lines of a record (source.multiline.max_lines)", FRAMED_COST * most))
    if workers:
        parts.append((f"{_workers(workers)}: interpreter and stages", workers * WORKER_BASE))
        parts.append((f"{_workers(workers)}: own data (pipeline.worker_memory)", workers * settings.worker_memory))
    else:
        longest = max(PIECE, config.source.longest_record)
        parts.append((f"stages: {LINE_COST} times the longest line (source.max_line_bytes)", LINE_COST * longest))
    return parts


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"


def _batches(batch: Batch, request: Request | None) -> int:
    """Open ones, and those that are being sent."""
    at_work = OPEN + (request.concurrency if request else 1)
    return at_work * (BATCH_COST * batch.max_bytes + EVENT_COST * batch.max_events)
