"""The command's frame: exit codes, messages instead of tracebacks, environment, closed pipes, quick start."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tailrace.pipeline.cli import arguments as options
from tailrace.pipeline.cli import dlq, main
from tailrace.pipeline.errors import TailraceError, UsageError
from tailrace.pipeline.settings import LogSettings

from tailrace.version import __version__

from ..permissions import bound_command, needs_setpriv
from .conftest import COMMAND, Run


def test_version_is_told_without_importing_anything_heavy() -> None:
    code = (
        "import sys\nbefore = set(sys.modules)\nfrom tailrace.pipeline.cli.main import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit: pass\n"
        "heavy = {'structlog', 'rich', 'pydantic', 'sqlite3', 'orjson', 'json', 'dataclasses'}\n"
        "heavy.add('tailrace.pipeline.run.daemon')\n"
        "print(sorted(heavy & set(sys.modules) - before))"  # (an editable installation imports some by itself)
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"tailrace {__version__}\n[]\n"


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_command_has_help_with_examples(tailrace: Run, name: str) -> None:
    code, out, _ = tailrace(name, "--help")
    assert code == 0
    assert f"examples:\n  tailrace {name}" in out
    assert name in tailrace("--help")[1]


def test_wrong_use_is_exit_code_2(tailrace: Run) -> None:
    assert tailrace()[0] == 2
    assert tailrace("fly")[0] == 2
    assert tailrace("run", "--no-such-option")[0] == 2


@pytest.mark.parametrize("arguments", [("run",), ("check",), ("dlq", "list"), ("replay", "a.log")])
def test_a_missing_configuration_is_exit_code_78(
    tailrace: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TAILRACE_CONFIG", raising=False)
    code, out, err = tailrace(*arguments)
    assert (code, out) == (78, "")
    assert err == (
        f"tailrace: config.toml: there is no such file (looked for {tmp_path}/config.toml); "
        "name another with -c CONFIG or $TAILRACE_CONFIG\n"
    )


def test_all_problems_of_a_configuration_are_told(tailrace: Run, config: Path) -> None:
    config.write_text('[pipeline]\nworkers = "x"\nnam = 1\n[[stages]]\nuse = "parse.raw"\n')
    code, _, err = tailrace("check")
    assert code == 78
    assert len([line for line in err.splitlines() if line.startswith("tailrace: config.toml:")]) >= 2


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def execute(_arguments: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr(dlq, "define", lambda parser: parser.set_defaults(execute=execute))


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            TailraceError("state: locked\nby \x1b[1m another"),
            1,
            "tailrace: state: locked\ntailrace: by \\x1b[1m another\n",
        ),
        (UsageError("no"), 2, "tailrace: no\n"),
        (BrokenPipeError(), 0, ""),
        (KeyboardInterrupt(), 1, ""),
    ],
)
def test_errors_become_messages_and_codes(
    tailrace: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, message: str
) -> None:
    failing(monkeypatch, error)
    assert tailrace("dlq") == (code, "", message)


def test_an_empty_path_is_none(tailrace: Run) -> None:
    assert tailrace("check", "")[::2] == (2, "tailrace: CONFIG is empty; expected the path of a configuration\n")


def test_our_own_mistakes_keep_their_traceback(tailrace: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        tailrace("dlq")


def test_the_configuration_comes_from_the_environment_unless_given(
    tailrace: Run, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = config.with_name("other.toml")
    config.rename(other)
    assert tailrace("dlq", "list")[0] == 78
    monkeypatch.setenv("TAILRACE_CONFIG", str(other))
    assert "there is no state file" in tailrace("dlq", "list")[2]
    assert tailrace("dlq", "list", "-c", "missing.toml")[0] == 78


def test_log_settings_come_from_the_environment_and_the_options() -> None:
    given = LogSettings(level="warning", format="console")

    def settings(verbose: int = 0, quiet: int = 0, **environ: str) -> tuple[str, str]:
        found = options.log_settings(given, verbose, quiet, environ)
        return found.level, found.format

    assert settings() == ("warning", "console")
    assert settings(TAILRACE_LOG_LEVEL="info", TAILRACE_LOG_FORMAT="json") == ("info", "json")
    assert settings(verbose=1) == ("info", "console")
    assert settings(verbose=9) == ("debug", "console")
    assert settings(quiet=1, TAILRACE_LOG_LEVEL="info") == ("warning", "console")
    assert settings(quiet=9) == ("error", "console")
    with pytest.raises(UsageError, match=r"TAILRACE_LOG_LEVEL is 'loud'; expected one of: debug, info"):
        settings(TAILRACE_LOG_LEVEL="loud")


def test_a_closed_pipe_ends_quietly(put: Callable[..., None], config: Path) -> None:
    for _ in range(200):
        put(raw=b"x" * 4000)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "dlq", "export", "-c", config], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_error_does_not_change_the_exit_code(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*COMMAND, "check", tmp_path / "missing"], stderr=full, check=False)
    assert done.returncode == 78


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_standard_output_is_a_failure_with_a_message(put: Callable[..., None], config: Path) -> None:
    put()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "dlq", "export", "-c", config], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "tailrace: [Errno 28] No space left on device\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_standard_streams_do_no_harm(tmp_path: Path, closed: str) -> None:
    line = f'"$@" {closed}'
    done = subprocess.run(["sh", "-c", line, "sh", *COMMAND, "check", tmp_path / "missing"], check=False)
    assert done.returncode == 78


@pytest.mark.parametrize("arguments", [["dlq", "list", "c.toml"], ["check", "a.toml", "b.toml"], ["run", "--bogus"]])
def test_unknown_arguments_are_answered_with_the_usage_of_the_command(
    arguments: list[str], tailrace: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, err = tailrace(*arguments)
    assert code == 2
    assert err.startswith(f"usage: tailrace {arguments[0]} ")
    assert "error: unrecognized arguments: " in err


@pytest.mark.parametrize("name", ["", "logs/access.log", "/", ".."])
def test_the_name_that_replay_gives_a_file_is_a_name(name: str, tailrace: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = tailrace("replay", "--as", name, "access.log")
    assert code == 2
    assert f"argument --as: {name!r} is not a file name" in err


def test_help_fits_a_terminal_of_eighty_columns(
    tailrace: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for arguments in (["--help"], *([command, "--help"] for command in main.COMMANDS)):
        assert max(map(len, tailrace(*arguments)[1].splitlines())) <= 80


@pytest.mark.parametrize("command", [["run", "--until-eof"], ["check"]])
def test_commands_without_other_arguments_take_the_configuration_either_way(
    tailrace: Run, config: Path, command: list[str]
) -> None:
    other = config.rename(config.with_name("other.toml"))
    for way in ([other], ["-c", other], ["--config", other]):
        assert tailrace(*command, *way)[0] == 0
    code, _, err = tailrace(*command, other, "-c", other)
    assert (code, err) == (2, "tailrace: the configuration is given twice; expected either CONFIG or -c CONFIG\n")


@needs_setpriv
@pytest.mark.parametrize("command", [["run"], ["check"], ["dlq", "stats"], ["replay", "a.log"]])
def test_who_named_a_configuration_that_cannot_be_read_is_told(
    tailrace: Run, config: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    origin = "; the path comes from $TAILRACE_CONFIG\n"
    for path in (config.with_name("missing.toml"), config.parent):
        monkeypatch.setenv("TAILRACE_CONFIG", str(path))
        code, _, err = tailrace(*command)
        assert code == 78
        assert err.startswith(f"tailrace: {path}: ")
        assert err.endswith(origin)
        code, _, err = tailrace(*command, "-c", path)
        assert code == 78
        assert origin.strip() not in err, "the command line named it"
    config.chmod(0)
    monkeypatch.setenv("TAILRACE_CONFIG", str(config))
    code, _, err = bound_command(*command)
    assert (code, err) == (78, f"tailrace: {config}: cannot be read: Permission denied{origin}")
    config.chmod(0o600)
    config.write_text("[pipelin]\n")
    assert origin.strip() not in tailrace(*command)[2], "it could be read: what is wrong stands in it"


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["ruun"], "'ruun' is unknown (did you mean run?); expected one of: run, "),
        (["dlq", "lits"], "'lits' is unknown (did you mean list?); expected one of: list, "),
        (["--verison"], "--verison (did you mean --version?)"),
        (["run", "--until-eov"], "--until-eov (did you mean --until-eof?)"),
        (["replay", "--speeed=2x", "a.log"], "--speeed=2x (did you mean --speed?)"),
        (["dlq", "drop", "--erorr=x"], "--erorr=x (did you mean --error?)"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest(tailrace: Run, arguments: list[str], meant: str) -> None:
    code, out, err = tailrace(*arguments)
    assert (code, out) == (2, "")
    assert meant in err


def test_it_is_called_tailrace_however_it_was_started() -> None:
    for start in (["-m", "tailrace"], ["-c", "from tailrace.pipeline.cli.main import main; main()"]):
        done = subprocess.run([sys.executable, *start, "--help"], capture_output=True, text=True, check=True)
        assert done.stdout.startswith("usage: tailrace [-h] [--version] COMMAND ...")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_on_a_terminal_help_and_version_are_plain(option: str) -> None:
    screen, ours = os.openpty()
    done = subprocess.run(
        [*COMMAND, option], stdout=ours, env={**os.environ, "TERM": "xterm-256color", "FORCE_COLOR": "1"}, check=False
    )
    os.close(ours)
    shown = os.read(screen, 1 << 16)
    os.close(screen)
    assert done.returncode == 0
    assert b"tailrace" in shown
    assert b"\x1b" not in shown
