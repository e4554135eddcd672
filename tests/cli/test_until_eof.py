"""``run --until-eof``: what makes it fail, and the options that are for it alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..configuration import configuration
from ..permissions import bound_command, needs_setpriv
from .conftest import Run

CONFIG = configuration(source={"paths": ["logs/*.log", "logs/below/*.log"]})


@pytest.fixture
def home(config: Path) -> Path:
    config.write_text(CONFIG)
    (config.parent / "logs" / "below").mkdir(parents=True)
    (config.parent / "logs" / "a.log").write_text('{"n":1}\n')
    return config.parent


def output(home: Path) -> str:
    return (home / "out" / "all.ndjson").read_text()


@needs_setpriv
def test_case_039_files_that_cannot_be_read_fail_the_run_and_are_named_at_its_end(home: Path) -> None:
    for name in ("b", "c"):
        (home / "logs" / f"{name}.log").write_text('{"n":2}\n')
        (home / "logs" / f"{name}.log").chmod(0)
    code, _, err = bound_command("run", "--until-eof")
    assert code == 1
    assert err.splitlines()[-2:] == [
        f"tailrace: {home}/logs/{name}.log: could not be read: Permission denied" for name in ("b", "c")
    ]
    assert output(home) == '{"n":1}\n', "the others are done"
    (home / "logs" / "b.log").chmod(0o600)
    (home / "logs" / "c.log").unlink()
    assert bound_command("run", "--until-eof")[0] == 0
    assert output(home) == '{"n":1}\n{"n":2}\n'


@needs_setpriv
def test_case_039_a_directory_that_cannot_be_looked_into_fails_the_run(home: Path) -> None:
    (home / "logs" / "below").chmod(0)
    try:
        code, _, err = bound_command("run", "--until-eof")
    finally:
        (home / "logs" / "below").chmod(0o700)
    assert code == 1
    assert err.splitlines()[-1].startswith(f"tailrace: {home}/logs/below: could not be read: Permission denied")


@needs_setpriv
def test_a_file_known_from_an_earlier_run_that_cannot_be_read_any_more_fails_the_run(home: Path, tailrace: Run) -> None:
    assert tailrace("run", "--until-eof")[0] == 0
    log = home / "logs" / "a.log"
    with log.open("a") as file:
        file.write('{"n":2}\n')
    log.chmod(0)
    code, _, err = bound_command("run", "--until-eof")
    assert code == 1
    assert err.splitlines()[-1] == f"tailrace: {log}: could not be read: Permission denied"


def test_case_028_the_last_line_is_taken_when_asked_for(home: Path, tailrace: Run) -> None:
    log = home / "logs" / "a.log"
    log.write_text('{"n":1}\n{"n":2}')
    assert tailrace("run", "--until-eof")[0] == 0
    assert output(home) == '{"n":1}\n'
    assert tailrace("run", "--until-eof", "--last-line")[0] == 0
    assert output(home) == '{"n":1}\n{"n":2}\n'
    with log.open("a") as file:
        file.write('\n{"n":3}\n')
    assert tailrace("run", "--until-eof")[0] == 0
    assert output(home) == '{"n":1}\n{"n":2}\n{"n":3}\n'


@pytest.mark.parametrize("workers", [0, 2])
def test_it_gives_up_an_output_that_cannot_work_and_says_what_is_stuck_and_pending(
    home: Path, tailrace: Run, workers: int
) -> None:
    (home / "config.toml").write_text(CONFIG.replace("workers = 0", f"workers = {workers}"))
    (home / "out" / "all.ndjson").mkdir(parents=True)
    (home / "logs" / "a.log").write_text('{"n":1}\n' * 1024)
    code, _, err = tailrace("run", "--until-eof", "--give-up", "300ms")
    assert code == 1
    last = err.splitlines()[-1]
    assert last.startswith(
        "tailrace: no output took anything for 300ms (--give-up); stuck: write.file:out/all.ndjson ("
    )
    assert "is a directory" in last.lower()
    assert "pending: 1,024 lines, 8.0 KiB of input" in last
    (home / "out" / "all.ndjson").rmdir()
    assert tailrace("run", "--until-eof", "--give-up", "60s")[0] == 0
    assert output(home) == '{"n":1}\n' * 1024


HANGING = """
import threading
from tailrace.stages.write.file import File

class Hanging(File):
    def METHOD(self, *arguments):
        threading.Event().wait()
"""


@pytest.mark.parametrize("method", ["deliver", "sync", "announce", "recover"])
def test_it_gives_up_a_sink_that_hangs(home: Path, tailrace: Run, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(home)
    module = f"hanging_{method}"
    (home / f"{module}.py").write_text(HANGING.replace("METHOD", method))
    (home / "config.toml").write_text(CONFIG.replace('"write.file"', f'"{module}:Hanging"'))
    code, _, err = tailrace("run", "--until-eof", "--give-up", "300ms")
    assert code == 1
    assert f"stuck: {module}:Hanging:out/all.ndjson (no answer yet)" in err.splitlines()[-1]


@pytest.mark.parametrize("options", [["--last-line"], ["--give-up", "5m"], ["--until-eof", "--give-up", "5"]])
def test_they_are_for_a_run_that_ends_and_a_time_has_a_unit(home: Path, tailrace: Run, options: list[str]) -> None:
    code, out, err = tailrace("run", *options)
    assert (code, out) == (2, "")
    assert "--until-eof" in err or "unit" in err
    assert not (home / "state").exists()
