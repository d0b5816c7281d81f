"""Which of a user's values is the positive class and which the negative one."""

import math
import re
from collections.abc import Collection, Iterable, Mapping

import pandas as pd

from trainable.cohort.label_rule import REST
from trainable.cohort.limit import number_in
from trainable.cohort.words import NO, YES, only_say_yes_or_no, same_value
from trainable.errors import Checks, did_you_mean, listing

_KNOWN_CLASSES = (
    ("0", "1"), ("false", "true"), ("no", "yes"), ("n", "y"), ("neg", "pos"),
    ("negative", "positive"), ("alive", "dead"), ("survived", "died"), ("non", "covid"),
    ("normal", "pneumonia"), ("normal", "abnormal"),
)  # fmt: skip
_MOST_GRADES = 10
_NOT = frozenset({"no", "non", "not", "without"})


def any_yes_or_no(values: Iterable[str]) -> bool:
    """Whether values say yes and no in three words or more, as yes, no, 1 and 0 do."""
    found = set(values)
    are_both = bool(found & NO) and bool(found & YES)
    return len(found) > 2 and are_both and only_say_yes_or_no(found)


def opposite_of(value: str) -> list[str]:
    """The negative class that goes with a positive one, where that is known.

    >>> [opposite_of(value) for value in ("1", "yes", "viral")]
    [['0'], ['no'], []]
    """
    return [low for low, high in _KNOWN_CLASSES if value == high][:1]


def several_classes(labels: pd.Series) -> tuple[str, ...] | None:
    """Three classes or more among labels, in order; None where there are none.

    Words for yes and no are two classes. Numbers are grades from 0 or 1 on, without a gap, and at
    most ten, or codes such as 01; else a score. Where most labels are different they are no
    classes, but text.

    >>> several_classes(pd.Series(["viral", "normal", "Viral", "mild"] * 2))
    ('mild', 'normal', 'viral')
    """
    counts = labels.str.strip().value_counts()
    are_codes = any(re.fullmatch(r"0\d+", spelling) for spelling in counts.index)
    spelled: dict[str, str] = {}
    for spelling in counts.index:
        plain = same_value(spelling)
        is_number = plain.lstrip("-").isdigit() and not are_codes
        spelled.setdefault(plain, plain if is_number else spelling)
    if len(spelled) < 3 or 2 * len(spelled) > len(labels) or any_yes_or_no(spelled):
        return None
    numbers = sorted(map(number_in, spelled))
    if not are_codes and not any(map(math.isnan, numbers)):
        grades = [numbers[0] + place for place in range(len(numbers))]
        if numbers[0] not in (0, 1) or numbers != grades or len(numbers) > _MOST_GRADES:
            return None
        return tuple(sorted(spelled, key=int))
    return tuple(sorted(spelled.values(), key=str.casefold))


def two_classes(
    values: list[str],
    positive: str | None,
    negative: str | None,
    what: str,
    checks: Checks,
    *,
    inverted: bool = False,
) -> tuple[str, str] | None:
    """The negative and the positive class among `values`; None (and a problem kept) if unclear.

    Args:
        values: As `same_value` writes them, for labels; names of class folders as they are.
        positive: As the user named it, or None.
        negative: As the user named it, or None. One of the two may be "rest", for all others.
        what: What the values are, for the message.
        checks: Given what cannot be decided.
        inverted: Whether the column says the opposite of the outcome, as `survival` does.
    """
    if problem := _wrongly_named(values, positive, negative, what):
        checks.add(problem)
        return None
    if positive is not None and negative is not None:
        return (negative, positive)
    if len(values) == 2 and (positive or negative):
        other = next(value for value in values if value not in (positive, negative))
        return (negative or other, positive or other)
    ends = _last_words(values)
    for low, high in _KNOWN_CLASSES:
        if low in ends and high in ends and (what == "class folders" or len(values) == 2):
            pair = (ends[high], ends[low]) if inverted else (ends[low], ends[high])
            if negative in (None, pair[0]) and positive in (None, pair[1]):
                return pair
    checks.add(
        f"{what} must have two values, one of them known as positive; found {len(values)}: "
        f"{listing(values)}; {_advice(values, positive)}{_limit_advice(values, what)}"
    )
    return None


def _last_words(values: Collection[str]) -> dict[str, str]:
    """The values by their last words, as 0 and 1 of a_0 and b_1."""
    words = {value: re.split(r"[_\-. ]", value.lower()) for value in values}
    # "not alive" does not say alive; of "a_0" and "b_0", either may be meant
    said = [parts[-1] for parts in words.values() if not _NOT & set(parts[:-1])]
    return {parts[-1]: value for value, parts in words.items() if said.count(parts[-1]) == 1}


def several_folders(counts: Mapping[str, int], checks: Checks) -> tuple[str, ...] | None:
    """Three class folders or more, in order; None where two of them say yes and no."""
    ends = _last_words(counts)
    are_grades = all(end.isdigit() for end in ends) and len(ends) == len(counts)
    pairs = [pair for pair in _KNOWN_CLASSES if pair != ("normal", "pneumonia")]
    if not are_grades and any(low in ends and high in ends for low, high in pairs):
        return None
    if len(counts) < 3 or 2 * len(counts) > sum(counts.values()):
        return None
    spelled: dict[str, list[str]] = {}
    for name in counts:
        spelled.setdefault(same_value(name), []).append(name)
    if alike := [" and ".join(names) for names in spelled.values() if len(names) > 1]:
        checks.add(
            "class folders must differ by more than capital letters and leading zeros; these do "
            f"not: {listing(alike)}. Rename them, or put their images together"
        )
    return tuple(sorted(counts, key=lambda name: (len(name) if name.isdigit() else 0, name)))


def _wrongly_named(
    values: list[str], positive: str | None, negative: str | None, what: str
) -> str | None:
    """What is wrong with the classes that the user named, if anything is."""
    for option, value in (("positive", positive), ("negative", negative)):
        if value is not None and value not in (*values, REST):
            return (
                f"--{option} must be one of the {what} ({listing(values)}); {value!r} is not; "
                f"{did_you_mean(value, values)}"
            )
    if positive is not None and negative == positive:
        return f"--positive and --negative must be two {what} (got {positive} for both)"
    one_is_called_rest = REST in values and len(values) == 2
    if positive == REST and negative is None and not one_is_called_rest:
        return "--positive rest needs --negative, the one class that the rest is not"
    if negative == REST and positive is None and not one_is_called_rest:
        return "--negative rest needs --positive, the one class that the rest is not"
    return None


def _limit_advice(values: list[str], what: str) -> str:
    are_numbers = not any(math.isnan(number_in(value)) for value in values)
    if what != "labels" or len(values) < 3 or not are_numbers:
        return ""
    return ". Of a score, name those that are positive by a limit, as in --positive '>=10'"


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
