"""Refuse bad input once, with every problem found, before any expensive work."""

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

Result = TypeVar("Result")


class InputError(ValueError):
    """The input breaks one or more rules; `problems` holds one sentence for each."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        several = f"{len(problems)} problems to fix:\n" + "\n".join(f"  - {p}" for p in problems)
        super().__init__(problems[0] if len(problems) == 1 else several)

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, ...]]:
        """An exception is copied to another process by what it was made of, not by its text."""
        return InputError, self.problems


class MachineError(RuntimeError):
    """The machine has failed, and not the configuration: memory, a process, a GPU."""


class BrokenWorkerError(MachineError):
    """The process that raises this cannot compute any more, and must end."""


class UnreadableImageError(ValueError):
    """A file is not one whole image that can be decoded; the text says why, for people."""


def unreadable_images(failed: Sequence[str]) -> InputError:
    """The refusal of images; `failed` has the path of each, with the reason in brackets."""
    return InputError(
        f"every image must be readable; {are_not(failed)}: {listing(failed, 20)}. Replace them, or "
        "leave them out with --unusable drop"
    )


def are_not(failed: Sequence[object]) -> str:
    """How many break a rule, as in `1 is not` and `3 are not`."""
    return num_of(len(failed), "is not", "are not")


def num_of(count: int, one: str, several: str = "") -> str:
    """A count with its noun, and a verb if need be.

    >>> num_of(1, "image"), num_of(3, "image is", "images are")
    ('1 image', '3 images are')
    """
    return f"{count} {one if count == 1 else several or one + 's'}"


class Checks:
    """What checks have found, so that a user sees all of it at once and not one per run.

    Attributes:
        problems: The rule, the value received, and what to do, one sentence each.
        notes: Remarks on how the input was understood, one sentence each.
        unused: What of the input is not used, in a few words each.
    """

    def __init__(self) -> None:
        self.problems: list[str] = []
        self.notes: list[str] = []
        self.unused: list[str] = []

    def add(self, *problems: str) -> None:
        """Keep problems."""
        self.problems.extend(problems)

    def note(self, *notes: str) -> None:
        """Keep notes."""
        self.notes.extend(notes)

    def leave_out(self, *notes: str) -> None:
        """Keep notes on what is not used."""
        self.note(*notes)
        self.unused.extend(notes)

    def attempt(self, check: Callable[[], Result]) -> Result | None:
        """Do `check`; if it raises `InputError`, keep its problems and give None."""
        try:
            return check()
        except InputError as error:
            self.add(*error.problems)
            return None

    def raise_if_any(self) -> None:
        """Raise `InputError` when there is any problem; otherwise do nothing."""
        if self.problems:
            raise InputError(*self.problems)


_RULES = {
    "missing": "is missing",
    "greater_than_equal": "must be at least {ge:g}",
    "greater_than": "must be more than {gt:g}",
    "less_than_equal": "must be at most {le:g}",
    "less_than": "must be less than {lt:g}",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "literal_error": "must be {expected}",
}
"""What pydantic's errors mean, by their type."""


def explain(
    error: ValidationError, name: Callable[[str], str] = str, known: Collection[str] = ()
) -> list[str]:
    """One sentence per problem, such as `--trials must be at least 1 (got 0)`.

    Args:
        error: Error of a pydantic model.
        name: Writes the name of a field; `flag` writes the name that the command line has.
        known: Names of fields, to suggest the nearest for an unknown one.
    """
    found = []
    for detail in error.errors():
        fields = [part for part in detail["loc"] if isinstance(part, str)]
        found.append(explain_detail(detail, name(fields[-1]) if fields else "", known))
    return found


def why_unread(error: Exception) -> str:
    """Why a file cannot be read: what a pydantic model finds first in it, or what reading says."""
    return explain(error)[0] if isinstance(error, ValidationError) else str(error)


def explain_detail(detail: ErrorDetails, name: str, known: Collection[str] = ()) -> str:
    """The sentence for one of pydantic's errors; `name` may be empty."""
    if detail["type"] == "extra_forbidden":
        return f"{name} is unknown" + (f"; {did_you_mean(name, known)}" if known else "")
    rule = _RULES.get(detail["type"], detail["msg"].replace("Input should", "must"))
    rule = rule.format(**detail.get("ctx", {})).removeprefix("Value error, ")
    if name:
        rule = name + (" " if rule.startswith(("must ", "is ")) else ": ") + rule
    value = detail["input"]
    # some rules name the value themselves; a whole file is no value to show
    is_named = "(got " in rule or detail["type"] in ("missing", "json_invalid")
    if is_named or isinstance(value, Mapping):
        return rule
    given = " ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return f"{rule} (got {given or 'nothing'})"


def flag(name: str) -> str:
    """A field as the command line names it: `--batch-size` for `batch_size`."""
    return "--" + name.replace("_", "-")


def listing(names: Iterable[object], most: int = 8) -> str:
    """Join names for a message, the first `most` of them, and say how many were left out."""
    texts = [str(name) for name in names]
    rest = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + rest


def did_you_mean(value: str, choices: Iterable[str]) -> str:
    """Name the nearest choice, or list the first of them where none is near."""
    options = list(choices)
    near = difflib.get_close_matches(value, options, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"choose from: {listing(options, 12)}"


class DivergedError(RuntimeError):
    """The loss or the output of a network is no longer a number, or a fit has no end."""
