"""The stages of a body: what one gives, what of it a head can see, and how many are trained."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

Statistic = Literal["maximum", "average", "class", "grid", "top"]
"""Numbers of a channel: over all places of the image, of the class token, or by place."""

BY_PLACE: tuple[Statistic, ...] = ("grid", "top")
"""Statistics that tell places apart. They are stored only where a search can ask for them."""

GRID = 3
"""Cells a side of the grid."""

NUM_NUMBERS: Mapping[Statistic, int] = {
    "maximum": 1, "average": 1, "class": 1, "grid": GRID**2, "top": 1,
}  # fmt: skip
"""How many numbers of each channel a statistic is."""

Pool = Literal[
    "average",
    "maximum",
    "both",
    "grid",
    "grid+average",
    "top",
    "top+average",
    "class",
    "class+average",
]
"""What a head sees of each channel."""

STATISTICS: Mapping[Pool, frozenset[Statistic]] = {
    "average": frozenset({"average"}),
    "maximum": frozenset({"maximum"}),
    "both": frozenset({"maximum", "average"}),
    "grid": frozenset({"grid"}),
    "grid+average": frozenset({"grid", "average"}),
    "top": frozenset({"top"}),
    "top+average": frozenset({"top", "average"}),
    "class": frozenset({"class"}),
    "class+average": frozenset({"class", "average"}),
}


def by_place(pools: Iterable[Pool]) -> frozenset[Statistic]:
    """The statistics by place that heads with these pools see."""
    return frozenset(BY_PLACE).intersection(one for pool in pools for one in STATISTICS[pool])


def num_numbers(statistics: Iterable[Statistic]) -> int:
    """How many numbers of each channel some statistics are."""
    return sum(NUM_NUMBERS[one] for one in statistics)


@dataclass(frozen=True)
class TensorLayout:
    """Shape of the output of every stage of a network.

    Maps are (batch, channels, height, width), or with the channels last. Tokens are (batch, tokens,
    channels).

    Attributes:
        channels_last: Whether maps have their channels last.
        prefix_tokens: Number of tokens before those of the image.
        class_token: Whether the first of these is a class token.
    """

    channels_last: bool = False
    prefix_tokens: int = 0
    class_token: bool = False

    @property
    def statistics(self) -> tuple[Statistic, ...]:
        """What every table of features has of each channel, in this order."""
        return ("maximum", "average", "class") if self.class_token else ("maximum", "average")

    @property
    def pools(self) -> tuple[Pool, ...]:
        """What a head can see of each channel."""
        known = {*self.statistics, *BY_PLACE}
        return tuple(pool for pool, kept in STATISTICS.items() if kept <= known)

    def stored(self, extra: Collection[Statistic]) -> tuple[Statistic, ...]:
        """What a table has of each channel that serves every pool, and these by place."""
        return (*self.statistics, *(one for one in BY_PLACE if one in extra))

    def serving(self, extra: Collection[Statistic]) -> Iterator[tuple[Statistic, ...]]:
        """What tables that hold at least these by place can have, the smallest first."""
        others = [one for one in BY_PLACE if one not in extra]
        for count in range(len(others) + 1):
            yield from (self.stored({*extra, *more}) for more in combinations(others, count))

    def pooled(self, pool: Pool) -> tuple[Statistic, ...]:
        """What a network with this pool computes of each channel, in this order.

        All that every table has, of which the head keeps some; by place, no more than it sees.
        """
        seen = STATISTICS[pool]
        if seen <= set(self.statistics):
            return self.statistics
        return tuple(one for one in self.stored(BY_PLACE) if one in seen)


MAPS = TensorLayout()
"""Layout of torchvision's networks."""

Unfreeze = int | Literal["all"]
"""How many of a body's last stages are trained."""

_WORDS = {"none": 0, "one": 1, "two": 2}
"""Numbers as scripts of earlier versions write them."""


def read_unfreeze(raw: object) -> Unfreeze:
    """A number of trained stages as it is written.

    >>> [read_unfreeze(raw) for raw in (2, "2", "two", "all")]
    [2, 2, 2, 'all']

    Raises:
        ValueError: If it is none.
    """
    if raw == "all":
        return "all"
    text = str(raw)
    if text not in _WORDS and not text.isdecimal():
        raise ValueError(f"must be a number of stages, or all (got {text})")
    return _WORDS[text] if text in _WORDS else int(text)


def count_trained(unfreeze: Unfreeze, num_stages: int) -> int:
    """How many of `num_stages` stages are trained.

    >>> count_trained("all", 4), count_trained(2, 1)
    (4, 1)
    """
    return num_stages if unfreeze == "all" else min(unfreeze, num_stages)
