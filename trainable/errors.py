"""Refuse bad input once, with every problem found, before any expensive work."""

import difflib
from collections.abc import Callable, Iterable
from typing import TypeVar

Result = TypeVar("Result")


class InputError(ValueError):
    """The input breaks one or more rules; `problems` holds one sentence for each."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        super().__init__(f"{count} to fix:\n" + "\n".join(f"  - {p}" for p in self.problems))

    def __reduce__(self) -> tuple[type["InputError"], tuple[str, ...]]:
        """An exception is copied to another process by what it was made of, not by its text."""
        return InputError, self.problems


class Problems:
    """Collects problems, so that a user sees all of them at once and not one a run."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, problem: str) -> None:
        """Note one problem: the rule, the value received, and what to do."""
        self.found.append(problem)

    def attempt(self, check: Callable[[], Result]) -> Result | None:
        """Do `check`; if it raises `InputError`, note its problems and give None."""
        try:
            return check()
        except InputError as error:
            self.found.extend(error.problems)
            return None

    def raise_if_any(self) -> None:
        """Raise `InputError` when anything was found; otherwise do nothing."""
        if self.found:
            raise InputError(*self.found)


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
