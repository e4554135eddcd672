"""Options of the test run."""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=8, help="how often each kill test kills (default 8)")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    value = request.config.getoption("--kills")
    assert isinstance(value, int)
    return value
