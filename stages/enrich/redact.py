"""``enrich.redact``: takes secrets and personal data out of events."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import orjson
from tailrace.pipeline.batch import Event
from tailrace.pipeline.keys import Problems
from tailrace.stages.patterns.accounts import is_card
from tailrace.stages.patterns.searched import Span, Text
from tailrace.stages.patterns.secrets import PRESETS, SECRET_NAME
from tailrace.stages.values.fields import FieldPatterns

Preset = Literal["email", "card", "iban", "ipv4", "ipv6", "bearer", "password_kv"]
Container = dict[str, Any] | list[Any]

SECRET = "secret"  # the group of a pattern  # noqa: S105
KEY_LENGTH = 16  # characters at least: a shorter key is found by trying
HASH_DIGITS = 32  # of 64: 128 bits, so that no two values will ever have the same
LEAST_CARD = 10**11
_BETWEEN = "\0"  # stands between values while they are looked through together


@dataclass
class Redact:
    """Replace what is found in values at any depth, and all of the fields that are named. Names of fields stay.

    ``presets``, all of them by default:

    - ``email``: also with ``%40`` for the ``@``;
    - ``card``: numbers of payment cards, by their first digits, length and check digit; also whole numbers;
    - ``iban``: in capitals, by country, length and check digits;
    - ``ipv4``, ``ipv6``: not ``::`` and what ends in ``.0.0.0``, which are no hosts;
    - ``bearer``: the word behind ``Bearer``, a name and password behind ``Basic``, and JSON Web Tokens;
    - ``password_kv``: what follows ``password=``, ``"api_key": `` and the like, the password in a URL, and the values
      of fields with such a name (password, passwd, pwd, passphrase, passcode, secret, token, api_key, credentials ...).

    ``patterns`` are regular expressions of your own, also for whole numbers: what the group ``secret`` matches is
    replaced, or else all of the match. ``fields`` are names or globs of fields, at any depth, that are replaced as a
    whole.

    ``method``: ``mask`` puts the text ``mask`` in place; ``hash`` the first 32 digits of an HMAC-SHA-256 with ``key``,
    the same for the same value; ``remove`` cuts it out, and the field with it if nothing is left. There is no hash
    without a key: whoever sees it could find an address or card by trying them all.

    Dead letters hold the line as it was, with all its secrets, unless ``[dead_letters] raw = "omit"``.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.redact"
        presets = ["email", "card", "password_kv"]
        patterns = ['order (?P<secret>\\d+)']
        fields = ["*_name"]

    Lines::

        {"msg": "mail to ann@example.com about order 4711", "user": {"id": 7, "first_name": "Ann"}}
        {"msg": "paid with 4111 1111 1111 1111", "card": 4111111111111111, "amount": 4111}
        {"msg": "GET /login?user=ann&password=hunter2", "api_key": "k-81f2"}
    """

    plain: ClassVar[bool] = True
    redacts: ClassVar[bool] = True  # the engine then leaves out of dead letters what was not redacted yet

    presets: list[Preset] | None = None  # by default all; an empty list: none
    patterns: list[str] = field(default_factory=list)  # of your own
    fields: list[str] = field(default_factory=list)  # names or globs, such as `*_name`
    method: Literal["mask", "hash", "remove"] = "mask"  # what becomes of what is found
    mask: str = "[REDACTED]"  # of `mask`
    key: str = field(default="", repr=False)  # of `hash`: write it as "${VARIABLE}"

    def __post_init__(self) -> None:
        problems = Problems()
        names: Sequence[str] = list(PRESETS) if self.presets is None else self.presets
        if not names and not self.patterns and not self.fields:
            problems.add("presets", "is empty, and there are neither `patterns` nor `fields`: nothing to look for")
        self._patterns = []
        for index, pattern in enumerate(self.patterns):
            with problems.of(f"patterns[{index}]"):
                self._patterns.append(_compiled(pattern))
        if _BETWEEN in self.mask:
            problems.add("mask", "holds a NUL character")
        if self.method == "hash" and len(self.key) < KEY_LENGTH:
            problems.add(
                "key", f'needs {KEY_LENGTH} characters at least for method = "hash": write key = "${{VARIABLE}}"'
            )
        if self.method != "hash" and self.key:
            problems.add("key", 'is for method = "hash"')
        self._named: FieldPatterns | None = None
        by_name = SECRET_NAME if "password_kv" in names else ""
        if self.fields or by_name:
            with problems.of("fields"):
                self._named = FieldPatterns(self.fields, expression=by_name)
        problems.check()
        self._finders = [PRESETS[name] for name in names]
        self._cards = "card" in names
        self._put = self._replacement()

    def process(self, events: list[Event]) -> list[Event]:
        containers, values = self._inside(events)
        texts = [value for value in values if isinstance(value, str)]
        redacted = self._redacted(texts)
        if redacted is not texts:
            _exchange(containers, str, redacted, self.method == "remove")
        numbers = [value for value in values if type(value) is int]
        if self._patterns or (self._cards and numbers and max(numbers) >= LEAST_CARD):
            _exchange(containers, int, list(map(self._number, numbers)), self.method == "remove")
        return events

    def _inside(self, events: list[Event]) -> tuple[list[Container], list[Any]]:
        """The events with all tables and lists in them, and what these hold; named fields are redacted on the way."""
        containers: list[Container] = []
        values: list[Any] = []
        seen = set(map(id, events))  # what stands in several places is taken once
        level: list[Container] = list(events)
        while level:
            if (named := self._named) is not None:
                for table in [one for one in level if isinstance(one, dict) and named[tuple(one)]]:
                    self._redact_named(table, named[tuple(table)])
            held = [value for one in level for value in (one.values() if isinstance(one, dict) else one)]
            if tuple in set(map(type, held)):
                _make_lists(level)
                continue
            containers += level
            values += held
            inner = {id(value): value for value in held if isinstance(value, (dict, list))}
            level = [value for key, value in inner.items() if key not in seen]
            seen.update(inner)
        return containers, values

    def _redact_named(self, table: dict[str, Any], names: Iterable[str]) -> None:
        for name in names:
            value = table[name]
            if value is None or value == "":
                continue
            if self.method == "remove":
                del table[name]
            else:
                table[name] = self._put(value if isinstance(value, str) else _as_text(value))

    def _number(self, number: int) -> int | str:
        text = str(number)
        if self._cards and number >= LEAST_CARD and is_card(number):
            return self._put(text)
        spans = _merged(self._own([text]))
        return self._cut(text, spans) if spans else number

    def _redacted(self, texts: list[str]) -> list[str]:
        """The same list if nothing is found."""
        joined = _BETWEEN.join(texts)
        if joined.count(_BETWEEN) >= max(len(texts), 1):  # some hold one themselves: each of those by itself
            others = self._redacted(["" if _BETWEEN in text else text for text in texts])
            return [
                self._cut(text, self._spans(text, [text])) if _BETWEEN in text else other
                for text, other in zip(texts, others, strict=True)
            ]
        spans = self._spans(joined, texts)
        return self._cut(joined, spans).split(_BETWEEN) if spans else texts

    def _spans(self, joined: str, texts: list[str]) -> list[Span]:
        given = Text(joined)
        spans = [span for find in self._finders for span in find(given)]
        return _merged(spans + self._own(texts))

    def _own(self, texts: list[str]) -> list[Span]:
        """Where the patterns of one's own match, in all the texts together."""
        spans = []
        for pattern, group in self._patterns:
            start = 0
            for text in texts:
                for found in pattern.finditer(text):
                    first, last = found.span(group) if found[group] is not None else found.span()
                    if first < last:
                        spans.append((start + first, start + last))
                start += len(text) + 1
        return spans

    def _cut(self, text: str, spans: list[Span]) -> str:
        put, at = self._put, 0
        parts: list[str] = []
        for first, last in spans:
            parts += (text[at:first], put(text[first:last]))
            at = last
        parts.append(text[at:])
        return "".join(parts)

    def _replacement(self) -> Callable[[str], str]:
        if self.method == "hash":
            key = self.key.encode()
            return lambda text: hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256").hex()[:HASH_DIGITS]
        put = self.mask if self.method == "mask" else ""
        return lambda _: put


def _as_text(value: Any) -> str:
    try:
        return orjson.dumps(value, default=repr).decode()
    except TypeError:  # what JSON cannot hold
        return repr(value)


def _compiled(pattern: str) -> tuple[re.Pattern[str], str | int]:
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"is not a regular expression: {error}") from error
    if compiled.fullmatch(""):
        raise ValueError("matches the empty text")
    return compiled, SECRET if SECRET in compiled.groupindex else 0


def _merged(spans: list[Span]) -> list[Span]:
    """In order, and overlapping ones as one."""
    spans.sort()
    merged: list[Span] = []
    for first, last in spans:
        if merged and first < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _exchange(containers: list[Container], kind: type, values: Sequence[Any], remove: bool) -> None:
    """Put ``values`` in place of those that are of this kind, in the same order."""
    new = iter(values)
    for one in containers:
        if isinstance(one, list):
            for index, item in enumerate(one):
                if _is(item, kind):
                    one[index] = next(new)
            continue
        emptied = []
        for name, value in one.items():
            if _is(value, kind):
                other = next(new)
                if other is not value and other != value:
                    one[name] = other  # a name that is there: the table keeps its size
                    if other == "" and remove:
                        emptied.append(name)
        for name in emptied:
            del one[name]


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, str) if kind is str else type(value) is int


def _make_lists(containers: list[Container]) -> None:
    """Of tuples in them, in which nothing can be replaced."""
    for one in containers:
        places: Iterable[Any] = list(one) if isinstance(one, dict) else range(len(one))
        for place in places:
            if type(one[place]) is tuple:
                one[place] = list(one[place])
