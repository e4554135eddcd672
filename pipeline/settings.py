"""What a checked configuration consists of. Sizes are bytes (int), durations seconds (float), paths absolute."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(slots=True, frozen=True)
class StageSpec:
    """One ``[[stages]]`` table, checked. Plain values only: it goes to the workers as JSON."""

    use: str  # "enrich.set", "my.module:Name"
    label: str  # names the stage in counters, dead letters and logs; `use`, with "#2" ... where it repeats
    role: Literal["parse", "enrich", "write"]
    options: dict[str, Any]  # the stage's own keys, JSON-able and converted: cls(**options) builds it
    only: tuple[str, ...] = ()  # glob patterns over the file's name; empty: all files
    when: str | None = None  # an expression over the event
    on_error: Literal["dead_letter", "keep", "drop"] = "dead_letter"
    id: str = ""  # of a write stage


@dataclass(slots=True, frozen=True)
class PipelineSettings:
    name: str = "tailrace"
    state_dir: str = "state"
    workers: int = 2
    chunk_bytes: int = 1 << 20
    commit_interval: float = 1.0
    commit_bytes: int = 64 << 20
    line_timeout: float = 1.0
    task_timeout: float = 30.0
    worker_memory: int = 256 << 20
    shutdown_timeout: float = 30.0


@dataclass(slots=True, frozen=True)
class TailSettings:
    use: Literal["tail"] = "tail"
    paths: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    read_from: Literal["beginning", "end"] = "beginning"
    max_line_bytes: int = 1 << 20
    close_after: float = 5.0


@dataclass(slots=True, frozen=True)
class DeadLetterSettings:
    max_bytes: int = 256 << 20
    when_full: Literal["block", "drop_oldest"] = "block"


@dataclass(slots=True, frozen=True)
class LogSettings:
    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(slots=True, frozen=True)
class Config:
    path: Path  # the file itself, absolute
    directory: Path  # relative paths are relative to it
    digest: str  # of the file's bytes: dead letters remember which configuration made them
    stages: tuple[StageSpec, ...]
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    source: TailSettings = field(default_factory=TailSettings)
    dead_letters: DeadLetterSettings = field(default_factory=DeadLetterSettings)
    log: LogSettings = field(default_factory=LogSettings)
    warnings: tuple[str, ...] = ()  # `check` prints them, `run` logs them

    def to_json(self) -> bytes:
        """For a worker, which gets it whole. Not orjson: a path need not be valid UTF-8."""
        return json.dumps(asdict(self), default=str).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Config:
        raw = json.loads(data)
        return cls(
            path=Path(raw["path"]),
            directory=Path(raw["directory"]),
            digest=raw["digest"],
            stages=tuple(StageSpec(**{**stage, "only": tuple(stage["only"])}) for stage in raw["stages"]),
            pipeline=PipelineSettings(**raw["pipeline"]),
            source=TailSettings(
                **{**raw["source"], "paths": tuple(raw["source"]["paths"]), "exclude": tuple(raw["source"]["exclude"])}
            ),
            dead_letters=DeadLetterSettings(**raw["dead_letters"]),
            log=LogSettings(**raw["log"]),
            warnings=tuple(raw["warnings"]),
        )
