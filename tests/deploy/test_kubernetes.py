"""The DaemonSet: its configuration at work over a node's directories, and what of it must fit together."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tailrace.pipeline.config.units import parse_size
from tailrace.pipeline.settings import PipelineSettings

from tailrace.version import __version__

from ..scenarios.conftest import MakeDaemon
from ..servers.http import Server
from .texts import DEPLOY, literal

TEXT = (DEPLOY / "kubernetes/daemonset.yaml").read_text(encoding="utf-8")
CONFIG = literal(TEXT, "config.toml")
POD = "shop_web-7d4b_6f1c7c1e-0000-4000-8000-000000000000"
OWN = "tailrace_tailrace-x2x4z_0a1b2c3d-0000-4000-8000-000000000000"
LINES = (
    '2026-02-02T10:30:45.1Z stdout F {"level":"info","msg":"order paid"}\n'
    "2026-02-02T10:30:46.1Z stderr P a line in\n"
    "2026-02-02T10:30:46.1Z stderr F  two parts\n"
)


def set_environment(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """As the DaemonSet does."""
    names = re.findall(r"^ {12}- name: (\w+)\n {14}valueFrom", TEXT, re.MULTILINE)
    values = {
        "NODE_NAME": "node-1", "POD_IP": "127.0.0.1", "TAILRACE_ENDPOINT": endpoint, "TAILRACE_TOKEN": "secret",
    }  # fmt: skip
    assert set(names) == set(values) == set(re.findall(r"\$\{(\w+)\}", re.sub("#.*", "", CONFIG)))
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def write_pod(pods: Path, pod: str, container: str, text: str) -> None:
    directory = pods / pod / container
    directory.mkdir(parents=True)
    (directory / "0.log").write_text(text)


def on_this_machine(home: Path) -> str:
    """The configuration, with its directories below ``home`` and without a port that others may have."""
    moved = CONFIG.replace("/var/log/pods", str(home / "pods")).replace("/var/lib/tailrace", str(home / "state"))
    changed = re.sub(r"^listen = .*\n", "", moved, flags=re.MULTILINE)
    assert changed != moved != CONFIG
    return changed


def test_its_configuration_passes_the_check_and_fits_the_memory_that_it_has(
    make_daemon: MakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = make_daemon(CONFIG)
    set_environment(monkeypatch, "https://logs.example.com/in")
    checked = daemon.command("check", "--no-environment", str(daemon.config))
    assert checked.code == 0, checked.out.decode() + checked.err
    ceiling = re.search(r"memory ceiling: ([\d,.]+) MiB", checked.out.decode())
    assert ceiling is not None
    limit, request = re.findall(r"^ +memory: (\d+Mi)", TEXT, re.MULTILINE)[::-1]
    needed = float(ceiling[1].replace(",", "")) * (1 << 20)
    assert needed < parse_size(limit + "B") < 2 * needed
    assert parse_size(request + "B") < needed


def test_it_sends_what_containers_write_with_their_names_and_not_what_it_says_itself(
    make_daemon: MakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = make_daemon("")
    pods = daemon.home / "pods"
    write_pod(pods, POD, "web", LINES)
    write_pod(pods, OWN, "tailrace", LINES)
    links = daemon.home / "containers"
    links.mkdir()
    (links / "web-7d4b_shop_web-123.log").symlink_to(pods / POD / "web/0.log")
    daemon.config.write_text(on_this_machine(daemon.home))
    with Server(key="event_id") as server:
        set_environment(monkeypatch, server.url)
        assert daemon.run_to_end() == 0, daemon.stderr()
        records = [record for request in server.requests for record in request.records]
        assert all(request.headers["authorization"] == "Bearer secret" for request in server.requests)
    paid, parts = records
    for record in records:
        assert record["namespace"] == "shop"
        assert (record["pod"], record["container"], record["restart"]) == ("web-7d4b", "web", 0)
        assert record["node"] == "node-1"
    assert paid["msg"] == "order paid"
    assert parts["message"] == "a line in two parts"
    assert len(server.stored) == 2, "each has an id of its own"


def test_volumes_probes_and_ports_fit_together() -> None:
    mounts, volumes = TEXT.split("volumeMounts:")[1].split("      volumes:")
    mounted = re.findall(r"- name: (\w+)\n +mountPath: (\S+)", mounts)
    assert {name for name, _ in mounted} == set(re.findall(r"- name: (\w+)\n", volumes))
    paths = dict(mounted)
    assert paths["pods"] == "/var/log/pods", "the path tells the pod"
    assert paths["state"] == "/var/lib/tailrace"
    assert f"{paths['config']}/config.toml" in TEXT.split("args:")[1].split("\n")[0]
    (port,) = re.findall(r"containerPort: (\d+)", TEXT)
    assert f'listen = "${{POD_IP}}:{port}"' in CONFIG
    assert f'prometheus.io/port: "{port}"' in TEXT
    probes = re.findall(r"(\w+Probe):\n +httpGet: \{ path: (\S+), port: status \}", TEXT)
    assert dict(probes) == {"startupProbe": "/health", "livenessProbe": "/health", "readinessProbe": "/ready"}


def test_it_has_time_to_stop_and_the_image_of_this_version() -> None:
    (grace,) = re.findall(r"terminationGracePeriodSeconds: (\d+)", TEXT)
    assert int(grace) > PipelineSettings().shutdown_timeout
    assert re.findall(r"image: tailrace:(\S+)", TEXT) == [__version__]


def test_it_may_do_no_more_than_read_and_keep_its_state() -> None:
    for setting in (
        "allowPrivilegeEscalation: false", "readOnlyRootFilesystem: true", "drop: [ALL]", "type: RuntimeDefault",
        "automountServiceAccountToken: false",
    ):  # fmt: skip
        assert setting in TEXT
    assert "kind: ClusterRole" not in TEXT
