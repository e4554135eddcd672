"""A real Prometheus scrapes a running daemon: metrics, alerts and dashboard fit what it says."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ..configuration import configuration, to_file
from ..scenarios.conftest import MakeDaemon
from ..scenarios.daemon import Daemon, numbered
from ..waiting import until
from .metrics import HISTOGRAMS, NAMES, PREFIX, exported, used
from .test_grafana import expressions
from .texts import DEPLOY, alerts

# Of what has a label for something that may never happen, there is no sample until it does.
ON_OCCASION = {
    "bytes_found_total", "bytes_skipped_total", "bytes_unread_total", "component_errors_total", "config_reloads_total",
    "dead_letters_total", "events_filtered_total", "events_made_total", "file_lag_bytes", "file_lag_seconds",
    "http_client_responses_total", "output_retries_total", "pattern_matches_total", "pattern_seconds_total",
    "worker_restarts_total",
}  # fmt: skip
GOOD, BAD = 1000, 7
LINES_READ = "lines_read_total"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def get(url: str) -> str:
    """The body; empty: nobody answers yet."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  our own address
            return str(answer.read().decode())
    except (urllib.error.URLError, ConnectionError):
        return ""


class Prometheus:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result, an instant vector; AssertionError if it is refused."""
        body = get(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        if not body:
            return []
        answer = json.loads(body)
        assert answer["status"] == "success", expression
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def value(self, expression: str) -> float | None:
        """Of a vector with one element; None: it is empty."""
        result = self.query(expression)
        return float(result[0]["value"][1]) if result else None

    def rules(self) -> list[dict[str, Any]]:
        groups = json.loads(get(f"{self.url}/api/v1/rules"))["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextmanager
def prometheus(home: Path, target: int) -> Iterator[Prometheus]:
    """As deploy/prometheus/ has it, but with this target and in seconds."""
    text = (DEPLOY / "prometheus/prometheus.yml").read_text()
    changed = text.replace("15s", "1s").replace("127.0.0.1:9600", f"127.0.0.1:{target}")
    assert changed.count("1s") == 2
    home.mkdir()
    (home / "prometheus.yml").write_text(changed)
    (home / "alerts.yml").write_text((DEPLOY / "prometheus/alerts.yml").read_text())
    port = free_port()
    command = [
        "prometheus", f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={home}/data",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn",
    ]  # fmt: skip
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=home)
    try:
        yield Prometheus(port)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()


@pytest.fixture
def scraped(make_daemon: MakeDaemon) -> Iterator[tuple[Daemon, int]]:
    """A daemon that has read some lines, and the port of its status server."""
    port = free_port()
    daemon = make_daemon(
        configuration(
            {"use": "parse.json", "only": "app.log"},
            {"use": "parse.regex", "pattern": r"(?P<n>\d+) (?P<word>\w+)"},
            {"use": "enrich.filter", "drop": "n == 3"},
            to_file("out/{source}.ndjson", id="files"),
            {"use": "write.sqlite", "path": "out/events.sqlite", "columns": ["n"], "id": "table"},
            commit_interval="100ms",
            workers=1,
            tables={"status": {"listen": f"127.0.0.1:{port}"}},
        )
    )
    (daemon.logs / "app.log").write_bytes(numbered(0, GOOD) + b"nothing\n" * BAD)
    (daemon.logs / "words.log").write_text("1 one\n2 two\n")
    daemon.start()
    daemon.until(lambda: get(f"http://127.0.0.1:{port}/health"), "it is well")
    yield daemon, port
    if daemon.running:
        assert daemon.stop() == 0, daemon.stderr()


def test_the_page_has_every_metric_that_alerts_and_dashboard_ask_for(scraped: tuple[Daemon, int]) -> None:
    _, port = scraped
    page = get(f"http://127.0.0.1:{port}/metrics")
    asked = {name for alert in alerts() for name in used(alert.expression)}
    asked |= {name for _, expression in expressions() for name in used(expression)}
    assert asked <= exported(page)
    assert exported(page) == NAMES
    for name in HISTOGRAMS & exported(page):
        assert re.search(rf'^{PREFIX}{name}_bucket{{(.*,)?le="\+Inf"', page, re.MULTILINE), name


@pytest.mark.needs("promtool")
def test_promtool_has_nothing_to_say_about_the_page(scraped: tuple[Daemon, int]) -> None:
    _, port = scraped
    page = get(f"http://127.0.0.1:{port}/metrics")
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.needs("prometheus")
def test_a_real_prometheus_sees_what_the_daemon_does_and_that_it_is_gone(
    scraped: tuple[Daemon, int], tmp_path: Path
) -> None:
    daemon, port = scraped
    with prometheus(tmp_path / "prometheus", port) as server:
        total = GOOD + BAD + 2
        until(lambda: server.value(f"{PREFIX}{LINES_READ}") == total, "Prometheus has seen all lines")
        with (daemon.logs / "app.log").open("ab") as log:
            log.write(numbered(GOOD, 2 * GOOD))
        until(lambda: server.value(f"{PREFIX}{LINES_READ}") == total + GOOD, "and those that came later")

        # What is read is written, filtered or dead.
        filtered = server.value(f"sum({PREFIX}events_filtered_total)")
        assert filtered == 1
        assert server.value(f'{PREFIX}events_written_total{{sink="files"}}') == 2 * GOOD + 2 - filtered
        (letters,) = server.query(f"{PREFIX}dead_letters_total")
        assert float(letters["value"][1]) == server.value(f"{PREFIX}dead_letters_stored") == BAD
        assert letters["metric"]["stage"] == "parse.json"
        assert {one["metric"]["sink"] for one in server.query(f"{PREFIX}output_connection_up == 1")} == {
            "files",
            "table",
        }
        assert (server.value(f"sum({PREFIX}memory_bytes) / {PREFIX}memory_ceiling_bytes") or 0.0) < 1.0

        # A rate needs two scrapes of each series.
        until(lambda: server.query("count_over_time(up[1m]) > 5"), "some more scrapes")
        empty = [(title, expression) for title, expression in expressions() if not server.query(expression)]
        assert [one for one in empty if not used(one[1]) <= ON_OCCASION and one[0] != "Starts"] == []

        rules = {rule["name"]: rule for rule in server.rules()}
        assert set(rules) == {alert.name for alert in alerts()}
        until(lambda: all(rule["health"] == "ok" for rule in server.rules()), "each alert was evaluated")
        assert [name for name, rule in rules.items() if rule["state"] == "firing"] == []

        daemon.send_group(signal.SIGKILL)
        until(lambda: server.value('up{job="tailrace"}') == 0, "it is missed")
        until(lambda: "pending" in {rule["state"] for rule in server.rules()}, "and an alert is on its way")
