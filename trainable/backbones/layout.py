"""The stages of a body: what one gives, what of it a head can see, and how many are trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

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
