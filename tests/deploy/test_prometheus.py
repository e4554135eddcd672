"""Alerts and the example of a configuration for Prometheus, checked by its own `promtool`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from .metrics import NAMES, used
from .texts import DEPLOY, ROOT, alerts

PROMETHEUS = DEPLOY / "prometheus"


def promtool(*arguments: object) -> str:
    """What it prints, of a command that succeeds."""
    done = subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.needs("promtool")
def test_prometheus_accepts_the_configuration_and_the_alerts() -> None:
    said = promtool("check", "config", PROMETHEUS / "prometheus.yml")
    assert f"SUCCESS: {len(alerts())} rules found" in said, "the example loads the alerts"


@pytest.mark.needs("promtool")
def test_relabelling_for_kubernetes_is_accepted_when_it_is_put_in_its_place(tmp_path: Path) -> None:
    text = (PROMETHEUS / "prometheus.yml").read_text()
    example, _, part = text.partition("# In Kubernetes")
    relabelling = [line.removeprefix("#") for line in part.splitlines() if "kubernetes_sd" not in line][2:]
    relabelling = relabelling[relabelling.index("    relabel_configs:") :]  # Debian's has no kubernetes_sd_configs
    changed = tmp_path / "prometheus.yml"
    changed.write_text(example + "\n".join(relabelling) + "\n")
    promtool("check", "config", "--syntax-only", changed)


@pytest.mark.needs("promtool")
def test_each_alert_fires_and_does_not_fire_where_it_should_not() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")
    tested = (Path(__file__).parent / "alerts_test.yml").read_text()
    assert {alert.name for alert in alerts()} == set(re.findall(r"Tailrace\w+", tested))


def test_alerts_ask_for_metrics_that_exist() -> None:
    for alert in alerts():
        assert used(alert.expression) <= NAMES, alert.name
        assert used(alert.expression) or "up{" in alert.expression, alert.name


def test_each_alert_says_what_is_wrong_and_where_to_read_on() -> None:
    anchors = {anchor(heading) for heading in re.findall(r"^#+ (.*)$", operate(), re.MULTILINE)}
    for alert in alerts():
        for part in ("summary: ", "description: ", "severity: "):
            assert part in alert.text, f"{alert.name} has no {part}"
        target = re.search(r"runbook_url: docs/operate\.md#(\S+)", alert.text)
        assert target is not None, alert.name
        assert target[1] in anchors, f"{alert.name}: there is no heading for #{target[1]}"
        assert f"`{alert.name}`" in operate(), f"docs/operate.md does not name {alert.name}"


def anchor(heading: str) -> str:
    """As GitHub makes it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def operate() -> str:
    return (ROOT / "docs/operate.md").read_text(encoding="utf-8")
