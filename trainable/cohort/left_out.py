"""Images that a user had left out, as they are absent or damaged: which, and why."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

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
    with replacing(file) as partial:
        pd.DataFrame(images, columns=LeftOut._fields).to_csv(partial, index=False)


def read_left_out(file: Path) -> tuple[LeftOut, ...]:
    """Read the list; empty if there is no file."""
    if not file.is_file():
        return ()
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    return tuple(LeftOut(*row) for row in table[list(LeftOut._fields)].itertuples(index=False))


def describe_left_out(images: Iterable[LeftOut], num_all: int, where: str) -> Iterator[str]:
    """A sentence on the images that are left out, where there are any.

    Args:
        images: The images.
        num_all: Number of images with them.
        where: Where the list of all of them is.
    """
    by_reason: dict[str, list[str]] = {}
    for image, _, reason in images:
        by_reason.setdefault(reason, []).append(image)
    if by_reason:
        num = sum(map(len, by_reason.values()))
        parts = "; ".join(
            f"{reason} ({len(names)}): {listing(names, 3)}" for reason, names in by_reason.items()
        )
        yield f"{num} of {num_all} images are left out{where}: {parts}"
