"""The stage that tells browser, system and device."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from tailrace.pipeline.batch import Fail
from tailrace.stages.enrich.useragent import LONGEST, Useragent

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.1 Mobile/15E148 Safari/604.1"
)
IPAD = "Mozilla/5.0 (iPad; CPU OS 13_3 like Mac OS X) AppleWebKit/605.1.15 Version/13.0.4 Mobile/15E148 Safari/604.1"
ANDROID = "Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36 Chrome/112.0.0.0 Mobile Safari/537.36"
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


@pytest.fixture(scope="module")
def stage() -> Useragent:
    return Useragent()


def told(stage: Useragent, text: Any) -> Any:
    (event,) = stage.process([{"agent": text}])
    assert isinstance(event, dict)
    return event.get("user_agent")


def test_a_browser(stage: Useragent) -> None:
    assert told(stage, CHROME) == {
        "browser": {"family": "Chrome", "version": "120.0.0.0"},
        "os": {"family": "Linux"},
        "device": {"category": "desktop"},
    }


def test_a_device(stage: Useragent) -> None:
    assert told(stage, IPHONE) == {
        "browser": {"family": "Mobile Safari", "version": "17.1"},
        "os": {"family": "iOS", "version": "17.1"},
        "device": {"family": "iPhone", "brand": "Apple", "model": "iPhone", "category": "phone"},
    }


@pytest.mark.parametrize(
    ("text", "category"),
    [
        (IPAD, "tablet"),
        (ANDROID, "phone"),
        (ANDROID.replace(" Mobile", ""), "tablet"),
        (BOT, "bot"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:120.0) Gecko/20100101 Firefox/120.0", "desktop"),
    ],
)
def test_categories(stage: Useragent, text: str, category: str) -> None:
    assert told(stage, text)["device"]["category"] == category


def test_unknown_parts_are_left_out(stage: Useragent) -> None:
    assert told(stage, "curl/8.4.0") == {"browser": {"family": "curl", "version": "8.4.0"}}


@pytest.mark.parametrize("text", ["-", "", "nonsense", None, 7, ["x"]])
def test_what_says_nothing_gives_no_field(stage: Useragent, text: Any) -> None:
    assert stage.process([{"agent": text}]) == [{"agent": text}]
    assert stage.process([{}]) == [{}]


def test_only_the_beginning_is_read(stage: Useragent) -> None:
    assert told(stage, "x" * LONGEST + CHROME) is None
    assert told(stage, CHROME + "x" * 10 * LONGEST)["browser"]["family"] == "Chrome"


def test_each_event_has_tables_of_its_own(stage: Useragent) -> None:
    first, second = stage.process([{"agent": CHROME}, {"agent": CHROME}])
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first == second
    assert first["user_agent"]["os"] is not second["user_agent"]["os"]


def test_required_fails_without_a_text() -> None:
    entries = Useragent("ua", "agent", required=True).process([{}, {"ua": "-"}, {"ua": 7}, {"ua": "nonsense"}])
    assert [entry.code for entry in entries if isinstance(entry, Fail)] == [
        "missing_field",
        "missing_field",
        "bad_type",
    ]
    assert entries[3] == {"ua": "nonsense"}


def test_wrong_options() -> None:
    with pytest.raises(ValueError, match="field: is empty"):
        Useragent(field="")


@pytest.mark.parametrize("module", ["ua_parser", "ua_parser_rs"])
def test_without_the_library_it_says_which(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "ua_parser.regex", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModuleNotFoundError) as raised:
        Useragent()
    assert raised.value.name == "ua_parser"
