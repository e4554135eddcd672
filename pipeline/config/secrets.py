"""Secrets from files: ``SECRET[file.NAME]`` and ``SECRET[directory.NAME]`` in string values of the configuration.

They are read when the configuration is, so a reload reads them again. Messages show the reference.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from typing import Any

from tailrace.pipeline.escape import escape
from tailrace.pipeline.settings import SecretsSettings

USUAL = "/run/secrets"  # where container runtimes put them
LARGEST = 1 << 20  # bytes


class Secrets:
    """``base``: relative paths are relative to it."""

    def __init__(self, settings: SecretsSettings, base: str, environ: Mapping[str, str]) -> None:
        self._file = settings.file and os.path.join(base, settings.file)
        directory = settings.directory or environ.get("CREDENTIALS_DIRECTORY") or USUAL  # systemd's variable
        self._directory = os.path.join(base, directory)
        self._found: dict[str, Any] | None = None

    def value(self, backend: str, name: str) -> str:
        """ValueError: it cannot be had, and why."""
        if backend == "file":
            return self._in_file(name)
        if backend == "directory":
            return self._in_directory(name)
        raise ValueError(f'SECRET[{backend}.{name}]: there is no "{backend}"; expected file or directory')

    def _in_file(self, name: str) -> str:
        if not self._file:
            raise ValueError(f"SECRET[file.{name}]: which file? Set [secrets] file, a TOML or JSON file of texts")
        if self._found is None:
            self._found = _parsed(self._file, _read(self._file))
        value = self._found.get(name)
        if not isinstance(value, str):
            what = "has no such key" if value is None else "has something else than a text there"
            raise ValueError(f"SECRET[file.{name}]: {escape(self._file)} {what}")  # noqa: TRY004
        return value

    def _in_directory(self, name: str) -> str:
        if name in (".", "..") or "/" in name:
            raise ValueError(f"SECRET[directory.{name}]: expected the name of a file")
        return _read(os.path.join(self._directory, name)).removesuffix("\n").removesuffix("\r")


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise ValueError(f"the secret's file {escape(path)} cannot be read: {error.strerror}") from error
    if len(data) > LARGEST:
        raise ValueError(f"the secret's file {escape(path)} is larger than {LARGEST >> 20} MiB")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError(f"the secret's file {escape(path)} is not UTF-8") from None


def _parsed(path: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if path.endswith(".json") else tomllib.loads(text)
    except ValueError:
        raise ValueError(f"the secrets' file {escape(path)} is no {_form(path)}") from None  # its text is not quoted
    if not isinstance(found, dict):
        raise ValueError(f"the secrets' file {escape(path)} holds no object")  # noqa: TRY004
    return found


def _form(path: str) -> str:
    return "JSON" if path.endswith(".json") else "TOML"
