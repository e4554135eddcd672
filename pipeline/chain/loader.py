"""Finds what ``use`` names and builds a stage from its table: in the configuration check, and again in each worker."""

from __future__ import annotations

import copy
import difflib
import importlib
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.construct import construct
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import StageSpec
from tailrace.pipeline.stage import Write

Role = Literal["parse", "enrich", "write"]

_METHODS: dict[str, Role] = {"parse": "parse", "process": "enrich", "encode": "write"}
_BUILT_IN = re.compile(r"[a-z_]+\.[a-z][a-z0-9_]*")
_OWN = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)")
_PLACE = re.compile(r"(\d+:\d+)(?:\.\d+)*")  # what enrich.origin gives: file id, offset, number within the line
_FRAMES = 20  # innermost frames of a traceback that are kept


def resolve(use: str, directory: str | os.PathLike[str]) -> type | Callable[..., Any]:
    """The class or function. ``directory``, the configuration's, is appended *last* to ``sys.path``.

    ConfigError: it does not exist, or importing it fails (whatever a user's module does then).
    """
    if _OWN.fullmatch(use):
        return resolve_own(use, directory)
    family, _, name = use.partition(".")
    if not _BUILT_IN.fullmatch(use) or family not in _METHODS.values():
        forms = 'expected "parse.NAME", "enrich.NAME" or "write.NAME", or your own as "module:Name"'
        raise ConfigError([f'"{escape(use)}" names no stage; {forms}{_near_stage(use)}'])
    class_name = "".join(part.capitalize() for part in name.split("_"))
    stage = getattr(_import(f"tailrace.stages.{use}"), class_name, None)
    if not isinstance(stage, type):
        raise _no_such_stage(use)
    return stage


def resolve_own(use: str, directory: str | os.PathLike[str]) -> type | Callable[..., Any]:
    """What ``module:Name`` names. ConfigError as ``resolve``."""
    own = _OWN.fullmatch(use)
    if not own:
        raise ConfigError([f'"{escape(use)}" is not a name of your own; expected "module:Name"'])
    return _own_thing(own[1], own[2], os.fspath(directory))


def built_in() -> list[str]:
    """The names of the stages that come with tailrace. Reads their files, imports none of them."""
    names = []
    for family in _METHODS.values():
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
    roles = [role for method, role in _METHODS.items() if callable(getattr(thing, method, None))]
    if len(roles) != 1:
        has = " and ".join(method for method, role in _METHODS.items() if role in roles) or "none of them"
        expected = "expected exactly one of the methods parse, process and encode"
        raise ConfigError([f"{thing.__name__} is not a stage: {expected}, found {has}"])
    if roles[0] == "write":
        missing = [name for name in _write_members() if not hasattr(thing, name)]
        if missing:
            raise ConfigError([f"class {thing.__name__} has encode, so it is a sink, but lacks {', '.join(missing)}"])
    return roles[0]


def build(spec: StageSpec, directory: str | os.PathLike[str], event_id: str = "event_id") -> Any:
    """The stage of a checked table, ready for the chain. ``event_id`` names the field that holds a line's place."""
    thing = resolve(spec.use, directory)
    return construct(thing, spec.options) if isinstance(thing, type) else Lifted(thing, event_id)


class Lifted:
    """A function of one event, as a stage: ``(event) -> event | list of events | None``.

    An exception fails that event alone, with the user's part of the traceback. ``TimeBudget`` passes through. Several
    events of one line are told apart by ``.1``, ``.2`` ... after their ``event_id``.
    """

    def __init__(self, function: Callable[[Event], Any], event_id: str = "event_id") -> None:
        self.function = function
        self.event_id = event_id

    def process(self, events: list[Event]) -> list[Event | Fail]:
        out: list[Event | Fail] = []
        given: set[int] = set()  # identities of the dicts in `out`
        line: str | None = None  # the place of the line whose events come now ...
        taken: dict[str, int] = {}  # ... and the ids its events have, each with the next number to try
        for event in events:
            place = event.get(self.event_id)
            found = _PLACE.fullmatch(place) if isinstance(place, str) else None
            if found is None or found[1] != line:
                line = found[1] if found else None
                taken = {}
            try:
                made = _unshared(_events(self.function(event)), given)
            except Exception as error:
                out.append(_raised(error, event))
                continue
            if isinstance(made, Fail):
                made.event = event
                out.append(made)
                continue
            self._number(made, taken)
            out += made
        return out

    def _number(self, made: list[Event], taken: dict[str, int]) -> None:
        for event in made:
            name = event.get(self.event_id)
            if not isinstance(name, str):
                continue
            if name in taken:
                found = _PLACE.fullmatch(name)
                base = found[1] if found else name
                number = taken.get(base, 1)
                while (name := f"{base}.{number}") in taken:
                    number += 1
                taken[base] = number + 1
                event[self.event_id] = name
            taken.setdefault(name, 1)


def _events(result: Any) -> list[Event] | Fail:
    """What a function may return, as a list."""
    if isinstance(result, dict):
        return [result]
    if result is None:
        return []
    if not isinstance(result, list):
        found = type(result).__name__
    elif strange := [type(item).__name__ for item in result if not isinstance(item, dict)]:
        found = f"a list with {strange[0]} in it"
    else:
        return result
    return Fail("bad_result", f"the function returned {found}; expected an event (a dict), a list of events or None")


def _unshared(events: list[Event] | Fail, given: set[int]) -> list[Event] | Fail:
    """A dict that went out before goes out as a copy: later stages change events in place."""
    if isinstance(events, Fail):
        return events
    own = []
    for event in events:
        own.append(copy.deepcopy(event) if id(event) in given else event)
        given.add(id(own[-1]))
    return own


def _raised(error: Exception, event: Event) -> Fail:
    theirs = error.__traceback__.tb_next if error.__traceback__ else None  # the first frame is ours
    trace = "".join(traceback.format_exception(type(error), error, theirs, limit=-_FRAMES))
    return Fail("raised", describe(error), event=event, trace=trace)


def describe(error: BaseException) -> str:
    """``TypeError: message``, also for an exception whose message cannot be made."""
    try:
        message = str(error)
    except Exception:
        message = "(its message cannot be shown)"
    if isinstance(error, SyntaxError):
        message = error.msg  # without the file and line, which `origin_of` gives
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def origin_of(error: BaseException) -> str:
    """`` (file.py, line 3)``: where an exception was raised; for a SyntaxError, where it is."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({error.filename}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<frozen")]
    own = [frame for frame in frames if frame.filename != __file__]
    return f" ({own[-1].filename}, line {own[-1].lineno})" if own else ""


def missing_module(error: ModuleNotFoundError) -> str:
    """Which module is missing, and how to get it: by an extra of ours, if one brings it."""
    module = (error.name or "").partition(".")[0]
    import importlib.metadata  # slow to import, and workers never come here

    for requirement in importlib.metadata.requires("tailrace") or []:
        found = re.match(r"""([\w.-]+)[^;]*;.*extra\s*==\s*['"]([\w.-]+)['"]""", requirement)
        if found and found[1].lower().replace("-", "_") == module.lower():
            return f'needs the Python module "{module}": install it with  pip install "tailrace[{found[2]}]"'
    return f'needs the Python module "{module}", which is not installed'


def _own_thing(module_name: str, name: str, directory: str) -> type | Callable[..., Any]:
    if directory not in sys.path:
        sys.path.append(directory)
    importlib.invalidate_caches()  # the file may be younger than what the import system remembers
    module = _import(module_name, directory)
    thing = getattr(module, name, None)
    if not callable(thing):
        there = [key for key, item in vars(module).items() if callable(item) and item.__module__ == module_name]
        state = "is not a class or function" if thing is not None else "does not exist"
        raise ConfigError([f'"{name}" {state} in {_file_of(module)}{_did_you_mean(name, there)}'])
    return thing  # type: ignore[no-any-return]  # callable() says no more than that


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


def _import(module_name: str, directory: str = "") -> ModuleType:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name == module_name and not directory:
            raise _no_such_stage(module_name.removeprefix("tailrace.stages.")) from error
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            near = _did_you_mean(module_name, (module.name for module in pkgutil.iter_modules([directory])))
            why = f'there is no module "{error.name}" in {directory} or on Python\'s path{near}'
        else:
            why = f"{missing_module(error)}{origin_of(error)}"
        raise ConfigError([why]) from error
    except (Exception, SystemExit) as error:
        raise ConfigError([f'importing "{module_name}" failed: {describe(error)}{origin_of(error)}']) from error


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
