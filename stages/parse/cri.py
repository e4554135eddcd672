"""Lines of the container runtimes of Kubernetes: ``2024-01-01T00:00:00.123456789Z stdout F started``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.stages.patterns.line import UsualForm
from tailrace.stages.patterns.place import Expected, unmet
from tailrace.stages.values.stamps import Stamps
from tailrace.stages.values.typed import Typed

_FORM = r"([0-9T:.+-]{19,40}Z?) (stdout|stderr) ([FP])(?::([^ ]{0,255}))?"
# Most times are in UTC: then it is enough to know that the minute exists.
_IN_UTC = r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}):[0-5][0-9](?:\.[0-9]{1,9})?Z"
_USUAL = UsualForm(rf"({_IN_UTC}|[0-9T:.+-]{{19,40}}Z?) (stdout|stderr) (F|P|[FP]:[^ ]{{0,255}})(?: (.*))?")
_LINE = re.compile(rf"{_FORM}(?: (.*)|\Z)", re.DOTALL)
_PARTS: list[Expected] = [
    ("a time such as '2024-01-01T00:00:00.123456789Z'", re.compile(r"[0-9T:.+-]{19,40}Z?")),
    ("a blank after the time", re.compile(" ")),
    ("stdout or stderr", re.compile("stdout|stderr")),
    ("a blank after the stream", re.compile(" ")),
    ("the tag F (full) or P (partial)", re.compile("[FP]")),
    ("a blank, or : and more tags, after the tag", re.compile("(?::[^ ]{0,255})?(?= )")),
    ("a blank after the tags", re.compile("(?!)")),
]
# .../pods/NAMESPACE_POD_UID/CONTAINER/RESTART.log, and what rotation puts behind it.
# .../containers/POD_NAMESPACE_CONTAINER-ID.log: a link to it
_LINK_PATH = re.compile(r".*/([^_/]+)_([^_/]+)_([^_/]+)-([0-9a-f]{64})\.log", re.DOTALL)
_POD_PATH = re.compile(r".*/([^_/]+)_([^_/]+)_([^_/]+)/([^/]+)/([0-9]{1,18})\.log(?:[.-][^/]*)?", re.DOTALL)


@dataclass
class Cri(Typed):
    """Fields ``message stream timestamp`` (RFC 3339 in UTC), and ``tags``, an array, where more stand behind the first.

    A runtime splits what a program writes after 16 KiB without a newline: a part (tag P) gets ``partial: true``. A
    record of several lines, as ``[source.multiline]`` joins them with ``preset = "cri"``, is one event with the parts
    in one and the time of the first; behind a full line (F) that others follow there is a newline. For JSON in the
    message put parse.json with ``field = "message"`` behind this stage.

    ``pod_fields = true`` adds ``namespace pod uid container restart`` (an integer) where the file's path has the form
    ``.../NAMESPACE_POD_UID/CONTAINER/RESTART.log``, as below ``/var/log/pods``; or ``namespace pod container
    container_id`` where it has that of the links in ``/var/log/containers``, ``POD_NAMESPACE_CONTAINER-ID.log``.

    Fails: ``no_match``, ``bad_timestamp``.

    Example::

        [source.multiline]
        preset = "cri"

        [[stages]]
        use = "parse.cri"

    Lines::

        2026-02-02T10:30:45.123456789Z stdout F order 7 paid
        2026-02-02T11:30:46.001002003+01:00 stderr P a line that is too long for one,
        2026-02-02T11:30:46.001002104+01:00 stderr F  and was split by the runtime
        2026-02-02T10:30:47.5Z stdin F hello
    """

    plain: ClassVar[bool] = True

    pod_fields: bool = True  # what the path of the file tells

    def __post_init__(self) -> None:
        super().__post_init__()
        self._stamps = Stamps()
        self._of: tuple[str, Event] = "", {}  # a path, and what it tells

    def events(self, lines: Lines) -> list[Event | Fail]:
        pod = self._pod(lines.origin.path)
        if lines.several_lines:
            return [self._record(record, pod) for record in lines.texts]
        rows = _USUAL.rows(lines.text, len(lines))
        failed = False
        events: list[Event | Fail] = [
            {"message": message, "stream": stream, "timestamp": time}
            if tags == "F"
            else _event(message, stream, time, tags)
            for time, _, stream, tags, message in rows
        ]
        if not self._stamps.known({row[1] for row in rows}):
            times = self._stamps([row[0] for row in rows])
            failed = self._stamps.failed  # also at the empty time of a line that has not this form
            for event, time in zip(events, times, strict=True):
                event["timestamp"] = time  # type: ignore[index]  # none has failed yet
        if pod:
            for event in events:
                event.update(pod)  # type: ignore[union-attr]  # none has failed yet
        if failed:
            for i, time in enumerate(times):
                if type(time) is Fail:
                    events[i] = self._record(lines[i], pod)
        return events

    def _pod(self, path: str) -> Event:
        """What the path tells."""
        if path != self._of[0]:
            match = _POD_PATH.fullmatch(path) if self.pod_fields else None
            pod: Event = {}
            if match is not None:
                namespace, name, uid, container, restart = match.groups()
                pod = {"namespace": namespace, "pod": name, "uid": uid, "container": container, "restart": int(restart)}
            elif self.pod_fields and (match := _LINK_PATH.fullmatch(path)) is not None:
                name, namespace, container, number = match.groups()
                pod = {"namespace": namespace, "pod": name, "container": container, "container_id": number}
            self._of = path, pod
        return self._of[1]

    def _record(self, record: str, pod: Event) -> Event | Fail:
        """One line, or several as the source joins them."""
        lines = record.split("\n")
        found = []
        for number, line in enumerate(lines, 1):
            match = _LINE.match(line)
            if match is None:
                why = unmet(line, 0, _PARTS)
                return Fail("no_match", f"line {number} of the record: {why}" if len(lines) > 1 else why)
            found.append(match.groups(""))
        time, stream, _, tags, _ = found[0]
        if any(row[1] != stream for row in found):
            return Fail("no_match", "a record of several lines that are of different streams")
        (stamp,) = self._stamps([time])
        if type(stamp) is Fail:
            return Fail(stamp.code, f"time: {stamp.why}")
        parts = [message + ("\n" if tag == "F" else "") for _, _, tag, _, message in found]
        event = _event(
            "".join(parts).removesuffix("\n"), stream, stamp, f"{found[-1][2]}:{tags}" if tags else found[-1][2]
        )
        return event | pod


def _event(message: str, stream: str, time: Any, tags: str) -> Event:
    """``tags``: F or P, and what stands behind it and a colon."""
    event: Event = {"message": message, "stream": stream, "timestamp": time}
    if len(tags) > 2:
        event["tags"] = tags[2:].split(":")
    if tags[:1] == "P":
        event["partial"] = True
    return event
