"""Imports point downwards only, and few modules know processes, threads, queues and signals."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# From the ground up. A name stands for the module and everything below it (the longest name that fits counts); a module
# imports from its own layer and from lower ones.
LAYERS = [
    [
        "",
        "errors",
        "escape",
        "sizes",
        "batch",
        "stage",
        "disk",
        "keys",
        "construct",
        "delivery",
        "outgoing",
        "encoding",
        "framing",
        "traces",
        "wrapped",
    ],
    ["settings"],
    ["telemetry"],
    ["chain"],
    ["config", "source", "state", "work.ring", "work.asked"],
    ["work"],
    ["sinks", "sums"],
    ["status"],
    ["run"],
    ["testing", "cli"],
]
LAYERS = [[f"tailrace.pipeline.{name}".rstrip(".") for name in row] for row in LAYERS]

# What a stage may know of the engine.
STAGES_MAY_IMPORT = {
    f"tailrace.pipeline.{name}"
    for name in ("batch", "delivery", "disk", "errors", "escape", "keys", "outgoing", "stage")
}

# What of stages/ the engine may import by name; every other stage is found by its file's name when a configuration
# asks for it.
ENGINE_MAY_IMPORT = {
    "tailrace.stages.expressions.expression": {"tailrace.pipeline.config", "tailrace.pipeline.chain.steps"},  # `when`
    "tailrace.stages.common_keys": {"tailrace.pipeline.config.about"},  # words for documents
    "tailrace.stages.defaults": {  # what is used where the configuration names nothing
        "tailrace.pipeline.chain.steps",
        "tailrace.pipeline.cli",
        "tailrace.pipeline.run.dry",
        "tailrace.pipeline.run.replay",
        "tailrace.pipeline.state.migrate",
    },
}

# Who may import what makes things happen at the same time, or from outside.
PROCESSES = {"tailrace.pipeline.work"}
THREADS = {"tailrace.pipeline.sinks", "tailrace.pipeline.status"}
CONCURRENCY = {
    "_thread": set(),
    "asyncio": set(),
    "concurrent": set(),
    "multiprocessing": set(),
    "queue": THREADS,
    "signal": PROCESSES | {"tailrace.pipeline.cli", "tailrace.pipeline.source.tail.done"},  # the latter: a number
    "socket": PROCESSES | {"tailrace.pipeline.status"},
    "subprocess": PROCESSES | {"tailrace.pipeline.source.journal"},  # it reads what another program prints
    "threading": THREADS | {"tailrace.pipeline.telemetry.log"},  # sinks log, too: a lock, no thread
    "watchdog": {"tailrace.pipeline.source.tail.hints"},  # has threads of its own
}


def module_name(path: Path) -> str:
    parts = ("tailrace", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for top in ("pipeline", "stages") for path in (ROOT / top).rglob("*.py")}


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Every module an ``import`` names, at any depth; ``from a import b`` gives ``a.b`` where that is a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "write imports in full: `from tailrace.pipeline.batch import Event`"
            base = node.module or ""
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield name if name in MODULES else base


def imports(name: str) -> set[str]:
    return set(imported_names(ast.parse(MODULES[name].read_text(encoding="utf-8"))))


def below(name: str, parents: set[str]) -> bool:
    return any(name == parent or name.startswith(parent + ".") for parent in parents)


def layer(name: str) -> int | None:
    """Index of the layer whose entry is the longest that covers ``name``; the bare package covers only itself."""
    entries = [(entry, index) for index, row in enumerate(LAYERS) for entry in row]
    fits = [
        (len(entry), index)
        for entry, index in entries
        if name == entry or (entry != "tailrace.pipeline" and name.startswith(entry + "."))
    ]
    return max(fits)[1] if fits else None


ENGINE = sorted(name for name in MODULES if below(name, {"tailrace.pipeline"}))
STAGES = sorted(name for name in MODULES if below(name, {"tailrace.stages"}))


def test_there_is_something_to_check() -> None:
    assert {"tailrace.pipeline.errors", "tailrace.pipeline.batch", "tailrace.pipeline.stage"} <= set(ENGINE)
    assert "tailrace.stages" in STAGES


@pytest.mark.parametrize("name", ENGINE)
def test_engine_imports_point_downwards_only(name: str) -> None:
    own = layer(name)
    assert own is not None, f"{name} has no layer: add it to LAYERS"
    for other in imports(name):
        if below(other, {"tailrace.pipeline"}):
            its = layer(other)
            assert its is not None, f"{other} has no layer: add it to LAYERS"
            assert its <= own, f"{name} (layer {own}) imports {other} (layer {its}) from above"


STAGE_NAMES = re.compile(r"(parse|enrich|write)\.[a-z][a-z0-9_]*")


@pytest.mark.parametrize("name", ENGINE)
def test_engine_names_no_stage_not_even_in_a_string(name: str) -> None:
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    documents = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents:
            assert not STAGE_NAMES.fullmatch(node.value), f"{name} names {node.value}: see stages/defaults.py"


@pytest.mark.parametrize("name", ENGINE)
def test_engine_knows_no_concrete_stage(name: str) -> None:
    for other in imports(name):
        if below(other, {"tailrace.stages"}):
            allowed = ENGINE_MAY_IMPORT.get(other, set())
            assert below(name, allowed), f"{name} imports {other}: stages are loaded by name"


@pytest.mark.parametrize("name", STAGES)
def test_stages_know_only_the_words_of_the_engine(name: str) -> None:
    known = {other for other in imports(name) if below(other, {"tailrace.pipeline"})}
    assert known <= STAGES_MAY_IMPORT, f"{name} imports {sorted(known - STAGES_MAY_IMPORT)}"


@pytest.mark.parametrize("name", sorted(MODULES))
def test_few_modules_know_processes_threads_queues_and_signals(name: str) -> None:
    for other in imports(name):
        top = other.partition(".")[0]
        if top in CONCURRENCY:
            assert below(name, CONCURRENCY[top]), f"{name} imports {other}"
