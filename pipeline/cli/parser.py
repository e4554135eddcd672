"""The command line's parser: argparse, but a word it does not know is answered with the nearest one it does."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """Also the class of the parsers of its sub-commands."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)
        self.color = False  # else Python 3.14 colours the help on a terminal

    def refuse(self, unknown: Sequence[str]) -> NoReturn:
        """End with exit code 2 over arguments that nobody takes."""
        words = ", ".join(f"{word}{_meant(word, self._option_string_actions)}" for word in unknown)
        self.error(f"unrecognized arguments: {words}")

    def check_options(self, argv: Sequence[str]) -> None:
        """``refuse`` a mistyped option before the command: argparse would only miss the command then."""
        first = next(iter(argv), "")
        if first.startswith("-") and first not in self._option_string_actions:
            self.refuse([first])

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(
                action, f"{value!r} is unknown{_meant(str(value), known)}; expected one of: {', '.join(known)}"
            )


def _meant(word: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(word.partition("=")[0], list(known), n=1)
    return f" (did you mean {near[0]}?)" if near else ""
