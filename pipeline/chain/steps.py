"""The configuration's stages as steps of a chain; built anew in every worker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from tailrace.pipeline.batch import Event
from tailrace.pipeline.chain import loader, own
from tailrace.pipeline.chain.parsed import unwrapped
from tailrace.pipeline.chain.stateful import Room, StageMemory
from tailrace.pipeline.chain.step import Condition, Step
from tailrace.pipeline.framing import Framer
from tailrace.pipeline.settings import Config, StageSpec
from tailrace.pipeline.stage import Costs, Identifies, Refreshes, Sums, remembers, sums
from tailrace.pipeline.telemetry import log
from tailrace.stages.defaults import LINES


def build_steps(config: Config) -> list[Step]:
    """All steps in the order of the file; sinks are numbered in that order. Light: no handle is opened."""
    steps = []
    sinks = 0
    room = Room(config.pipeline.stage_memory)
    for spec in config.stages:
        stage: Any = loader.build(spec, config.directory)
        when = condition(spec.when) if spec.when else None
        step = Step(spec.label, spec.role, stage, spec.only, when, spec.on_error, own=":" in spec.use)
        if spec.role == "write":
            step.sink, step.sink_id = sinks, spec.id
            step.told_apart = getattr(stage, "batch", None) is not None
            sinks += 1
        inner = unwrapped(stage)
        if remembers(inner):
            step.memory = inner.memory = StageMemory(room)
        if sums(inner):
            step.sums = cast(Sums, inner)
        if isinstance(inner, Costs):
            step.costs = inner.costs
        if isinstance(inner, Refreshes):
            step.refresh = inner.refresh
        steps.append(step)
    _tell_plain(steps)
    if not any(step.role == "parse" and not step.only for step in steps):
        # Files that no parse stage takes are read as plain lines.
        last = max((index for index, step in enumerate(steps) if step.role == "parse"), default=-1)
        lines = loader.build(StageSpec(LINES, LINES, "parse", {}), config.directory)
        steps.insert(last + 1, Step(LINES, "parse", lines, own=False))
    id_field = next((step.stage.id_field for step in steps if isinstance(step.stage, Identifies)), "")
    framer = Framer(config.source.multiline) if config.source.multiline is not None else None
    for step in steps:
        step.id_field = id_field
        step.strict = config.source.errors == "error"
        step.framer = framer
    return steps


def memories(steps: Sequence[Step]) -> dict[str, StageMemory]:
    """What the stages remember, by the stage's name."""
    return {step.label: step.memory for step in steps if step.memory is not None}


def _tell_plain(steps: Sequence[Step]) -> None:
    """A sink may encode faster what holds JSON's own types only, and may ask for that by an attribute `given_plain`.
    Stages that say `plain` make nothing else of such events; of others, a user's first of all, nobody knows."""
    plain = True
    for step in steps:
        if step.role != "write":
            plain = plain and getattr(step.stage, "plain", False)
        elif hasattr(step.stage, "given_plain"):
            step.stage.given_plain = plain


def exposed(steps: Sequence[Step]) -> frozenset[str]:
    """The stages that are given what a later one takes out: those up to the last that says `redacts`, or all."""
    last = max((index for index, step in enumerate(steps) if getattr(step.stage, "redacts", False)), default=len(steps))
    return frozenset(step.label for step in steps[: last + 1])


def to_json(config: Config) -> bytes:
    """For a worker: the configuration, and the user's modules that its stages are from as they are imported here."""
    texts = own.to_json(str(config.directory))
    return json.dumps({"config": config.to_json().decode(), "own": texts}).encode()


def steps_from_json(data: bytes) -> Sequence[Step]:
    """In a worker, which then also logs as the configuration says."""
    given = json.loads(data)
    config = Config.from_json(given["config"].encode())
    own.give(str(config.directory), given["own"])
    log.configure(config.log)
    return build_steps(config)


def condition(text: str) -> Condition:
    """`when` over a list of events: in one go, or one by one where that raises."""
    from tailrace.stages.expressions.expression import compile_expression

    expression = compile_expression(text)

    def over(events: list[Event]) -> list[Any]:
        return list(expression.map(events))

    return over
