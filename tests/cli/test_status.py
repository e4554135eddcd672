"""How a pipeline stands, as its daemon tells it, and how that is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from .answers import CANNED, NOW, healthy, hostile, sink_down
from .conftest import Run
from .control_stub import Control
from .terminal_kit import Terminal


@pytest.fixture
def control(config: Path) -> Iterator[Control]:
    with Control(config.parent / "state", sink_down()) as control:
        yield control


def test_it_tells_what_it_is_whether_it_is_well_how_much_and_where_it_lags(control: Control, tailrace: Run) -> None:
    code, out, err = tailrace("status")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "shop          running, since 2026-11-25T20:14:30Z (6h 12m), process 4711"
    assert lines[3].startswith("✗ sink search is down since 2026-11-26T02:14:30Z (12m): connection refused (http://")
    assert lines[4].startswith(
        "! /var/log/nginx/access.log lags by 3.0 GiB, the oldest of it 12m old; what holds it up"
    )
    for line in (
        "read          41,222,017 lines, 8.5 GiB, 0/s, 0 bytes/s",
        "written       81,821,108 events in 2 sinks, 0/s",
        "pending       55,021 lines, 12.0 MiB: read and not committed since 12m ago",
        "lag           3.0 GiB, the oldest 12m old",
        "ring          0 of 6 slots free, 6 through",
        "memory        412.0 MiB of at most 704.0 MiB (59%), 4 processes",
        "bottleneck    sink:search: all 6 slots wait for it",
        "search  down 12m  40,910,554       0        0       37        5",
        "/var/log/nginx/access.log  reading   3.0 GiB     12m  6,442,450,944  9,663,676,416",
    ):
        assert line in lines
    assert control.asked == [("/api/status", {})]
    assert "token" not in out


def test_json_is_the_daemons_answer_on_one_line(control: Control, tailrace: Run) -> None:
    control.status["extra"] = "\x9b\u202e"
    code, out, err = tailrace("status", "--json")
    assert (code, err, out.count("\n")) == (0, "", 1)
    assert json.loads(out) == control.status
    assert not set(out) & set("\x9b\u202e")


@pytest.mark.parametrize("name", CANNED)
def test_case_083_nothing_of_it_reaches_the_terminal_raw(control: Control, tailrace: Run, name: str) -> None:
    control.status = CANNED[name]()
    for options in ((), ("--all",), ("--json",)):
        code, out, _ = tailrace("status", *options)
        assert code == 0
        assert not set(out) & set("\x1b\u202e\u2066\r")


def test_files_are_limited_unless_all_are_asked_for(control: Control, tailrace: Run) -> None:
    control.status = hostile()
    assert tailrace("status")[1].count("\n/srv/") == 19
    assert "100,000 files, 99,980 with less lag are not shown" in tailrace("status")[1].splitlines()
    assert tailrace("status", "--all")[1].count("\n/srv/") == 99


def test_a_script_may_ask_by_the_exit_code(control: Control, tailrace: Run) -> None:
    assert tailrace("status", "--check", "-q") == (1, "", "")
    assert tailrace("status", "-q")[0] == 2
    control.status = healthy()
    assert tailrace("status", "--check", "--quiet") == (0, "", "")


@pytest.mark.parametrize(
    ("listen", "begin"),
    [
        ("127.0.0.1:9600", "http://127.0.0.1:9600/"),
        ("0.0.0.0:80", "http://127.0.0.1:80/"),
        ("[::]:1", "http://[::1]:1/"),
    ],
)
def test_the_page_is_printed_with_its_token_only_when_asked_for(
    control: Control, tailrace: Run, listen: str, begin: str
) -> None:
    control.status["listen"] = listen
    (control.directory / "token").write_text("s3cret\n")
    assert "s3cret" not in tailrace("status")[1] + tailrace("status", "--json")[1]
    assert tailrace("status", "--page") == (0, f"{begin}#token=s3cret\n", "")
    (control.directory / "token").unlink()
    assert tailrace("status", "--page") == (0, f"{begin}\n", "")


def test_without_an_address_there_is_no_page(control: Control, tailrace: Run) -> None:
    control.status["listen"] = None
    code, out, err = tailrace("status", "--page")
    assert (code, out) == (1, "")
    assert err == 'tailrace: there is no page: it has no address: set [status] listen = "127.0.0.1:9600"\n'


def test_on_a_terminal_it_is_wrapped_and_coloured_and_names_the_page(control: Control) -> None:
    control.status["listen"] = "127.0.0.1:9600"
    (control.directory / "token").write_text("s3cret\n")
    with Terminal(("status",)) as terminal:
        assert terminal.ends() == 0
    assert max(map(len, terminal.rows)) <= 80
    assert "page          http://127.0.0.1:9600/#token=s3cret" in terminal.rows
    assert "nginx/access.log  reading   3.0 GiB     12m  6,442,450,944  9,663,676,416" in terminal.rows
    assert "\x1b[31m✗\x1b[0m sink search is down" in terminal.text
    with Terminal(("status", "--json"), environment={"NO_COLOR": "1"}) as terminal:
        assert terminal.ends() == 0
    assert json.loads(terminal.text) == control.status
    assert terminal.rows[1] == f'  "now": {NOW},'
    with Terminal(("status",), columns=160, environment={"NO_COLOR": "1"}) as terminal:
        assert terminal.ends() == 0
    assert "\x1b[3" not in terminal.text
    assert [row for row in terminal.rows if row.startswith("/var/log/nginx/access.log  reading")]
