"""More files than the process may have open: each line once all the same."""

from __future__ import annotations

import pytest

from ..configuration import configuration, to_file
from ..waiting import until
from .conftest import MakeDaemon

CONFIG = configuration(
    "parse.raw",
    to_file("out/{output}.ndjson"),
    workers=2,
    commit_interval="50ms",
    chunk_bytes="64KiB",
    source={"max_line_bytes": "4KiB"},
)
FILES = 200
LIMIT = 100
LIMITED = ("sh", "-c", f'ulimit -n {LIMIT} && exec "$@"', "sh")  # the hard limit too: the daemon cannot raise it


@pytest.mark.parametrize("output", ["all", "{source}"], ids=["one-output", "as-many-outputs"])
def test_case_041_two_hundred_files_under_a_limit_of_a_hundred_each_line_once(
    make_daemon: MakeDaemon, output: str
) -> None:
    daemon = make_daemon(CONFIG.replace("{output}", output))

    def append(word: str, every: int = 1) -> None:
        for number in range(0, FILES, every):
            with (daemon.logs / f"{number}.log").open("a") as file:
                file.writelines(f"{number} {word} {n}\n" for n in range(10))

    def arrived(count: int) -> None:
        daemon.until(lambda: len(found()) >= count, f"{count} lines have arrived")

    def found() -> list[str]:
        paths = daemon.out.glob("*.ndjson")
        return [line for path in paths for line in path.read_text().splitlines() if line.endswith("}")]

    append("first")
    daemon.start(before=LIMITED)
    arrived(FILES * 10)
    assert 20 < sum(str(daemon.logs) in name for name in daemon.open_files()) < LIMIT, "of the logs some are open"
    for number in range(0, FILES, 7):
        (daemon.logs / f"{number}.log").rename(daemon.logs / f"{number}.old.log")
    append("second")
    arrived(FILES * 20)
    assert daemon.stop() == 0, daemon.stderr()
    append("third", every=3)
    more = -(-FILES // 3) * 10
    daemon.start("--until-eof", before=LIMITED)
    assert daemon.wait() == 0, daemon.stderr()
    until(daemon.group_is_gone, "no process is left")
    messages = [event["message"] for path in daemon.out.iterdir() for event in daemon.events(path.name)]
    wanted = {f"{number} {word} {n}" for number in range(FILES) for word in ("first", "second") for n in range(10)}
    wanted |= {f"{number} third {n}" for number in range(0, FILES, 3) for n in range(10)}
    assert len(messages) == FILES * 20 + more
    assert set(messages) == wanted
    assert "Traceback" not in daemon.stderr()
