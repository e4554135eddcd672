"""Permissions that bind root too: in a thread that gives up its power over them, or in a process without it."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

# capget(2): a header of version and thread (0: this one), then twice 32 bits of effective, permitted and inheritable.
_VERSION_3 = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1 << 1, 1 << 2
_Header, _Sets = ctypes.c_uint32 * 2, ctypes.c_uint32 * 6

Value = TypeVar("Value")


def bound_by_permissions(call: Callable[[], Value]) -> Value:
    """The call's value, or what it raises, where modes are obeyed whoever runs the tests."""
    with ThreadPoolExecutor(1, initializer=_give_up) as one:  # there is no way back, so in a thread of its own
        return one.submit(call).result()


needs_setpriv = pytest.mark.skipif(
    os.geteuid() == 0 and shutil.which("setpriv") is None, reason="permissions do not bind root, and setpriv is missing"
)
_POWERS = "-dac_override,-dac_read_search"  # over files; without them root is its owner and no more
BOUND = ["setpriv", f"--bounding-set={_POWERS}", f"--inh-caps={_POWERS}"] if os.geteuid() == 0 else []
"""What stands before a command for which permissions are to bind."""


def bound_command(*arguments: str) -> tuple[int, str, str]:
    """(exit code, standard output, standard error) of tailrace as such a process, in the current directory."""
    command = [*BOUND, sys.executable, "-m", "tailrace", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def _give_up() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    sets = _Sets()
    for name in ("capget", "capset"):
        if getattr(libc, name)(_Header(_VERSION_3, 0), sets):
            raise OSError(ctypes.get_errno(), name)
        for which in (0, 1):  # effective; and permitted, which access(2) goes by
            sets[which] &= ~(_DAC_OVERRIDE | _DAC_READ_SEARCH)
