"""What an HTTP answer means for the records that were sent: its status leads to one of five verdicts.

Nothing is dropped for a status that nobody foresaw: the sink parks, and says what it was told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tailrace.pipeline.errors import Park, Retry, Split
from tailrace.pipeline.escape import escape
from tailrace.pipeline.outgoing import Verdicts

Verdict = Literal["delivered", "retry", "split", "reject", "park"]

LONGEST_DELAY = 3600.0  # seconds that are waited at a server's word: it may be back long before it thinks
WORDS = 300  # characters of a server's words that are repeated

_BY_STATUS: dict[int, Verdict] = {
    400: "split",  # the body as a whole is refused, for what may be one record's fault
    408: "retry",
    413: "split",
    422: "split",
    425: "retry",
    429: "retry",
    501: "park",
    505: "park",
}


@dataclass(slots=True, frozen=True)
class Answer:
    """What a server said. ``body`` is its beginning."""

    where: str  # method and endpoint, for messages
    status: int
    reason: str
    headers: Mapping[str, str] = field(default_factory=dict)  # names in small letters
    body: bytes = b""
    hide: Callable[[str], str] = str  # takes out what must not be repeated

    def __str__(self) -> str:
        words = " ".join(self.body.decode("utf-8", "replace").split())
        words = escape(self.hide(words))
        cut = words if len(words) <= WORDS else words[:WORDS] + " ..."
        line = f"{self.where}: {self.status} {escape(self.hide(self.reason))[:WORDS]}".rstrip()
        return f"{line}: {cut}" if cut else line


def verdict(status: int, success: Sequence[int] = (), overrides: Mapping[str, Verdict] | None = None) -> Verdict:
    """``success``: the codes that mean success, if not every 2xx does. ``overrides``: by the status as text."""
    if overrides and str(status) in overrides:
        return overrides[str(status)]
    if status in success or (not success and 200 <= status < 300):
        return "delivered"
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return "retry" if 500 <= status < 600 else "park"


def settle(answer: Answer, meant: Verdict, records: int, now: float) -> Verdicts | None:
    """For ``deliver``: returns or raises what the engine is to be told of a batch of so many records. ``now``: seconds
    since the epoch."""
    match meant:
        case "delivered":
            return None
        case "retry":
            raise Retry(str(answer), retry_after(answer.headers.get("retry-after"), now))
        case "split":
            raise Split(str(answer), "too_large" if answer.status == 413 else "rejected")
        case "reject":
            return Verdicts(refused=[(index, "rejected", str(answer)) for index in range(records)])
        case "park":
            raise Park(f"{answer}{_HINTS.get(answer.status, '')}")


_HINTS = {
    401: " (check `auth`)",
    403: " (check `auth`, and what this user may do)",
    404: " (check `endpoint`)",
    405: " (check `method`)",
    **dict.fromkeys(range(300, 309), " (redirects are not followed: name the place itself as `endpoint`)"),
}


def retry_after(text: str | None, now: float) -> float | None:
    """Seconds until then, from seconds or a date. None: the server does not say, or nothing that can be understood, or
    that the time has come: then the usual backoff keeps it from being asked without a pause."""
    if not text:
        return None
    if re.fullmatch(r"\d{1,9}", text.strip(), re.ASCII):
        seconds = float(text)
    else:
        from email.utils import parsedate_to_datetime  # slow to import, and only some servers write dates

        try:
            seconds = parsedate_to_datetime(text).timestamp() - now
        except (ValueError, OverflowError):
            return None
    return min(seconds, LONGEST_DELAY) if seconds > 0 else None
