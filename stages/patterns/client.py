"""Who asked: what stands before the ident and the user in a line of an access log.

That is a host, or a list of forwarded addresses (``X-Forwarded-For``) in its place; a virtual host may stand before
it, and the connecting host or a forwarded list behind it. Which is which is told by what they look like.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

from tailrace.stages.patterns.place import place

FirstOfTwo = Literal["error", "vhost", "forwarded_for", "host"]

QUOTED = r'[^"\\]*+(?:\\.[^"\\]*+)*+'  # what stands between quotes; a backslash escapes the next character
IPV4 = r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_IPV6 = r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}(?:\.[0-9]{1,3}){0,3}(?:%[0-9A-Za-z._-]{1,32})?"
_ADDRESS = re.compile(rf"{IPV4}|{_IPV6}|\[{_IPV6}\]")
_WITH_PORT = re.compile(rf"({IPV4}|\[{_IPV6}\]):[0-9]{{1,5}}")
_NAME_WITH_PORT = re.compile(r"[^ :]++:[0-9]{1,5}")
_BEGINS_WITH_ADDRESS = re.compile(rf"(?:{_ADDRESS.pattern}|{_WITH_PORT.pattern})(?=[ ,]|\Z)")
_PLAIN = rf"(?:{IPV4}|{_IPV6}|unknown)"
_PLAIN_LIST = re.compile(rf"{_PLAIN}(?:, ?{_PLAIN})*+")
MAYBE_ADDRESS = r"\[?[0-9A-Fa-f]{0,4}[.:][0-9A-Fa-f]{0,4}[.:]"  # what each address begins with, and few other words

# In quotes, in brackets, or a word: with more of them where each but the last has a comma behind it.
_ITEM = re.compile(rf'(?:"({QUOTED})"|\(([^()]*+)\)|((?:[^ "][^ ]*, )*+[^ "][^ ]*+)) ', re.DOTALL)
_DASH_AND_MORE = re.compile(r"- (?!\[)")
_ADDRESS_AND_MORE = re.compile(rf"(?:{_ADDRESS.pattern}) [^ \[][^ ]*+ (?!\[)")
_TWO_WORDS = re.compile(r"[^ ]++ (?!\[)")
_MOST = 3


class Item(NamedTuple):
    """One of what stands before the ident. An absent one is a list without text where it stands in quotes."""

    kind: Literal["list", "absent", "address", "address with port", "name"]
    text: str | None
    start: int
    end: int  # behind its blank


class Ambiguous(Exception):
    """Nobody can tell which of these is the client."""


def leading(line: str) -> list[Item]:
    """What stands before the ident, at most three; empty where the line does not begin with such a thing."""
    items: list[Item] = []
    position = 0
    while len(items) < _MOST and (match := _ITEM.match(line, position)):
        item = _item(match, first=not items)
        if items and not _is_leading(item, line, items[0]):
            break
        items.append(item)
        position = item.end
    return items


def client(items: Sequence[Item], line: str, first_of_two: FirstOfTwo) -> dict[str, str | None]:
    """The fields ``host``, and where the line has them ``vhost``, ``forwarded_for`` and ``peer``; Ambiguous."""
    first = items[0]
    if len(items) == 1:
        return {"host": first.text}
    second = items[1]
    if first.kind in ("name", "address with port") and (first.kind == "name" or first_of_two in ("error", "vhost")):
        return {"vhost": first.text, **_of_client(items[1:], line, first_of_two)}
    if len(items) == 2:
        if first.kind in ("address", "absent") and first_of_two == "vhost":
            return {"vhost": first.text, "host": second.text}
        if first.kind == "address" and second.kind == "name":
            return {"vhost": second.text, "host": first.text}
    return _of_client(items, line, first_of_two)


def _of_client(items: Sequence[Item], line: str, first_of_two: FirstOfTwo) -> dict[str, str | None]:
    """The same of what has no virtual host in it."""
    if len(items) > 2:
        raise Ambiguous(f"expected an ident, or -, behind two addresses {place(line, items[2].start)}")
    first, second = items[0], items[-1]
    if len(items) == 1:
        return {"host": first.text}
    if first.kind in ("list", "absent") or (first.kind != "name" and first_of_two == "forwarded_for"):
        return {"host": first.text or second.text, "forwarded_for": first.text, "peer": second.text}
    if first.kind == "name" or second.kind in ("list", "absent") or first_of_two == "host":
        return {"host": first.text, "forwarded_for": second.text}
    raise Ambiguous(
        f"two addresses before the ident, and nothing tells which is the client's: say what the first one is by "
        f'first_of_two = "vhost", "forwarded_for" or "host", {place(line, first.start)}'
    )


def is_address(text: str) -> bool:
    """Whether it is one, or begins with one that a comma or a blank ends."""
    return _BEGINS_WITH_ADDRESS.match(text) is not None


def forwarded_list(text: str) -> str | None:
    """A list of addresses as ``X-Forwarded-For`` has it; None for ``-``. ValueError: it is anything else, also
    addresses with ports, which are rather those of servers."""
    if text == "-":
        return None
    if _PLAIN_LIST.fullmatch(text) is None:
        raise ValueError("not a list of addresses")
    return text


def _item(match: re.Match[str], *, first: bool) -> Item:
    quoted, bracketed, text = match.groups()
    start, end = match.span()
    if text is None:
        text = quoted if quoted is not None else bracketed
        if text in ("", "-"):
            return Item("list", None, start, end)
        is_name = "," not in text and " " not in text and "." in text and not is_address(text)
        return Item("name" if is_name else "list", text, start, end)
    if text == "-":
        return Item("absent", None, start, end)
    if "," in text or (first and text == "unknown"):  # which proxies say for an address they do not tell
        return Item("list", text, start, end)
    if _WITH_PORT.fullmatch(text):
        return Item("address with port", text, start, end)
    return Item("address" if _ADDRESS.fullmatch(text) else "name", text, start, end)


def _is_leading(item: Item, line: str, first: Item) -> bool:
    """Whether an item behind the first belongs to what stands before the ident, or is the ident."""
    if item.kind in ("list", "address", "address with port") or _DASH_AND_MORE.match(line, item.end):
        return True
    if item.kind == "absent":
        return _ADDRESS_AND_MORE.match(line, item.end) is not None
    is_virtual_host = first.kind == "name" and _NAME_WITH_PORT.fullmatch(first.text or "") is not None
    return item.kind == "name" and is_virtual_host and _TWO_WORDS.match(line, item.end) is not None
