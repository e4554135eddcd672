"""Finds what ``use`` names and builds a stage from its table: in the configuration check, and again in each worker.

A user's own module is the one beside the configuration, even if Python or an installed package has one of that name.
Such a module gets a private name, so that all others who import the name get what they mean.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from tailrace.pipeline.chain import own
from tailrace.pipeline.chain.explain import describe, missing_module, origin_of
from tailrace.pipeline.chain.function import Lifted
from tailrace.pipeline.chain.parsed import ParsedField, ParsedInto
from tailrace.pipeline.construct import construct
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.stage import Write

Role = Literal["parse", "enrich", "write"]

SIMPLE = "write"  # the only method of a simple sink
_METHODS: dict[str, Role] = {"parse": "parse", "process": "enrich", "encode": "write", SIMPLE: "write"}
_BUILT_IN = re.compile(r"[a-z_]+\.[a-z][a-z0-9_]*")
_OWN = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")


def resolve(use: str, directory: str | os.PathLike[str]) -> type | Callable[..., Any]:
    """The class or function. ``directory``, the configuration's, is appended *last* to ``sys.path``.

    ConfigError: it does not exist, or importing it fails (whatever a user's module does then).
    """
    if _OWN.fullmatch(use):
        return resolve_own(use, directory)
    family, _, name = use.partition(".")
    if not _BUILT_IN.fullmatch(use) or family not in _METHODS.values():
        forms = 'expected "parse.NAME", "enrich.NAME" or "write.NAME", or your own as "module:Name"'
        raise ConfigError([f'"{escape(use)}" is not a stage; {forms}{_near_stage(use)}'])
    class_name = "".join(part.capitalize() for part in name.split("_"))
    stage = getattr(_import(f"tailrace.stages.{use}"), class_name, None)
    if not isinstance(stage, type):
        raise _no_such_stage(use)
    return stage


def resolve_own(use: str, directory: str | os.PathLike[str]) -> type | Callable[..., Any]:
    """What ``module:Name`` names. ConfigError as ``resolve``."""
    found = _OWN.fullmatch(use)
    if not found:
        raise ConfigError([f'"{escape(use)}" is not a name of your own; expected "module:Name"'])
    return _own_thing(found[1], found[2], os.fspath(directory))


def built_in() -> list[str]:
    """The names of the stages that come with tailrace. Reads their files, imports none of them."""
    names = []
    for family in dict.fromkeys(_METHODS.values()):
        package = importlib.import_module(f"tailrace.stages.{family}")
        for module in pkgutil.iter_modules(package.__path__):
            class_name = "".join(part.capitalize() for part in module.name.split("_"))
            file = Path(package.__path__[0], f"{module.name}.py")
            if re.search(rf"^class {class_name}\b", file.read_text(encoding="utf-8"), re.MULTILINE):
                names.append(f"{family}.{module.name}")
    return names


def role_of(thing: type | Callable[..., Any]) -> Role:
    """What a stage does, by its methods; a function enriches. ConfigError: it is not a stage."""
    if not isinstance(thing, type):
        _check_function(thing)
        return "enrich"
    methods = [method for method in _METHODS if callable(getattr(thing, method, None))]
    if methods == ["encode", SIMPLE]:
        methods = ["encode"]  # a whole sink may call a method of its own as it likes
    if len(methods) != 1:
        has = " and ".join(methods) or "none of them"
        expected = "expected exactly one of the methods parse, process, write and encode"
        raise ConfigError([f"{thing.__name__} is not a stage: {expected}, found {has}"])
    if methods == ["encode"]:
        missing = [name for name in _write_members() if not hasattr(thing, name)]
        if missing:
            raise ConfigError([f"class {thing.__name__} has encode, so it is a sink, but lacks {', '.join(missing)}"])
    return _METHODS[methods[0]]


def build(spec: StageSpec, directory: str | os.PathLike[str]) -> Any:
    """The stage of a checked table, ready for the chain."""
    thing = resolve(spec.use, directory)
    if not isinstance(thing, type):
        return Lifted(thing)
    stage: Any = construct(thing, spec.options)
    if spec.field:
        return ParsedField(stage, spec.field, spec.into, overwrite=spec.overwrite)
    if spec.into:
        return ParsedInto(stage, spec.into)
    if spec.role == "write" and not hasattr(stage, "encode"):
        from tailrace.pipeline.chain.simple_write import SimpleSink  # brings what few configurations need

        return SimpleSink(stage)
    return stage


def _own_thing(module_name: str, name: str, directory: str) -> type | Callable[..., Any]:
    own.place_of(directory)
    if directory not in sys.path:
        sys.path.append(directory)
    importlib.invalidate_caches()  # the file may be younger than what the import system remembers
    beside = _beside(module_name, directory)
    taken = beside is not None and _is_taken(beside)
    module = _import(module_name, directory, _private_package(directory) if taken else "")
    thing = getattr(module, name, None)
    if not callable(thing):
        there = [key for key, item in vars(module).items() if callable(item) and item.__module__ == module.__name__]
        state = "is not a class or function" if thing is not None else "does not exist"
        raise ConfigError([f'"{name}" {state} in {_file_of(module)}{_did_you_mean(name, there)}'])
    return thing  # type: ignore[no-any-return]  # callable() says no more than that


def _beside(module_name: str, directory: str) -> ModuleSpec | None:
    """The top-level module or package in ``directory`` that ``module_name`` begins with, if the whole is there."""
    found: list[ModuleSpec] = []
    locations: Iterable[str] = [directory]
    for part in module_name.split("."):
        spec = PathFinder.find_spec(part, list(locations))
        if spec is None:
            return None
        found.append(spec)
        locations = spec.submodule_search_locations or []
    return found[0] if found[-1].origin else None  # without one it is a folder


def _is_taken(ours: ModuleSpec) -> bool:
    """Whether importing that name gives another module: Python's, an installed one, one that is loaded already."""
    try:
        found = importlib.util.find_spec(ours.name)
    except ValueError:  # loaded, and not from anywhere
        return True
    return found is None or _places(found) != _places(ours)


def _places(spec: ModuleSpec) -> list[str]:
    return [os.path.realpath(place) for place in spec.submodule_search_locations or [spec.origin or ""]]


def _private_package(directory: str) -> str:
    """The name of a package that holds what is in ``directory``, and nobody else imports."""
    package = f"_beside_{os.fsencode(directory).hex()}"
    own.place_of(directory).package(package, directory)
    return package


def _no_such_stage(use: str) -> ConfigError:
    known = built_in()
    family = [name for name in known if name.partition(".")[0] == use.partition(".")[0]]
    return ConfigError([f"there is no stage {use}{_near_stage(use)} (known: {', '.join(family) or 'none'})"])


def _near_stage(use: str) -> str:
    """By the name alone: every stage of a family begins alike. Also for ``json`` and ``filter.json``."""
    family = use.partition(".")[0]
    ours_first = sorted(built_in(), key=lambda name: name.partition(".")[0] != family)
    for part in reversed(use.split(".")):
        names = {name.partition(".")[2]: name for name in reversed(ours_first)}
        if near := difflib.get_close_matches(part, names, n=1):
            return f'; did you mean "{names[near[0]]}"?'
    return ""


def _import(module_name: str, directory: str = "", package: str = "") -> ModuleType:
    """``directory``: of a user's module, the configuration's. ``package``: the private one that it is imported from."""
    try:
        return importlib.import_module(f"{package}.{module_name}" if package else module_name)
    except ModuleNotFoundError as error:
        if error.name == module_name and not directory:
            raise _no_such_stage(module_name.removeprefix("tailrace.stages.")) from error
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            near = _did_you_mean(module_name, _modules_beside(module_name, directory))
            why = f'there is no module "{error.name}" in {directory} or on Python\'s path{near}'
        else:
            why = f"{missing_module(error)}{origin_of(error)}"
        raise ConfigError([why]) from error
    except (Exception, SystemExit) as error:
        raise ConfigError([f'importing "{module_name}" failed: {describe(error)}{origin_of(error)}']) from error


def _modules_beside(module_name: str, directory: str) -> Iterator[str]:
    """What could be meant by the name of a module that is not there."""
    *packages, _ = module_name.split(".")
    for module in pkgutil.iter_modules([os.path.join(directory, *packages)]):
        yield ".".join([*packages, module.name])


def _file_of(module: ModuleType) -> str:
    return getattr(module, "__file__", None) or f"module {module.__name__}"


def _check_function(function: Callable[..., Any]) -> None:
    import inspect  # slow to import, and workers never come here

    name = getattr(function, "__name__", repr(function))
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigError([f"{name} is an async function; expected a plain one: (event) -> event, list or None"])
    if inspect.isgeneratorfunction(function):
        raise ConfigError([f"{name} is a generator; expected a function that returns an event, a list or None"])
    try:
        signature = inspect.signature(function)
    except ValueError:  # some functions written in C tell nothing of themselves
        return
    try:
        signature.bind({})
    except TypeError as error:
        raise ConfigError([f"{name}{signature} cannot be called with one event: {error}"]) from error


def _write_members() -> list[str]:
    """What the protocol of a sink asks for."""
    return [*Write.__annotations__, *(name for name in vars(Write) if not name.startswith("_"))]


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f'; did you mean "{near[0]}"?' if near else ""
