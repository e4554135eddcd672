"""A chain's lines, its parsers and its enrich stages, at once and line by line."""

from __future__ import annotations

from typing import Any

import pytest
from tailrace.pipeline.batch import Event, Fail, Lines
from tailrace.pipeline.chain.chain import Chain
from tailrace.pipeline.chain.records import Places
from tailrace.pipeline.chain.step import Step
from tailrace.pipeline.errors import TimeBudget

from .chain_kit import (
    balance,
    brief,
    chain,
    enrich,
    events,
    located,
    messages,
    raws,
    run,
)
from .engine_kit import Each, Entries, LineParser, Moody, to_sink


def test_events_reach_the_sink_in_the_order_of_their_lines() -> None:
    made = run(chain(), b"one\ntwo\nthree\n")
    assert messages(made) == ["one", "two", "three"]
    assert made.tally.lines == 3
    assert made.tally.written == {"out": 3}


def test_payloads_of_one_destination_are_joined() -> None:
    assert len(run(chain(), b"one\ntwo\n").payloads) == 1


# Lines.


def test_case_033_empty_lines_are_filtered_and_keep_the_offsets_right() -> None:
    data = b"\n\r\nok\n\nparse-fail\n\n"
    made = run(chain(), data)
    assert messages(made) == ["ok"]
    assert raws(made, data) == [b"parse-fail"]
    assert made.tally.filtered == {"source\0empty line": 4}
    assert balance(made) == (6, 6)


def test_case_033_a_piece_of_empty_lines_is_all_filtered() -> None:
    made = run(chain(), b"\n\n\r\n")
    assert (made.tally.lines, made.tally.filtered, made.payloads) == (3, {"source\0empty line": 3}, [])


def test_case_031_a_carriage_return_before_the_newline_is_no_part_of_the_line_but_of_the_dead_letter() -> None:
    data = b"one\r\nparse-fail\r\nlast\r"
    made = run(chain(), data)
    assert messages(made) == ["one", "last"]
    assert raws(made, data) == [b"parse-fail\r"]


def test_case_031_a_lone_carriage_return_stays_in_its_line() -> None:
    assert messages(run(chain(), b"a\rb\n")) == ["a\rb"]


def test_case_034_a_byte_order_mark_is_removed_at_the_start_of_the_file_only() -> None:
    data = b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n"
    assert messages(run(chain(), data, start=0)) == ["one", "\ufefftwo"]
    assert messages(run(chain(), data, start=4096)) == ["\ufeffone", "\ufefftwo"]


def test_case_034_a_first_line_of_a_byte_order_mark_alone_is_empty_and_shifts_nothing() -> None:
    data = b"\xef\xbb\xbf\nok\nparse-fail\n"
    made = run(chain(), data)
    assert raws(made, data) == [b"parse-fail"]
    assert made.tally.filtered == {"source\0empty line": 1}


def test_case_034_invalid_utf8_is_replaced_in_the_event_and_kept_in_the_dead_letter() -> None:
    data = b"caf\xe9\ncut \xe2\x82\nparse-fail \xff\n"
    made = run(chain(), data)
    assert messages(made) == ["caf\ufffd", "cut \ufffd"]
    assert raws(made, data) == [b"parse-fail \xff"]


def test_the_offsets_of_lines_are_those_of_the_file() -> None:
    piece = b"one\n\ntwo\r\n\r\nthree"
    assert list(Places(piece, 100)) == [100, 105, 112]
    assert Places(piece, 100)[1] == 105
    assert len(Places(piece, 100)) == 3


def test_dead_letters_point_into_the_slot_wherever_the_piece_begins() -> None:
    made = run(chain(), b"ok\nparse-fail\n", start=9000, base=500)
    assert brief(made.dead[0]) == (503, 10, "parse.lines", "no_match")


# Parse.


def test_a_parser_that_raises_for_one_line_costs_that_line_alone() -> None:
    data = b"one\nparse-raise\nthree\n"
    made = run(chain(), data)
    assert messages(made) == ["one", "three"]
    assert raws(made, data) == [b"parse-raise"]
    assert made.dead[0].error == "raised"
    assert "ValueError: parse raised" in made.dead[0].why
    assert "parse raised" in str(made.dead[0].trace)


def test_a_parser_that_loses_a_line_is_found_out() -> None:
    class Short(LineParser):
        def parse(self, lines: Lines) -> Entries:
            return [entry for entry in super().parse(lines) if isinstance(entry, dict) and entry["message"] != "lost"]

    short = [Step("parse.short", "parse", Short()), to_sink(0)]
    data = b"one\nlost\nthree\n"
    made = run(Chain(short, "a.log"), data)
    assert messages(made) == ["one", "three"]
    assert raws(made, data) == [b"lost"]
    assert "0 entries for 1 lines" in made.dead[0].why


@pytest.mark.parametrize("word", ["parse-fail", "parse-raise"])
def test_on_error_keep_passes_on_the_line_as_message_with_the_error(word: str) -> None:
    keep = [Step("parse.lines", "parse", LineParser(), on_error="keep"), to_sink(0)]
    made = run(Chain(keep, "a.log"), b"one\n" + word.encode() + b"\ntwo\n")
    assert messages(made) == ["one", word, "two"]
    assert "parse.lines" in events(made)[1]["error"]
    assert made.dead == []
    assert balance(made) == (3, 3)


@pytest.mark.parametrize("word", ["parse-fail", "parse-raise"])
def test_on_error_drop_filters_the_line_a_parser_fails_on(word: str) -> None:
    drop = [Step("parse.lines", "parse", LineParser(), on_error="drop"), to_sink(0)]
    made = run(Chain(drop, "a.log"), b"one\n" + word.encode() + b"\ntwo\n")
    assert messages(made) == ["one", "two"]
    assert made.dead == []
    assert balance(made) == (3, 3)


def test_the_first_parse_stage_that_fits_the_name_is_used() -> None:
    class Tagged(LineParser):
        def __init__(self, tag: str) -> None:
            self.tag = tag

        def parse(self, lines: Lines) -> Entries:
            return [{"message": self.tag} for _ in lines]

    some = [
        Step("parse.a", "parse", Tagged("a"), only=("access*",)),
        Step("parse.b", "parse", Tagged("b"), only=("*.err", "*.log")),
        Step("parse.c", "parse", Tagged("c")),
        to_sink(0),
    ]
    for name, tag in (("access.log", "a"), ("other.log", "b"), ("Access.log", "b"), ("data", "c")):
        assert messages(run(Chain(some, name), b"x\n")) == [tag]


# Enrich.


@pytest.mark.parametrize("word", ["raise", "exit", "interrupt"])
def test_a_stage_that_raises_anything_costs_the_line_alone_and_names_it(word: str) -> None:
    data = b"one\n" + word.encode() + b"\nthree\n"
    made = run(chain(Moody()), data)
    assert messages(made) == ["one", "three"]
    assert raws(made, data) == [word.encode()]
    assert brief(made.dead[0])[2:] == ("stage0", "raised")
    assert made.dead[0].event == '{"message":"' + word + '"}'


def test_a_raising_stage_is_found_without_running_line_by_line() -> None:
    made = chain(Moody()).run(b"one\nraise\nthree\n", located, 0, 0)  # would raise LostTrackError otherwise
    assert messages(made) == ["one", "three"]


def test_two_stages_that_raise_for_different_lines_of_one_piece() -> None:
    def second(event: Event) -> Event:
        if "other" in event["message"]:
            raise LookupError("second")
        return event

    data = b"one\nother\nraise\nfour\n"
    made = run(chain(Moody(), Each(second)), data)
    assert messages(made) == ["one", "four"]
    assert sorted(brief(dead)[2] for dead in made.dead) == ["stage0", "stage1"]
    assert sorted(raws(made, data)) == [b"other", b"raise"]


def test_a_stage_that_raises_had_no_effect_on_the_events_before_it() -> None:
    """The piece is run again from its raw bytes: what was done twice in place must not show."""

    class Count:
        def process(self, events: list[Event]) -> list[Event]:
            for event in events:
                event["seen"] = event.get("seen", 0) + 1
                if event["message"] == "raise":
                    raise ValueError
            return events

    made = run(chain(Count()), b"one\nraise\nthree\n")
    assert events(made) == [{"message": "one", "seen": 1}, {"message": "three", "seen": 1}]


def test_failed_events_are_told_apart_from_dropped_ones() -> None:
    data = b"ok\nfail\ndrop\nfail\r\n"
    made = run(chain(Moody()), data)
    assert messages(made) == ["ok"]
    assert raws(made, data) == [b"fail", b"fail\r"]
    assert made.tally.filtered == {"stage0\0dropped": 1}


@pytest.mark.parametrize("others", [["one", "three"], ["one", "drop", "three"], ["dup", "new", "one"]])
def test_a_fail_of_a_new_dict_is_known_by_its_place_or_event_by_event(others: list[str]) -> None:
    lines = [*others[:1], "fail-new", *others[1:]]
    data = "".join(f"{line}\n" for line in lines).encode()
    made = run(chain(Moody()), data)
    assert set(messages(made)) == set(others) - {"drop"}
    assert raws(made, data) == [b"fail-new"]


def test_a_stage_that_empties_its_own_list_does_not_move_the_blame() -> None:
    class InPlace:
        def process(self, events: list[Event]) -> Any:
            del events[0]  # allowed: "may change events in place and return the list it was given"
            events[-1] = Fail("bad", "the last one", event=events[-1])  # type: ignore[call-overload]
            return events

    data = b"one\ntwo\nthree\n"
    made = run(chain(InPlace()), data)
    assert raws(made, data) == [b"three"]


def test_one_dict_for_all_lines_is_not_blamed_on_the_last_line() -> None:
    shared = {"message": "x"}

    class Same(LineParser):
        def parse(self, lines: Lines) -> Entries:
            return [shared for _ in lines]

    class FailFirst:
        def process(self, events: list[Event]) -> Entries:
            return [Fail("bad", "no", event=event) for event in events]

    some = [Step("parse.same", "parse", Same()), Step("fail", "enrich", FailFirst()), to_sink(0)]
    data = b"one\ntwo\n"
    assert raws(run(Chain(some, "a.log"), data), data) == [b"one", b"two"]


def test_fan_out_is_booked_as_made() -> None:
    made = run(chain(Moody()), b"one\ndup\n")
    assert messages(made) == ["one", "dup", "dup"]
    assert made.tally.made == {"stage0": 1}
    assert balance(made) == (3, 3)


@pytest.mark.parametrize(("on_error", "kept"), [("keep", ["one", "raise", "fail"]), ("drop", ["one"])])
def test_on_error_of_an_enrich_stage_holds_for_raising_and_for_failing(on_error: Any, kept: list[str]) -> None:
    made = run(chain(enrich(Moody(), on_error=on_error)), b"one\nraise\nfail\n")
    assert messages(made) == kept
    assert made.dead == []
    assert balance(made) == (3, 3)


def test_a_stage_that_forgets_to_return_names_itself_in_the_dead_letters() -> None:
    class Forgets:
        def process(self, events: list[Event]) -> None:
            pass

    data = b"one\ntwo\n"
    made = run(chain(Forgets()), data)
    assert raws(made, data) == [b"one", b"two"]
    assert {dead.stage for dead in made.dead} == {"stage0"}
    assert "list" in made.dead[0].why


def test_a_fail_of_the_wrong_types_costs_its_line_alone() -> None:
    class Odd:
        def process(self, events: list[Event]) -> Entries:
            odd: Any = {"code": None, "surrogate": "\ud800", "why": ValueError("x")}
            out: Entries = []
            for event in events:
                word = event["message"]
                fails = {
                    "code": Fail(odd["code"], "why", event=event),
                    "surrogate": Fail(odd["surrogate"], odd["surrogate"], event=event, trace=odd["surrogate"]),
                    "why": Fail("bad", odd["why"], event=event),
                }
                out.append(fails.get(word, event))
            return out

    data = b"ok\ncode\nsurrogate\nwhy\nlast\n"
    made = run(chain(Odd()), data)
    assert messages(made) == ["ok", "last"]
    assert raws(made, data) == [b"code", b"surrogate", b"why"]
    assert all(isinstance(dead.error, str) for dead in made.dead)
    assert all(text.encode() for dead in made.dead for text in (dead.error, dead.why, dead.trace or "-"))


def test_the_time_budget_passes_through_every_layer() -> None:
    def out_of_time(_event: Event) -> Event:
        raise TimeBudget("now")

    for stages in ([Each(out_of_time)], [Moody(), Each(out_of_time)]):
        with pytest.raises(TimeBudget):
            chain(*stages).run(b"one\nraise\n", located, 0, 0)
