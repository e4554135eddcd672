"""All sums of a chain: merges what the workers have added up, closes what is complete, and gives the results back to
the ring as records that enter the chain behind their stage.

Nothing here holds a commit back: totals, and the results taken out of them, are rows of the commit that covers the
events they are made of.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from math import inf
from time import time
from typing import Any, cast

import orjson
from tailrace.pipeline.batch import Chunk
from tailrace.pipeline.chain import loader
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.construct import construct
from tailrace.pipeline.errors import TailraceError
from tailrace.pipeline.settings import Config, StageSpec
from tailrace.pipeline.stage import Sums as Contract
from tailrace.pipeline.sums.exposed import Exposed
from tailrace.pipeline.sums.results import Results, Rows
from tailrace.pipeline.sums.totals import Totals
from tailrace.pipeline.sums.watermark import Watermark
from tailrace.pipeline.telemetry.snapshot import Series

LOOK_EVERY = 0.2  # seconds between two looks at what is complete
_OPTIONS, _END = "options", "end"  # what is kept of a sum beside its totals and results
_ABOUT = "sums"  # that, as the owner of rows in the state, with the stage's name; likewise:
_RESULTS = "results"

Added = tuple[Mapping[str, Any], float | None]
"""As ``Sums.added`` of the stage gives it."""


class Sum:
    """One stage's."""

    def __init__(self, spec: StageSpec, results: Results, directory: str, log: Any) -> None:
        self.label, self.stage, self.results = spec.label, _built(spec, directory), results
        self._spec, self._directory, self._log = spec, directory, log
        self.totals = Totals()
        self.watermark = Watermark()
        self.closed = False  # at the end of all input
        self._about: Rows = {}
        self._exposed = Exposed(spec.label, log)

    def restore(self, memory: Mapping[str, Mapping[str, bytes]]) -> None:
        """What the state holds, and nothing else."""
        about = {key: orjson.loads(value) for key, value in memory.get(f"{_ABOUT} {self.label}", {}).items()}
        self.totals.restore(memory.get(self.label, {}))
        self.results.restore(memory.get(f"{_RESULTS} {self.label}", {}))
        self.results.end = about.get(_END, 0)
        self.watermark.forget()
        self.closed = False
        self.stage = _built(self._spec, self._directory)  # it may have kept something of what did not come to be
        self._about = {}
        options = orjson.loads(orjson.dumps(self._spec.options))
        if (was := about.get(_OPTIONS, options)) != options and self.totals:
            self._finish(was)
        if was != options or not about:
            self._about[_OPTIONS] = orjson.dumps(options)
        self._exposed.restored(self.stage, self.totals)

    def _finish(self, options: Mapping[str, Any]) -> None:
        """The totals are those of other options: with those, and with what there is, they are closed."""
        try:
            thing = loader.resolve(self._spec.use, self._directory)
            stage = cast(Contract, construct(cast(type, thing), options))
        except Exception as error:
            raise TailraceError(
                f"{self.label}: the state holds sums that were made with other options, which are no longer valid "
                f"({error}): take the options back until these sums are written, or give the stage another name"
            ) from error
        self._log.warning("sums.closed", stage=self.label, notice="its options have changed: what was open is written")
        self.close(inf, stage)
        self.totals.clear()

    def make_room(self) -> None:
        size = self.totals.size
        if not self.close(inf):
            return  # it is what the stage knows for good
        self._log.warning(
            "sums.no_room", stage=self.label, bytes=size,
            notice="what is open is written now, and the rest of it as further results: raise pipeline.stage_memory, "
            "or sum up over fewer groups or shorter windows",
        )  # fmt: skip

    def close(self, until: float, stage: Contract | None = None) -> int:
        """How many results there are."""
        count = 0
        for name, event in (stage or self.stage).close(self.totals, until):
            self.results.put(name, event)
            count += 1
        if count:
            self._about[_END] = str(self.results.end).encode()
        return count

    @property
    def changed(self) -> bool:
        return self.totals.changed or self.results.changed or bool(self._about)

    @property
    def series(self) -> tuple[Series, ...]:
        """Of the metric that the stage keeps, if it does."""
        return self._exposed.series(self.stage, self.totals)

    def committed(self) -> None:
        self.results.committed()
        self._exposed.committed()

    def cut(self) -> dict[str, Rows]:
        self._exposed.cut(self.stage, self.totals)
        about, self._about = self._about, {}
        rows = {self.label: self.totals.cut(), f"{_RESULTS} {self.label}": self.results.cut()}
        return {owner: some for owner, some in {**rows, f"{_ABOUT} {self.label}": about}.items() if some}


def _built(spec: StageSpec, directory: str) -> Contract:
    return cast(Contract, loader.build(spec, directory))


class Sums:
    """A step object, called from the engine's thread only. ``now`` are monotonic seconds."""

    def __init__(self, sums: Sequence[Sum], room: int = 0, wall: Callable[[], float] = time) -> None:
        """In the order of the chain; ``room``: bytes that the totals of each may take as JSON."""
        self._sums, self._room, self._wall = sums, room, wall
        self._by_stream = {one.results.stream: one for one in sums}
        self._looked = -inf

    def restore(self, memory: Mapping[str, Mapping[str, bytes]]) -> None:
        """At the start, and after a rewind: what is committed."""
        for one in self._sums:
            one.restore(memory)
        self._looked = -inf

    def merge(self, stream: int, added: Sequence[Mapping[str, Added]], now: float) -> None:
        """What was added up in a part of the stream that is released now."""
        for one in self._sums:
            mine = [some[one.label] for some in added if one.label in some]
            one.watermark.hear(stream, max((newest for _, newest in mine if newest is not None), default=None), now)
            for some, _ in mine:
                _blamed(one, one.stage.merge, one.totals, some)
                one.closed = False

    def look(self, behind: Callable[[], Collection[int]], ended: bool, now: float) -> None:
        """Close what is complete. ``behind``: streams of which there is more; ``ended``: there is none, and never will
        be in this run."""
        if not ended and now - self._looked < LOOK_EVERY:
            return
        self._looked = now
        if not ended and not any(one.totals for one in self._sums):
            return
        streams, until = set(behind()), inf
        for one in self._sums:
            if ended:
                if not one.closed:
                    _blamed(one, one.close, inf)
                    one.closed = True
            else:
                until = min(until, one.watermark.at(streams, now, self._wall()))
                if one.totals.size > self._room:
                    _blamed(one, one.make_room)
                elif one.totals:
                    _blamed(one, one.close, until)
            if one.results.waiting:
                return  # a later sum has not seen them
            if one.totals and one.watermark.by_time:
                streams.add(one.results.stream)  # and there will be more

    @property
    def finished(self) -> bool:
        """After the end of all input: nothing is left to be written."""
        return all(one.closed and not one.results.waiting for one in self._sums)

    # As a source of chunks.

    def read(self, buffer: memoryview, now: float, skip: Callable[[int], bool]) -> Chunk | None:  # noqa: ARG002
        for one in self._sums:
            if (chunk := one.results.read(buffer, skip)) is not None:
                return chunk
        return None

    def released(self, chunk: Chunk, done: int) -> None:
        self._by_stream[chunk.stream].results.released(chunk, done)

    def original(self, stream: int, offset: int, length: int) -> bytes | None:
        return self._by_stream[stream].results.original(offset, length)

    # For the commit.

    @property
    def changed(self) -> bool:
        return any(one.changed for one in self._sums)

    def cut(self) -> dict[str, Rows]:
        """By owner, the rows that the commit writes."""
        return {owner: rows for one in self._sums for owner, rows in one.cut().items()}

    def committed(self) -> None:
        for one in self._sums:
            one.committed()

    def series(self) -> tuple[Series, ...]:
        """Of the metrics that stages keep, as of the last commit."""
        return tuple(series for one in self._sums for series in one.series)


def sums_of(config: Config, steps: Sequence[Step], state: str, longest: int, log: Any) -> Sums:
    """Of the chain. ``state`` is what the ids of results begin with; a slot holds ``longest`` bytes."""
    specs = {spec.label: spec for spec in config.stages}
    sums: list[Sum] = []
    for number, step in enumerate(steps, start=1):
        if step.sums is not None:
            results = Results(-len(sums) - 1, step.label, f"{state}-{step.label}", number, longest)
            sums.append(Sum(specs[step.label], results, str(config.directory), log))
    return Sums(sums, config.pipeline.stage_memory)


def _blamed(one: Sum, call: Callable[..., Any], *arguments: Any) -> None:
    """Nothing of a sum can be left out: a stage that fails here ends the run."""
    try:
        call(*arguments)
    except TailraceError:
        raise
    except Exception as error:
        raise TailraceError(
            f"{one.label}: what was summed up cannot be merged: {type(error).__name__}: {error}"
        ) from error
