"""Commands of this checkout and of another one, in turns on one machine."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parents[2]


@dataclass(frozen=True)
class Checkout:
    """A copy of the repository, whose code runs in this environment.

    Attributes:
        name: What its figures are called.
        folder: Its root.
    """

    name: str
    folder: Path

    def start(
        self, arguments: Sequence[str | Path], stdout: int, stderr: int | None = None
    ) -> "subprocess.Popen[str]":
        """Start Python with arguments such as `-m search`; the rest is as in `subprocess`."""
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.folder)},
            stdout=stdout,
            stderr=stderr,
            text=True,
        )


def in_turns(other: Path | None, num_turns: int) -> Iterator[tuple[int, Checkout]]:
    """Each checkout once a turn, this one first in every second turn."""
    both = [Checkout("this", HERE)]
    if other is not None:
        both.append(Checkout("other", other.expanduser().resolve()))
    for turn in range(num_turns):
        for checkout in both[:: -1 if turn % 2 else 1]:
            yield turn, checkout
