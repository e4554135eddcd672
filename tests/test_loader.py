"""Stages are found by name, a user's mistakes are told, and a function of one event becomes a stage."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.chain.function import Lifted
from tailrace.pipeline.chain.loader import build, built_in, resolve, role_of
from tailrace.pipeline.errors import ConfigError, TimeBudget
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.stage import Enrich
from tailrace.stages.enrich.set import Set

Resolve = Callable[[str], Any]


@pytest.fixture(autouse=True)
def imports() -> Iterator[None]:
    """What a test imports from its own directory is forgotten afterwards."""
    modules, path = set(sys.modules), list(sys.path)
    yield
    sys.path[:] = path
    for module in set(sys.modules) - modules:
        if module.startswith(("own_module_", "_beside_")):
            del sys.modules[module]


@pytest.fixture
def own(tmp_path: Path) -> Resolve:
    """Writes a module of the user's and resolves from it."""
    names = iter(f"own_module_{number}" for number in range(100))

    def resolve_from(text: str, name: str = "Name") -> Any:
        module = next(names)
        (tmp_path / f"{module}.py").write_text(text)
        return resolve(f"{module}:{name}", tmp_path)

    return resolve_from


def problem_of(function: Callable[..., Any], *arguments: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        function(*arguments)
    (problem,) = caught.value.problems
    return problem


def test_a_built_in_stage_is_the_class_of_its_file() -> None:
    assert resolve("enrich.set", "/nowhere") is Set
    assert "enrich.set" in built_in()
    for use in built_in():
        assert role_of(resolve(use, "/nowhere")) == use.partition(".")[0]


def test_a_stage_of_the_users_own_comes_from_the_configurations_directory(own: Resolve, tmp_path: Path) -> None:
    thing = own("class Name:\n    def process(self, events): return events\n")
    assert thing.__name__ == "Name"
    assert sys.path[-1] == str(tmp_path)
    own("Name = print")
    assert sys.path.count(str(tmp_path)) == 1


@pytest.mark.parametrize("name", ["colorsys", "this", "sys", "__main__", "tests", "pytest", "tailrace"])
def test_a_module_beside_the_configuration_is_used_and_hides_none_of_that_name(tmp_path: Path, name: str) -> None:
    before = sys.modules.get(name)
    (tmp_path / f"{name}.py").write_text("def Name(event): return event\nif 0: import nowhere_at_all\n")
    assert resolve(f"{name}:Name", tmp_path) is resolve(f"{name}:Name", tmp_path)
    assert resolve(f"{name}:Name", tmp_path).__code__.co_filename == str(tmp_path / f"{name}.py")
    assert problem_of(resolve, f"{name}:Nmae", tmp_path).endswith(f'{name}.py; did you mean "Name"?')
    assert sys.modules.get(name) is before


def test_mistakes_in_a_module_with_a_taken_name_are_told_by_that_name(tmp_path: Path) -> None:
    (tmp_path / "wave.py").write_text("x = 1 / 0\n")
    assert problem_of(resolve, "wave:Name", tmp_path) == (
        f'importing "wave" failed: ZeroDivisionError: division by zero ({tmp_path}/wave.py, line 1)'
    )
    (tmp_path / "wave.py").write_text("\nimport nowhere_at_all\n")
    assert problem_of(resolve, "wave:Name", tmp_path).endswith(f"which is not installed ({tmp_path}/wave.py, line 2)")
    (tmp_path / "html").mkdir()
    (tmp_path / "html/marks.py").touch()
    assert problem_of(resolve, "html.marsk:Name", tmp_path).endswith('did you mean "html.marks"?')


def test_a_folder_that_holds_no_module_is_none(tmp_path: Path) -> None:
    (tmp_path / "wave").mkdir()
    assert problem_of(resolve, "wave:Name", tmp_path).startswith('"Name" does not exist in ')


def test_two_configurations_have_modules_of_one_name(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "own_module_x.py").write_text(f"def Name(event): return '{name}'")
    assert [resolve("own_module_x:Name", tmp_path / name)({}) for name in "abab"] == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("use", "problem"),
    [
        ("enrich.sett", 'there is no stage enrich.sett; did you mean "enrich.set"? (known: enrich.'),
        ("filter", '"filter" is not a stage; expected "parse.NAME", "enrich.NAME" or "write.NAME", or your own as '
         '"module:Name"; did you mean "enrich.filter"?'),
        ("parse.filter", 'there is no stage parse.filter; did you mean "enrich.filter"?'),
        ("enrich.Set", '"enrich.Set" is not a stage; expected '),
        ("tailrace.stages.enrich", '"tailrace.stages.enrich" is not a stage'),
        ("enrich.__init__", '"enrich.__init__" is not a stage'),
        ("a:b:c", '"a:b:c" is not a stage'),
        ("nowhere_at_all:X", 'there is no module "nowhere_at_all" in /nowhere or on Python\'s path'),
        ("json.nowhere:X", 'there is no module "json.nowhere" in /nowhere'),
    ],
)  # fmt: skip
def test_a_name_that_leads_nowhere(use: str, problem: str) -> None:
    assert problem_of(resolve, use, "/nowhere").startswith(problem)


def test_a_module_whose_import_fails_is_told_with_its_line(own: Resolve) -> None:
    assert "failed: ZeroDivisionError: division by zero (" in problem_of(own, "x = 1\n1 / 0\n")
    assert problem_of(own, "x = 1\n1 / 0\n").endswith(".py, line 2)")
    assert "failed: SystemExit: 3 (" in problem_of(own, "import sys\nsys.exit(3)")
    found = problem_of(own, "def f(:\n    pass\n")
    assert "failed: SyntaxError: invalid syntax (" in found
    assert found.endswith(".py, line 1)")
    found = problem_of(own, "class Bad(Exception):\n    def __str__(self): raise ValueError\nraise Bad\n")
    assert "failed: Bad: (its message cannot be shown) (" in found


def test_a_missing_module_is_told_with_the_extra_that_brings_it(own: Resolve, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 'needs the Python module "nowhere_at_all", which is not installed (' in problem_of(
        own, "import nowhere_at_all.x"
    )
    monkeypatch.setitem(sys.modules, "zstandard", None)  # as if it were not installed
    found = problem_of(own, "import zstandard")
    assert found.startswith('needs the Python module "zstandard": install it with  pip install "tailrace[zstd]" (')


def test_a_name_that_is_not_in_the_module(own: Resolve) -> None:
    assert problem_of(own, "def Nam(event): return event").endswith('own_module_0.py; did you mean "Nam"?')
    assert '"Name" is not a class or function in ' in problem_of(own, "Name = 5")
    assert '"Name" does not exist in ' in problem_of(own, "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "class Name: pass",
            "Name is not a stage: expected exactly one of the methods parse, process, write and encode",
        ),
        ("class Name:\n def parse(self): 1\n def encode(self): 1", "found parse and encode"),
        (
            "class Name:\n def encode(self): 1",
            "class Name has encode, so it is a sink, but lacks guarantee, deliver",
        ),
        ("async def Name(event): 1", "Name is an async function; expected a plain one: (event) -> event, list or None"),
        ("def Name(event): yield 1", "Name is a generator; expected a function that returns an event, a list or None"),
        ("def Name(): 1", "Name() cannot be called with one event: too many positional arguments"),
        ("def Name(a, b): 1", "Name(a, b) cannot be called with one event: missing a required argument: 'b'"),
    ],
)
def test_what_is_no_stage(own: Resolve, text: str, problem: str) -> None:
    assert problem in problem_of(role_of, own(text))


def test_functions_enrich(own: Resolve) -> None:
    assert role_of(own("def Name(event, also=1): return event")) == "enrich"
    assert role_of(own("import functools\nName = functools.partial(dict)")) == "enrich"


def test_a_stage_is_built_with_its_options(own: Resolve, tmp_path: Path) -> None:
    spec = StageSpec("enrich.set", "enrich.set", "enrich", {"values": {"a": 1}})
    assert build(spec, tmp_path).process([{}]) == [{"a": 1}]
    thing = own("def Name(event): return [event, dict(event)]")
    spec = StageSpec(f"{thing.__module__}:Name", "x", "enrich", {})
    assert build(spec, tmp_path).process([{"a": 1}]) == [{"a": 1}, {"a": 1}]


def lifted(function: Callable[[Event], Any]) -> Lifted:
    return Lifted(function)


def run(function: Callable[[Event], Any], *events: Event) -> list[Event | Fail]:
    return lifted(function).process(list(events))


def failure(function: Callable[[Event], Any], event: Event) -> Fail:
    (entry,) = run(function, event)
    assert isinstance(entry, Fail)
    assert entry.event is event
    return entry


def test_a_function_changes_drops_and_multiplies_events() -> None:
    def function(event: Event) -> Any:
        return {"keep": event, "drop": None, "two": [{"n": 1}, {"n": 2}], "none": []}[event["do"]]

    assert isinstance(lifted(function), Enrich)
    assert run(function, {"do": "two"}, {"do": "drop"}, {"do": "keep"}, {"do": "none"}) == [
        {"n": 1},
        {"n": 2},
        {"do": "keep"},
    ]


def test_an_exception_fails_its_own_event_with_the_users_frames() -> None:
    def helper() -> None:
        raise KeyError("x")

    def function(event: Event) -> Event:
        if event["n"] == 2:
            helper()
        return event

    second = {"n": 2}
    first, bad, third = run(function, {"n": 1}, second, {"n": 3})
    assert (first, third) == ({"n": 1}, {"n": 3})
    assert isinstance(bad, Fail)
    assert (bad.code, bad.why, bad.event is second) == ("raised", "KeyError: 'x'", True)
    assert bad.trace is not None
    assert "in function" in bad.trace
    assert "in helper" in bad.trace
    assert bad.trace.count("  File ") == 2


def test_a_deep_recursion_leaves_a_short_trace() -> None:
    def one(event: Event) -> Event:
        return other(event)

    def other(event: Event) -> Event:
        return one(event)

    bad = failure(one, {})
    assert bad.why.startswith("RecursionError: ")
    assert bad.trace is not None
    assert len(bad.trace.splitlines()) < 100


def test_the_time_budget_passes_through() -> None:
    def function(_: Event) -> Event:
        raise TimeBudget

    with pytest.raises(TimeBudget):
        run(function, {})


@pytest.mark.parametrize(
    ("result", "found"),
    [(5, "int"), ("x", "str"), ((), "tuple"), ([{}, 5], "a list with int in it"), ([None], "a list w")],
)
def test_a_result_that_is_no_event_fails_the_event(result: Any, found: str) -> None:
    bad = failure(lambda _: result, {"a": 1})
    assert bad.code == "bad_result"
    assert bad.why.startswith(f"the function returned {found}")


def test_the_loader_is_light() -> None:
    code = (
        "import sys, tailrace.pipeline.chain.loader\n"
        "heavy = {'pydantic', 'inspect', 'hashlib', 'importlib.metadata', 'orjson', 'email', 'sqlite3', 'logging'}\n"
        "print(sorted(heavy & set(sys.modules) - before))"
    )
    bare = "import sys, dataclasses, site; before = set(sys.modules)\n"
    done = subprocess.run([sys.executable, "-c", bare + code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"
