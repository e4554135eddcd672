"""The user's own modules: those below the configuration's directory, each with its text as it was imported.

Workers are given these texts, and a worker that is hired later makes the same chain of them, whatever the files hold by
then. Bytecode is neither written nor read: a file may change twice within the second that it is known by. (What a
function imports when it is called is read from its file then.)
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.util import spec_from_file_location
from types import CodeType, ModuleType
from typing import Any

NOT_OWN = ("__main__", "tailrace")
PACKAGES = {"site-packages", "dist-packages"}
LIBRARY = os.path.join(os.path.dirname(os.path.realpath(os.__file__)), "")  # Python's own modules

_places: dict[str, Place] = {}


class Place:
    """The modules below one directory. What is installed there, in a virtual environment, is not among them."""

    def __init__(self, directory: str) -> None:
        self.top = os.path.join(os.path.realpath(directory), "")
        self.texts: dict[str, bytes] = {}  # by file, of those that were imported, or that could not be
        self.given: dict[str, bytes] = {}  # likewise: taken for what the files hold
        self.names: dict[str, str | None] = {}  # of modules found here, with their files; None: of several, or of none
        self.missed: set[str] = set()  # files that were looked for

    def holds(self, path: str) -> bool:
        """``path``: real."""
        path = os.path.join(path, "")
        parts = path[len(self.top) :].split(os.sep)
        return path.startswith(self.top) and not PACKAGES.intersection(parts) and not path.startswith(LIBRARY)

    def modules(self) -> Iterator[tuple[str, ModuleType]]:
        """Those that are imported."""
        for name, origin in list(self.names.items()):
            module = sys.modules.get(name)
            if module is not None and (self._is_at(module, origin) if origin else self._is_folder(module)):
                yield name, module

    @staticmethod
    def _is_at(module: ModuleType, origin: str) -> bool:
        """And not another one of that name. A module may have put anything else in its place."""
        spec = getattr(module, "__spec__", None)
        return spec is None or spec.origin == origin

    def _is_folder(self, module: ModuleType) -> bool:
        paths = list(getattr(module, "__path__", ()))
        return bool(paths) and all(self.holds(os.path.realpath(path)) for path in paths)

    def has(self, directory: str) -> bool:
        """``directory``: real. Also one that is not there any more."""
        within = os.path.join(directory, "")
        return os.path.isdir(directory) or any(file.startswith(within) for file in self.given)

    def text(self, file: str) -> bytes:
        """OSError."""
        text = self.given.get(file)
        if text is None:
            with open(file, "rb") as source:
                text = source.read()
        self.texts[file] = text
        return text

    def package(self, name: str, directory: str) -> None:
        """A package of that name that holds what is in the directory."""
        if name not in sys.modules:
            sys.modules[name] = module = ModuleType(name, f"The modules in {directory} whose names are taken.")
            module.__path__ = [directory]
        self.names[name] = None


class Anew:
    """From now on an import of one of them reads its file. ``take_back``: those that were there are there again."""

    def __init__(self, directory: str) -> None:
        self._place = place = place_of(directory)
        self._before = dict(place.modules()), place.texts, place.names
        for name in self._before[0]:
            del sys.modules[name]
        place.texts, place.names, place.missed = {}, {}, set()
        importlib.invalidate_caches()

    def take_back(self) -> Mapping[str, bytes | None]:
        """The texts that were read meanwhile, by file; None: of a file that was not there."""
        place = self._place
        for name, _ in list(place.modules()):
            del sys.modules[name]
        tried: dict[str, bytes | None] = {**dict.fromkeys(place.missed), **place.texts}
        modules, place.texts, place.names = self._before
        place.missed = set()
        sys.modules.update(modules)
        return tried

    def changed(self) -> list[str]:
        """Files whose text is another than before, and new ones; as the directory knows them."""
        _, before, _ = self._before
        files = [file for file, text in self._place.texts.items() if before.get(file) != text]
        return sorted(os.path.relpath(file, self._place.top) for file in files)


def place_of(directory: str) -> Place:
    place = _places.get(directory)
    if place is None:
        place = _places[directory] = Place(directory)
        if _finder not in sys.path_hooks:
            sys.path_hooks.insert(0, _finder)
        for path in list(sys.path_importer_cache):
            if place.holds(os.path.realpath(path)):
                del sys.path_importer_cache[path]
    return place


def texts_of(directory: str) -> dict[str, bytes]:
    """Of the modules that are imported, by file."""
    place = _places.get(directory)
    return {} if place is None else place.texts


def to_json(directory: str) -> dict[str, str]:
    """These texts, whatever their encoding is."""
    return {os.fsencode(file).hex(): text.decode("latin-1") for file, text in texts_of(directory).items()}


def give(directory: str, texts: Mapping[str, str]) -> None:
    """As from ``to_json``: taken for what the files hold."""
    if texts:
        given = {os.fsdecode(bytes.fromhex(file)): text.encode("latin-1") for file, text in texts.items()}
        place_of(directory).given = given


def _finder(path: str) -> _Finder:
    """For ``sys.path_hooks``."""
    real = os.path.realpath(path)
    for place in _places.values():
        if place.holds(real) and place.has(real):
            return _Finder(path, real, place)
    raise ImportError(f"{path}: nothing of the user's own")


class _Finder(FileFinder):
    """Of one directory."""

    def __init__(self, path: str, real: str, place: Place) -> None:
        super().__init__(
            path,
            (ExtensionFileLoader, EXTENSION_SUFFIXES),
            (SourceFileLoader, SOURCE_SUFFIXES),
            (SourcelessFileLoader, BYTECODE_SUFFIXES),
        )
        self._real, self._place = real, place

    def find_spec(self, fullname: str, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] in NOT_OWN:
            return super().find_spec(fullname, target)
        spec = self._given(fullname) or super().find_spec(fullname, target)
        if spec is None:
            self._place.missed.update(self._files(fullname))
            return None
        self._place.names[fullname] = spec.origin
        if isinstance(spec.loader, SourceFileLoader):
            path = spec.loader.path
            spec.loader = _Loader(fullname, path, self._real + path[len(self.path) :], self._place)
        return spec

    def _files(self, fullname: str) -> list[str]:
        """Where it may be; a package comes first."""
        name = fullname.rpartition(".")[2]
        return [os.path.join(self._real, name, "__init__.py"), os.path.join(self._real, f"{name}.py")]

    def _given(self, fullname: str) -> ModuleSpec | None:
        """Also of a file that is not there any more."""
        file = next((file for file in self._files(fullname) if file in self._place.given), None)
        if file is not None:
            path = self.path + file[len(self._real) :]
            package = [os.path.dirname(path)] if os.path.basename(path) == "__init__.py" else None
            loader = SourceFileLoader(fullname, path)
            return spec_from_file_location(fullname, path, loader=loader, submodule_search_locations=package)
        folder = os.path.join(self._real, fullname.rpartition(".")[2])
        if os.path.lexists(folder) or not self._place.has(folder):
            return None
        spec = ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [self.path + folder[len(self._real) :]]
        return spec


class _Loader(SourceFileLoader):
    """``file``: the same as ``path``, under the name by which its text is kept."""

    def __init__(self, fullname: str, path: str, file: str, place: Place) -> None:
        super().__init__(fullname, path)
        self._file, self._place = file, place

    def get_code(self, fullname: str) -> CodeType | None:
        code: Any = self.source_to_code(self._place.text(self._file), self.get_filename(fullname))
        return code  # type: ignore[no-any-return]
