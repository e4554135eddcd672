"""Options of the test run."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, Phase, settings

from .turns import turn

# How long an example, or making some, takes is chance on a busy machine: pytest-timeout bounds each test as a whole.
# Examples may share fixtures: those that do leave nothing there that matters to the next one.
# With CI=true hypothesis tries the same examples each time; a mutation run tries others with each of its seeds.
STEADY = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("steady", STEADY)
settings.register_profile(
    "mutations", STEADY, phases=[Phase.explicit, Phase.generate], derandomize=False
)  # no shrinking: red is enough
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=8, help="how often each kill test kills (default 8)")


def pytest_configure() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # for daemons that tests start: under nohup it would be ignored


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_alone)  # last, when hardly any other is left that must wait


@pytest.hookimpl(wrapper=True, tryfirst=True)  # around the time limit: waiting is not counted
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        return (yield)
    with turn(alone=_alone(item)):
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        (program,) = mark.args
        if shutil.which(program) is None:
            why = f"{program} is not installed"
            if os.environ.get("CI") == "true":
                pytest.fail(f"{why}, and in CI no test is skipped for that: see .ci/run", pytrace=False)
            pytest.skip(why)


def _alone(item: pytest.Item) -> bool:
    return item.get_closest_marker("alone") is not None


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    value = request.config.getoption("--kills")
    assert isinstance(value, int)
    return value
