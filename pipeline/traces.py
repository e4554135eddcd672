"""Stack traces of several languages: which of their lines begin a record, and which go on with one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

BOM = b"\xef\xbb\xbf"
_NONE = "", 0

# Lines of a stack trace by what they do, each matched at a line's beginning.
# more: goes on with what is there; enter: does, and a trace's own lines follow; attach: begins a trace, which belongs
# to the line before if that stands alone; begin: begins a record; tail: one of a trace's own lines; last: its last one;
# closing: goes on with what is there if that is indented.
_LEVEL = "(?!(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL)\\b)"
PRESETS: dict[str, dict[str, str]] = {
    "python": {
        "more": r"[ \t\r\n]|During handling of the above exception|The above exception was the direct cause"
        r"|Stack \(most recent call last\):"
        r"|(?:future|task|handle|protocol|transport|asyncgen): <"  # asyncio's, below its message
        r"|\[SQL: |\[parameters: |\(Background on this error at: ",  # SQLAlchemy's, below an exception's message
        "attach": r"Traceback \(most recent call last\):",
        "last": rf"{_LEVEL}[A-Za-z_][\w.<>]*(?:: |:?\r?$)",
        "closing": r"(?:SyntaxError|IndentationError|TabError): ",  # without a traceback, of the program itself
    },
    "java": {
        "more": r"[ \t\r\n]|Caused by: |Wrapped by: |Suppressed: |\.\.\. \d+ (?:more|common frames omitted)",
        "begin": "Exception in thread ",
        "attach": r"(?:[\w$]+\.)+[\w$]*(?:Exception|Error|Throwable)\b"
        r"|[A-Z][\w$]*(?:Exception|Error|Throwable)(?:: |\r?$)",
    },
    "go": {
        "more": r"[\t\r\n]|\[signal |exit status \d|PC=0x|\.\.\.(?:additional|\d+) frames elided",
        "enter": r"goroutine \d+ (?:gp=\S+ )?(?:m=\S+ )?(?:mp=\S+ )?\[|runtime stack:",
        "begin": "panic: |fatal error: |SIG[A-Z]+: ",
        "tail": r"created by |[\w./*()\[\]{}$%~+,-]+\(.*\)\r?$|[a-z]\w{1,5} +0x[\da-f]+\r?$",
    },
    "postgres": {"more": r"\t"},
}
_CHAINED = re.compile(rb"During handling of the above exception|The above exception was the direct cause")


@dataclass
class Traces:
    """Lines of stack traces."""

    presets: list[dict[str, str]]

    def __post_init__(self) -> None:
        kinds = ("begin", "more", "enter", "attach", "closing", "tail", "last")
        numbers = range(len(self.presets))
        self._kinds = {f"{kind}_{number}": (kind, number) for kind in kinds for number in numbers}  # by a group's name
        named = [
            (kind, rf"(?P<{kind}_{number}>{preset[kind]})")
            for kind in kinds
            for number, preset in enumerate(self.presets)
            if kind in preset
        ]
        self._match = re.compile("|".join(group for _, group in named).encode(), re.MULTILINE).match
        own = [
            [f"(?P<{kind}>{preset[kind]})" for kind in ("tail", "last") if kind in preset] for preset in self.presets
        ]
        self._own = [re.compile("|".join(groups).encode(), re.MULTILINE).match if groups else None for groups in own]
        joining = "|".join(group for kind, group in named if kind not in ("tail", "last"))
        self._any = re.compile(rf"\n(?={joining})".encode(), re.MULTILINE).search

    def free(self, previous: bytes, line: bytes) -> bool:  # noqa: ARG002 - it says by itself
        return self._match(line) is None

    def plain(self, data: bytes) -> bool:
        first = self._match(data)
        kind, _ = self._kinds[first.lastgroup or ""] if first is not None else _NONE
        return kind not in ("attach", "begin", "enter") and not data.startswith(BOM) and self._any(data) is None

    def starts(self, lines: Sequence[bytes]) -> list[int]:
        starts: list[int] = []
        own: Callable[[bytes], re.Match[bytes] | None] | None = None  # of the trace that may go on
        chained = alone = False
        for index, match in enumerate(map(self._match, lines)):
            if own is not None and (found := own(lines[index])) is not None:
                own, chained = (own if found.lastgroup == "tail" else None), False
                continue
            kind, preset = self._kinds[match.lastgroup or ""] if match is not None else _NONE
            if index and kind == "more":
                chained = chained or _CHAINED.match(lines[index]) is not None
                continue
            if index and kind == "closing" and lines[index - 1].startswith((b" ", b"\t")):
                continue
            if kind == "enter" and index:
                own, alone = self._own[preset], False
            elif kind == "attach":
                if not (chained or alone):
                    starts.append(index)
                own, chained, alone = self._own[preset], False, False
            else:
                starts.append(index)
                own = self._own[preset] if kind in ("begin", "enter") else None
                chained, alone = False, kind != "begin"
        return starts if starts and not starts[0] else [0, *starts]
