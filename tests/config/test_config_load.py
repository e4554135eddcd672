"""A right configuration as values; a wrong one as problems, each with its place, what was found and what to write."""
# ruff: noqa: E501 - messages stand here as they are shown

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tailrace.pipeline.chain import loader
from tailrace.pipeline.config.load import load
from tailrace.pipeline.config.paths import STATE_FILES
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.settings import Config, SourceSettings

Load = Callable[..., Config]
Problems = Callable[..., list[str]]

SOURCE = '[source]\npaths = ["logs/*.log"]\n'
STAGES = '[[stages]]\nuse = "stubs:Line"\n[[stages]]\nuse = "stubs:Out"\npath = "out/{source}.ndjson"\n'


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
    assert config.warnings == ("config.toml:26: [status]: has no effect yet: there is no status server",)


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
        "[dead_letters], [log], [status], [[stages]])",
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
        "[dead_letters], [log], [status], [[stages]])",
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


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "workers = 2\n" + SOURCE,
            'config.toml:1: key "workers": this key belongs in a table: move it below [pipeline]',
        ),
        (
            SOURCE + "[stages]\nuse = 'x'\n",
            "config.toml:3: [[stages]]: write [[stages]] with double brackets, once for",
        ),
        (
            "[[source]]\npaths = ['a']\n",
            "config.toml:1: [source]: this table is written once: use [source] with single",
        ),
        (
            '[source]\npaths = "a"\n',
            'config.toml:2: [source]: key "paths": found "a", expected a list of strings: write',
        ),
        ("[source]\npaths = [1]\n", 'config.toml:2: [source]: key "paths[0]": found 1, expected a string'),
        ("[source]\npaths = []\n", "config.toml:1: [source]: needs at least one path"),
        (
            '[source]\npaths = ["~/a"]\n',
            '[source]: key "paths[0]": found "~/a", expected a path; "~" is not expanded: wri',
        ),
        (
            '[pipeline]\nworkers = "2"\n' + SOURCE,
            'found "2", expected a whole number from 0 to 64: write 2, without quot',
        ),
        ("[pipeline]\nworkers = true\n" + SOURCE, "found true, expected a whole number from 0 to 64"),
        ('[pipeline]\nstate_dir = ""\n' + SOURCE, 'key "state_dir": found "", expected a string that is not empty'),
        (
            '[pipeline]\nchunk_bytes = "2MiB"\ncommit_bytes = "1MiB"\n' + SOURCE,
            "is 1 MiB, expected at least chunk_bytes, 2 MiB",
        ),
        (
            '[pipeline]\nline_timeout = "30s"\n' + SOURCE,
            'key "task_timeout": is 30s, expected more than line_timeout, 30',
        ),
        (
            '[dead_letters]\nmax_bytes = "512KiB"\n' + SOURCE,
            "is 512 KiB, expected at least max_line_bytes of [source], 1 MiB",
        ),
        (
            '[status]\nlisten = "9600"\n' + SOURCE,
            'found "9600", expected an address and a port from 1 to 65535, for exa',
        ),
        ("[pipeline]\nname = nan\n" + SOURCE, 'key "name": found nan, expected a finite number'),
        (f"[pipeline]\nworkers = {10**30}\n" + SOURCE, "expected a number of at most 64 bits"),
        (
            SOURCE + f"[[stages]]\nuse = 'stubs:Some'\nvalues = {{ a = {'[' * 40}{']' * 40} }}\n",
            "nested too deeply (at m",
        ),
    ],
)
def test_a_wrong_table_says_what_was_expected(problems: Problems, text: str, problem: str) -> None:
    found = problems(text)
    assert len(found) == 1, found
    assert problem in found[0]


@pytest.mark.parametrize(
    ("stage", "problem"),
    [
        ("usee = 'x'", 'config.toml:3: [[stages]] #1: missing key "use": the stage\'s name, for example "parse.json"'),
        ("use = 5", 'config.toml:4: [[stages]] #1: key "use": found 5, expected a string'),
        (
            "use = 'stubs:Needs'\nfield = 'a'",
            'config.toml:3: [[stages]] #1 stubs:Needs: missing key "ways" (a list of str',
        ),
        (
            "use = 'stubs:Some'\nlimit = 0",
            'config.toml:5: [[stages]] #1 stubs:Some: key "limit": limit must be at least',
        ),
        (
            "use = 'stubs:Some'\nlimit = 99",
            "config.toml:3: [[stages]] #1 stubs:Some: building it failed: KeyError: 'nine",
        ),
        ("use = 'stubs:Some'\nonly = 'a/b*'", "expected a pattern for the file's name alone, without directories"),
        ("use = 'stubs:Line'\nwhen = 'a'", "a parse stage takes no `when`: there is no event yet; use `only`"),
        ("use = 'stubs:Place'\nwhen = 'a'", "this stage needs the place of every line, so it takes no `when`"),
        ("use = 'stubs:Reserved'", 'Reserved has a field "when", which is a key of the engine\'s own; rename it'),
        (
            "use = 'stubs:Unresolved'",
            "types of Unresolved's fields cannot be determined: NameError: name 'Nowhere' is not",
        ),
        (
            "use = 'stubs:function'\na = 1",
            'a function takes no keys of its own; make it a dataclass with a field "a" to',
        ),
        ("use = 'stubs:Some'\nwhen = 'a ='", 'config.toml:5: [[stages]] #1 stubs:Some: key "when": found "a =", '),
        (
            "use = 'stubs:Out'\npath = '{a}/b'",
            "expected a directory or part of a name before the first placeholder: wri",
        ),
        ("use = 'stubs:Out'\npath = '~/b'", '"~" is not expanded: write "${HOME}/b"'),
        ("use = 'stubs:Out'\npath = '../b'", 'config.toml:5: [[stages]] #1 stubs:Out: key "path": the path'),
        ("use = 'enrich.sett'", 'key "use": there is no stage enrich.sett; did you mean "enrich.set"? (known: enrich.'),
    ],
)
def test_a_wrong_stage_says_what_was_expected(problems: Problems, stage: str, problem: str) -> None:
    found = problems(f"{SOURCE}[[stages]]\n{stage}\n")
    assert len(found) == 1, found
    assert problem in found[0]


def test_stages_that_make_no_chain_in_this_order(problems: Problems) -> None:
    uses = ["Line", "function", "Place", "Line"]
    found = problems(SOURCE + "".join(f'[[stages]]\nuse = "stubs:{use}"\n' for use in uses))
    assert found == [
        "config.toml:7: [[stages]] #3 stubs:Place: comes after stubs:function; it needs the place of each line, so it "
        "must come directly after the parse stages",
        "config.toml:9: [[stages]] #4 stubs:Line: comes after stubs:function; parse stages come first, and each file "
        "uses the first one whose `only` matches",
    ]


def test_case_073_two_sinks_share_neither_a_file_nor_an_id(problems: Problems) -> None:
    sinks = ['path = "out/x"', 'path = "./out//x"\nid = "b"', 'path = "out/y"\nid = "c"', 'path = "out/z"\nid = "c"']
    found = problems(SOURCE + "".join(f'[[stages]]\nuse = "stubs:Out"\n{sink}\n' for sink in sinks))
    assert found == [
        'config.toml:8: [[stages]] #2 stubs:Out: key "path": found "./out//x"; [[stages]] #1 stubs:Out writes this file '
        "too, and two sinks must not share one",
        'config.toml:17: [[stages]] #4 stubs:Out: key "id": the id "c" is also that of [[stages]] #3 stubs:Out; give one of them '
        'an id of its own: id = "c-2"',
    ]


def test_a_name_is_what_a_stage_is_called_by(load_text: Load) -> None:
    stages = [
        ("stubs:Line", 'name = "front door"'),
        ("stubs:Some", ""),
        ("stubs:Some", 'name = "second"'),
        ("stubs:Some", ""),
    ]
    text = SOURCE + "".join(f'[[stages]]\nuse = "{use}"\n{name}\n' for use, name in stages)
    config = load_text(text + '[[stages]]\nuse = "stubs:Out"\npath = "out/x"\nname = "archive"\n')
    assert [spec.label for spec in config.stages] == ["front door", "stubs:Some", "second", "stubs:Some#3", "archive"]
    assert config.stages[4].id == "stubs:Out:out/x", "marks are kept by the id, which a new name does not change"


def test_no_two_stages_share_a_name(problems: Problems) -> None:
    stages = [("Line", 'name = "a"'), ("Some", 'name = "stubs:function"'), ("function", ""), ("Some", 'name = "a"')]
    assert problems(SOURCE + "".join(f'[[stages]]\nuse = "stubs:{use}"\n{name}\n' for use, name in stages)) == [
        'config.toml:8: [[stages]] #2 stubs:Some: key "name": found "stubs:function", which is also the name of '
        "[[stages]] #3 stubs:function; give each stage its own",
        'config.toml:14: [[stages]] #4 stubs:Some: key "name": found "a", which is also the name of [[stages]] #1 '
        "stubs:Line; give each stage its own",
    ]
    (found,) = problems(SOURCE + '[[stages]]\nuse = "stubs:Line"\nname = " a"\n')
    assert 'key "name": found " a", expected a name of 1 to 64 characters' in found


def test_what_is_only_doubtful_is_a_warning(load_text: Load) -> None:
    assert load_text(SOURCE).warnings == (
        "config.toml: [[stages]]: no parse stage: every line is taken as it is, as by parse.raw",
        "config.toml: [[stages]]: no write stage: `tailrace run` refuses to start; `tailrace replay` works",
    )
    twice = '[[stages]]\nuse = "stubs:Line"\n' + STAGES
    assert load_text(SOURCE + twice).warnings == (
        "config.toml:5: [[stages]] #2 stubs:Line: is never used: stubs:Line above it has no `only` and takes every file",
    )


@pytest.mark.parametrize(
    ("paths", "exclude", "output", "matches"),
    [
        ("out/*", "", "out/{source}.ndjson", True),
        ("out/*", "out/*.ndjson", "out/{source}.ndjson", False),
        ("logs/*.log", "", "logs/{source}.ndjson", False),
        ("logs/*.log", "", "logs/{source}", True),
        ("logs/app-*", "", "logs/{host}", True),
        ("**/*.log", "", "a/b/{time:%Y/%m}.log", True),
        ("**/*.log", "", "a/b/{time:%Y/%m}.json", False),
        ("state/*", "", "out/x", True),
        ("state/*.log", "", "out/x", False),
    ],
)
def test_a_source_that_would_read_our_own_files(
    load_text: Load, paths: str, exclude: str, output: str, *, matches: bool
) -> None:
    text = f'[source]\npaths = ["{paths}"]\nexclude = ["{exclude or "none"}"]\n[[stages]]\nuse = "stubs:Out"\n'
    if not matches:
        load_text(f'{text}path = "{output}"\n')
        return
    with pytest.raises(
        ConfigError, match=r'key "paths\[0\]": found .* which also matches .* read its own files'
    ) as caught:
        load_text(f'{text}path = "{output}"\n')
    assert len(caught.value.problems) == 1


def test_the_names_of_the_state_files_are_those_of_the_state() -> None:
    from tailrace.pipeline.state.file import FILE_NAME

    assert STATE_FILES[0] == FILE_NAME


def test_characters_of_a_directory_are_neither_pattern_nor_placeholder(directory: Path) -> None:
    odd = directory / "a[1]{b}*"
    odd.mkdir()
    (odd / "stubs.py").write_text((directory / "stubs.py").read_text())
    (odd / "config.toml").write_text(SOURCE + STAGES)
    config = load(odd / "config.toml", environ={})
    assert config.tail.paths == (f"{directory}/a[[]1]{{b}}[*]/logs/*.log",)
    assert config.stages[1].options["path"] == f"{directory}/a[1]{{{{b}}}}*/out/{{source}}.ndjson"


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
