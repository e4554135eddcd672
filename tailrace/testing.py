"""Doubles for tests of stages, sinks and sources, one for each contract.

A parse stage is given ``lines(...)``, a stage that has ``locate`` an ``origin(...)``; an enrich stage is called with a
list of dicts, and one with memory has its ``memory`` set to a plain dict. ``send(sink, events)`` runs a sink.
``MemorySink`` and ``BatchSink`` stand for targets, ``ListSource`` for files that are read, ``FakeClock`` for time.
"""

from tailrace.pipeline.testing.doubles import (
    BatchSink,
    CrashError,
    FakeClock,
    ListSource,
    MemorySink,
    lines,
    origin,
)
from tailrace.pipeline.testing.sending import send

__all__ = ["BatchSink", "CrashError", "FakeClock", "ListSource", "MemorySink", "lines", "origin", "send"]
