"""What stands in the configuration as ``${VARIABLE}`` is sent to the server and appears nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..scenarios.daemon import Daemon, numbered
from ..servers.http import Reply, Server

CONFIG = """
[pipeline]
commit_interval = "50ms"
[source]
paths = ["logs/app.log*"]
[[stages]]
use = "parse.json"
[[stages]]
use = "write.http"
endpoint = "{url}?token=${{QUERY}}"
auth = {{ user = "me", password = "${{PASSWORD}}" }}
headers = {{ X-Api-Key = "${{KEY}}" }}
retry = {{ initial_backoff = "20ms", max_backoff = "50ms" }}
"""
SECRETS = {"QUERY": "query-secret", "PASSWORD": "password-secret", "KEY": "key-secret"}


@pytest.mark.parametrize("workers", [0, 1])
def test_secrets_are_in_no_message_and_not_in_the_state(
    make_daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    with Server() as server:
        server.rules.append(lambda request: Reply(401, f"{request.path} {request.headers}".encode()))
        config = CONFIG.format(url=server.url).replace("[pipeline]", f"[pipeline]\nworkers = {workers}")
        daemon = make_daemon(config)
        (daemon.logs / "app.log").write_bytes(numbered(0, 3))
        daemon.start()
        daemon.until(lambda: len(server.requests) >= 3, "it is refused, and tries again")
        assert len(daemon.said("sink.stuck")) == 1
        checked = daemon.command("check")
        server.rules.clear()
        daemon.until(lambda: len(server.stored) == 3, "it is let in")
        assert daemon.stop() == 0, daemon.stderr()
    assert checked.code == 0, checked.err
    said = (daemon.stderr() + checked.err + checked.out.decode()).encode()
    files = [path.read_bytes() for path in (daemon.home / "state").iterdir()]
    for value in SECRETS.values():
        assert value in f"{server.requests[0].path} {server.requests[0].headers} password-secret"
        assert not [data for data in (said, *files) if value.encode() in data]
    assert server.requests[0].headers["authorization"] == "Basic bWU6cGFzc3dvcmQtc2VjcmV0"
    assert not daemon.dead_letters()


def test_a_wrong_value_with_a_secret_in_it_is_told_without_it(
    make_daemon: Callable[..., Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "line\nbreak")
    daemon = make_daemon(CONFIG.format(url="http://127.0.0.1:1/in"))
    checked = daemon.command("check")
    assert checked.code == 78
    assert "headers.X-Api-Key" in checked.err
    assert "endpoint" in checked.err
    assert "break" not in checked.err.replace("line break", "")
