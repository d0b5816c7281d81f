"""What a search says, and how much of it: words wrap, commands and paths stay whole."""

import json
import re
import textwrap
from collections.abc import Mapping
from typing import Any, Literal

from rich.console import Console, RenderableType

Amount = Literal["quiet", "normal", "verbose"]
"""The winner alone; what a person wants to see; every metric and setting of each trial too."""

_COMMAND = re.compile(r"\bcxr-[a-z]+ ")


class Voice:
    """Prints the lines of a search.

    Attributes:
        console: Where it prints what is not a result; mute if quiet.
        is_verbose: Whether to say all of each trial.
    """

    def __init__(self, console: Console, amount: Amount = "normal", *, as_json: bool) -> None:
        """Print to `console`; `as_json` ends with one line for a program."""
        self.console = Console(quiet=True) if amount == "quiet" else console
        self.is_verbose = amount == "verbose"
        self._always = console
        self._as_json = as_json

    def say(self, line: str = "") -> None:
        """Print a line that stays."""
        _print(self.console, line)

    def show(self, table: RenderableType) -> None:
        """Print a table."""
        self.console.print(table)

    def announce(self, line: str) -> None:
        """Print a line that is wanted even by who wants it quiet."""
        _print(self._always, line)

    def conclude(self, summary: Mapping[str, Any]) -> None:
        """Print the last line for a program, if it is wanted."""
        if self._as_json:
            self._always.out(json.dumps(summary), highlight=False)


def _print(console: Console, line: str) -> None:
    if console.is_terminal and not _COMMAND.search(line):  # a command is copied as one line
        line = wrapped(line, console.width)
    console.print(line, highlight=False, soft_wrap=True, markup=False)


def wrapped(line: str, width: int) -> str:
    """A line broken between words, its further lines further in; a long path stays whole."""
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
