"""The engine's own tables: which keys they have, what each may hold, and why."""
# ruff: noqa: TRY004 - ValueError is what a check answers with, also for a value of the wrong type

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Any

from tailrace.pipeline.config.environment import Expanded
from tailrace.pipeline.config.problems import Report, show
from tailrace.pipeline.config.units import parse_duration, parse_size

Check = Callable[[Any], Any]
"""From the value in the file to the one in the settings. ValueError: what was expected, to follow "found ...,"."""


def load_table(name: str, table: Any, keys: dict[str, Check], report: Report) -> dict[str, Any]:
    """The values of one table that are right; what is wrong goes to the report. An absent table (None) is empty."""
    if table is None:
        return {}
    if not isinstance(table, dict):
        report.add((name,), wrong_shape(name, table))
        return {}
    values = {}
    for key, value in table.items():
        if key not in keys:
            report.add((name, key), _unknown_key(key, name, keys))
            continue
        try:
            values[key] = keys[key](value)
        except ValueError as wrong:
            report.add((name, key), f"found {show(value)}, {wrong}")
    return values


def wrong_shape(name: str, value: Any) -> str:
    """For a name of ours that does not hold the kind of table it should."""
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return f"this table stands once: write [{name}] with single brackets"
    return f"found {show(value)}, expected a table: a line [{name}], and its keys below it"


def unknown_table(name: str, value: Any) -> str:
    """For a name at the top of the file that is not ours: a wrong table, or a key that stands outside its table."""
    home = [table for table, keys in TABLES.items() if name in keys]
    if not isinstance(value, (dict, list)) and home:
        return f"this key belongs in a table: move it below [{home[0]}]"
    known = [*(f"[{table}]" for table in TABLES), "[[stages]]"]
    near = difflib.get_close_matches(name, [*TABLES, "stages"], n=1)
    hint = f"; did you mean {_brackets(near[0])}?" if near else ""
    return f"unknown {'table' if isinstance(value, (dict, list)) else 'key'}{hint} (known: {', '.join(known)})"


def _brackets(name: str) -> str:
    return "[[stages]]" if name == "stages" else f"[{name}]"


def _unknown_key(key: str, table: str, keys: dict[str, Check]) -> str:
    near = difflib.get_close_matches(key, keys, n=1)
    home = [other for other, others in TABLES.items() if key in others and other != table]
    hint = f'; did you mean "{near[0]}"?' if near else f"; it belongs to [{home[0]}]" if home else ""
    return f"unknown key{hint} (known: {', '.join(keys)})"


def whole(low: int, high: int, why: str) -> Check:
    def check(value: Any) -> int:
        if isinstance(value, Expanded) and value.sole and re.fullmatch(r"[+-]?\d{1,18}", value, re.ASCII):
            number = int(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            number = value
        else:
            hint = _without_quotes(value)
            raise ValueError(f"expected a whole number from {low} to {high}{hint}")
        if not low <= number <= high:
            found = f"which is {number}, " if isinstance(value, str) else ""
            raise ValueError(f"{found}expected a whole number from {low} to {high}: {why}")
        return number

    return check


def size(low: str, high: str, why: str) -> Check:
    return _amount(parse_size, "size", "1MiB", low, high, why)


def duration(low: str, high: str, why: str) -> Check:
    return _amount(parse_duration, "duration", "30s", low, high, why)


def _amount(parse: Callable[[str], Any], what: str, example: str, low: str, high: str, why: str) -> Check:
    def check(value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise ValueError(f'expected a {what} with its unit, for example "{example}"')
        amount = parse(str(value))
        if not parse(low) <= amount <= parse(high):
            raise ValueError(f'expected a {what} from "{low}" to "{high}": {why}')
        return amount

    return check


def choice(*names: str) -> Check:
    expected = "expected " + " or ".join(f'"{name}"' for name in names)

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            near = difflib.get_close_matches(str(value), names, n=1)
            raise ValueError(expected + (f'; did you mean "{near[0]}"?' if near and len(names) > 2 else ""))
        return str(value)

    return check


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected a string")
    if not value.strip():
        raise ValueError("expected a string that is not empty")
    if "\0" in value:
        raise ValueError("which holds a NUL character")
    return str(value)


def texts(value: Any) -> list[str]:
    if isinstance(value, str):
        raise ValueError(f"expected a list of strings: write [{show(value)}]")
    if not isinstance(value, list):
        raise ValueError("expected a list of strings")
    for item in value:
        try:
            text(item)
        except ValueError as wrong:
            raise ValueError(f"expected a list of strings that are not empty, but it holds {show(item)}") from wrong
    return [str(item) for item in value]


def name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[\w.-]{1,64}", value):
        raise ValueError('expected a name of 1 to 64 letters, digits, "_", "-" or "."')
    return str(value)


def address(value: Any) -> str:
    found = re.fullmatch(r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):(\d{1,5})", value) if isinstance(value, str) else None
    if not found or not 1 <= int(found[1]) <= 65535:
        raise ValueError('expected an address and a port from 1 to 65535, for example "127.0.0.1:9600"')
    return str(value)


def _without_quotes(value: Any) -> str:
    if isinstance(value, Expanded):
        return ", but the variable holds something else"
    return f": write {value}, without quotes" if isinstance(value, str) and re.fullmatch(r"-?\d+", value) else ""


TABLES: dict[str, dict[str, Check]] = {
    "pipeline": {
        "name": name,
        "state_dir": text,
        "workers": whole(0, 64, "0 works inside this process, and more processes than cores gain nothing"),
        "chunk_bytes": size("64KiB", "64MiB", "a small chunk costs more to hand over, a large one holds memory"),
        "commit_interval": duration("10ms", "1h", "every commit waits for the disk; what lies between is done again"),
        "commit_bytes": size("64KiB", "1TiB", "every commit waits for the disk; what lies between is done again"),
        "line_timeout": duration("1ms", "1h", "no sound line needs longer"),
        "task_timeout": duration("100ms", "1d", "a worker that shows no progress for so long is killed"),
        "worker_memory": size("32MiB", "1TiB", "a worker needs room for a chunk, its events and what it makes of them"),
        "shutdown_timeout": duration("0s", "1h", "what sinks have not taken by then is left for the next start"),
    },
    "source": {
        "use": choice("tail"),
        "paths": texts,
        "exclude": texts,
        "read_from": choice("beginning", "end"),
        "max_line_bytes": size("256B", "64MiB", "a longer line becomes a dead letter, and each slot has room for one"),
        "close_after": duration("0s", "1d", "a file whose name is gone is let go after so long without growth"),
    },
    "dead_letters": {
        "max_bytes": size("64KiB", "1TiB", "at least one line must fit"),
        "when_full": choice("block", "drop_oldest"),
    },
    "log": {
        "format": choice("console", "json"),
        "level": choice("debug", "info", "warning", "error"),
    },
    "status": {
        "listen": address,
    },
}
