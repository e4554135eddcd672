"""Secrets from files: read with the configuration, told in no message."""

from __future__ import annotations

from pathlib import Path

import pytest
from tailrace.pipeline.config.load import load
from tailrace.pipeline.errors import ConfigError

CONFIG = """
[source]
paths = ["logs/*.log"]

[[stages]]
use = "write.http"
endpoint = "https://logs.example/in"
headers = { Authorization = "Bearer SECRET[%s]" }
"""


def header(directory: Path, reference: str, more: str = "", **environ: str) -> str:
    path = directory / "config.toml"
    path.write_text(more + CONFIG % reference)
    return str(load(path, environ=environ).stages[0].options["headers"]["Authorization"])


def problem(directory: Path, reference: str, more: str = "", **environ: str) -> str:
    with pytest.raises(ConfigError) as refused:
        header(directory, reference, more, **environ)
    (text,) = refused.value.problems
    return text


def test_one_file_a_secret(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "web-token").write_text("s3cr3t\n")
    assert header(tmp_path, "directory.web-token", CREDENTIALS_DIRECTORY=str(tmp_path / "given")) == "Bearer s3cr3t"
    assert header(tmp_path, "directory.web-token", '[secrets]\ndirectory = "given"\n') == "Bearer s3cr3t"


@pytest.mark.parametrize(("name", "text"), [("a.toml", 'web = "s3cr3t"'), ("a.json", '{"web": "s3cr3t"}')])
def test_one_file_for_all(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert header(tmp_path, "file.web", f'[secrets]\nfile = "{name}"\n') == "Bearer s3cr3t"


def test_what_it_holds_is_not_expanded_again(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("web = '${HOME}SECRET[file.web]'")
    assert header(tmp_path, "file.web", '[secrets]\nfile = "a.toml"\n', HOME="x") == "Bearer ${HOME}SECRET[file.web]"


def test_what_cannot_be_had_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("web = 's3cr3t'\nnumber = 1\n")
    there = '[secrets]\nfile = "a.toml"\ndirectory = "given"\n'
    assert "Set [secrets] file" in problem(tmp_path, "file.web")
    assert "has no such key" in problem(tmp_path, "file.other", there)
    assert "something else than a text" in problem(tmp_path, "file.number", there)
    assert "expected file or directory" in problem(tmp_path, "vault.web", there)
    assert "No such file" in problem(tmp_path, "directory.web", there)
    assert "expected the name of a file" in problem(tmp_path, "directory...", there)
    (tmp_path / "a.toml").write_text("s3cr3t = ")
    assert "s3cr3t" not in problem(tmp_path, "file.web", there)
    assert 'key "headers.Authorization"' in problem(tmp_path, "file.web", there)


def test_messages_show_the_reference(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("web = 'a very long secret'")
    more = '[secrets]\nfile = "a.toml"\n[log]\nlevel = "SECRET[file.web]"\n'
    text = problem(tmp_path, "file.web", more)
    assert "SECRET[file.web]" in text
    assert "long secret" not in text


def test_what_only_looks_like_one_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('[source]\npaths = ["a"]\n[[stages]]\nuse = "parse.regex"\npattern = "SECRET[0-9] (?P<a>.)"\n')
    assert load(path, environ={}).stages[0].options["pattern"] == "SECRET[0-9] (?P<a>.)"
