"""Where texts hold what others should not read: finders by name, each telling (start, end) of every place.

They are made for one long text in which many values stand, with NUL between them: no place holds a NUL, and what is
found in a value is the same whatever stands beside it. Each looks first for something that is cheap to find and rare.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64decode
from collections.abc import Callable, Iterator

from tailrace.stages.patterns.accounts import card, iban
from tailrace.stages.patterns.searched import Span, Text, behind

# E-mail addresses. What is before the "@" is whatever is no delimiter, since names may be of any script.

_LOCAL = 64  # characters at most, RFC 5321, 4.5.3.1.1
_BEFORE_LOCAL = re.compile(r"""(?s:.*)[\s\x00"'`<>()\[\]{},;:=/\\|&?!@]""")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,63}(?!\w)")


def email(given: Text) -> Iterator[Span]:
    """``ann@example.com``, also with ``%40``, as in a URL."""
    text = given.text
    for sign in ("@", "%40"):
        for after in behind(text, sign):
            at = after - len(sign)
            before = text[max(0, at - _LOCAL) : at]
            delimiter = _BEFORE_LOCAL.match(before)
            start = at - len(before) + (delimiter.end() if delimiter else 0)
            if start < at and (domain := _DOMAIN.match(text, after)):
                yield start, domain.end()


# Addresses.

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"(?<![0-9A-Za-z])(?<![0-9]\.){_OCTET}(?:\.{_OCTET}){{3}}(?![0-9A-Za-z]|\.[0-9])")
_DIGITS = "0123456789"
_IPV4_MIDDLE = re.compile(r"\.[0-9]{1,3}(?=\.[0-9]{1,3}\.)")
_IPV6_MIDDLE = re.compile(r":[0-9A-Fa-f]{0,4}:(?:(?<=::)|[0-9A-Fa-f]{1,4}:[0-9A-Fa-f]{1,4}:)")
_IPV6_LONGEST = 64  # characters of a run that may hold one: an address has 45 at most
_NOT_IPV6 = re.compile(r"(?s:.*)[^0-9A-Fa-f:.]")
_IPV6_REST = re.compile(r"[0-9A-Fa-f:.]*+")


def ipv4(given: Text) -> Iterator[Span]:
    """Not those that end in ``.0.0.0``: no host has such an address, but many a version is written so."""
    text = given.text
    until = 0
    for middle in _IPV4_MIDDLE.finditer(text):  # few dots are followed so: by far faster than to try at each digit
        at = middle.start()
        before = text[max(until, at - 3) : at]
        start = at - len(before) + len(before.rstrip(_DIGITS))
        if start < at and (found := _IPV4.match(text, start)):
            until = found.end()
            if not found[0].endswith(".0.0.0"):
                yield found.span()


def ipv6(given: Text) -> Iterator[Span]:
    """Not ``::`` alone."""
    text = given.text
    until = 0
    for middle in _IPV6_MIDDLE.finditer(text):
        at = middle.start()
        if at < until:
            continue
        before = text[max(until, at - _IPV6_LONGEST) : at]
        other = _NOT_IPV6.match(before)
        start = at - len(before) + (other.end() if other else 0)
        until = _IPV6_REST.match(text, at).end()  # type: ignore[union-attr]  # it matches the empty text, too
        if until - start <= _IPV6_LONGEST and (span := _ipv6_in(text, start, until)):
            yield span


def _ipv6_in(text: str, start: int, end: int) -> Span | None:
    """Of a run of hexadecimal digits, colons and dots: the address without what belongs to the text before it, a colon
    or a sentence that ends in a dot, and without a port or the text's own dots and colons behind it."""
    if end < len(text) and text[end].isalnum():
        return None
    start = max(start, text.rfind(".", start, text.find(":", start)) + 1)
    ends = [end]
    for _ in range(3):
        ends.append(max(text.rfind(":", start, ends[-1]), text.rfind(".", start, ends[-1])))
    firsts = [start + 1] if text[start] == ":" else []
    if text[start] == ":" or not start or not text[start - 1].isalnum():
        firsts.insert(0, start)
    for first in firsts:
        for last in ends:
            run = text[first : max(last, first)]
            if run.count(":") >= 2 and run != "::" and _is_ipv6(run):
                return first, last
    return None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


# Tokens and passwords, by the word before them.

_TOKEN = re.compile(r"(?:[ \t:=]|%20|\+){1,4}([0-9A-Za-z._~+/=-]+)")
_BASIC = re.compile(r"(?:[ \t]|%20|\+){1,4}([0-9A-Za-z+/]{4,1024}+={0,2})")
_JWT = re.compile(r"eyJ[0-9A-Za-z_.-]*+")  # begins with {" in base64; its parts are joined by dots


def bearer(given: Text) -> Iterator[Span]:
    """The word behind ``Bearer``, a name and password behind ``Basic``, and JSON Web Tokens wherever they are."""
    for at in given.places("bearer"):
        if token := _TOKEN.match(given.text, at):
            yield token.span(1)
    for at in given.places("basic"):
        if (token := _BASIC.match(given.text, at)) and _is_basic(token[1]):
            yield token.span(1)
    if "eyJ" in given.text:
        for token in _JWT.finditer(given.text):
            if token[0].rstrip(".").count(".") >= 2:
                yield token.start(), token.start() + len(token[0].rstrip("."))


def _is_basic(token: str) -> bool:
    """Whether it is `name:password` in base64, and not a word of a sentence."""
    try:
        text = b64decode(token.rstrip("=") + "=" * (-len(token.rstrip("=")) % 4)).decode()
    except ValueError:
        return False
    return ":" in text and text.isprintable()


_KEYS = "api|access|account|auth|encryption|private|secret|shared|signing"  # of the many, those that are secret
_BEFORE_KEY = re.compile(rf"(?s:.*)(?:{_KEYS})[ _-]?")
_LONGEST_BEFORE_KEY = 16
_REST_OF_WORD = {
    "pass": r"(?:(?i:w(?:or[dt]|d)|phrase)[\w-]{0,24}|(?i:code)|(?<![A-Za-z]....))",  # not "bypass"
    "pwd": r"(?<![A-Za-z]...)(?!=/)",  # not a working directory, as sudo logs it
    "secret": r"[\w-]{0,24}",
    "token": "",
    "key": "",
    "credential": "[sS]?",
}
_QUOTED = (
    r"""(?:\\{0,3}["'])?(?:[ \t]{1,4}=>?[ \t]{0,4}|=>?|[ \t]{0,4}(?::|%3[Dd])[ \t]{0,4})(?:"""
    r"""\\{1,3}"((?:[^"\\\x00]|\\+[^"\\\x00])*+)"""  # in a JSON text that stands in a JSON text
    r"""|"((?:[^"\\\x00]|\\[^\x00])*+)"""
    r"""|'([^'\x00]*+)"""
)
_PLAIN = 4  # the group of a value without quotes
_OR_PLAIN = r"""|((?!\\{1,3}")[^\s"'&<\x00]++)"""
_AFTER_WORD = {
    word: (re.compile(f"{rest}{_QUOTED})"), re.compile(f"{rest}{_QUOTED}{_OR_PLAIN})"))
    for word, rest in _REST_OF_WORD.items()
}
_URL, _USER_INFO_LONGEST = "://", 520
_USER_INFO = re.compile(r"[^\s/:@\"'<>\x00]{0,256}:([^\s/@\"'<>\x00]{1,256})@")

SECRET_NAME = (
    r"(?i:.*(?:passw(?:or[dt]|d)[\w-]{0,24}|passphrase|passcode|secret[\w-]{0,24}|token|credentials?"
    rf"|(?:{_KEYS})[ _-]?key)|(?:.*[^a-z])?(?:pass|pwd))\Z"
)
"""The name of a field whose value is a secret, whatever it is."""


def password_kv(given: Text) -> Iterator[Span]:
    """The value behind ``password=``, ``"api_key": `` and the like, and the password in ``https://user:password@host``.
    Quoted, it ends at the quote; else at a blank, a quote, ``&`` or ``<``."""
    text = given.text
    for word, (quoted, any_value) in _AFTER_WORD.items():
        until = 0  # a plain value inside of another ends where that does
        for at in given.places(word):
            if word == "key" and not _BEFORE_KEY.fullmatch(
                given.small, max(0, at - len(word) - _LONGEST_BEFORE_KEY), at - len(word)
            ):
                continue
            value = (quoted if at < until else any_value).match(text, at)
            if value is None:
                continue
            first, last = value.span(value.lastindex or 0)
            until = max(until, last)
            if value.lastindex == _PLAIN:
                plain = value[_PLAIN]
                last = first + len(plain.rstrip(",;" if any(one in plain for one in "([{") else ",;)}]"))
            if first < last:
                yield first, last
    for after in behind(text, "@"):  # fewer than there are URLs
        at = text.rfind(_URL, max(0, after - _USER_INFO_LONGEST), after)
        if at >= 0 and (value := _USER_INFO.match(text, at + len(_URL))) and value.end() == after:
            yield value.span(1)


PRESETS: dict[str, Callable[[Text], Iterator[Span]]] = {
    "email": email,
    "card": card,
    "iban": iban,
    "ipv4": ipv4,
    "ipv6": ipv6,
    "bearer": bearer,
    "password_kv": password_kv,
}
