"""Where a text holds numbers of payment cards and bank accounts, as ``secrets`` tells places."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tailrace.stages.patterns.searched import Span, Text

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
