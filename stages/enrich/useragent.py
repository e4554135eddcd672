"""``enrich.useragent``: which browser, system and device a user agent names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar

from tailrace.pipeline.batch import Event, Fail
from tailrace.pipeline.keys import Problems, Whole
from tailrace.stages.values.conversion import excerpt

if TYPE_CHECKING:
    from ua_parser import PartialResult

LONGEST = 1024  # characters; what follows tells no more, and costs time

_RULES = 32 << 20  # bytes: the library's rules, ready for use
_REMEMBERED = 1500  # bytes: a text and what it says

Agent = dict[str, dict[str, str]]

_TABLETS = ("iPad", "Kindle", "Nexus 7", "Nexus 9", "Nexus 10")  # what the families of tablets begin with
_HANDHELD = ("iOS", "Windows Phone", "KaiOS", "BlackBerry OS", "Firefox OS")
_DESKTOP = ("Windows", "Mac OS X", "Linux", "Ubuntu", "Chrome OS", "Fedora", "Debian", "FreeBSD", "OpenBSD", "NetBSD")


@dataclass
class Useragent:
    """Set ``into`` to a table of what the text in ``field`` says, as far as it says it: ``browser.family``,
    ``browser.version``, ``os.family``, ``os.version``, ``device.family``, ``device.brand``, ``device.model``,
    ``device.category`` (``bot``, ``desktop``, ``phone`` or ``tablet``). What is not known is left out.

    Of a text longer than 1,024 characters only so much is read. An event whose field is absent, empty or ``-`` goes on
    as it is, unless ``required``. Families are those of https://github.com/ua-parser/uap-core. Needs
    ``tailrace[useragent]``.

    Fails: ``missing_field``, ``bad_type`` (not a text), both only if ``required``.

    Example::

        [[stages]]
        use = "parse.json"

        [[stages]]
        use = "enrich.useragent"
        required = true

    Lines::

        {"agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:122.0) Gecko/20100101 Firefox/122.0"}
        {"agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}
        {"agent": "curl/8.5.0"}
        {"agent": "-"}
    """

    plain: ClassVar[bool] = True

    field: str = "agent"  # the one with the text, of the name that parse.combined gives it
    into: str = "user_agent"  # the field that takes the table
    cache_size: Annotated[int, Whole(1, 10_000_000, "a text that is remembered takes about 1.5 KB")] = 10_000
    required: bool = False

    def __post_init__(self) -> None:
        problems = Problems()
        for key in ("field", "into"):
            if not getattr(self, key):
                problems.add(key, "is empty; a field needs a name")
        problems.check()
        resolve = _resolver()
        self._agent = lru_cache(self.cache_size)(lambda text: _agent(text, resolve(text)))

    @property
    def held_bytes(self) -> int:
        return _RULES + self.cache_size * _REMEMBERED

    def process(self, events: list[Event]) -> list[Event | Fail]:
        field, into, agent_of = self.field, self.into, self._agent
        entries: list[Event | Fail] = []
        for event in events:
            text = event.get(field)
            if type(text) is str and text and text != "-":
                if agent := agent_of(text[:LONGEST]):
                    event[into] = {name: part.copy() for name, part in agent.items()}  # a later stage may change it
            elif self.required:
                entries.append(_unsuitable(field, text, event))
                continue
            entries.append(event)
        return entries


def _unsuitable(field: str, value: object, event: Event) -> Fail:
    if value is None or isinstance(value, str):
        return Fail("missing_field", f"field {field!r}: the event has none, and it is required", event)
    return Fail("bad_type", f"field {field!r}: {excerpt(value)} is not a text", event)


def _resolver() -> Callable[[str], PartialResult]:
    from ua_parser import Domain, load_lazy_builtins

    try:
        from ua_parser.regex import Resolver  # in Rust: pure Python takes fifty times as long for a new text
    except ModuleNotFoundError as error:  # ua-parser without the extra that ours asks for
        raise ModuleNotFoundError(str(error), name="ua_parser") from error

    resolve = Resolver(load_lazy_builtins())
    return lambda text: resolve(text, Domain.ALL)


def _agent(text: str, found: PartialResult) -> Agent:
    browser, system, device = found.user_agent, found.os, found.device
    agent: Agent = {}
    if browser is not None and browser.family != "Other":
        version = _version(browser.major, browser.minor, browser.patch, browser.patch_minor)
        agent["browser"] = {"family": browser.family, **version}
    if system is not None and system.family != "Other":
        version = _version(system.major, system.minor, system.patch, system.patch_minor)
        agent["os"] = {"family": system.family, **version}
    of_device: dict[str, str] = {}
    if device is not None and device.family != "Other":
        parts = {"family": device.family, "brand": device.brand, "model": device.model}
        of_device = {name: part for name, part in parts.items() if part}
    if category := _category(text, system.family if system else "", of_device.get("family", "")):
        of_device["category"] = category
    if of_device:
        agent["device"] = of_device
    return agent


def _version(*parts: str | None) -> dict[str, str]:
    given = []
    for part in parts:
        if not part:
            break
        given.append(part)
    return {"version": ".".join(given)} if given else {}


def _category(text: str, system: str, device: str) -> str:
    """Android says Mobile on phones, and not on tablets."""
    if device == "Spider":
        return "bot"
    if device.startswith(_TABLETS):
        return "tablet"
    if system == "Android":
        return "phone" if "Mobile" in text else "tablet"
    if system in _HANDHELD:
        return "phone"
    return "desktop" if system in _DESKTOP else ""
