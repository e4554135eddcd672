"""Reads a configuration file: TOML to checked values, or every problem at once."""

from __future__ import annotations

import datetime
import hashlib
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tailrace.pipeline.config.engine_tables import KEYS, read_settings, table_of, unknown_table
from tailrace.pipeline.config.environment import expand, no_secret, refers, values
from tailrace.pipeline.config.locate import KeyPath, locate
from tailrace.pipeline.config.paths import (
    STATE_FILES,
    Ours,
    absolute,
    check_loops,
    check_path,
)
from tailrace.pipeline.config.problems import Report, show
from tailrace.pipeline.config.secrets import Secrets
from tailrace.pipeline.config.source import load_source
from tailrace.pipeline.config.stages import load_chain
from tailrace.pipeline.config.toml_errors import describe_syntax_error
from tailrace.pipeline.config.units import format_duration, show_size
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import (
    Config,
    DeadLetterSettings,
    LogSettings,
    PipelineSettings,
    SecretsSettings,
    SourceSettings,
    StageSpec,
    StatusSettings,
    TailSettings,
)

LARGEST_FILE = 16 << 20  # bytes; a configuration that is larger is some other file, or a device without an end
DEEPEST = 32  # tables and lists inside one another
LARGEST_INTEGER = 1 << 63  # TOML's own limit, and that of what reads the workers' JSON


def load(path: str | Path, *, environ: Mapping[str, str] = os.environ) -> Config:
    """The checked configuration. ConfigError carries all problems, in the order of the file's lines."""
    name = os.fspath(path)
    data = _read(name)
    text = _decode(name, data)
    try:
        raw = tomllib.loads(text)
        lines = locate(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([describe_syntax_error(name, text, error)]) from error
    except ValueError as error:  # an integer with thousands of digits
        raise ConfigError([f"{escape(name)}: {error}"]) from error
    except RecursionError as error:
        raise ConfigError(
            [f"{escape(name)}: tables or lists are nested too deeply (at most {DEEPEST} levels)"]
        ) from error
    report = Report(name, lines, os.path.dirname(os.path.abspath(name)))
    report.note_uses(raw.get("stages"))
    config = _check(
        Path(os.path.abspath(name)), data, _expand(raw, environ, report, _secrets(raw, environ, report)), report
    )
    report.check()
    return config


def load_written(use: str, written: dict[str, Any], config: Config) -> StageSpec:
    """A stage of an earlier configuration, by its own keys as the file had them. ConfigError: it can't be any more."""
    report = Report(f"{use}, as the state has it", {})
    secrets = Secrets(config.secrets, str(config.directory), os.environ)
    tables = _expand({"stages": [{"use": use, **written}]}, os.environ, report, secrets)
    entries = load_chain(tables["stages"], str(config.directory), report)
    report.check()
    spec = entries[0].spec
    assert spec is not None, "what is wrong is in the report"
    return spec


def state_dir_in(path: str) -> str:
    """Of a configuration that may be wrong, as far as that can be read. ConfigError: it cannot."""
    text = _decode(path, _read(path))
    try:
        found = tomllib.loads(text)["pipeline"]["state_dir"]
    except (ValueError, RecursionError):
        written = re.search(r"""^\s*state_dir\s*=\s*["'](.+?)["']""", text, re.MULTILINE)
        found = written[1] if written else None
    except (KeyError, TypeError):
        found = None
    name = found if isinstance(found, str) else PipelineSettings().state_dir
    return absolute(name, os.path.dirname(os.path.abspath(path)))


def digest(data: bytes) -> str:
    """Of the configuration's file."""
    return hashlib.sha256(data).hexdigest()[:16]


def _read(name: str) -> bytes:
    shown = escape(name)
    try:
        with open(name, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except FileNotFoundError as error:
        absolute_name = escape(os.path.abspath(name))
        where = "" if absolute_name == shown else f" (looked for {absolute_name})"
        raise ConfigError([f"{shown}: there is no such file{where}"]) from error
    except IsADirectoryError as error:
        raise ConfigError([f"{shown}: this is a directory; expected a TOML file"]) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ConfigError([f"{shown}: cannot be read: {getattr(error, 'strerror', None) or error}"]) from error
    if len(data) > LARGEST_FILE:
        raise ConfigError([f"{shown}: larger than {LARGEST_FILE >> 20} MiB; expected a TOML file"])
    return data


def _decode(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start]
        problem = f"{escape(name)}:{line}: not UTF-8: byte 0x{byte:02x} at offset {error.start}; TOML is always UTF-8"
        raise ConfigError([problem]) from error


def _secrets(raw: dict[str, Any], environ: Mapping[str, str], report: Report) -> Secrets:
    """From the table that says where they are, which holds none itself; what is wrong with it is told later."""
    trial = Report(report.name, {}, report.directory)
    table = raw.get("secrets", {})
    known = {"secrets": _expand(table, environ, trial) if isinstance(table, dict) else {}}
    return Secrets(read_settings(SecretsSettings, "secrets", known, trial), report.directory, environ)


def _expand(
    raw: dict[str, Any], environ: Mapping[str, str], report: Report, secrets: Secrets | None = None
) -> dict[str, Any]:
    """The tree with references replaced and only plain values in it: what stays can travel as JSON."""

    secret = secrets.value if secrets is not None else no_secret

    def walk(value: Any, path: KeyPath) -> Any:
        if len(path) > DEEPEST:
            report.broken(path, f"nested too deeply (at most {DEEPEST} levels)")
            return None
        match value:
            case dict():
                return {key: walk(item, (*path, key)) for key, item in value.items()}
            case list():
                return [walk(item, (*path, index)) for index, item in enumerate(value)]
            case str():
                try:
                    if refers(value):
                        report.hidden |= values(value, environ, secret)
                    return expand(value, environ, secret)
                except ValueError as wrong:
                    report.broken(path, str(wrong))
            case datetime.datetime() | datetime.date() | datetime.time():
                return value.isoformat().replace("+00:00", "Z")
            case float() if not math.isfinite(value):
                report.broken(path, f"found {value}, expected a finite number")
            case int() if not -LARGEST_INTEGER <= value < LARGEST_INTEGER:
                report.broken(path, f"found {show(value)}, expected a number of at most 64 bits")
        return value

    return {key: walk(value, (key,)) for key, value in raw.items()}


def _check(path: Path, data: bytes, tables: dict[str, Any], report: Report) -> Config:
    """What is right; what is wrong goes to the report."""
    directory = str(path.parent)
    report.loose = {name for name, value in tables.items() if not isinstance(value, (dict, list))}
    for name, value in tables.items():
        if name not in KEYS and name != "stages":
            report.add((name,), unknown_table(name, value))
    pipeline = _pipeline(read_settings(PipelineSettings, "pipeline", tables, report), directory, report)
    source_table = table_of("source", tables, report)
    source = load_source(source_table, directory, report)
    dead_letters = read_settings(DeadLetterSettings, "dead_letters", tables, report)
    _check_sums(pipeline, source, dead_letters, report)
    status = read_settings(StatusSettings, "status", tables, report)

    entries = load_chain(tables.get("stages", []), directory, report)
    stages = tuple(entry.spec for entry in entries if entry.spec)
    if not any(entry.role == "parse" for entry in entries):
        report.warn(("stages",), "no parse stage: every line is taken as it is, as by parse.raw")
    if not any(entry.role == "write" for entry in entries):
        report.warn(("stages",), "no write stage: `tailrace run` refuses to start; `tailrace replay` works")
    ours: list[Ours] = [
        ([entry.spec.options["path"]], f"what {entry.name} writes to {show(entry.template)}")
        for entry in entries
        if entry.spec and entry.template
    ]
    state = os.path.join(pipeline.state_dir.replace("{", "{{").replace("}", "}}"), "")
    ours.append(([state + file for file in STATE_FILES], f"tailrace's state in {show(pipeline.state_dir)}"))
    if isinstance(source, TailSettings) and source.paths:
        check_loops(source_table["paths"], source, ours, report)
    return Config(
        path=path,
        directory=path.parent,
        digest=digest(data),
        stages=stages,
        pipeline=pipeline,
        source=source,
        dead_letters=dead_letters,
        log=read_settings(LogSettings, "log", tables, report),
        status=status,
        secrets=read_settings(SecretsSettings, "secrets", tables, report),
        warnings=report.warnings,
    )


def _pipeline(settings: PipelineSettings, directory: str, report: Report) -> PipelineSettings:
    try:
        check_path(settings.state_dir)
    except ValueError as wrong:
        report.add(("pipeline", "state_dir"), f"found {show(settings.state_dir)}, {wrong}")
    return replace(settings, state_dir=absolute(settings.state_dir, directory))


def _check_sums(pipeline: PipelineSettings, source: SourceSettings, dead: DeadLetterSettings, report: Report) -> None:
    """What two keys together get wrong. Each message names the key that is most likely meant to change."""
    if pipeline.commit_bytes < pipeline.chunk_bytes:
        found, least = show_size(pipeline.commit_bytes), show_size(pipeline.chunk_bytes)
        report.add(
            ("pipeline", "commit_bytes"),
            f"is {found}, expected at least chunk_bytes, {least}: a commit covers whole chunks",
        )
    if pipeline.task_timeout <= pipeline.line_timeout:
        found, least = format_duration(pipeline.task_timeout), format_duration(pipeline.line_timeout)
        report.add(
            ("pipeline", "task_timeout"),
            f"is {found}, expected more than line_timeout, {least}: a slow line must not look like a dead worker",
        )
    if dead.max_bytes < source.longest_record:
        found, least = show_size(dead.max_bytes), show_size(source.longest_record)
        report.add(
            ("dead_letters", "max_bytes"),
            f"is {found}, expected at least max_line_bytes of [source], {least}: one dead letter must fit",
        )
