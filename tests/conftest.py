"""Options of the test run."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings

# The time of one example is that of a busy machine, and says nothing; pytest-timeout bounds each test as a whole.
settings.register_profile("steady", deadline=None)
settings.register_profile("mutations", deadline=None, phases=[Phase.explicit, Phase.generate])  # red is enough
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=8, help="how often each kill test kills (default 8)")


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    value = request.config.getoption("--kills")
    assert isinstance(value, int)
    return value
