"""Where texts hold what others should not read: finders by name, each telling (start, end) of every place.

They are made for one long text in which many values stand, with NUL between them: no place holds a NUL, and what is
found in a value is the same whatever stands beside it. Each looks first for something that is cheap to find and rare.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64decode
from collections.abc import Callable, Iterator
from functools import cached_property

Span = tuple[int, int]


class Text:
    """A text, and what some finders make of it, each when one asks for it first. A place means the same in all."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def small(self) -> str:
        """In small letters."""
        small = self.text.lower()
        if len(small) != len(self.text):  # a few letters become two
            small = "".join(one if len(one) == 1 else "?" for one in map(str.lower, self.text))
        return small

    @cached_property
    def shape(self) -> bytes:
        """Digits as ``0``, capital letters as ``A``, what may stand between groups of digits as a blank, all else as a
        dot: what is rare in this is found much faster than by a pattern."""
        return self.text.encode("latin-1", "replace").translate(_SHAPES)

    def places(self, word: str) -> Iterator[int]:
        """Behind each ``word``, given in small letters, whatever its case in the text."""
        return _behind(self.small, word)


_SHAPES = bytes(
    ord("0" if one in b"0123456789" else "A" if 65 <= one <= 90 else " " if one in b" -" else ".") for one in range(256)
)


def _behind(text: str, word: str) -> Iterator[int]:
    at = text.find(word)
    while at >= 0:
        at += len(word)
        yield at
        at = text.find(word, at)


# E-mail addresses. What is before the "@" is whatever is no delimiter, since names may be of any script.

_LOCAL = 64  # characters at most, RFC 5321, 4.5.3.1.1
_BEFORE_LOCAL = re.compile(r"""(?s:.*)[\s\x00"'`<>()\[\]{},;:=/\\|&?!@]""")
_DOMAIN = re.compile(r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_]{2,63}(?!\w)")


def email(given: Text) -> Iterator[Span]:
    """``ann@example.com``, also with ``%40``, as in a URL."""
    text = given.text
    for sign in ("@", "%40"):
        for behind in _behind(text, sign):
            at = behind - len(sign)
            before = text[max(0, at - _LOCAL) : at]
            delimiter = _BEFORE_LOCAL.match(before)
            start = at - len(before) + (delimiter.end() if delimiter else 0)
            if start < at and (domain := _DOMAIN.match(text, behind)):
                yield start, domain.end()


# Payment cards, ISO/IEC 7812: known first digits, the lengths that go with them, and the check digit.

# All of one piece, or the first group has four digits or more, and the next as well.
_CARD = re.compile(r"(?<![0-9A-Za-z_])(?<![0-9]\.)[2-6][0-9]{3}(?=[0-9]{8}|[0-9]*[ -][0-9]{4})")
_TWO_GROUPS, _ONE_PIECE = b"0000 0000", b"000000000000"  # in the text's shape
_FIRST_GROUP = 16  # digits at most
_CARD_DIGITS = {count: re.compile(rf"(?:[0-9][ -]?){{{count - 1}}}[0-9](?![0-9A-Za-z_])") for count in range(12, 20)}
_DIGITS = re.compile(rb"0*+")
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)  # twice a digit, and the digits of that added up


def card(given: Text) -> Iterator[Span]:
    """A number with or without single blanks or hyphens in it."""
    text, shape = given.text, given.shape
    at, until = shape.find(_ONE_PIECE), 0
    while at >= 0:
        if _CARD.match(text, at) and (end := _card_end(text, at)):
            yield at, end
        at = shape.find(_ONE_PIECE, _DIGITS.match(shape, at).end())  # type: ignore[union-attr]  # matches any text
    at = shape.find(_TWO_GROUPS)
    while at >= 0:
        for start in range(max(until, at - _FIRST_GROUP), at + 1):
            if _CARD.match(text, start) and (end := _card_end(text, start)):
                yield start, end
        until = at + 1
        at = shape.find(_TWO_GROUPS, until)


def is_card(number: int) -> bool:
    text = str(number)
    return text[0] in "23456" and 12 <= len(text) <= 19 and _card_end(text, 0) == len(text)


def _card_end(text: str, start: int) -> int:
    """Where a card ends that begins there; 0: there is none."""
    head = re.sub("[ -]", "", text[start : start + 8])
    for count in _card_lengths(head):
        if found := _CARD_DIGITS[count].match(text, start):
            digits = [int(one) for one in found[0] if one not in " -"]
            if (sum(digits[-1::-2]) + sum(_DOUBLED[one] for one in digits[-2::-2])) % 10 == 0:
                return found.end()
    return 0


def _card_lengths(head: str) -> tuple[int, ...]:
    """How many digits a card has that begins so, the most first."""
    two, four = int(head[:2]), int(head[:4])
    if head[0] == "4":
        return (19, 16, 13)
    if two in (34, 37):
        return (15,)
    if two in (36, 38, 39) or 3000 <= four <= 3059:
        return (14,)
    if 51 <= two <= 55 or 2200 <= four <= 2204 or 2221 <= four <= 2720:
        return (16,)
    if head[0] == "6" or 3528 <= four <= 3589:
        return (19, 18, 17, 16)
    return (19, 18, 17, 16, 15, 14, 13, 12) if two in (50, 56, 57, 58) else ()


# Bank accounts, ISO 13616: a country, two check digits, and as many characters as that country's have.

_IBAN_HEAD = b"AA00"  # in the text's shape
_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FK FO GL NL", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_IBANS = {
    length: re.compile(rf"(?<![0-9A-Za-z_])[A-Z]{{2}}[0-9]{{2}}(?:[ ]?[0-9A-Z]){{{length - 4}}}(?![0-9A-Za-z_])")
    for length in set(_IBAN_LENGTHS.values())
}


def iban(given: Text) -> Iterator[Span]:
    """In capitals, with or without single blanks in it."""
    text, shape = given.text, given.shape
    at = shape.find(_IBAN_HEAD)
    while at >= 0:
        length = _IBAN_LENGTHS.get(text[at : at + 2])
        found = _IBANS[length].match(text, at) if length else None
        if found:
            compact = found[0].replace(" ", "")
            if int("".join(str(int(one, 36)) for one in compact[4:] + compact[:4])) % 97 == 1:
                yield found.span()
        at = shape.find(_IBAN_HEAD, at + len(_IBAN_HEAD))


# Addresses.

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"(?<![0-9A-Za-z])(?<![0-9]\.){_OCTET}(?:\.{_OCTET}){{3}}(?![0-9A-Za-z]|\.[0-9])")
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
        for start in range(max(until, at - 3), at):
            if found := _IPV4.match(text, start):
                until = found.end()
                if not found[0].endswith(".0.0.0"):
                    yield found.span()
                break


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
    for at in _behind(text, "://"):
        if value := _USER_INFO.match(text, at):
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
