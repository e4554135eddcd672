"""Stages that read a file which others may replace: asked, between two chunks, to look whether it was."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.telemetry.log import get_logger


class Refreshing:
    """Those of the steps that have something to refresh, and what the log says of it."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = [(step.label, step.refresh) for step in steps if step.refresh is not None]
        self._log = get_logger("stage")

    def refresh(self, now: float) -> None:
        for label, call in self._steps:
            try:
                done = call(now)
            except Exception as error:  # of a user's stage; its old state is what it goes on with
                self._log.warning("stage.not_refreshed", stage=label, why=f"{type(error).__name__}: {error}")
                continue
            if done is None:
                continue
            if done.problem:
                notice = "the stage goes on with what it read before"
                self._log.warning("stage.not_refreshed", stage=label, file=done.file, why=done.problem, notice=notice)
            else:
                self._log.info("stage.refreshed", stage=label, file=done.file)
