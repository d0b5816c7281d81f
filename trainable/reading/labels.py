"""The labels of a table: which rows are positive, negative, or of no use."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pandas as pd

from trainable.cohort.label_rule import (
    REST,
    UNCERTAIN,
    Judged,
    LabelRule,
    findings_in,
    says_survival,
)
from trainable.cohort.limit import Limit, number_in
from trainable.cohort.words import UNKNOWN_WORDS, only_say_yes_or_no, same_value, yes_or_no
from trainable.errors import Checks, listing, num_of
from trainable.reading.classes import any_yes_or_no, opposite_of, two_classes
from trainable.reading.options import DataOptions

NO_LABEL = "none"
"""Negative class of rows without a label, where all others are positive."""

_OF_SURVIVAL = re.compile("surviv|alive")


class Labels(NamedTuple):
    """What a column of labels says.

    Attributes:
        values: 1 positive, 0 negative, -1 of no use, one per row.
        rule: How they were read, which later labels are read by.
        note: How the column was understood, with the count of each value.
    """

    values: pd.Series
    rule: LabelRule
    note: str


def read_labels(
    raw: pd.Series,
    images: pd.Series,
    options: DataOptions,
    checks: Checks,
    *,
    several_rows: bool = False,
) -> Labels | None:
    """Read a column of labels; None (and a problem kept) if it cannot be decided.

    Spellings of one value (`1` and `1.0`, `TRUE` and `true`) are one value. A word for "not known"
    is a missing label, unless it was named with --positive or --negative.

    Args:
        raw: The column, as text.
        images: The name of the image of each row, for the messages.
        options: What the user said of the labels.
        checks: Given all that cannot be decided.
        several_rows: Of the rule.
    """
    named = {same_value(one) for one in (options.positive, options.negative) if one is not None}
    plain = raw.map(same_value)
    is_missing = plain.isin(UNKNOWN_WORDS - named)
    holds_uncertain = _may_hold_uncertain(plain, is_missing, options) and UNCERTAIN not in named
    is_uncertain = (plain == UNCERTAIN) & holds_uncertain
    _check_left_out(images, is_missing, is_uncertain, options, checks)
    known = raw[~is_missing & ~is_uncertain]
    if not len(known):
        checks.add(f"images must have labels; all {len(raw)} in {raw.name} are missing")
        return None
    classes = _classes(known, _uses(is_missing, is_uncertain, options), options, checks)
    if classes is None:
        return None
    rule = LabelRule(
        classes,
        any_yes_or_no(set(plain[known.index])),
        options.missing,
        options.uncertain if holds_uncertain else None,
        has_limit=any(_limit(one, known) is not None for one in classes),
        several_rows=several_rows,
    )
    judged = rule.judge(raw)
    if rule.has_limit and not _has_both(judged.values, known, rule, checks):
        return None
    return Labels(judged.values, rule, "; ".join(_described(raw, judged, rule)))


def _described(raw: pd.Series, judged: Judged, rule: LabelRule) -> Iterator[str]:
    """How a column was understood, with the count of each value, a few words each."""
    counts = judged.values.value_counts()
    negative, positive = (
        f"{name}{' (all other labels)' * (name == REST)} ({counts.get(value, 0)})"
        for value, name in enumerate(rule.classes)
    )
    yield f"positive is {raw.name} = {positive}, negative is {negative}"
    yield from rule.remarks(judged)
    if judged.is_other.any():
        names = listing(sorted(set(raw[judged.is_other])))
        yield f"{int(judged.is_other.sum())} of other labels left out: {names}"
    if rule.classes[1] == REST and not rule.has_limit:
        beside = rule.is_beside_others(raw) & (judged.values == 1)
        if beside.any():
            names = listing(sorted(set(raw[beside])))
            yield (
                f"{num_of(int(beside.sum()), 'positive one names', 'positive ones name')} "
                f"{rule.classes[0]} beside other findings: {names}"
            )


def _limit(name: str | None, known: pd.Series) -> Limit | None:
    """The limit that the name of a class says, unless some label is called so."""
    return None if name is None or name.strip() in set(known) else Limit.read(name)


def _by_limit(known: pd.Series, options: DataOptions, checks: Checks) -> tuple[str, str] | None:
    """The classes where --positive or --negative is a limit; None if neither is.

    Args:
        known: Labels that are known, as the user writes them.
        options: What the user said of the labels.
        checks: Given a label that is in both classes.
    """
    positive, negative = (_limit(one, known) for one in (options.positive, options.negative))
    if positive is None and negative is None:
        return None
    high = str(positive) if positive else options.positive or str(negative and negative.opposite)
    low = str(negative) if negative else options.negative or str(positive and positive.opposite)
    if positive and negative:
        both = known[positive.holds(known) & negative.holds(known)]
        if len(both):
            checks.add(
                f"--positive {high} and --negative {low} must have no label in common; in both: "
                f"{listing(sorted(set(both)))}"
            )
    return low, high


def _has_both(values: pd.Series, known: pd.Series, rule: LabelRule, checks: Checks) -> bool:
    """Whether a limit leaves labels of both classes; else a problem is kept."""
    empty = [name for value, name in enumerate(rule.classes) if not (values == value).any()]
    if empty:
        numbers = known.map(number_in).dropna()
        are = f"from {numbers.min():g} to {numbers.max():g}" if len(numbers) else "no numbers"
        checks.add(f"some label must be {' and some '.join(empty)}; the labels are {are}")
    return not empty


def _classes(
    known: pd.Series, uses: set[str | None], options: DataOptions, checks: Checks
) -> tuple[str, str] | None:
    """What the user calls the negative and the positive class; None if that is not clear.

    Args:
        known: Labels that are known, as the user writes them.
        uses: What all other rows count as.
        options: What the user said of the labels.
        checks: Given what cannot be decided.
    """
    if (by_limit := _by_limit(known, options, checks)) is not None:
        return by_limit
    positive, negative = (
        None if one is None else same_value(one) for one in (options.positive, options.negative)
    )
    plain = known.map(same_value)
    if positive == REST and negative is None and "negative" in uses and REST not in set(plain):
        return NO_LABEL, REST
    # one finding among several in a cell, against all other cells
    one = positive if negative == REST else negative if positive == REST else None
    is_finding = one is not None and one not in set(plain)
    values = sorted(set().union(*plain.map(findings_in)) if is_finding else set(plain))
    if positive is None and negative is None and _may_be_either(known.name, values):
        checks.add(
            f"the column {known.name!r} may say who survived or who died: name the label of those "
            f"who died with --positive (it has {listing(sorted(set(known)))})"
        )
        return None
    if any_yes_or_no(values):
        names = {"0": "0", "1": "1"}
        positive, negative = (one and yes_or_no(one) for one in (positive, negative))
    else:
        spelled = _spellings(known, plain)
        names = {value: spelled.get(value, value) for value in values}
    if is_finding and one in names:
        names[one] = str(options.positive if one == positive else options.negative).strip()
    if len(names) == 1 and None in uses:
        return None  # a class may be among the rows whose use is open, which is a problem already
    if len(names) == 1 and "negative" in uses:
        # all rows of the other class are those without a label
        names |= {other: other for other in opposite_of(values[0])}
        negative = negative or (REST if len(names) == 1 and positive else None)
    return two_classes(
        list(names.values()),
        REST if positive == REST else names.get(positive or "", options.positive),
        REST if negative == REST else names.get(negative or "", options.negative),
        "labels",
        checks,
        inverted=says_survival(known.name) and only_say_yes_or_no(values),
    )


def _may_be_either(column: object, values: Sequence[str]) -> bool:
    """Whether yes may mean either: in survival_status, 1 is often a death."""
    is_of_survival = _OF_SURVIVAL.search(str(column).casefold()) is not None
    return is_of_survival and not says_survival(column) and only_say_yes_or_no(values)


def _uses(is_missing: pd.Series, is_uncertain: pd.Series, options: DataOptions) -> set[str | None]:
    """The uses of rows without a certain label, where there are some; None where one is open."""
    rows = ((is_missing, options.missing), (is_uncertain, options.uncertain))
    return {use for some, use in rows if some.any()}


def _may_hold_uncertain(plain: pd.Series, is_missing: pd.Series, options: DataOptions) -> bool:
    """Whether -1 is no value like others: beside 0 and 1, or beside 1 and blanks."""
    values = set(plain[~is_missing])
    is_chexpert = "1" in values and values <= {"0", "1", UNCERTAIN}
    only_two = "0" not in values and not is_missing.any() and options.uncertain is None
    return is_chexpert and not only_two


def _check_left_out(
    images: pd.Series,
    is_missing: pd.Series,
    is_uncertain: pd.Series,
    options: DataOptions,
    checks: Checks,
) -> None:
    if is_missing.any() and options.missing is None:
        checks.add(
            f"every image must have a label; without ({int(is_missing.sum())}): "
            f"{listing(images[is_missing])}. Add the labels, leave the images out with "
            "--missing drop, or count them as negative with --missing negative"
        )
    if is_uncertain.any() and options.uncertain is None:
        checks.add(
            f"a label must be certain; -1 (uncertain, {num_of(int(is_uncertain.sum()), 'image')}): "
            f"{listing(images[is_uncertain])}. Say with --uncertain positive, negative or drop "
            "what they count as"
        )


def _spellings(raw: pd.Series, plain: pd.Series) -> dict[str, str]:
    """How the user writes each value: the most frequent spelling; numbers without `.0`."""
    counts = Counter(zip(plain, raw.str.strip(), strict=True))
    spelled: dict[str, str] = {}
    for (value, spelling), _ in counts.most_common():
        name = value if value.lstrip("-").isdigit() else spelling
        spelled.setdefault(value, name)
    return spelled
