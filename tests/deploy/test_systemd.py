"""The service units, read by systemd's own `systemd-analyze`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from tailrace.pipeline.settings import PipelineSettings

from ..documents import tailrace
from .texts import DEPLOY

UNITS = DEPLOY / "systemd"
NAMES = ("tailrace.service", "tailrace@.service")
COMMAND = "/usr/local/bin/tailrace"
MOST_EXPOSED = 20  # of 100, as `systemd-analyze security` counts; below 20 it calls a service "OK" at worst
NOT_OF_THIS_SYSTEMD = "Failed to parse service type, ignoring: notify-reload"  # before 253


def settings(name: str) -> dict[str, list[str]]:
    """By key, all that it is set to."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", (UNITS / name).read_text(), re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units, with a program that there is in the place of tailrace."""
    for name in NAMES:
        (tmp_path / name).write_text((UNITS / name).read_text().replace(COMMAND, "/bin/true"))
        drop_ins = tmp_path / f"{name}.d"
        drop_ins.mkdir()
        (drop_ins / "before-253.conf").write_text((UNITS / "before-253.conf").read_text())
    return tmp_path


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("name", ["tailrace.service", "tailrace@shop.service"])
def test_systemd_understands_the_unit(installed: Path, name: str) -> None:
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(installed / name)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    complaints = [line for line in said.splitlines() if "/tailrace" in line and NOT_OF_THIS_SYSTEMD not in line]
    assert complaints == []


@pytest.mark.needs("systemd-analyze")
@pytest.mark.parametrize("name", NAMES)
def test_systemd_calls_it_well_confined(installed: Path, name: str) -> None:
    options = ["--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}"]
    command = ["systemd-analyze", "security", *options, str(installed / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_times_fit_those_of_the_daemon(name: str) -> None:
    (stop,) = settings(name)["TimeoutStopSec"]
    assert int(stop) > PipelineSettings().shutdown_timeout


@pytest.mark.parametrize("name", NAMES)
def test_what_no_restart_puts_right_is_not_restarted(name: str) -> None:
    unit = settings(name)
    assert unit["RestartPreventExitStatus"] == ["2 78"]
    assert unit["Restart"] == ["always"]
    (before,) = unit["ExecStartPre"]
    assert before.startswith("-"), "a failed ExecStartPre= would be tried for ever: only the main process's code counts"


@pytest.mark.parametrize("name", NAMES)
def test_an_older_systemd_is_left_with_the_type_that_it_knows(name: str) -> None:
    assert settings(name)["Type"] == ["notify", "notify-reload"]


@pytest.mark.parametrize("name", NAMES)
def test_its_commands_are_commands_of_tailrace(tmp_path: Path, name: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[source]\npaths = ["*.log"]\n\n[[stages]]\nuse = "write.stdout"\n')
    unit = settings(name)
    for key in ("ExecStartPre", "ExecReload"):
        (line,) = unit[key]
        command, *arguments, path = line.removeprefix("-").split()
        assert command == COMMAND
        assert path == unit["ExecStart"][0].split()[-1]
        checked = tailrace(tmp_path, *arguments, str(config))
        assert checked.returncode == 0, checked.stderr
    assert unit["ExecStart"][0].split()[:2] == [COMMAND, "run"]


def test_the_template_differs_from_the_service_only_in_its_instance() -> None:
    service, template = (settings(name) for name in NAMES)
    assert template["EnvironmentFile"].pop() == "-/etc/default/tailrace-%i"
    assert template.pop("Description") == ["tailrace, a log pipeline (%i)"]
    del service["Description"]
    plain = {
        key: [value.replace("/%i.toml", "/config.toml").replace("/%i", "") for value in values]
        for key, values in template.items()
    }
    assert plain == service
