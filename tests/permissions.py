"""Permissions that bind root too, in a thread that gives up its power over them."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

# capget(2): a header of version and thread (0: this one), then twice 32 bits of effective, permitted and inheritable.
_VERSION_3 = 0x20080522
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1 << 1, 1 << 2
_Header, _Sets = ctypes.c_uint32 * 2, ctypes.c_uint32 * 6

Value = TypeVar("Value")


def bound_by_permissions(call: Callable[[], Value]) -> Value:
    """The call's value, or what it raises, where modes are obeyed whoever runs the tests."""
    with ThreadPoolExecutor(1, initializer=_give_up) as one:  # there is no way back, so in a thread of its own
        return one.submit(call).result()


def _give_up() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    sets = _Sets()
    for name in ("capget", "capset"):
        if getattr(libc, name)(_Header(_VERSION_3, 0), sets):
            raise OSError(ctypes.get_errno(), name)
        for which in (0, 1):  # effective; and permitted, which access(2) goes by
            sets[which] &= ~(_DAC_OVERRIDE | _DAC_READ_SEARCH)
