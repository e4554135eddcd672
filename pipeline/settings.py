"""What a checked configuration consists of. Sizes are bytes (int), durations seconds (float), paths absolute."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from tailrace.pipeline.construct import construct
from tailrace.pipeline.encoding import encoding
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.framing import Multiline
from tailrace.pipeline.keys import Duration, Matching, Problems, Size, Text, Whole

_COMMIT = "each commit waits for the disk; after a crash, all since the last one is done again"
_PORT = r"[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5]"
_ADDRESS = rf"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+):(?:{_PORT})"


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
    written: dict[str, Any] = field(default_factory=dict)  # of a write stage: its own keys as the file has them
    field: str = ""  # of a parse stage that reads a field: then its role is "enrich"
    into: str = ""  # of a parse stage: the field that takes what it makes; empty: the top level
    overwrite: bool = True  # of one that reads a field: what it makes takes the place of what the event has


@dataclass(slots=True, frozen=True)
class PipelineSettings:
    """The table [pipeline]."""

    name: Annotated[str, Matching(r"[\w.-]{1,64}", 'expected a name of 1 to 64 letters, digits, "_", "-" or "."')] = (
        "tailrace"
    )
    state_dir: Annotated[str, Text()] = "state"
    workers: Annotated[
        int, Whole(0, 64, "0 runs the stages in the main process; more processes than cores gain nothing")
    ] = 2
    chunk_bytes: Annotated[
        int, Size("64KiB", "64MiB", "small chunks cost more to hand over, large ones take memory")
    ] = 1 << 20
    commit_interval: Annotated[float, Duration("10ms", "1h", _COMMIT)] = 1.0
    commit_bytes: Annotated[int, Size("64KiB", "1TiB", _COMMIT)] = 64 << 20
    line_timeout: Annotated[float, Duration("1ms", "1h", "no normal line needs longer")] = 1.0
    task_timeout: Annotated[float, Duration("100ms", "1d", "a worker that shows no progress for so long is killed")] = (
        30.0
    )
    worker_memory: Annotated[
        int, Size("32MiB", "1TiB", "a worker needs memory for a chunk, its events and their output")
    ] = 256 << 20
    stage_memory: Annotated[
        int, Size("64KiB", "1GiB", "what stages remember, as JSON, is held in memory and written to the state")
    ] = 16 << 20
    shutdown_timeout: Annotated[
        float, Duration("0s", "1h", "what sinks have not taken by then is left for the next start")
    ] = 30.0


@dataclass(slots=True, frozen=True)
class SourceSettings:
    """What the table [source] holds whatever source ``use`` names. The settings of a source derive from it, and their
    fields are its further keys."""

    cannot_reread: ClassVar[bool] = False  # what is not committed is kept in memory
    resumes: ClassVar[bool] = True  # another source of the kind goes on where this one is committed

    use: str = ""
    max_line_bytes: Annotated[
        int, Size("256B", "64MiB", "a longer line becomes a dead letter, and each slot has room for one")
    ] = 1 << 20
    encoding: str = "utf-8"  # a byte order mark at a file's beginning wins
    errors: Literal["replace", "error"] = "replace"  # of bytes that are no text: U+FFFD, or the line is a dead letter
    multiline: Multiline | None = None  # a line is a record

    @property
    def longest_record(self) -> int:
        """In bytes."""
        return max(self.max_line_bytes, self.multiline.max_bytes if self.multiline else 0)

    @property
    def longest_read(self) -> int:
        """Bytes that a buffer must hold, for a record's end to be found in it: a record and the line behind it."""
        return self.max_line_bytes + (self.multiline.max_bytes if self.multiline else 0)

    def __post_init__(self) -> None:
        problems = Problems()
        with problems.of("encoding"):
            encoding(self.encoding)
        problems.check()


@dataclass(slots=True, frozen=True)
class TailSettings(SourceSettings):
    """The table [source] with ``use = "tail"``: ``paths`` and ``exclude`` are globs, absolute once loaded."""

    use: str = "tail"
    paths: tuple[Annotated[str, Text()], ...] = ()
    exclude: tuple[Annotated[str, Text()], ...] = ()
    read_from: Literal["beginning", "end"] = "beginning"
    compressed: Literal["skip", "read"] = "skip"  # .gz and .zst: each line once, not what was read before it was packed
    on_done: Literal["keep", "delete"] = "keep"  # of a file that is read, committed, and not written to any more
    priority: tuple[Annotated[str, Text()], ...] = ()  # patterns of names, the most urgent first
    ignore_older: (
        Annotated[float, Duration("1m", "36500d", "a new file that was last written so long ago is left alone")] | None
    ) = None
    close_after: Annotated[
        float, Duration("0s", "1d", "a file whose name is gone is closed after so long without growth")
    ] = 5.0


@dataclass(slots=True, frozen=True)
class DeadLetterSettings:
    """The table [dead_letters]."""

    max_bytes: Annotated[int, Size("64KiB", "1TiB", "at least one dead letter must fit")] = 256 << 20
    when_full: Literal["block", "drop_oldest"] = "block"
    max_age: Annotated[float, Duration("1h", "36500d", "an older letter is removed")] | None = None
    raw: Literal["keep", "omit"] = "keep"  # the line's bytes, and what else of it nothing has redacted yet


@dataclass(slots=True, frozen=True)
class LogSettings:
    """The table [log]."""

    format: Literal["console", "json"] = "console"
    level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(slots=True, frozen=True)
class StatusSettings:
    """The table [status]."""

    listen: (
        Annotated[
            str, Matching(_ADDRESS, 'expected an address and a port from 1 to 65535, for example "127.0.0.1:9600"')
        ]
        | None
    ) = None  # no server


@dataclass(slots=True, frozen=True)
class SecretsSettings:
    """The table [secrets]: where ``SECRET[file.NAME]`` and ``SECRET[directory.NAME]`` look."""

    file: Annotated[str, Text()] | None = None  # TOML, or JSON where it ends so, with texts by name
    directory: Annotated[str, Text()] | None = None  # a file for each; else $CREDENTIALS_DIRECTORY, or /run/secrets


@dataclass(slots=True, frozen=True)
class Config:
    path: Path  # the file itself, absolute
    directory: Path  # relative paths are relative to it
    digest: str  # of the file's bytes: dead letters remember which configuration made them
    stages: tuple[StageSpec, ...]
    pipeline: PipelineSettings = field(default_factory=PipelineSettings)
    source: SourceSettings = field(default_factory=TailSettings)
    dead_letters: DeadLetterSettings = field(default_factory=DeadLetterSettings)
    log: LogSettings = field(default_factory=LogSettings)
    status: StatusSettings = field(default_factory=StatusSettings)
    secrets: SecretsSettings = field(default_factory=SecretsSettings)
    warnings: tuple[str, ...] = ()  # `check` prints them, `run` logs them

    @property
    def tail(self) -> TailSettings:
        """The source's settings, if it is ``tail``. ConfigError: it is another one."""
        if not isinstance(self.source, TailSettings):
            raise ConfigError(
                [f'[source]: found use = "{self.source.use}"; this command can only read with use = "tail"']
            )
        return self.source

    def to_json(self) -> bytes:
        """For a worker, which gets all but the keys that only this source has. Not orjson: a path need not be valid
        UTF-8."""
        ours = {one.name: getattr(self.source, one.name) for one in fields(SourceSettings)}
        source = SourceSettings(**ours)
        return json.dumps(asdict(replace(self, source=source)), default=str).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Config:
        raw = json.loads(data)
        return construct(cls, raw | {"path": Path(raw["path"]), "directory": Path(raw["directory"])})
