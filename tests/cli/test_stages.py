"""``stages``: the list, and all about one."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import termios
from pathlib import Path

import pytest
from tailrace.pipeline.chain.loader import built_in

from .conftest import COMMAND, Run

SHOP = '''
from dataclasses import dataclass

@dataclass
class Clip:
    """Shorten one text field. Others stay.

    - ``a`` stays, and this is
      one item.

    Example::

        [[stages]]
        use = "shop:Clip"

    File sizes.csv::

        size

    Lines::

        a\\tline
    """

    text_field: str
    limit: int = 1024  # characters, \x1b[31m

    def process(self, events):
        return events
'''


@pytest.fixture(autouse=True)
def home(config: Path) -> Path:
    (config.parent / "shop.py").write_text(SHOP)
    return config.parent


def test_the_list_has_every_stage_with_what_it_does(tailrace: Run) -> None:
    code, out, err = tailrace("stages")
    assert (code, err) == (0, "")
    rows = [re.split(r" {2,}", line) for line in out.splitlines()]
    assert [name for name, _ in rows] == built_in()
    assert "One JSON object a line" in dict(rows)["parse.json"]


def test_one_is_shown_whole_and_in_a_pipe_its_lines_are(home: Path, tailrace: Run) -> None:
    code, out, _ = tailrace("stages", "-c", home / "config.toml", "shop:Clip")
    assert code == 0
    assert (
        out.partition("Keys of every enrich stage\n")[0]
        == r"""shop:Clip  Shorten one text field

Others stay.

- `a` stays, and this is one item.

Its keys
  text_field  a string; required
  limit       a whole number; default 1024
              characters, \x1b[31m

"""
    )
    assert out.endswith('Example\n  [[stages]]\n  use = "shop:Clip"\n\nsizes.csv\n  size\n\nLines for it\n  a\tline\n')
    assert "  on_error  " in out


def test_own_stages_are_found_beside_the_default_configuration(tailrace: Run) -> None:
    assert tailrace("stages", "shop:Clip")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["parse.jsn"], 2, 'there is no stage parse.jsn; did you mean "parse.json"?'),
        (["json"], 2, 'did you mean "parse.json"?'),
        (["shop:Clap"], 78, 'did you mean "Clip"?'),
        (["shap:Clip"], 78, 'did you mean "shop"?'),
        (["-c", "other.toml", "shop:Clip"], 78, "other.toml: there is no such file"),
        (["parse.json", "write.file"], 2, "unrecognized arguments: write.file"),
    ],
)
def test_a_name_that_is_none(tailrace: Run, arguments: list[str], code: int, words: str) -> None:
    found, out, err = tailrace("stages", *arguments)
    assert (found, out) == (code, "")
    assert words in err


@pytest.mark.parametrize(("columns", "no_color"), [(60, ""), (100, "1")])
def test_on_a_terminal_it_is_wrapped_and_coloured(home: Path, columns: int, no_color: str) -> None:
    reader, writer = os.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = os.environ | {"TERM": "xterm", "NO_COLOR": no_color}
    with subprocess.Popen([*COMMAND, "stages", "write.http"], stdout=writer, env=environment, cwd=home) as process:
        os.close(writer)
        out = b""
        with open(reader, "rb", 0) as screen:
            while True:
                try:
                    out += screen.read(1 << 16)
                except OSError:  # the terminal's other end is closed
                    break
    assert process.returncode == 0
    text = out.decode().replace("\r", "")
    assert ("\x1b[1mendpoint\x1b[0m" in text) == ("\x1b[36m" in text) == (not no_color)
    plain = re.sub(r"\x1b\[\d+m", "", text)
    assert max(map(len, plain.splitlines())) <= columns
    assert re.search(r"^ {25}\S", plain, re.MULTILINE), "what is wrapped stands beside the key"
