"""Images that a user had left out, as they are absent or damaged: which, and why."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from trainable.errors import listing
from trainable.files import replacing

FILE = "left_out.csv"
"""The list of them, in a run folder or beside sorted folders."""


class LeftOut(NamedTuple):
    """An image that is left out.

    Attributes:
        image: The user's name for it.
        path: Its file; "" where there is none.
        reason: Why it is left out, in a few words.
    """

    image: str
    path: str
    reason: str


def write_left_out(images: Iterable[LeftOut], file: Path) -> None:
    """Write the list as a table."""
    with replacing(file) as partial, partial.open("w", newline="", encoding="utf-8") as table:
        csv.writer(table, lineterminator="\n").writerows([LeftOut._fields, *images])


def read_left_out(file: Path) -> tuple[LeftOut, ...]:
    """Read the list; empty if there is no file."""
    if not file.is_file():
        return ()
    with file.open(newline="", encoding="utf-8") as table:
        _, *rows = csv.reader(table)
    return tuple(LeftOut(*row) for row in rows)


def by_reason(images: Iterable[LeftOut]) -> dict[str, int]:
    """How many images are left out, by the reason."""
    return {reason: len(names) for reason, names in _names_by_reason(images).items()}


def _names_by_reason(images: Iterable[LeftOut]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for image, _, reason in images:
        found.setdefault(reason, []).append(image)
    return found


def describe_left_out(images: Iterable[LeftOut], num_all: int) -> Iterator[str]:
    """A sentence on images that are left out, where there are any, of `num_all` images."""
    named = _names_by_reason(images)
    if named:
        num = sum(map(len, named.values()))
        parts = "; ".join(
            f"{reason} ({len(names)}): {listing(names, 3)}" for reason, names in named.items()
        )
        yield f"{num} of {num_all} images {'is' if num == 1 else 'are'} left out: {parts}"
