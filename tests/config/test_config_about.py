"""What a stage says of itself: from its docstring, its fields and the comments at them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import pytest
from tailrace.pipeline.chain.loader import Role, built_in, resolve
from tailrace.pipeline.config.about import Option, about, common_options, summary_of
from tailrace.pipeline.config.stage_keys import COMMON
from tailrace.pipeline.errors import ConfigError
from tailrace.pipeline.keys import Duration, FilePath, Matching, Size, Text, Whole
from tailrace.pipeline.stage import Memory


@dataclass(slots=True)
class Window:
    """How long, and ``how`` much."""

    length: Annotated[float, Duration("1s", "1h", "it is held in memory")] = 60.0
    room: Annotated[int, Size("1KiB", "1MiB", "it is held in memory")] = 64 << 10  # of all


@dataclass
class Counting:
    """Count events. With ``by`` for
    each value.

    - A list,
      with ``code``.

    Fails: ``too_many`` (of them).

    Example::

        [[stages]]
        use = "counting"

            indented = true

    File b.csv::

        key,value
        1,2

    File a.csv::

        key

    Lines::

        {"a": 1}
    """

    memory: ClassVar[Memory] = Memory()

    by: str  # a field
    most: Annotated[int, Whole(1, 2_000, "more are slow")] = 10  # pragma: no cover
    names: list[str] = field(default_factory=lambda: ["a", "b"])
    """Which ones,
    in their order."""
    codes: dict[str, int] = field(default_factory=lambda: {"x": 1})
    ratio: float = 0.5
    strict: bool = False
    mode: Literal["a", "b"] = "a"
    title: Annotated[str, Text()] = ""
    file: Annotated[str, FilePath()] | None = None
    zone: Annotated[str, Matching("[a-z]+", "expected small letters")] = "utc"
    window: Window = field(default_factory=Window)

    def process(self, events: list[Any]) -> list[Any]:
        return events


class CountingMore(Counting):
    pass


@dataclass
class Bare:
    anything: Any

    def process(self, events: list[Any]) -> list[Any]:
        return events


def lower(event: dict[str, Any]) -> dict[str, Any]:
    """Write small. All of it."""
    return event


def test_the_keys_have_types_bounds_defaults_and_what_stands_at_the_field() -> None:
    assert about("x:Counting", Counting).options == (
        Option("by", "a string", required=True, text="a field"),
        Option("most", "a whole number from 1 to 2,000 (more are slow)", "10"),
        Option("names", "a list of strings", '["a", "b"]', text="Which ones, in their order."),
        Option("codes", "a table of whole numbers", "{ x = 1 }"),
        Option("ratio", "a number", "0.5"),
        Option("strict", "true or false", "false"),
        Option("mode", '"a" or "b"', '"a"'),
        Option("title", "a string"),
        Option("file", "a path"),
        Option("zone", "small letters", '"utc"'),
        Option("window", "a table", text="How long, and `how` much."),
        Option("window.length", 'a duration from "1s" to "1h" (it is held in memory)', '"1m"'),
        Option("window.room", 'a size from "1KiB" to "1MiB" (it is held in memory)', '"64KiB"', text="of all"),
    )


def test_comments_at_fields_of_a_base_class_count() -> None:
    assert about("x:CountingMore", CountingMore).options == about("x:Counting", Counting).options


def test_the_docstring_is_summary_text_fails_and_example() -> None:
    it = about("x:Counting", Counting)
    assert it.summary == "Count events"
    assert it.paragraphs == ("With `by` for\neach value.", "- A list,\n  with `code`.")
    assert it.fails == "`too_many` (of them)."
    assert it.example == '[[stages]]\nuse = "counting"\n\n    indented = true'
    assert it.files == (("b.csv", "key,value\n1,2"), ("a.csv", "key"))
    assert it.lines == '{"a": 1}'
    assert it.facts == ("It remembers earlier lines, so the chain runs in one worker",)


def test_a_stage_that_says_nothing_has_its_keys() -> None:
    it = about("x:Bare", Bare)
    assert (it.summary, it.paragraphs, it.fails, it.example) == ("", (), "", "")
    assert it.options == (Option("anything", "a value", required=True),)


def test_a_stage_without_source_has_its_keys() -> None:
    names: dict[str, Any] = {}
    exec("class Made:\n    def __init__(self, n: int = 1): ...\n    def parse(self, _): ...", names)  # noqa: S102
    assert about("x:Made", names["Made"]).options == (Option("n", "a whole number", "1"),)


def test_a_function_enriches_and_has_no_keys() -> None:
    it = about("x:lower", lower)
    assert (it.role, it.summary, it.paragraphs, it.options) == ("enrich", "Write small", ("All of it.",), ())


def test_types_that_cannot_be_determined_are_a_mistake() -> None:
    @dataclass
    class Odd(Bare):
        x: Nowhere  # type: ignore[name-defined]  # noqa: F821

    with pytest.raises(ConfigError, match="the types of Odd's fields cannot be determined"):
        about("x:Odd", Odd)


@pytest.mark.parametrize("role", ["parse", "enrich", "write"])
def test_every_key_of_the_engine_is_in_words(role: Role) -> None:
    assert ["use", *(option.name for option in common_options(role))] == list(COMMON[role])
    assert all(option.text for option in common_options(role))
    (on_error,) = (option for option in common_options(role) if option.name == "on_error")
    assert (on_error.kind, on_error.default) == ('"dead_letter" or "keep" or "drop"', '"dead_letter"')


@pytest.mark.parametrize("use", built_in())
def test_every_stage_that_comes_with_it_can_be_described(use: str) -> None:
    it = about(use, resolve(use, "/nowhere"))
    assert it.summary == summary_of(use) != ""
    assert it.paragraphs
    says = it.fails or "never fails" in it.paragraphs[0]
    assert says or it.role != "parse", f"{use}: its class's docstring has no paragraph `Fails: code, ...`"


@pytest.mark.parametrize(
    ("use", "guarantee"),
    [("write.file", "exactly once"), ("write.sqlite", "idempotent"), ("write.http", "at least once")],
)
def test_a_sink_says_what_it_guarantees(use: str, guarantee: str) -> None:
    assert about(use, resolve(use, "/nowhere")).facts == (f"Guarantee: {guarantee}",)


@pytest.mark.parametrize(("use", "needs"), [("enrich.origin", True), ("enrich.throttle", False)])
def test_a_stage_says_whether_it_needs_the_places_of_lines(use: str, needs: bool) -> None:
    facts = about(use, resolve(use, "/nowhere")).facts
    assert ("It needs each line's place" in " ".join(facts)) is needs


def test_what_many_parsers_have_is_explained_once() -> None:
    texts = {option.name: option.text for option in about("parse.json", resolve("parse.json", "/nowhere")).options}
    assert "RFC 3339" in texts["types"]
    assert "Europe/Berlin" in texts["timezone"]
