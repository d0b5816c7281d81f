"""Which of a user's values is the positive class and which the negative one."""

import re
import unicodedata
from collections.abc import Iterable

from trainable.errors import Checks, did_you_mean, listing

REST = "rest"
"""Given as --negative: all that is not positive is negative."""

_KNOWN_CLASSES = (
    ("0", "1"), ("false", "true"), ("no", "yes"), ("n", "y"), ("neg", "pos"),
    ("negative", "positive"), ("alive", "dead"), ("survived", "died"), ("non", "covid"),
    ("normal", "pneumonia"), ("normal", "abnormal"),
)  # fmt: skip
_NO = frozenset({"0", "false", "f", "no", "n", "neg", "negative"})
_YES = frozenset({"1", "true", "t", "yes", "y", "pos", "positive"})
_NOT = frozenset({"no", "non", "not", "without"})
_NUMBER = re.compile(r"([+-]?)0*(\d+)(?:[.,]0*)?$")


def same_value(value: str) -> str:
    """One spelling for all spellings of a value: `1.0` is 1, `TRUE` is true.

    >>> [same_value(value) for value in ("1.0", "01", "-1,0", " TRUE ", "0.5")]
    ['1', '1', '-1', 'true', '0.5']
    """
    plain = unicodedata.normalize("NFC", value.strip()).casefold()
    number = _NUMBER.match(plain)
    if not number:
        return plain
    return ("-" if number[1] == "-" and number[2] != "0" else "") + number[2]


def only_say_yes_or_no(values: Iterable[str]) -> bool:
    """Whether all values are words for yes and no, as `same_value` writes them."""
    return set(values) <= _NO | _YES


def yes_or_no(values: Iterable[str]) -> dict[str, str]:
    """For values that say yes and no in three words or more: what each of them says, 1 or 0."""
    found = set(values)
    if len(found) < 3 or not only_say_yes_or_no(found) or not (found & _NO and found & _YES):
        return {}
    return {value: "1" if value in _YES else "0" for value in found}


def opposite_of(value: str) -> list[str]:
    """The negative class that goes with a positive one, where that is known.

    >>> [opposite_of(value) for value in ("1", "yes", "viral")]
    [['0'], ['no'], []]
    """
    return [low for low, high in _KNOWN_CLASSES if value == high][:1]


def two_classes(
    values: list[str],
    positive: str | None,
    negative: str | None,
    what: str,
    checks: Checks,
    *,
    inverted: bool = False,
) -> tuple[str, str]:
    """The negative and the positive class among `values`; the problem noted if unclear.

    Args:
        values: As `same_value` writes them, for labels; names of class folders as they are.
        positive: As the user named it, or None.
        negative: As the user named it, or None; "rest" for all that is not positive.
        what: What the values are, for the message.
        checks: Given what cannot be decided.
        inverted: Whether the column says the opposite of the outcome, as `survival` does.
    """
    for option, value in (("positive", positive), ("negative", negative)):
        if value is not None and value not in values and (option, value) != ("negative", REST):
            checks.add(
                f"--{option} must be one of the {what} ({listing(values)}); {value!r} is not; "
                f"{did_you_mean(value, values)}"
            )
            return ("", "")
    if positive is not None and negative == positive:
        checks.add(f"--positive and --negative must be two {what} (got {positive} for both)")
        return ("", "")
    if positive is not None and negative is not None:
        return (negative, positive)
    if negative == REST:
        checks.add("--negative rest needs --positive, the one class that the rest is not")
        return ("", "")
    if len(values) == 2 and (positive or negative):
        other = next(value for value in values if value not in (positive, negative))
        return (negative or other, positive or other)
    words = {value: re.split(r"[_\-. ]", value.lower()) for value in values}
    # "not alive" does not say alive; of "a_0" and "b_0", either may be meant
    said = [parts[-1] for parts in words.values() if not _NOT & set(parts[:-1])]
    ends = {parts[-1]: value for value, parts in words.items() if said.count(parts[-1]) == 1}
    for low, high in _KNOWN_CLASSES:
        if low in ends and high in ends and (what == "class folders" or len(values) == 2):
            pair = (ends[high], ends[low]) if inverted else (ends[low], ends[high])
            if negative in (None, pair[0]) and positive in (None, pair[1]):
                return pair
    checks.add(
        f"{what} must have two values, one of them known as positive; found {len(values)}: "
        f"{listing(values)}; {_advice(values, positive)}"
    )
    return ("", "")


def _advice(values: list[str], positive: str | None) -> str:
    if len(values) == 2:
        return "name the positive one with --positive"
    if len(values) < 2:
        return "images of both classes are needed"
    if positive is not None:
        return (
            "keep two, or name the negative one with --negative, or all others with --negative "
            "rest; name both with --positive and --negative"
        )
    return "keep two, or name both with --positive and --negative (rest for all others)"
