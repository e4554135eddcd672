"""What a running daemon says of itself: it agrees with its state, its files and its outputs at every moment."""

from __future__ import annotations

import signal
import socket
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.status.client import Client, NoDaemonError

from ..configuration import configuration, to_file
from ..servers.http import Reply, Server
from ..status.server_kit import free_port
from ..status.test_metrics import Sample, samples
from ..waiting import until
from .conftest import MakeDaemon
from .daemon import Daemon, numbered
from .writer import Writer

Json = dict[str, Any]
NAMES = ("lines_read", "bytes_read", "dead_letters", "events_filtered", "events_written")
FILTER = {"use": "enrich.filter", "drop": "n % 10 == 3"}


def client(daemon: Daemon) -> Client:
    return Client(str(daemon.home / "state"))


def status(daemon: Daemon) -> Json:
    answer: Json = client(daemon).get("/api/status")
    return answer


def answers(daemon: Daemon) -> bool:
    try:
        return bool(status(daemon)["state"] == "running")
    except NoDaemonError:
        return False


def page(daemon: Daemon, port: int) -> dict[Sample, float]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as answer:
            head, _, body = answer.read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200"), daemon.stderr()
    return samples(body.decode())


def counters(daemon: Daemon) -> dict[str, float]:
    """As the state has them, all as of one commit."""
    rows = daemon.query("SELECT name, SUM(value) FROM counters GROUP BY name")
    return dict.fromkeys(NAMES, 0.0) | dict(rows)


def shown(daemon: Daemon, words: str) -> bool:
    """By `tailrace status`, whatever the configuration on the disk is now."""
    done = daemon.command("status")
    assert done.code == 0, done.err
    return words in " ".join(done.out.decode().split())


def settled(daemon: Daemon) -> bool:
    now = status(daemon)
    return not (now["lag"]["bytes"] or now["pending"]["bytes"] or now["pending"]["lines"])


def check(daemon: Daemon, log: Path) -> Json:
    """What is committed, by the state's table before and after; what is pending; and that both add up."""
    before = counters(daemon)
    output = daemon.text("files.ndjson").count(b"\n")
    now = status(daemon)
    after = counters(daemon)
    totals = now["totals"]
    told = {
        "lines_read": totals["lines_read"], "bytes_read": totals["bytes_read"],
        "dead_letters": totals["dead_letters"], "events_filtered": totals["filtered"],
        "events_written": totals["written"].get("files", 0),
    }  # fmt: skip
    # A snapshot is up to a second old: what it tells was committed, and no more is than what is committed now.
    assert all(told[name] <= after[name] for name in NAMES), (told, after)
    assert told["lines_read"] == told["events_written"] + told["events_filtered"] + told["dead_letters"]
    assert before["lines_read"] == before["events_written"] + before["events_filtered"] + before["dead_letters"]
    assert output >= before["events_written"], "what is committed is in the file"
    assert now["pending"]["lines"] >= 0
    assert (now["pending"]["seconds"] > 0) == (now["pending"]["bytes"] > 0)
    for row in now["files"]["rows"]:
        assert row["lag_bytes"] == row["size"] - row["offset"] >= 0
        assert row["pending_bytes"] <= row["lag_bytes"]
        balance = row["balance"]
        assert balance["seen"] == balance["acknowledged"] + balance["dead_lettered"] + balance["pending"]
    assert sum(row["size"] for row in now["files"]["rows"]) <= log.stat().st_size
    ring = now["ring"]
    assert ring["slots"] == ring["free"] + ring["waiting"] + ring["working"] + ring["through"]
    assert 0 < now["memory"]["bytes"] < now["memory"]["ceiling"]
    return now


def test_case_088_figures_agree_with_state_files_and_outputs_while_it_runs_under_load(make_daemon: MakeDaemon) -> None:
    port = free_port()
    daemon = make_daemon(
        configuration(
            "parse.json", FILTER, to_file("out/files.ndjson", id="files"), commit_interval="50ms", workers=2,
            tables={"status": {"listen": f"127.0.0.1:{port}"}},
        )
    )  # fmt: skip
    writer = Writer(daemon.logs / "a.log", rotate_every=10_000_000, pause=0.005)
    daemon.start()
    daemon.until(lambda: answers(daemon), "it answers")
    writer.start()
    seen: list[Json] = []
    pages: list[dict[Sample, float]] = []
    try:
        while len({one["now"] for one in seen}) < 4:  # so many snapshots
            seen.append(check(daemon, writer.path))
            pages.append(page(daemon, port))
    finally:
        writer.stop()
    for earlier, later in pairwise(pages):
        for (name, labels), value in earlier.items():
            if name.endswith(("_total", "_bucket", "_count", "_sum")) and not name.startswith("tailrace_worker_"):
                assert later[name, labels] >= value, name
    assert seen[-1]["totals"]["lines_read"] > 0
    assert seen[-1]["rates"]["lines"] > 0
    assert seen[-1]["latency"]["count"] > 0
    assert 0 < seen[-1]["latency"]["p50"] < 10

    # (What was written last, a snapshot may not have seen yet.)
    daemon.until(lambda: status(daemon)["totals"]["lines_read"] >= writer.written, "everything is read")
    daemon.until(lambda: settled(daemon), "and committed")
    now = check(daemon, writer.path)
    assert now["totals"]["lines_read"] == writer.written
    assert now["totals"]["dead_letters"] == len(writer.bad) == now["dead_letters"]["count"]
    written = now["totals"]["written"]["files"]
    assert written == len(daemon.events("files.ndjson")) == writer.good - now["totals"]["filtered"]
    last = page(daemon, port)
    sink = (("component_id", "files"), ("component_kind", "sink"), ("component_type", "write.file"))
    assert last["tailrace_component_sent_bytes_total", sink] == len(daemon.text("files.ndjson"))
    assert last["tailrace_bytes_read_total", ()] == writer.path.stat().st_size == now["files"]["rows"][0]["offset"]
    assert last["tailrace_output_latency_seconds_count", ()] == writer.written

    assert daemon.stop() == 0, daemon.stderr()
    assert counters(daemon)["lines_read"] == writer.written
    with pytest.raises(NoDaemonError):
        status(daemon)
    with pytest.raises(ConnectionRefusedError):
        page(daemon, port)
    assert not (daemon.home / "state/control").exists()


def test_while_a_sink_is_stuck_it_says_so_and_nothing_that_is_not_committed_is_told_as_done(
    make_daemon: MakeDaemon,
) -> None:
    down = [True]
    with Server() as server:
        server.rules = [lambda _: Reply(503, b"overloaded") if down[0] else None]
        daemon = make_daemon(
            configuration(
                "parse.json",
                {"use": "write.http", "endpoint": server.url, "id": "server", "batch": {"timeout": "50ms"},
                 "retry": {"initial_backoff": "20ms", "max_backoff": "50ms"}},
                to_file("out/files.ndjson", id="files"), commit_interval="50ms", shutdown_timeout="1s",
            )
        )  # fmt: skip
        (daemon.logs / "a.log").write_bytes(numbered(0, 500))
        daemon.start()
        daemon.until(lambda: answers(daemon) and not status(daemon)["sinks"][0]["up"], "the sink is told to be down")
        daemon.until(lambda: status(daemon)["pending"]["lines"] == 500, "all lines are pending")
        now = status(daemon)
        assert now["ready"] is False
        assert [words for words in now["reasons"] if "server" in words and "503" in words]
        assert now["bottleneck"]["id"] == "sink:server"
        assert now["totals"]["lines_read"] == 0
        assert now["totals"]["written"] == {}
        assert now["totals"]["retries"] > 0
        assert now["lag"]["bytes"] == now["pending"]["bytes"] == len(numbered(0, 500))
        files = next(one for one in now["sinks"] if one["id"] == "files")
        assert (files["up"], files["written"]) == (True, 0)
        assert len(daemon.events("files.ndjson")) == 500, "it is there, and may yet be taken back"
        assert client(daemon).get("/health") == {"ok": True}

        # A reload does not make it look as if the trouble had just begun, and one that is refused is told.
        daemon.send(signal.SIGHUP)
        daemon.until(lambda: daemon.said("config.reloaded"), "another run goes on")
        daemon.until(lambda: not status(daemon)["sinks"][0]["up"], "and is told to be down again")
        assert status(daemon)["sinks"][0]["since"] == pytest.approx(now["sinks"][0]["since"], abs=0.5)
        assert not shown(daemon, "on the disk")
        text = daemon.config.read_text()
        daemon.config.write_text(text.replace('id = "files"', 'id = "server"'))
        assert shown(daemon, "the configuration on the disk is wrong, and a restart would fail")
        daemon.send(signal.SIGHUP)
        daemon.until(lambda: daemon.said("config.rejected"), "it is refused")
        daemon.until(lambda: shown(daemon, "the configuration on the disk was refused at"), "and that is told")
        daemon.config.write_text("[pipeline\n" + text)
        assert shown(daemon, "the configuration on the disk is wrong")
        daemon.config.write_text(text)

        down[0] = False
        daemon.until(lambda: settled(daemon), "everything is committed")
        now = status(daemon)
        assert (now["ready"], now["sinks"][0]["up"], now["bottleneck"]) == (True, True, None)
        assert now["totals"]["written"] == {"server": 500, "files": 500}
        assert daemon.stop() == 0, daemon.stderr()
    told = {labels: int(count) for labels, count in daemon.counters("http_responses").items()}
    by_status = {("200" if '"200"' in labels else "503"): count for labels, count in told.items()}
    assert by_status["200"] + by_status["503"] == len(server.requests)
    assert sum(daemon.counters("output_retries").values()) == by_status["503"]


def test_case_088_an_address_that_is_taken_stops_the_start_and_refuses_a_reload(make_daemon: MakeDaemon) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        daemon = make_daemon(configuration(tables={"status": {"listen": taken}}))
        (daemon.logs / "a.log").write_bytes(numbered(0, 3))
        daemon.start()
        assert daemon.wait() == 1
        assert f"[status] listen: {taken} cannot be listened on" in daemon.stderr()
        assert not daemon.text("all.ndjson")

        port = free_port()
        daemon.config.write_text(configuration(tables={"status": {"listen": f"127.0.0.1:{port}"}}))
        daemon.start()
        daemon.until(lambda: answers(daemon), "it answers")
        before = page(daemon, port)
        daemon.config.write_text(configuration(tables={"status": {"listen": taken}}))
        daemon.send(signal.SIGHUP)
        daemon.until(lambda: taken in daemon.stderr(2), "it is refused")
        daemon.until(
            lambda: page(daemon, port)["tailrace_config_last_reload_successful", ()] == 0, "and the old one runs on"
        )
        # With another reload, at its own address, nothing that counts goes back.
        daemon.config.write_text(configuration(tables={"status": {"listen": f"127.0.0.1:{port}"}}, workers=1))
        daemon.send(signal.SIGHUP)
        daemon.until(lambda: page(daemon, port)["tailrace_config_last_reload_successful", ()] == 1, "it has changed")
        after = page(daemon, port)
        lower = {
            key: (value, after[key]) for key, value in before.items()
            if key[0].endswith(("_total", "_count", "_sum")) and key in after and after[key] < value
        }  # fmt: skip
        assert lower == {}
        assert after["tailrace_commits_total", ()] > 0
        assert daemon.stop() == 0, daemon.stderr()


def test_a_tap_shows_events_as_they_pass_and_lives_through_a_reload(make_daemon: MakeDaemon) -> None:
    one = configuration("parse.json", {"use": "enrich.set", "values": {"env": "test"}, "name": "env"}, to_file())
    daemon = make_daemon(one)
    log = daemon.logs / "a.log"
    daemon.start()
    daemon.until(lambda: answers(daemon), "it answers")
    parsed = client(daemon).lines("/api/tap?stage=parse.json&when=n%20%25%202%20%3D%3D%200&limit=6")
    gone = client(daemon).lines("/api/tap?stage=env")
    given = client(daemon).lines("/api/tap")
    numbers = iter(range(0, 10_000, 10))

    def events(lines: Any, count: int) -> list[Json]:
        found: list[Json] = []
        for line in lines:  # None when nothing has come for a while
            if line is not None and "event" in line:
                found.append(line)
            if len(found) == count:
                return found
            if line is None:
                start = next(numbers)
                with log.open("ab") as file:
                    file.write(numbered(start, start + 10))
        return found

    assert next(parsed) is None
    assert next(gone) is None
    (first,) = events(parsed, 1)
    assert first["stage"] == "parse.json"
    assert (first["event"]["n"] % 2, "env" in first["event"]) == (0, False)
    assert first["id"].endswith(f":{numbered(0, 10).index(numbered(first['event']['n'], first['event']['n'] + 1))}")
    (behind,) = events(gone, 1)
    assert (behind["stage"], behind["event"]["env"]) == ("env", "test")
    assert events(given, 1)[0]["event"]["env"] == "test"

    daemon.config.write_text(configuration("parse.json", to_file()))
    daemon.send(signal.SIGHUP)
    assert len(events(gone, 1000)) < 1000, "the stage is gone, and the tap has ended"
    rest = events(parsed, 1000)
    assert len(rest) == 5, "it goes on until it has what it wanted"
    # What was sampled before, and is not read yet, comes first.
    assert any("env" not in events(given, 1)[0]["event"] for _ in range(3000)), "it shows the new chain"
    assert daemon.stop() == 0, daemon.stderr()


def test_case_087_what_is_open_to_all_shows_no_secret_and_no_line(
    make_daemon: MakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "hunter2-and-more")
    port = free_port()
    daemon = make_daemon(
        configuration(
            "parse.json", {"use": "enrich.set", "values": {"a": 1}, "when": "key == '${TOKEN}'"}, to_file(),
            tables={"status": {"listen": f"127.0.0.1:{port}"}},
        )
    )  # fmt: skip
    (daemon.logs / "a.log").write_bytes(b'{"key": "a private line"}\nbroken private line\n')
    daemon.start()
    daemon.until(lambda: answers(daemon) and settled(daemon), "it is read")
    daemon.until(lambda: status(daemon)["dead_letters"]["count"] == 1, "with a dead letter")
    texts = []
    for path in ("/api/status", "/api/history", "/metrics", "/health", "/ready"):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            with connection.makefile("rb") as answer:
                texts.append(answer.read())
    for secret in (b"hunter2", b"private", (daemon.home / "state/token").read_bytes().strip()):
        assert not any(secret in text for text in texts), secret
    assert status(daemon)["flow"][2]["when"] == "key == '${TOKEN}'"
    assert daemon.stop() == 0


def test_a_daemon_that_was_killed_leaves_a_socket_that_the_next_one_takes(make_daemon: MakeDaemon) -> None:
    daemon = make_daemon(configuration())
    daemon.start()
    daemon.until(lambda: answers(daemon), "it answers")
    token = (daemon.home / "state/token").read_text()
    daemon.kill_group()
    assert (daemon.home / "state/control").exists()
    with pytest.raises(NoDaemonError):
        status(daemon)
    daemon.start()
    daemon.until(lambda: answers(daemon), "the next one answers")
    assert (daemon.home / "state/token").read_text() == token
    assert daemon.stop() == 0


def test_waiting_for_a_stop_it_is_unwell(make_daemon: MakeDaemon) -> None:
    """Nobody sends anything more to a daemon that is about to end."""
    with Server() as server:
        server.rules = [lambda _: Reply(503, b"overloaded")]
        daemon = make_daemon(
            configuration("parse.json", {"use": "write.http", "endpoint": server.url}, shutdown_timeout="20s")
        )
        (daemon.logs / "a.log").write_bytes(numbered(0, 5))
        daemon.start()
        daemon.until(lambda: answers(daemon) and status(daemon)["pending"]["lines"] == 5, "it waits for its sink")
        daemon.send(signal.SIGTERM)
        until(lambda: status(daemon)["state"] == "stopping", "it is stopping")
        assert status(daemon)["ready"] is False
        daemon.send(signal.SIGTERM)
        assert daemon.wait() != 0
