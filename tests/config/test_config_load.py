"""A right configuration as values; variables; files that cannot be read."""
# ruff: noqa: E501 - messages stand here as they are shown

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tailrace.pipeline.chain import loader
from tailrace.pipeline.config.load import load
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.settings import Config, SourceSettings

from .config_kit import SOURCE, STAGES, Load, Problems


def test_the_configuration_of_the_repository_is_right() -> None:
    config = load(Path(__file__).parents[2] / "config.toml", environ={})
    assert [spec.use for spec in config.stages][:2] == ["parse.combined", "parse.json"]
    assert config.warnings == ()
    for spec in config.stages:
        assert loader.role_of(type(loader.build(spec, config.directory))) == spec.role


def test_defaults_hold_where_the_file_says_nothing(load_text: Load, directory: Path) -> None:
    config = load_text(SOURCE + STAGES)
    text = (directory / "config.toml").read_bytes()
    assert config.path == directory / "config.toml"
    assert config.directory == directory
    assert config.digest == hashlib.sha256(text).hexdigest()[:16]
    assert config.pipeline.state_dir == str(directory / "state")
    assert (config.pipeline.chunk_bytes, config.pipeline.commit_interval) == (1 << 20, 1.0)
    assert config.tail.paths == (str(directory / "logs/*.log"),)
    assert config.warnings == ()


def test_every_key_of_the_engine_is_read(load_text: Load, directory: Path) -> None:
    config = load_text(
        """
        [pipeline]
        name = "demo"
        state_dir = "/var/lib/x"
        workers = 0
        chunk_bytes = "64KiB"
        commit_interval = "500ms"
        commit_bytes = "10MB"
        line_timeout = "2s"
        task_timeout = "1m"
        worker_memory = "1GiB"
        shutdown_timeout = "1h"
        [source]
        use = "tail"
        paths = ["../logs/*.log", "/var/log/a"]
        exclude = ["logs/b*"]
        read_from = "end"
        max_line_bytes = "16KiB"
        close_after = "1d"
        [dead_letters]
        max_bytes = "1.5MiB"
        when_full = "drop_oldest"
        [log]
        format = "json"
        level = "debug"
        [status]
        listen = "[::1]:9600"
        """
        + STAGES
    )
    pipeline, source = config.pipeline, config.tail
    assert (pipeline.name, pipeline.state_dir, pipeline.workers) == ("demo", "/var/lib/x", 0)
    assert (pipeline.chunk_bytes, pipeline.commit_interval, pipeline.commit_bytes) == (65536, 0.5, 10_000_000)
    assert (pipeline.line_timeout, pipeline.task_timeout) == (2.0, 60.0)
    assert (pipeline.worker_memory, pipeline.shutdown_timeout) == (1 << 30, 3600.0)
    assert source.paths == (str(directory.parent / "logs/*.log"), "/var/log/a")
    assert source.exclude == (str(directory / "logs/b*"),)
    assert (source.read_from, source.max_line_bytes, source.close_after) == ("end", 16384, 86400.0)
    assert (config.dead_letters.max_bytes, config.dead_letters.when_full) == (3 << 19, "drop_oldest")
    assert (config.log.format, config.log.level) == ("json", "debug")
    assert config.warnings == ()


def test_stage_tables_become_plain_values_that_build_the_stage(load_text: Load, directory: Path) -> None:
    config = load_text(
        SOURCE
        + """
        [[stages]]
        use = "stubs:Some"
        only = "a*"
        on_error = "keep"
        ratio = 1
        pair = [1, "b"]
        values = { at = 2026-01-02T03:04:05Z, day = 2026-01-02, list = [1, 2.5, true, "x"] }
        [[stages]]
        use = "stubs:Some"
        only = ["a*", "b?"]
        [[stages]]
        use = "stubs:Out"
        path = "./out/{source}"
        [[stages]]
        use = "stubs:Console"
        id = "screen"
        """
    )
    first, second, out, console = config.stages
    assert first.options == {
        "ratio": 1.0,
        "pair": [1, "b"],
        "values": {"at": "2026-01-02T03:04:05Z", "day": "2026-01-02", "list": [1, 2.5, True, "x"]},
    }
    assert isinstance(first.options["ratio"], float)
    assert (first.label, first.role, first.only, first.on_error, first.id) == (
        "stubs:Some",
        "enrich",
        ("a*",),
        "keep",
        "",
    )
    assert (second.label, second.only) == ("stubs:Some#2", ("a*", "b?"))
    assert (out.id, out.options) == ("stubs:Out:./out/{source}", {"path": str(directory / "out/{source}")})
    assert (console.id, console.role) == ("screen", "write")
    assert loader.build(first, directory).ratio == 1.0


def test_a_configuration_goes_to_a_worker_as_json_and_comes_back_equal(load_text: Load, directory: Path) -> None:
    config = load_text(SOURCE + STAGES + '[status]\nlisten = "localhost:1"\n')
    received = Config.from_json(config.to_json())
    assert received.source == SourceSettings("tail", 1 << 20), "of its source a worker knows what every source has"
    assert replace(received, source=config.source) == config
    undecodable = os.fsdecode(b"/tmp/\xff")
    strange = Config(Path(undecodable), directory, "x", (), warnings=("a",))
    assert Config.from_json(strange.to_json()).path == strange.path


def test_a_worker_builds_stages_without_pydantic(load_text: Load) -> None:
    config = load_text(SOURCE + STAGES)
    code = (
        "import sys; from tailrace.pipeline.settings import Config; from tailrace.pipeline.chain.loader import build\n"
        "config = Config.from_json(sys.stdin.buffer.read())\n"
        "print([type(build(spec, config.directory)).__name__ for spec in config.stages], 'pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=config.to_json(), capture_output=True, check=True)
    assert done.stdout.decode().strip() == "['Line', 'Out'] False"


def test_case_087_variables_feed_strings_numbers_and_booleans(load_text: Load) -> None:
    config = load_text(
        SOURCE
        + """
        [pipeline]
        workers = "${N}"
        chunk_bytes = "${SIZE:-64KiB}"
        [[stages]]
        use = "stubs:Some"
        field = "${N}"
        limit = "${N}"
        ratio = "${F}"
        on = "${T}"
        number = "${F}"
        numbers = { a = "${N}" }
        values = { a = "${N}", b = "x-${N}", c = "$${N}", "${N}" = 1 }
        """,
        {"N": "3", "F": "0.25", "T": "true"},
    )
    assert (config.pipeline.workers, config.pipeline.chunk_bytes) == (3, 65536)
    assert config.stages[0].options == {
        "field": "3",
        "limit": 3,
        "ratio": 0.25,
        "on": True,
        "number": 0.25,
        "numbers": {"a": 3},
        "values": {"a": "3", "b": "x-3", "c": "${N}", "${N}": 1},
    }


def test_missing_and_misspelled_variables_are_told_together(problems: Problems) -> None:
    found = problems(
        SOURCE
        + """[pipeline]
name = "${A}-${B}"
state_dir = "${C:?say where the state goes}"
workers = "${D:4}"
task_timeout = "${E}"
[[stages]]
use = "stubs:Some"
limit = "${E}"
ratio = "x${E}"
""",
        {"D": "1", "E": "secret"},
    )
    assert found == [
        'config.toml:4: [pipeline]: key "name": environment variable A is not set; set it, or give a default: '
        "${A:-default}; environment variable B is not set; set it, or give a default: ${B:-default}",
        'config.toml:5: [pipeline]: key "state_dir": environment variable C is not set: say where the state goes',
        'config.toml:6: [pipeline]: key "workers": "${D:4}" is not a supported form; did you mean "${D:-4}"? (forms: '
        "${VAR}, ${VAR:-default}, ${VAR:?message}, $$ for a literal $)",
        'config.toml:7: [pipeline]: key "task_timeout": found "${E}", expected a duration: one number and one unit, '
        'for example "30s"',
        'config.toml:10: [[stages]] #1 stubs:Some: key "limit": found "${E}", expected a whole number, but the variable '
        "holds something else",
        'config.toml:11: [[stages]] #1 stubs:Some: key "ratio": found "x${E}", expected a number',
    ]
    assert "secret" not in "".join(found)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "[source\n",
            "config.toml:1:8: not valid TOML: expected ']' at the end of a table declaration, found the end of the line\n"
            "    [source\n"
            "           ^",
        ),
        (
            "[source]\n\tpaths = [logs/x.log]\n",
            'config.toml:2:11: not valid TOML: found logs/x.log; write it in quotes, "logs/x.log", if it is a string\n'
            "    \tpaths = [logs/x.log]\n"
            "    \t         ^",
        ),
        (
            "[a]\nclose_after = 5s",
            'config.toml:2:16: not valid TOML: a value with a unit needs quotes: "5s"\n'
            "    close_after = 5s\n"
            "                   ^",
        ),
        (
            "a = [1,\n\n",
            "config.toml:2:1: not valid TOML: expected a value, found the end of the file\n    \n    ^",
        ),
        (
            "a = { b = 1,\nc = 2 }",
            "config.toml:1:13: not valid TOML: a table in braces must be on one line; write a longer one as [its.name] "
            "with its keys below\n"
            "    a = { b = 1,\n"
            "                ^",
        ),
        (
            'a = "\x1b[31m"\n',
            "config.toml:1:6: not valid TOML: illegal character '\\x1b', found \"\\x1b\"\n"
            '    a = "\\x1b[31m"\n'
            "         ^",
        ),
    ],
)
def test_a_syntax_error_shows_the_line_with_a_caret(problems: Problems, text: str, problem: str) -> None:
    assert problems(text) == [problem]


def test_a_file_that_cannot_be_read_says_why(directory: Path) -> None:
    def problem(name: str) -> str:
        with pytest.raises(ConfigError) as caught:
            load(name, environ={})
        (only,) = caught.value.problems
        return only

    (directory / "latin.toml").write_bytes(b"# ok\nname = '\xe9'\n")
    (directory / "digits.toml").write_text(f"a = {'1' * 5000}\n")
    (directory / "deep.toml").write_text(f"a = {'[' * 5000}\n")
    assert problem("none.toml") == f"none.toml: there is no such file (looked for {directory}/none.toml)"
    assert problem(str(directory)) == f"{directory}: this is a directory; expected a TOML file"
    assert problem("stubs.py/x.toml") == "stubs.py/x.toml: cannot be read: Not a directory"
    assert problem("a\0b") == "a\\x00b: cannot be read: embedded null byte"
    assert problem("/dev/zero") == "/dev/zero: larger than 16 MiB; expected a TOML file"
    assert problem("latin.toml") == "latin.toml:2: not UTF-8: byte 0xe9 at offset 13; TOML is always UTF-8"
    assert problem("digits.toml").startswith("digits.toml: ")
    assert problem("deep.toml") == "deep.toml: tables or lists are nested too deeply (at most 32 levels)"


def test_a_byte_order_mark_is_no_mistake(directory: Path) -> None:
    (directory / "config.toml").write_text("\ufeff" + SOURCE + STAGES)
    assert load("config.toml", environ={}).tail.paths


def test_case_083_nothing_in_a_message_can_write_to_the_terminal(problems: Problems) -> None:
    found = problems(
        SOURCE
        + '["\\u001b[31m"]\n[pipeline]\nname = "\\u001b[31m\\u202e"\n"\\u0007" = 1\n[[stages]]\nuse = "\\u001b[31m"\nx = 1\n'
    )
    assert len(found) == 4
    assert "".join(found).isprintable()


@pytest.mark.parametrize(("key", "value"), [("ratio", "nan"), ("ratio", "1e999"), ("limit", "9" * 30), ("on", "yes")])
def test_case_087_a_variable_feeds_no_value_that_toml_could_not_hold(problems: Problems, key: str, value: str) -> None:
    (found,) = problems(SOURCE + f'[[stages]]\nuse = "stubs:Some"\n{key} = "${{V}}"\n', {"V": value})
    assert 'found "${V}", expected ' in found
    assert found.endswith(", but the variable holds something else")


def test_a_plain_class_is_a_stage_too(load_text: Load, directory: Path) -> None:
    (directory / "plain.py").write_text("class Plain:\n    def process(self, events): return events\n")
    config = load_text(SOURCE + '[[stages]]\nuse = "plain:Plain"\n')
    assert loader.build(config.stages[0], directory).process([{}]) == [{}]


def test_a_missing_variable_in_a_stage_is_told_with_the_stages_name(problems: Problems) -> None:
    found = problems(SOURCE + '[[stages]]\nuse = "stubs:Some"\nvalues = { env = "${A}" }\n[[stages]]\nuse = "${B}"\n')
    assert found == [
        'config.toml:5: [[stages]] #1 stubs:Some: key "values.env": environment variable A is not set; set it, or give '
        "a default: ${A:-default}",
        'config.toml:7: [[stages]] #2 ${B}: key "use": environment variable B is not set; set it, or give a default: '
        "${B:-default}",
    ]


@pytest.mark.parametrize("path", ["out/", "out/{source}/", "out/."])
def test_an_output_that_names_a_directory_is_refused(problems: Problems, path: str) -> None:
    (found,) = problems(SOURCE + f'[[stages]]\nuse = "write.file"\npath = "{path}"\n')
    assert found.startswith('config.toml:5: [[stages]] #1 write.file: key "path": the path ')
    assert found.endswith("ends in a directory: a file's name is missing")
