"""What a search says, and how: sentences for a person, or one line of JSON per event."""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from rich.console import Console, RenderableType

Amount = Literal["quiet", "normal", "verbose", "events"]
"""The winner alone; what a person wants to see; every metric and setting of each trial too; or
events for a program, and no sentence."""

_COMMAND = re.compile(r"\bcxr-[a-z]+ ")


class Line(NamedTuple):
    """A sentence for a person.

    Attributes:
        text: The sentence.
        level: 0 for a line by itself, 1 for a detail of it, 2 for an item of a list.
    """

    text: str
    level: int = 0


class Voice:
    """Says what a search does. Words wrap; commands and paths stay whole.

    Attributes:
        console: Where it prints what is not a result; mute if quiet, and for events.
        is_verbose: Whether to say all of each trial.
    """

    def __init__(self, console: Console, amount: Amount = "normal", *, as_json: bool) -> None:
        """Print to `console`; `as_json` ends with one line for a program."""
        is_mute = amount in ("quiet", "events")
        self.console = Console(quiet=True, force_terminal=False) if is_mute else console
        self.is_verbose = amount == "verbose"
        self._in_events = amount == "events"
        self._always = console
        self._as_json = as_json

    def say(self, text: str = "", level: int = 0) -> None:
        """Print a line that stays."""
        self.tell("line", text, level=level, announced=False)

    def announce(self, text: str, level: int = 0) -> None:
        """Print a line that is wanted even by who wants it quiet."""
        self.tell("line", text, level=level, announced=True)

    def tell(
        self, event: str, text: str = "", *, level: int = 0, announced: bool = False, **facts: Any
    ) -> None:
        """Print what happened: to a person in words, to a program with its facts.

        Args:
            event: Name of the event.
            text: The words.
            level: As in `Line`.
            announced: Whether it is wanted even by who wants it quiet.
            facts: What a program wants to know of it.
        """
        if self._in_events:
            if text or facts:
                self._print_json(event=event, text=text, level=level, announced=announced, **facts)
        elif event == "line" or text:
            _print(self._always if announced else self.console, "  " * level + text)

    def show(self, table: RenderableType) -> None:
        """Print a table for a person."""
        self.console.print(table)

    def conclude(self, summary: Mapping[str, Any]) -> None:
        """Print the last line for a program, if it is wanted."""
        if self._in_events:
            self._print_json(event="end", **summary)
        elif self._as_json:
            self._print_json(**summary)

    def refuse(self, problems: Sequence[str]) -> None:
        """Print to a program what is refused; a person reads it on standard error."""
        if self._in_events:
            self._print_json(event="refused", problems=problems)

    def _print_json(self, **facts: Any) -> None:
        self._always.out(json.dumps(facts), highlight=False)


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
