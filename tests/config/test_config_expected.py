"""A wrong table, stage or chain: what was found, what was expected."""
# ruff: noqa: E501 - messages stand here as they are shown

from __future__ import annotations

from pathlib import Path

import pytest
from tailrace.pipeline.config.load import load
from tailrace.pipeline.config.paths import STATE_FILES
from tailrace.pipeline.errors import ConfigError

from .config_kit import SOURCE, STAGES, Load, Problems


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


def test_a_stage_that_needs_no_places_may_stand_anywhere_and_takes_a_when(load_text: Load) -> None:
    config = load_text(f'{SOURCE}[[stages]]\nuse = "stubs:function"\n[[stages]]\nuse = "stubs:Clock"\nwhen = "a"\n')
    assert [spec.use for spec in config.stages] == ["stubs:function", "stubs:Clock"]


def test_a_stage_that_needs_places_comes_before_one_that_does_not(problems: Problems) -> None:
    (found,) = problems(f'{SOURCE}[[stages]]\nuse = "stubs:Clock"\n[[stages]]\nuse = "stubs:Place"\n')
    assert "stubs:Place: comes after stubs:Clock; it needs the place of each line" in found


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


def test_what_is_summed_up_behind_the_last_write_stage_is_a_warning(load_text: Load) -> None:
    text = '[source]\npaths = ["a.log"]\n[[stages]]\nuse = "parse.json"\n{}[[stages]]\nuse = "write.file"\npath = "out/a"\n{}'
    stage = '[[stages]]\nuse = "enrich.aggregate"\n'
    assert load_text(text.format(stage, "")).warnings == ()
    (warning,) = load_text(text.format("", stage)).warnings
    assert warning.endswith("comes behind the last write stage, so what it sums up is written nowhere")


def test_two_stages_of_sums_need_names(problems: Problems) -> None:
    stage = '[[stages]]\nuse = "enrich.aggregate"\n'
    (problem,) = problems(f'[source]\npaths = ["a.log"]\n[[stages]]\nuse = "parse.json"\n{stage}{stage}')
    assert "give one of them its own: name" in problem
