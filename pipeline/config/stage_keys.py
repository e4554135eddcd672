"""The keys of a ``[[stages]]`` table: those that every stage may have, which the engine reads, and the stage's own."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

from tailrace.pipeline.chain.loader import Role
from tailrace.pipeline.config.declared import text
from tailrace.pipeline.config.locate import KeyPath
from tailrace.pipeline.config.problems import Report, show
from tailrace.pipeline.config.tables import Values, read_table, read_value
from tailrace.pipeline.keys import Matching, Text

COMMON: dict[Role, tuple[str, ...]] = {
    "parse": ("use", "name", "only", "when", "on_error", "field", "into", "overwrite"),
    "enrich": ("use", "name", "only", "when", "on_error"),
    "write": ("use", "name", "only", "when", "on_error", "id"),
}
"""Keys beside a stage's own, by its role."""

RESERVED: dict[Role, tuple[str, ...]] = {
    role: tuple(dict.fromkeys([*keys, *COMMON["write"]])) for role, keys in COMMON.items()
}
"""A stage of that role has no fields of these names."""

TYPES: dict[str, Any] = {
    "name": Annotated[
        str,
        Matching(
            r"(?! )[^\x00-\x1f\x7f]{1,64}(?<! )",
            "expected a name of 1 to 64 characters that begins and ends with no space",
        ),
    ],
    "on_error": Literal["dead_letter", "keep", "drop"],
    "id": Annotated[str, Text()],
    "field": Annotated[str, Text()],
    "into": str,
    "overwrite": bool,
}
"""Of those that are checked as a stage's own are."""


def read_common(table: dict[str, Any], role: Role, path: KeyPath, report: Report) -> dict[str, Any]:
    """The values for a ``StageSpec``; what is wrong goes to the report."""
    if "when" in table and role == "parse" and "field" not in table:
        report.add((*path, "when"), "a parse stage takes no `when`: there is no event yet; use `only`")
    if "overwrite" in table and role == "parse" and "field" not in table:
        report.add((*path, "overwrite"), "without `field` there is nothing to overwrite: the line is all there is")
    if "id" in table and role != "write":
        report.add((*path, "id"), "only write stages have an id")
    common = {
        key: read_value(hint, table[key], (*path, key), report)
        for key, hint in TYPES.items()
        if key in table and key in COMMON[role]
    }
    for key, check in (("only", _only), ("when", _when)):
        if key in table:
            try:
                common[key] = check(table[key])
            except ValueError as wrong:
                report.add((*path, key), f"found {show(table[key])}, {wrong}")
    return common


def read_own(
    stage: type | Callable[..., Any], table: dict[str, Any], role: Role, path: KeyPath, report: Report
) -> Values | None:
    """The stage's own keys. None: what is right does not suffice to build the stage."""
    if not isinstance(stage, type):
        own = [key for key in table if key not in RESERVED[role]]
        for key in own:
            why = f"make it a dataclass with a field {show(key)} to give it one"
            report.add((*path, key), f"a function takes no keys of its own; {why}")
        return Values({}, whole=not own)

    def unknown(key: str, known: Sequence[str]) -> str:
        near = difflib.get_close_matches(key, [*known, *COMMON[role]], n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        everywhere = f"on every {role} stage: {', '.join(COMMON[role])}"
        return f"unknown key{hint} (known: {', '.join(known) or 'none'}; {everywhere})"

    return read_table(stage, table, path, report, reserved=RESERVED[role], unknown=unknown)


def _only(value: Any) -> tuple[str, ...]:
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list) or not all(isinstance(one, str) and one for one in patterns):
        raise ValueError('expected a pattern or a list of patterns for the names of files, for example "access*.log"')
    if not patterns:
        raise ValueError("which matches no file; leave `only` out to take every file")
    if any("/" in one for one in patterns):
        raise ValueError("expected a pattern for the file's name alone, without directories")
    return tuple(map(str, patterns))


def _when(value: Any) -> str:
    from tailrace.stages.expressions.expression import compile_expression

    condition = text(value)
    compile_expression(condition)
    return value if isinstance(value, str) else condition  # as it came: `check` shows its references
