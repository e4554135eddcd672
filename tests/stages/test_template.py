"""Path templates: what they give, and that no event leads out of the literal directory."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tailrace.pipeline.batch import Event
from tailrace.pipeline.errors import Reject
from tailrace.stages.outputs.template import Template

from ..inside import adjust


def render(text: str, event: Event, source: str = "a.log") -> str:
    paths = Template(text).paths([event], source)
    return paths if isinstance(paths, str) else paths[0]


@pytest.mark.parametrize(
    ("text", "event", "path"),
    [
        ("/out/all.ndjson", {}, "/out/all.ndjson"),
        ("/out/{source}.ndjson", {}, "/out/a.log.ndjson"),
        ("/out/{user}/{n}-{f}-{yes}", {"user": "joe", "n": 3, "f": 1.5, "yes": True}, "/out/joe/3-1.5-true"),
        ("/out/{user-agent}", {"user-agent": "curl 8"}, "/out/curl 8"),
        ("/out/{time:%Y-%m-%d}", {"timestamp": "2026-03-04T23:30:00-02:00"}, "/out/2026-03-05"),
        ("/out/{time:%Y/%m}/{time:%H%M%S}", {"timestamp": "2026-03-04T05:06:07.123Z"}, "/out/2026/03/050607"),
        ("/out/{time:%j}", {"time": "2026-02-01T00:00:00Z"}, "/out/032"),
        ("/out/{time:%Y}", {"timestamp": "2026-02-01T00:00:00Z", "time": "1999-01-01T00:00:00Z"}, "/out/2026"),
        ("/out/{{a}}-{x}", {"x": "y"}, "/out/{a}-y"),
        ("/out//b/./{x}", {"x": "y"}, "/out/b/y"),
        ("./out/{x}", {"x": "y"}, "out/y"),
        ("./{x}", {"x": "y"}, "y"),
        ("app-{x}", {"x": "y"}, "app-y"),
        ("/out/{x}", {"x": "..."}, "/out/..."),
        ("/out/.{x}", {"x": "hidden"}, "/out/.hidden"),
        ("/out/{x}", {"x": "ä" * 127}, "/out/" + "ä" * 127),
    ],
)
def test_path_is_made_of_the_event(text: str, event: Event, path: str) -> None:
    assert render(text, event) == path


def test_single_path_if_no_field_has_a_say() -> None:
    assert Template("/out/{source}").paths([{}, {}], "x") == "/out/x"
    assert Template("/out/{a}").paths([{"a": "x"}, {"a": 1}], "x") == ["/out/x", "/out/1"]


def test_base_is_the_literal_directory() -> None:
    bases = {text: Template(text).base for text in ("/a/b/c{x}", "a{x}", "./{x}", "/x{y}", "a/{x}/b")}
    assert bases == {"/a/b/c{x}": "/a/b/", "a{x}": "", "./{x}": "", "/x{y}": "/", "a/{x}/b": "a/"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        ("{source}.ndjson", "begins with a placeholder"),
        ("/{source}.ndjson", "begins with a placeholder"),
        ("/out/../{a}", "has the part `..`"),
        ("../out/{a}", "has the part `..`"),
        ("/out/{a}/..", "has the part `..`"),
        ("/out/{time:../%Y}", "has the part `..`"),
        ("/out/{a}/", "ends in a directory"),
        ("/out/", "ends in a directory"),
        ("/out/a\0b", "NUL"),
        ("/out/{}", r"placeholder without a name \(column 6\)"),
        ("/out/{a", r"single { \(column 6\)"),
        ("/out/a}", r"single } \(column 7\)"),
        ("/out/{time}", r"{time} without a format"),
        ("/out/{time:}", r"{time} without a format"),
        ("/out/{time:%A}", "has %A"),
        ("/out/{time:%%A %}", "has %"),
        ("/out/{a:%Y}", r"format in {a:%Y}"),
    ],
)
def test_case_085_bad_template_is_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Template(text)


def test_all_problems_of_a_template_are_named() -> None:
    with pytest.raises(ValueError) as caught:
        Template("{a:b}/../{time}")
    assert str(caught.value).count("the path '{a:b}/../{time}' ") == 2
    with pytest.raises(ValueError) as caught:
        Template("{a}/../")
    assert str(caught.value).count("\n") == 2


@pytest.mark.parametrize(
    ("event", "code", "problem"),
    [
        ({}, "missing_field", "needs the field 'x', the event has none"),
        ({"x": None}, "missing_field", "needs the field 'x'"),
        ({"x": ""}, "rejected", "{x} is empty"),
        ({"x": "a/b"}, "rejected", "{x} is 'a/b': / and NUL"),
        ({"x": "/etc/passwd"}, "rejected", "/ and NUL"),
        ({"x": "a\0"}, "rejected", "/ and NUL"),
        ({"x": ".."}, "rejected", "made of {x}, '/out/../f', has the part '..': it could lead elsewhere"),
        ({"x": "."}, "rejected", "'.': it could lead elsewhere"),
        ({"x": "a" * 256}, "rejected", "at most 255 bytes"),
        ({"x": "ä" * 128}, "rejected", "at most 255 bytes"),
        ({"x": "\udcff"}, "rejected", "UTF-8"),
        ({"x": ["a"]}, "bad_type", "{x} is ['a']: only texts and numbers"),
        ({"x": {"a": 1}}, "bad_type", "only texts and numbers"),
    ],
)
def test_case_085_event_that_gives_no_safe_path_is_refused(event: Event, code: str, problem: str) -> None:
    template = Template("/out/{x}/f")
    for _ in range(2):  # the second time too: nothing of it is remembered
        with pytest.raises(Reject, match=re.escape(problem)) as caught:
            template.paths([{"x": "fine"}, event], "a.log")
        assert caught.value.code == code
        assert "x" in str(caught.value), "the field is named"


def test_parts_that_are_harmless_alone_are_refused_together() -> None:
    with pytest.raises(ValueError, match="lead elsewhere"):
        render("/out/{a}{b}/f", {"a": ".", "b": "."})
    with pytest.raises(ValueError, match="lead elsewhere"):
        render("/out/.{a}", {"a": "."})
    with pytest.raises(ValueError, match="longer than 4095"):
        render("/out/" + "{a}/" * 20 + "f", {"a": "a" * 250})


@pytest.mark.parametrize("stamp", [None, 5, "", "yesterday", "2026-13-01T00:00:00Z", "2026-01-01T00:00:60Z"])
def test_time_that_cannot_be_read_is_refused(stamp: Any) -> None:
    with pytest.raises(Reject, match=r"timestamp.*RFC 3339|`timestamp` or `time`.*has neither") as caught:
        render("/out/{time:%Y}", {"timestamp": stamp})
    assert caught.value.code == ("missing_field" if stamp is None else "bad_timestamp")


def test_equal_values_of_other_types_are_not_mixed_up() -> None:
    template = Template("/out/{x}")
    events: list[Event] = [{"x": value} for value in (1, True, 1.0, "1", False, 0)]
    assert template.paths(events, "") == [f"/out/{text}" for text in ("1", "true", "1.0", "1", "false", "0")]


def test_any_file_name_can_be_the_source() -> None:
    name = b"a\n\xff\x1b.log".decode("utf-8", "surrogateescape")
    assert render("/out/{source}.x", {}, name) == "/out/a\\x0a\\xff\\x1b.log.x"


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    adjust(monkeypatch.setattr, paths_remembered=10)
    template = Template("/out/{x}/{time:%S}")
    events: list[Event] = [{"x": f"{n}", "timestamp": f"2026-01-01T00:00:{n:02}Z"} for n in range(50)]
    assert template.paths(events, "") == [f"/out/{n}/{n:02}" for n in range(50)]
    assert len(template._paths) <= 10
    assert all(len(times) <= 10 for times in template._times.values())


awkward = st.text("./\0a~\\\n ", max_size=6) | st.text(max_size=6) | st.integers() | st.none() | st.floats()


@given(
    awkward,
    awkward,
    st.sampled_from(["/base/{a}", "/base/{a}/{b}", "/base/x{a}{b}.log", "/base/{a}{b}/f", "/base/.{a}"]),
)
def test_case_085_no_event_leads_out_of_the_literal_directory(a: Any, b: Any, text: str) -> None:
    try:
        path = render(text, {"a": a, "b": b})
    except ValueError:
        return
    assert os.path.normpath(path) == path
    assert path.startswith("/base/")
    assert path.count("/") == text.count("/")
    assert "\0" not in path
