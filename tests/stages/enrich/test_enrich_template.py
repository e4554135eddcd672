"""enrich.template."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tailrace.pipeline.batch import Event, Fail
from tailrace.stages.enrich.template import Template, templates_of

from benchmarks.templates import accuracy, lines_of
from tests.stages.parse.hostile_lines import lines_like

GOT = "a9c09e32d86552a2"  # the id of "Got task *"


def test_template_and_its_id_are_added() -> None:
    events: list[Event] = [{"message": "Got task 17", "n": 1}, {"message": "Got task 4"}, {"message": "up"}]
    assert Template().process(events) == [
        {"message": "Got task 17", "n": 1, "template": "Got task *", "template_id": GOT},
        {"message": "Got task 4", "template": "Got task *", "template_id": GOT},
        {"message": "up", "template": "up", "template_id": "9f877db822f649dd"},
    ]


def test_fields_can_be_named() -> None:
    stage = Template(field="text", into="kind", id_into="kind_id")
    (event,) = stage.process([{"text": "a 1", "message": "b"}])
    assert isinstance(event, dict)
    assert list(event) == ["text", "message", "kind", "kind_id"]
    assert event["kind"] == "a *"


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("PacketResponder 1 for block blk_-38865 terminating", "PacketResponder * for block blk_* terminating"),
        ("block rdd_2_1 stored (estimated size 8.8 KB, free 1.2 MB)", "block rdd_* stored (estimated size * free *"),
        ("closed /192.0.2.1:2181 which had 0x14ed", "closed * which had *"),
        ('lock=23, tag="View Lock", ws=Work{1 x}, uid=1', "lock=*, tag=*, ws=*, uid=*"),
        ("pam(sshd): logname= uid=0 rhost=h.example.com", "pam(sshd): logname= uid=* rhost=*"),
        ("session opened for user ann by (uid=0)", "session opened for user * by (uid=*)"),
        ("Failed password for ann from 192.0.2.1", "Failed password for * from *"),
        ("Failed password for invalid user bob from 192.0.2.1", "Failed password for invalid user * from *"),
        ("attempts exceeded for ann from h", "attempts exceeded for * from h"),
        ("cannot open /var/log/x: no such file", "cannot open * no such file"),
        ("Registering org.example.a.B and/or it", "Registering * and/or it"),
        ("at Sat Jul  9 22:53:22 2005 and May we", "at * and May we"),
        ("is true, not truth", "is *, not truth"),
        ("word ffffffff of deadline", "word * of deadline"),
        ("lifetime <1 sec", "lifetime *"),
        ("lifetime 00:03", "lifetime *"),
        ("51 bytes (1.5 KB) sent, 5 bytes received", "* (*) sent, * received"),
        ("to hosts 192.0.2.1:1, 192.0.2.2:1, **** x", "to hosts * x"),
        ("onExtend:15 14 0", "onExtend:* *"),
        ("in 5 stages", "in * stages"),
        ("user unknown; the user", "user * the user"),
        ("a\tb 1", "a b *"),
        ("first 1\n  second 2\n", "first *\n  second *\n"),
        ("", ""),
        ("no * here", "no * here"),
    ],
)
def test_what_varies_is_replaced(text: str, template: str) -> None:
    assert templates_of([text]) == [template]


@pytest.mark.parametrize("style", ["HDFS", "OpenSSH", "OpenStack", "Proxifier", "Spark"])
def test_lines_of_known_templates_are_grouped_by_them(style: str) -> None:
    truth, texts = zip(*lines_of(style), strict=True)
    assert accuracy(list(truth), templates_of(texts)) > 0.95


def test_accuracy_counts_the_lines_of_groups_that_are_just_right() -> None:
    assert accuracy([1, 1, 2, 2, 3], ["a", "a", "b", "c", "b"]) == 0.4


def test_id_stays_the_same_in_every_version() -> None:
    (event,) = Template().process([{"message": "Got task 17"}])
    assert isinstance(event, dict)
    assert event["template_id"] == GOT


def test_event_without_a_text_is_left_as_it_is() -> None:
    events: list[Event] = [{"a": 1}, {"message": 5}, {"message": None}, {"message": "a 1"}]
    result = Template().process(events)
    assert result[:3] == [{"a": 1}, {"message": 5}, {"message": None}]
    assert isinstance(result[3], dict)
    assert result[3]["template"] == "a *"
    assert Template().process([]) == []


def test_required_field_that_is_missing_is_a_fail() -> None:
    first, second, third = Template(required=True).process([{}, {"message": 5}, {"message": "a"}])
    assert isinstance(first, Fail)
    assert isinstance(second, Fail)
    assert (first.code, second.code, second.why) == ("missing_field", "bad_type", "message: 5 is not a text")
    assert isinstance(third, dict)


@pytest.mark.parametrize("options", [{"field": ""}, {"into": ""}, {"id_into": ""}, {"into": "x", "id_into": "x"}])
def test_names_that_cannot_work_are_told(options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"a field needs a name|already"):
        Template(**options)  # type: ignore[arg-type]


SAMPLES = (
    'lock=23, tag="View Lock", ws=Work{1 x}, uid=1',
    "Failed password for invalid user bob from 192.0.2.1 port 5 ssh2",
    "at Sat Jul  9 22:53:22 2005 (8.8 KB) 5 s blk_-12 :7",
    "'a b' /x/y/z a.b.c true, ffffffff * * 5",
)


@settings(max_examples=400)
@given(lines_like(*SAMPLES), st.text("\n '\"{}()=_:*/.5atu\t"))
def test_template_does_not_depend_on_the_texts_beside(lines: list[str], other: str) -> None:
    texts = [*lines, other, *lines[::-1]]
    assert templates_of(texts) == [template for text in texts for template in templates_of([text])]
    assert [template.count("\n") for template in templates_of(texts)] == [text.count("\n") for text in texts]


@pytest.mark.parametrize(
    "text", ["=" * 50_000, "a=" * 50_000, "={" * 50_000, "(" * 99_999, " (a:" * 30_000, "_-" * 50_000]
)
@pytest.mark.parametrize("end", ["", " ", "x"])
def test_hostile_text_takes_linear_time(text: str, end: str) -> None:
    started = time.process_time()
    templates_of([text + end])
    templates_of([text.replace("=", " '").replace("(", " Jul ") + end])
    assert time.process_time() - started < 1.0
