"""All problems of a configuration at once, in the order of its lines."""
# ruff: noqa: E501 - messages stand here as they are shown

from __future__ import annotations

from pathlib import Path

import pytest
from tailrace.pipeline.chain import loader

from .config_kit import SOURCE, Load, Problems


def test_all_problems_are_told_at_once_in_the_order_of_the_file(problems: Problems) -> None:
    assert problems(
        """
[pipeline]
workers = 65
chunk_bytes = 1048576
commit_bytes = "1mb"
line_timeout = true
name = "a b"
worker = 1
paths = []

[sources]
[log]
level = "warn"

[[stages]]
use = "stubs:Some"
valeus = { a = 1 }
limit = "5"
mode = "fats"
names = [1, "a"]
[stages.numbers]
a = 1
b = "x"
[[stages]]
use = "stubs:Some"
pair = [1]
place = "/tmp"
color = "red"
on_error = "deadletter"
only = []
id = "x"
"""
    ) == [
        'config.toml:3: [pipeline]: key "workers": found 65, expected a whole number from 0 to 64: '
        "0 runs the stages in the main process; more processes than cores gain nothing",
        'config.toml:4: [pipeline]: key "chunk_bytes": found 1048576, which has no unit; '
        'for that many bytes write "1MiB"',
        'config.toml:5: [pipeline]: key "commit_bytes": found "1mb", whose unit "mb" is not known; '
        'did you mean "1MB"? (units: B, KB, KiB, MB, MiB, GB, GiB, TB, TiB)',
        'config.toml:6: [pipeline]: key "line_timeout": found true, expected a duration with its unit, '
        'for example "30s"',
        'config.toml:7: [pipeline]: key "name": found "a b", expected a name of 1 to 64 letters, digits, '
        '"_", "-" or "."',
        'config.toml:8: [pipeline]: key "worker": unknown key; did you mean "workers"? (known: name, state_dir, '
        "workers, chunk_bytes, commit_interval, commit_bytes, line_timeout, task_timeout, worker_memory, "
        "stage_memory, shutdown_timeout)",
        'config.toml:9: [pipeline]: key "paths": unknown key; it belongs to [source] (known: name, state_dir, '
        "workers, chunk_bytes, commit_interval, commit_bytes, line_timeout, task_timeout, worker_memory, "
        "stage_memory, shutdown_timeout)",
        "config.toml:11: [sources]: unknown table; did you mean [source]? (known: [pipeline], [source], "
        "[dead_letters], [log], [status], [secrets], [[stages]])",
        'config.toml:13: [log]: key "level": found "warn", expected "debug" or "info" or "warning" or "error"; '
        'did you mean "warning"?',
        'config.toml:17: [[stages]] #1 stubs:Some: key "valeus": unknown key; did you mean "values"? (known: field, '
        "limit, ratio, on, mode, names, values, numbers, pair, number, place, color; on every enrich stage: use, name, "
        "only, when, on_error)",
        'config.toml:18: [[stages]] #1 stubs:Some: key "limit": found "5", expected a whole number',
        'config.toml:19: [[stages]] #1 stubs:Some: key "mode": found "fats", expected "fast" or "slow"',
        'config.toml:20: [[stages]] #1 stubs:Some: key "names[0]": found 1, expected a string',
        'config.toml:23: [[stages]] #1 stubs:Some: key "numbers.b": found "x", expected a whole number',
        'config.toml:26: [[stages]] #2 stubs:Some: key "pair": found [1], expected one more element',
        'config.toml:27: [[stages]] #2 stubs:Some: key "place": the field\'s type, Path, cannot be sent to the '
        "workers; use strings, numbers, booleans, lists or tables",
        'config.toml:28: [[stages]] #2 stubs:Some: key "color": the field\'s type, Color, cannot be sent to the '
        "workers; use strings, numbers, booleans, lists or tables",
        'config.toml:29: [[stages]] #2 stubs:Some: key "on_error": found "deadletter", expected "dead_letter" or '
        '"keep" or "drop"; did you mean "dead_letter"?',
        'config.toml:30: [[stages]] #2 stubs:Some: key "only": found [], which matches no file; leave `only` out to '
        "take every file",
        'config.toml:31: [[stages]] #2 stubs:Some: key "id": only write stages have an id',
    ]


def test_ten_mistakes_are_ten_problems_in_the_order_of_the_lines(problems: Problems) -> None:
    found = problems(
        """
[pipeline]
worker = 2
commit_interval = "1sec"

[sourc]
paths = ["*.log"]

[[stages]]
use = "parse.jsn"

[[stages]]
use = "enrich.set"
valeus = { a = 1 }
expr = { b = "status //", right = "a + 1", c = "foo(1)" }

[[stages]]
use = "enrich.filter"
when = "a ="
keep = "1 +"

[[stages]]
use = "write.file"
path = "out/{tiem:%Y}/x"
"""
    )
    assert [message.split("\n")[0] for message in found] == [
        'config.toml:3: [pipeline]: key "worker": unknown key; did you mean "workers"? (known: name, state_dir, '
        "workers, chunk_bytes, commit_interval, commit_bytes, line_timeout, task_timeout, worker_memory, "
        "stage_memory, shutdown_timeout)",
        'config.toml:4: [pipeline]: key "commit_interval": found "1sec", whose unit "sec" is not known; did you mean '
        '"1s"? (units: ms, s, m, h, d)',
        "config.toml:6: [sourc]: unknown table; did you mean [source]? (known: [pipeline], [source], "
        "[dead_letters], [log], [status], [secrets], [[stages]])",
        'config.toml:10: [[stages]] #1 parse.jsn: key "use": there is no stage parse.jsn; did you mean "parse.json"? '
        f"(known: {', '.join(name for name in loader.built_in() if name.startswith('parse.'))})",
        'config.toml:14: [[stages]] #2 enrich.set: key "valeus": unknown key; did you mean "values"? (known: values, '
        "expr; on every enrich stage: use, name, only, when, on_error)",
        'config.toml:15: [[stages]] #2 enrich.set: key "expr.b": not a Python expression: invalid syntax (column 10)',
        'config.toml:15: [[stages]] #2 enrich.set: key "expr.c": no function foo(): functions are abs, bool, float, '
        "int, len, max, min, round, str (column 1)",
        'config.toml:19: [[stages]] #3 enrich.filter: key "when": found "a =", not a Python expression: invalid syntax '
        "(column 3)",
        'config.toml:20: [[stages]] #3 enrich.filter: key "keep": not a Python expression: invalid syntax (column 4)',
        f"config.toml:24: [[stages]] #4 write.file: key \"path\": the path '{Path.cwd()}/out/{{tiem:%Y}}/x' has a format "
        "in {tiem:%Y}: only {time:...} takes one",
    ]
    assert found[5].split("\n")[1:] == ["        status //", "                 ^"], "the caret is below its place"


@pytest.mark.parametrize(
    ("stage", "keys"),
    [
        ('use = "stubs:Some"\nlimitt = 5', ["limitt"]),
        ('use = "stubs:Some"\nlimit = 0\nrate = 1', ["limit", "rate"]),
        ('use = "stubs:Some"\nlimit = 0\nratio = "x"', ["limit", "ratio"]),
        ('use = "stubs:Needs"\nfeild = "a"\nways = "b"', ["feild", "ways"]),
        ('use = "enrich.set"\nvaleus = { a = 1 }', ["valeus"]),
        ('use = "enrich.filter"\ndorp = "a"', ["dorp"]),
        ('use = "parse.regex"\npatern = "a"', ["patern"]),
        ('use = "parse.regex"\npatterns = ["(?P<a>", "(?P<a>x)", "y"]', ["patterns[0]", "patterns[2]"]),
    ],
)
def test_one_mistake_in_a_stage_neither_hides_another_nor_makes_one_up(
    problems: Problems, stage: str, keys: list[str]
) -> None:
    found = problems(f"{SOURCE}[[stages]]\n{stage}\n")
    assert [message.partition('key "')[2].partition('"')[0] for message in found] == keys


def test_several_lines_of_a_stages_message_are_several_problems(problems: Problems, directory: Path) -> None:
    (directory / "own.py").write_text(
        "from dataclasses import dataclass, field\n@dataclass\nclass Own:\n    a: list = field(default_factory=list)\n"
        "    b: dict = field(default_factory=dict)\n    def process(self, events): return events\n"
        "    def __post_init__(self):\n"
        "        raise ValueError('nothing fits\\na[1]: is bad\\n    see there\\n`b` too\\nb.x.y: unknown')\n"
    )
    assert problems(SOURCE + '[[stages]]\nuse = "own:Own"\na = [1,\n2]\n[stages.b]\nx = { y = 1 }\n') == [
        "config.toml:3: [[stages]] #1 own:Own: nothing fits",
        'config.toml:6: [[stages]] #1 own:Own: key "a[1]": is bad\n        see there',
        'config.toml:7: [[stages]] #1 own:Own: key "b": `b` too',
        'config.toml:8: [[stages]] #1 own:Own: key "b.x.y": unknown',
    ]


def test_a_stage_without_use_is_told_what_was_perhaps_meant(problems: Problems) -> None:
    (found,) = problems(SOURCE + '[[stages]]\nues = "parse.json"\n')
    assert found.endswith(
        'missing key "use": the stage\'s name, for example "parse.json"; found "ues", did you mean "use"?'
    )


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ('[source]\nread_from = "middle"\n', ["read_from", "needs at least one path"]),
        ('[source]\npahts = ["a"]\n', ["pahts"]),
        ("[source]\npaths = [1]\n", ["paths"]),
        ("source = 1\n", ["[source]"]),
    ],
)
def test_missing_paths_are_told_once(problems: Problems, table: str, told: list[str]) -> None:
    found = problems(table)
    assert len(found) == len(told)
    for word in told:
        assert any(word in message for message in found)


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("out/{sorce}", True),
        ("out/{soruce}", True),
        ("out/{sourse}", True),
        ("out/{source}", False),
        ("out/{resource}", False),
        ("out/{sources}", False),
        ("out/{score}", False),
        ("out/{{sorce}}", False),
    ],
)
def test_a_placeholder_that_looks_like_a_misspelt_one_is_a_warning(load_text: Load, path: str, *, near: bool) -> None:
    warnings = load_text(SOURCE + f'[[stages]]\nuse = "stubs:Line"\n[[stages]]\nuse = "write.file"\npath = "{path}"\n')
    assert any("did you mean {source}" in warning for warning in warnings.warnings) == near
