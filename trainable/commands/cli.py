"""What every command shares: its help screens, and sentences for whatever a user can fix."""

import contextlib
import functools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NoReturn, get_args

import docstring_parser
from cyclopts import (
    App,
    Argument,
    CoercionError,
    CycloptsError,
    Group,
    MissingArgumentError,
    Parameter,
    UnusedCliTokensError,
)
from cyclopts.help import DefaultFormatter, HelpPanel
from pydantic import ValidationError
from rich.console import Console, ConsoleOptions
from rich.text import Text

from trainable.commands.stop import stop_signals
from trainable.defaults import COMMON
from trainable.errors import InputError, explain, flag, listing
from trainable.files import DiskError, private_files

_ALL = "--help-all"
_REFUSED = 2
_FAILED = 1

_VALUES = {"STR": "TEXT", "INT": "N", "FLOAT": "NUMBER"}
"""What the help screen calls values that have no name of their own, by their types."""


_RULES: dict[type, str] = {
    int: "must be a whole number",
    float: "must be a number",
    bool: "takes no value",
}
"""What an option wants, by its type, where pydantic does not check it."""


class _PlainHelp(DefaultFormatter):
    """Help panels without names of Python types, and without the line breaks of docstrings.

    Args:
        shown: Names of the options to show; None for all.
    """

    def __init__(self, shown: frozenset[str] | None = None) -> None:
        super().__init__()
        self._shown = shown

    def __call__(self, console: Console, options: ConsoleOptions, panel: HelpPanel) -> None:
        entries = [
            entry.copy(metavar=_VALUES.get(entry.metavar or "", entry.metavar))
            for entry in panel.entries
            if self._shown is None
            or entry.required
            or panel.format == "command"
            or {*entry.names} & self._shown
        ]
        if not entries:
            return
        for entry in entries:
            text = getattr(entry.description, "primary_renderable", None)
            if isinstance(text, Text):
                text.plain = " ".join(text.plain.split())
        super().__call__(console, options, panel.copy(entries=entries))


class Command(App):
    """A command; if some of its options are `COMMON`, `--help` shows these alone."""

    def help_print(
        self, tokens: str | Iterable[str] | None = None, *, console: Console | None = None
    ) -> None:
        """Print the common options, and those that must be given; all where none is common."""
        self._print_help(self._common() or None, console)

    def print_all_help(self, console: Console | None = None) -> None:
        """Print all options."""
        self._print_help(None, console)

    def _common(self) -> frozenset[str]:
        return frozenset(
            name
            for argument in self.assemble_argument_collection()
            if COMMON in get_args(argument.field_info.annotation)
            for name in argument.names
        )

    def _print_help(self, shown: frozenset[str] | None, console: Console | None) -> None:
        has_two = f"Show the common options; {_ALL} shows all."
        self["--help"].help = has_two if self._common() else "Show all options."
        self.help_formatter = _PlainHelp(shown)
        with _docstrings_read_once():
            super().help_print([], console=console)


@contextlib.contextmanager
def _docstrings_read_once() -> Iterator[None]:
    """A help screen asks three times for the docstrings of each group of options.

    Each time cyclopts would read the source of all base classes, pydantic's too: three quarters of
    the time of the screen.
    """
    read = docstring_parser.parse_from_object
    docstring_parser.parse_from_object = functools.cache(read)
    try:
        yield
    finally:
        docstring_parser.parse_from_object = read


def new_app(name: str) -> Command:
    """A command without options yet; give it a function with `@app.default`."""
    app = Command(
        name=name,
        version=_version,
        help_format="plaintext",
        default_parameter=Parameter(negative=(), show_default=_default_text),
        group_arguments=Group("Arguments", sort_key=0),
        group_parameters=Group("Options", sort_key=1),
        group_commands=Group("Help", sort_key=99),
        suppress_keyboard_interrupt=False,
    )
    app["--version"].help = "Show the version."
    return app


def run(app: Command, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command with `arguments` (those of the process if None), and exit.

    Exit status: what the command returns, 0 for None; 2 if the input was refused; 1 if the machine
    failed (a full disk, a closed pipe); 128 and the number of a stop signal
    after one, as 130 after Ctrl-C.
    """
    given = sys.argv[1:] if arguments is None else arguments
    with sentences(), private_files():
        stop_signals.raise_interrupts()
        _require_home()
        if _ALL in given:
            app.print_all_help()
            sys.exit()
        status = app(given, exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
        stop_signals.end()
        sys.exit(status)


@contextlib.contextmanager
def sentences() -> Iterator[None]:
    """Exit with sentences on stderr, and no traceback, for whatever a user can fix.

    A `KeyboardInterrupt` with a text (`KeyboardInterrupt("Stopped; kept: ...")`) prints that text.
    """
    try:
        yield
    except (InputError, CycloptsError, ValidationError) as error:
        _print(str(InputError(*problems_in(error))))
        sys.exit(_REFUSED)
    except KeyboardInterrupt as interrupt:
        stop_signals.end()
        _print(str(interrupt) or f"Stopped by {stop_signals.name}.")
        sys.exit(stop_signals.status)
    except BrokenPipeError:
        # the reader has gone (`| head`); without this Python complains when it flushes at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(_FAILED)
    except DiskError as error:
        _print(str(error))
        sys.exit(_FAILED)
    except OSError as error:
        if error.errno is None:  # a fault of a program, not of the machine
            raise
        _print(f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror))
        sys.exit(_FAILED)


def _require_home() -> None:
    """Libraries keep files in the home; without one they fail late, or write to the folder `~`."""
    try:
        Path.home()
    except RuntimeError as error:
        raise InputError(
            "HOME must be set, since this user has no home folder: set HOME to a folder to write in"
        ) from error


def problems_in(error: InputError | CycloptsError | ValidationError) -> list[str]:
    """One sentence for each problem."""
    if isinstance(error, InputError):
        return list(error.problems)
    found = error if isinstance(error, ValidationError) else error.__cause__
    if isinstance(found, ValidationError):
        return explain(found, flag)
    if isinstance(error, MissingArgumentError) and error.argument and error.app:
        given = {token.partition("=")[0] for token in error.root_input_tokens or ()}
        if given & {*error.argument.names}:
            return [f"{error.argument.name} needs a value"]
        return [f"{name} is missing" for name in _missing(error.argument, error.app, given)]
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return [f"Unexpected argument: {listing(error.unused_tokens)}"]
    if isinstance(error, CoercionError) and error.token and error.target_type in _RULES:
        return [f"{error.token.keyword} {_RULES[error.target_type]} (got {error.token.value})"]
    return [str(error)]


def _missing(first: Argument, app: App, given: set[str]) -> Iterator[str]:
    """The first argument that is missing, and each one behind it that is missing too."""
    arguments = list(app.assemble_argument_collection())
    start = [argument.name for argument in arguments].index(first.name)
    for argument in arguments[start:]:
        if argument.required and not argument.children and not given & {*argument.names}:
            yield argument.name


def _print(text: str) -> None:
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    console.print(text, style="red", markup=False)


def _default_text(value: object) -> str | None:
    """A default as a person writes it; none for what is not given."""
    return None if value is None or value is False or value == () else str(value)


def _version() -> str:
    try:
        return version("cxr")
    except PackageNotFoundError:
        return "not installed"
