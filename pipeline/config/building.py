"""Builds a dataclass as a worker will, for checks of its own, and finds the key that each of its messages is about."""

from __future__ import annotations

import re
from typing import Any

from tailrace.pipeline.chain.explain import describe, missing_module, origin_of
from tailrace.pipeline.config.locate import KeyPath
from tailrace.pipeline.config.problems import Report
from tailrace.pipeline.construct import construct
from tailrace.pipeline.keys import split


def check_built(cls: type, values: dict[str, Any], path: KeyPath, report: Report, *, whole: bool) -> None:
    """``whole``: no value was left out because it is wrong. If some were, only what a check says of the other keys is
    reported: the rest may follow from that."""
    try:
        construct(cls, values)
    except ModuleNotFoundError as error:
        report.add(path, missing_module(error))
    except (ValueError, AssertionError) as error:
        for problem in split(str(error) or describe(error)):
            keys, message = _named_key(problem, values)
            if keys or whole:
                report.add((*path, *keys), message)
    except (Exception, SystemExit) as error:
        if whole:
            report.add(path, f"building it failed: {describe(error)}{origin_of(error)}")


def _named_key(problem: str, values: dict[str, Any]) -> tuple[KeyPath, str]:
    """The key a message is about, if its first words name one (the line is that key's then), and the message without a
    ``key: `` in front."""
    head, colon, message = problem.partition(": ")
    keys, rest = _key_path(head, values)
    if keys and colon:
        return keys, problem if rest else message
    for word in problem.split(maxsplit=3)[:3]:
        keys, rest = _key_path(word.strip("`'\":,"), values)
        if keys:
            return keys, problem
    return (), problem


def _key_path(text: str, value: Any) -> tuple[KeyPath, str]:
    """``expr.a`` and ``patterns[1]`` as paths, as far as there are such keys, and what is left of the text."""
    path: KeyPath = ()
    while text:
        key: str | int | None = None
        if isinstance(value, dict):
            names = [name for name in value if re.match(rf"{re.escape(name)}(?=[.\[]|$)", text) and name]
            key = max(names, key=len, default=None)  # a name may have dots in it
            end = len(str(key))
        elif isinstance(value, list) and (element := re.match(r"\[(\d{1,9})\](?=[.\[]|$)", text)):
            key = int(element[1]) if int(element[1]) < len(value) else None
            end = element.end()
        if key is None:
            break
        path, value, text = (*path, key), value[key], text[end:].removeprefix(".")
    return path, text
