"""A sink that cannot write for long, or not without help, is told once as an error."""

from __future__ import annotations

import errno

import pytest
from tailrace.pipeline.errors import Retry
from tailrace.pipeline.testing.doubles import ListSource

from ..inside import adjust
from .engine_kit import Pipeline, numbered

DATA = numbered(200)


def stuck(*failures: BaseException) -> list[dict[str, object]]:
    """What is said of it after these deliveries failed, and then one worked."""
    pipeline = Pipeline(ListSource({"a.log": DATA}))
    pipeline.sinks[0].failures["deliver"] = list(failures)
    assert pipeline.run().complete
    assert len(pipeline.log.fields("sink.retry")) == len(failures)
    assert len(pipeline.log.fields("sink.recovered")) == 1
    said = [(level, fields) for level, event, fields in pipeline.log.said if event == "sink.stuck"]
    assert all(level == "error" for level, _ in said)
    return [fields for _, fields in said]


def test_an_output_that_never_works_without_help_is_told_at_once_with_what_to_do() -> None:
    (fields,) = stuck(PermissionError(errno.EACCES, "Permission denied", "/out/a"))
    assert (fields["sink"], fields["error"]) == ("out", "[Errno 13] Permission denied: '/out/a'")
    assert "Fix the error and it resumes" in str(fields["notice"])


def test_trouble_that_lasts_is_told_once_and_short_trouble_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stuck(*(Retry("busy", delay=0.0) for _ in range(5))) == []
    adjust(monkeypatch.setattr, stuck_after=0.0)
    (fields,) = stuck(*(Retry("busy", delay=0.0) for _ in range(5)))
    assert fields["error"] == "busy"


def test_trouble_that_comes_back_is_told_again() -> None:
    denied = [PermissionError(errno.EACCES, "Permission denied") for _ in range(2)]

    def fail_again(pipeline: Pipeline) -> None:
        if pipeline.log.fields("sink.recovered") and denied:
            pipeline.sinks[0].failures["deliver"] = [denied.pop()]

    pipeline = Pipeline(ListSource({"a.log": DATA}, chunk_bytes=50), on_turn=fail_again, slots=2)
    pipeline.sinks[0].failures["deliver"] = [denied.pop()]
    assert pipeline.run().complete
    assert len(pipeline.log.fields("sink.stuck")) == 2


def test_a_stop_meanwhile_says_which_sink_is_stuck_and_why() -> None:
    def stop(pipeline: Pipeline) -> None:
        if pipeline.log.fields("sink.stuck"):
            pipeline.engine.stop()

    pipeline = Pipeline(ListSource({"a.log": DATA}), on_turn=stop, shutdown_timeout=0.05)
    pipeline.sinks[0].failures["deliver"] = [PermissionError(errno.EACCES, "Permission denied")] * 100
    assert "stuck: out ([Errno 13] Permission denied)" in pipeline.run().message


@pytest.mark.parametrize("works", [True, False])
def test_a_stop_says_at_once_what_it_waits_for_and_for_how_long(*, works: bool) -> None:
    def stop(pipeline: Pipeline) -> None:
        if pipeline.sinks[0].calls.count("deliver") > 3 if works else pipeline.log.fields("sink.stuck"):
            pipeline.engine.stop()

    source = ListSource({"a.log": DATA}, chunk_bytes=50)
    pipeline = Pipeline(source, on_turn=stop, shutdown_timeout=0.2, commit_interval=60.0)
    if not works:
        pipeline.sinks[0].failures["deliver"] = [PermissionError(errno.EACCES, "Permission denied")] * 100
    pipeline.run()
    (stopping,) = [(level, fields) for level, event, fields in pipeline.log.said if event == "pipeline.stopping"]
    waits = "what was read" if works else "out ([Errno 13] Permission denied)"
    assert stopping[0] == ("info" if works else "warning")
    assert stopping[1]["notice"] == (
        f"waiting up to 200ms (pipeline.shutdown_timeout) for {waits}; press Ctrl-C (or send the signal) again to "
        "leave at once"
    )
