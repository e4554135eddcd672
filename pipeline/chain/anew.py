"""The user's own modules, imported anew: those below the configuration's directory."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType


class Anew:
    """From now on an import of one of them reads its file. ``take_back``: those that were there are there again."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._before = dict(_own(directory))
        for name in self._before:
            del sys.modules[name]
        importlib.invalidate_caches()

    def take_back(self) -> None:
        for name, _ in list(_own(self._directory)):
            del sys.modules[name]
        sys.modules.update(self._before)


def own_files(directory: str) -> list[str]:
    """Of the modules that are imported."""
    return sorted({file for _, module in _own(directory) if (file := getattr(module, "__file__", None))})


def _own(directory: str) -> Iterator[tuple[str, ModuleType]]:
    """Not what is installed there, in a virtual environment, nor tailrace itself and the program that was started."""
    top = os.path.join(os.path.realpath(directory), "")
    installed = tuple(os.path.join(os.path.realpath(place), "") for place in (sys.prefix, sys.base_prefix))
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in ("__main__", "tailrace"):
            continue
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        real = [os.path.join(os.path.realpath(place), "") for place in places if place]
        if real and all(place.startswith(top) and not place.startswith(installed) for place in real):
            yield name, module
