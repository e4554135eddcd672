"""Fuzzing: a few examples with every `make test`, thousands with `make fuzz`. What was found stays as an @example.

Each test has a budget of time: what is left of its examples when it is used up is passed over, and said.
"""

from __future__ import annotations

from collections.abc import Generator
from functools import wraps
from time import monotonic
from typing import Any

import pytest
from hypothesis import settings

from ..conftest import STEADY

BUDGET = 120.0  # seconds a test
settings.register_profile("fuzz", STEADY, max_examples=5000)
_cut_short: list[str] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    handle = getattr(getattr(item, "obj", None), "hypothesis", None)
    if handle is None:
        return (yield)
    test = handle.inner_test
    end, done, failed, left = monotonic() + BUDGET, 0, False, 0

    @wraps(test)
    def bounded(*arguments: Any, **values: Any) -> None:
        nonlocal done, failed, left
        if monotonic() > end and not failed:  # a failure is made smaller, and must fail each time
            left += 1
            return
        done += 1
        try:
            test(*arguments, **values)
        except Exception:
            failed = True
            raise

    handle.inner_test = bounded
    try:
        return (yield)
    finally:
        handle.inner_test = test
        if left:
            _cut_short.append(f"{item.name}: {done} examples in {BUDGET:g} s, {left} passed over")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _cut_short:
        terminalreporter.write_line(line)
