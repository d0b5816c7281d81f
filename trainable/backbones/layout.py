"""The stages of a body: what one gives, what of it a head can see, and how many are trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Statistic = Literal["maximum", "average", "class"]
"""Numbers of a channel: over all places of the image, or that of the class token."""

Pool = Literal["average", "maximum", "both", "class", "class+average"]
"""What a head sees of each channel."""

STATISTICS: Mapping[Pool, frozenset[Statistic]] = {
    "average": frozenset({"average"}),
    "maximum": frozenset({"maximum"}),
    "both": frozenset({"maximum", "average"}),
    "class": frozenset({"class"}),
    "class+average": frozenset({"class", "average"}),
}


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
        """What is stored of each channel, in this order."""
        return ("maximum", "average", "class") if self.class_token else ("maximum", "average")

    @property
    def pools(self) -> tuple[Pool, ...]:
        """What a head can see of each channel."""
        return tuple(pool for pool, kept in STATISTICS.items() if kept <= set(self.statistics))


MAPS = TensorLayout()
"""Layout of torchvision's networks."""

Unfreeze = Literal["none", "one", "two", "all"]
"""How many of a body's last stages are trained, in words."""

UNFREEZE: tuple[Unfreeze, ...] = get_args(Unfreeze)


def count_trained(unfreeze: str | int, num_stages: int) -> int:
    """How many of `num_stages` stages are trained, for a word of `UNFREEZE` or a number.

    >>> [count_trained(word, 4) for word in UNFREEZE], count_trained("two", 1)
    ([0, 1, 2, 4], 1)
    """
    words = {"none": 0, "one": 1, "two": 2, "all": num_stages}
    return min(words[unfreeze] if isinstance(unfreeze, str) else unfreeze, num_stages)
