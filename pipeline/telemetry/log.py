"""Structured logs on standard error. The one module that knows structlog; all others call ``get_logger``.

structlog is imported with the first line that is logged: a command that logs nothing does not pay for it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import IO, Any, Protocol

from tailrace.pipeline.escape import escape, json_line
from tailrace.pipeline.settings import LogSettings
from tailrace.pipeline.sizes import readable_size
from tailrace.pipeline.telemetry.repeats import Repeats
from tailrace.pipeline.telemetry.wrap import INDENT, lay, terminal_width

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_MAX_DEPTH = 8  # of nested values; deeper ones, and cycles, are cut

_SIZES = frozenset(
    {"bytes", "pending_bytes", "pending_files", "size", "size_now", "unread"}
)  # fields that are numbers of bytes

_DIM, _RESET = "\x1b[2m", "\x1b[0m"
_COLOURS = {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[1;31m"}


class Log(Protocol):
    """What a part that is given its logger needs of it."""

    def debug(self, event: str, /, **fields: Any) -> object: ...
    def info(self, event: str, /, **fields: Any) -> object: ...
    def warning(self, event: str, /, **fields: Any) -> object: ...
    def error(self, event: str, /, **fields: Any) -> object: ...


class Logger:
    """What a module logs with: a fixed event name, facts as fields: ``log.warning("file truncated", file=name)``.

    Callable from any thread. Never raises: a line that cannot be written is counted (``lost``) and gone.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def is_enabled_for(self, level: str) -> bool:
        """Whether a line of this level would be logged: for those that are costly to put together."""
        return _logs().says(level)

    def debug(self, event: str, /, **fields: Any) -> None:
        _logs().emit("debug", self.name, event, fields)

    def info(self, event: str, /, **fields: Any) -> None:
        _logs().emit("info", self.name, event, fields)

    def warning(self, event: str, /, **fields: Any) -> None:
        """Logged once for each event name and file, sink or stage; repeats are counted and logged once a minute."""
        _logs().emit("warning", self.name, event, fields)

    def error(self, event: str, /, **fields: Any) -> None:
        """``exc_info=True`` (or an exception) adds the traceback."""
        _logs().emit("error", self.name, event, fields)

    def exception(self, event: str, /, **fields: Any) -> None:
        """An error with the traceback of the exception being handled."""
        _logs().emit("error", self.name, event, {"exc_info": True, **fields})


class _Logs:
    """One configuration at work: level, format, stream, and the warnings being counted."""

    def __init__(
        self,
        settings: LogSettings,
        stream: IO[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.lost = 0
        self._settings = settings
        self._threshold = LEVELS[settings.level]
        self._stream = stream
        self._terminal = stream or sys.stderr  # as it is now: a progress display, later, is no terminal of its own
        self._colour = use_colour(self._terminal, environ)
        self._lock = threading.RLock()  # re-entrant: a signal handler may log while its own thread is inside
        self._repeats = Repeats(clock)
        self._structlog: Any = None

    def says(self, level: str) -> bool:
        return LEVELS[level] >= self._threshold

    def emit(self, level: str, name: str, event: str, fields: dict[str, Any]) -> None:
        if not self.says(level):
            return
        fields = {"logger": name, **fields}
        with self._lock:
            for said, with_fields in self._repeats.admit(event, fields) if level == "warning" else [(event, fields)]:
                self._say(level, said, with_fields)

    def tick(self) -> None:
        with self._lock:
            for event, fields in self._repeats.due():
                self._say("warning", event, fields)

    def flush(self) -> None:
        with self._lock:
            for event, fields in self._repeats.drain():
                self._say("warning", event, fields)

    def write(self, line: str) -> None:
        """The end of the chain. Looks up standard error anew: a progress display puts itself in its place."""
        stream = self._stream or sys.stderr
        try:
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError, AttributeError):  # full, closed, or never there (None): logging never kills
            self.lost += 1

    def _say(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if self._structlog is None:
            self._structlog = self._start()
        getattr(self._structlog, level)(event, **{_RESERVED.get(key, key): value for key, value in fields.items()})

    def _start(self) -> Any:
        import structlog

        def render(_logger: Any, _method: str, event: structlog.typing.EventDict) -> str:
            plain = {_text(key): _plain(value) for key, value in event.items()}
            if self._settings.format == "json":
                return json_line(plain)
            return console_line(plain, self._colour, terminal_width(self._terminal))

        processors: list[structlog.typing.Processor] = [
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _order,
            render,
        ]
        return structlog.wrap_logger(_Printer(self.write), processors=processors, cache_logger_on_first_use=True)


class _Printer:
    """Takes finished lines from structlog, whatever their level."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.debug = self.info = self.warning = self.error = write


_RESERVED = {"event": "event_", "level": "level_", "timestamp": "timestamp_"}  # fields that would hide ours
_current: _Logs | None = None


def configure(
    settings: LogSettings, stream: IO[str] | None = None, clock: Callable[[], float] = time.monotonic
) -> None:
    """Set up logging for this process; ``stream`` None: standard error. ``clock`` (seconds) paces repeated warnings."""
    global _current  # noqa: PLW0603 - the process has one log; every logger looks it up here
    _current = _Logs(settings, stream, clock)


def get_logger(name: str) -> Logger:
    """A logger for one module; ``name`` is the noun it is about (``tail``, ``sink``)."""
    return Logger(name)


def tick() -> None:
    """Log the counts of repeated warnings whose minute is over. Call it now and then."""
    _logs().tick()


def flush() -> None:
    """Log all counts of repeated warnings. Call it before the end."""
    _logs().flush()


def lost() -> int:
    """How many lines could not be written."""
    return _logs().lost


def use_colour(stream: IO[str] | None, environ: Mapping[str, str] = os.environ) -> bool:
    """A terminal that wants it: https://no-color.org, and ``TERM=dumb``."""
    if stream is None or stream.closed or not stream.isatty():
        return False
    return not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"


def console_line(fields: dict[str, Any], colour: bool = False, width: int | None = None) -> str:
    """``time level [logger] event key=value ...``, broken between fields where it is longer than ``width`` columns, and
    inside those that are; what follows, and a traceback, stands on indented lines, as no log line begins. Sizes are
    readable; the exact numbers are in the JSON format."""
    fields = dict(fields)
    when, level, event = (str(fields.pop(key, "")) for key in ("timestamp", "level", "event"))
    name = str(fields.pop("logger", ""))
    traces = [str(fields.pop(key)) for key in ("trace", "exception") if key in fields]
    dim, reset, tint = (_DIM, _RESET, _COLOURS.get(level, "")) if colour else ("", "", "")
    parts = [(dim, when, ""), (tint, f"{level:<7}", ""), (dim, f"[{escape(name)}]", ""), ("", escape(event), "")]
    parts += [(dim, f"{escape(key)}=", _quoted(_readable(key, value))) for key, value in fields.items()]
    shown: list[tuple[int, str]] = []
    for look, head, rest in parts:
        fits = width is None or len(head) + len(rest) <= width - INDENT
        first, *words = [rest] if fits else rest.split(" ")  # a sentence that is too long for any line
        shown += [(len(head) + len(first), f"{look}{head}{look and reset}{first}"), *((len(one), one) for one in words)]
    return "\n    ".join([lay(shown, width), *(escape(line) for trace in traces for line in trace.splitlines())])


def _readable(key: str, value: Any) -> Any:
    if key not in _SIZES:
        return value
    if isinstance(value, dict):
        return ", ".join(f"{name} {_readable(key, size)}" for name, size in value.items())
    return readable_size(value) if isinstance(value, int) else value


def _quoted(value: Any) -> str:
    if not isinstance(value, str):
        return json_line(value)
    text = escape(value)
    if text and not set(text) & set(' "=['):
        return text
    return '"' + text.replace('"', '\\"') + '"'


def _order(_logger: Any, _method: str, event: Any) -> Any:
    """The same keys first in every line."""
    first = {key: event.pop(key) for key in ("timestamp", "level", "logger", "event") if key in event}
    return {**first, **event}


def _plain(value: Any, depth: int = 0) -> Any:
    """``value`` as JSON knows it, whatever it is made of."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if depth >= _MAX_DEPTH:
        return "..."
    if isinstance(value, dict):
        return {_text(key): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).decode(errors="surrogateescape")
    return _text(value)


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # a user's object may raise anything; the line says so instead
        return f"<{type(value).__name__}, whose text raised {type(error).__name__}>"


def _logs() -> _Logs:
    global _current  # noqa: PLW0603 - see configure
    if _current is None:
        _current = _Logs(LogSettings())
    return _current
