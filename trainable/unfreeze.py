"""Words for how many of a body's last stages are trained."""

from typing import Literal, get_args

Unfreeze = Literal["none", "one", "two", "all"]

UNFREEZE: tuple[Unfreeze, ...] = get_args(Unfreeze)


def count_trained(unfreeze: str | int, num_stages: int) -> int:
    """How many of `num_stages` stages are trained, for a word of `UNFREEZE` or a number.

    >>> [count_trained(word, 4) for word in UNFREEZE], count_trained("two", 1)
    ([0, 1, 2, 4], 1)
    """
    words = {"none": 0, "one": 1, "two": 2, "all": num_stages}
    return min(words[unfreeze] if isinstance(unfreeze, str) else unfreeze, num_stages)
