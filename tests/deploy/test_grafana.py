"""The dashboard: well formed, and it asks only for what there is."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .metrics import NAMES, used
from .test_prometheus import promtool
from .texts import DEPLOY

TEXT = (DEPLOY / "grafana/tailrace.json").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads(TEXT)
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
COLUMNS = 24


def expressions(job: str = ".*", instance: str = ".*") -> Iterator[tuple[str, str]]:
    """(panel, expression) each, with Grafana's variables filled in."""
    for panel in PANELS:
        for target in panel["targets"]:
            yield panel["title"], filled(target["expr"], job, instance)
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["name"], filled(annotation["expr"], job, instance)


def filled(expression: str, job: str, instance: str) -> str:
    known = {"job": job, "instance": instance, "__rate_interval": "1m"}
    return re.sub(r"\$(\w+)", lambda match: known[match[1]], expression)


def test_it_is_a_dashboard_of_grafana_10_with_a_variable_for_its_data_source() -> None:
    assert DASHBOARD["schemaVersion"] >= 38
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    sources = [panel["datasource"]["uid"] for panel in PANELS]
    sources += [target["datasource"]["uid"] for panel in PANELS for target in panel["targets"]]
    assert set(sources) == {"${datasource}"}, "no data source of a machine of somebody's"
    asked = set(re.findall(r"\$(\w+)", " ".join(target["expr"] for panel in PANELS for target in panel["targets"])))
    assert asked <= {*variables, "__rate_interval"}


def test_panels_have_their_own_numbers_and_do_not_overlap() -> None:
    every = DASHBOARD["panels"]
    assert len({panel["id"] for panel in every}) == len(every)
    places = [panel["gridPos"] for panel in every]
    for place in places:
        assert place["x"] + place["w"] <= COLUMNS
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or apart, (one, other)


def test_it_asks_for_metrics_that_exist() -> None:
    for title, expression in expressions():
        assert used(expression) <= NAMES, title
        assert used(expression) or "up{" in expression, title
    for variable in DASHBOARD["templating"]["list"]:
        assert used(str(variable["query"])) <= NAMES


@pytest.mark.needs("promtool")
def test_prometheus_understands_each_expression(tmp_path: Path) -> None:
    rules = [{"record": f"panel:{number}", "expr": one} for number, (_, one) in enumerate(expressions())]
    file = tmp_path / "rules.yml"
    file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # JSON is YAML
    assert f"SUCCESS: {len(rules)} rules found" in promtool("check", "rules", file)
