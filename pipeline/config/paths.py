"""Paths as the configuration writes them, made absolute: they are relative to the configuration file."""

from __future__ import annotations

import difflib
import glob
import os
import re
from collections.abc import Sequence

from tailrace.pipeline.config.overlap import can_match, is_excluded
from tailrace.pipeline.config.problems import Report, show
from tailrace.pipeline.settings import TailSettings

Ours = tuple[Sequence[str], str]
"""Templates that make files of ours, and words for them."""

STATE_FILES = ("tailrace.sqlite", "tailrace.sqlite-wal", "tailrace.sqlite-shm")


def check_path(path: str) -> None:
    """ValueError for what the shell would replace and we do not."""
    if path == "~" or path.startswith("~/"):
        raise ValueError(f'expected a path; "~" is not expanded: write "${{HOME}}{path[1:]}"')
    if "\0" in path:
        raise ValueError("expected a path; it holds a NUL character")


def absolute(path: str, directory: str) -> str:
    """A path that is not a pattern."""
    return os.path.normpath(os.path.join(directory, path))


def absolute_glob(pattern: str, directory: str) -> str:
    """A glob; the directory's own name is not a pattern."""
    return os.path.normpath(os.path.join(glob.escape(directory), pattern))


def absolute_exclude(pattern: str, directory: str) -> str:
    """Without a slash it is about names, wherever they are."""
    return absolute_glob(pattern, directory) if "/" in pattern else pattern


def absolute_template(template: str, directory: str) -> str:
    """A write stage's path. ``..``, or a slash at the end, stays in for the stage to refuse. ValueError: nothing
    literal comes first."""
    if template.startswith("{") and not template.startswith("{{"):
        raise ValueError(f'expected a directory or part of a name before the first placeholder: write "./{template}"')
    joined = os.path.join(directory.replace("{", "{{").replace("}", "}}"), template)
    refused = ".." in template.split("/") or template.endswith(("/", "/."))
    return joined if refused else os.path.normpath(joined)


def near_placeholder(template: str) -> str | None:
    """Words for a placeholder that looks like a misspelt {source}. It may be right: it may be any field of the
    event."""
    for name in re.findall(r"\{(\w+)\}", template.replace("{{", "")):
        if name != "source" and len(name) <= len("source") and difflib.get_close_matches(name, ["source"], cutoff=0.8):
            return f"{{{name}}} is a field of the event; did you mean {{source}}, the name of the file?"
    return None


def check_loops(config_paths: Sequence[str], source: TailSettings, ours: Sequence[Ours], report: Report) -> None:
    """A source that would read what we write. ``config_paths`` are ``source.paths`` as the file has them. Files of our
    own are also skipped when running, so this names only what the patterns themselves make plain."""
    for index, (written, pattern) in enumerate(zip(config_paths, source.paths, strict=True)):
        for templates, description in ours:
            if any(can_match(pattern, one) and not is_excluded(source.exclude, one) for one in templates):
                report.add(
                    ("source", "paths", index),
                    f"found {show(written)}, which also matches {description}: tailrace would read its own files; "
                    "use another directory, or a pattern or an exclude that distinguishes them",
                )
