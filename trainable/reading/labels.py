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
from trainable.reading.cells import several_in_a_cell
from trainable.reading.classes import any_yes_or_no, opposite_of, several_classes, two_classes
from trainable.reading.options import DataOptions

NO_LABEL = "none"
"""Negative class of rows without a label, where all others are positive."""

_OF_SURVIVAL = re.compile("surviv|alive")


class Labels(NamedTuple):
    """What labels say.

    Attributes:
        values: A row each: the columns of labels that a manifest has, -1 of no use.
        rules: How they were read, which later labels are read by.
        note: How they were understood.
        unused: Which of them are not used, in a few words each.
    """

    values: pd.DataFrame
    rules: tuple[LabelRule, ...]
    note: str
    unused: tuple[str, ...] = ()


class Marks(NamedTuple):
    """Which labels say nothing certain, a row each.

    Attributes:
        is_missing: Whether the label is missing.
        is_uncertain: Whether it is -1, where that is no value like others.
        may_be_uncertain: Whether a later -1 would be none.
    """

    is_missing: pd.Series
    is_uncertain: pd.Series
    may_be_uncertain: bool

    @property
    def is_known(self) -> pd.Series:
        """Whether a label says something certain."""
        return ~self.is_missing & ~self.is_uncertain


def read_labels(
    raw: pd.Series,
    images: pd.Series,
    options: DataOptions,
    checks: Checks,
    *,
    several_rows: bool = False,
) -> Labels | None:
    """Read a column of labels; None (and a problem kept) if it cannot be decided.

    There is one finding, or three classes or more that exclude each other.

    Spellings of one value (`1` and `1.0`, `TRUE` and `true`) are one value. A word for "not known"
    is a missing label, unless it was named with --positive or --negative.

    Args:
        raw: The column, as text.
        images: The name of the image of each row, for the messages.
        options: What the user said of the labels.
        checks: Given all that cannot be decided.
        several_rows: Of the rule.
    """
    marks = find_marks(raw, options)
    check_left_out(images, marks, options, checks)
    rule = find_rule(raw, marks, options, checks, several_rows)
    if rule is None:
        return None
    judged = rule.judge(raw)
    if rule.has_limit and not _has_both(judged.values, raw[marks.is_known], rule, checks):
        return None
    described = _described_classes if rule.is_exclusive else _described
    note = "; ".join(described(raw, judged, rule))
    unused = *rule.unused(judged), *_others(raw, judged)
    return Labels(judged.values.to_frame("label"), (rule,), note, unused)


def find_marks(raw: pd.Series, options: DataOptions, may_be_uncertain: bool | None = None) -> Marks:
    """Which labels are missing, and which uncertain.

    Args:
        raw: The labels, as text.
        options: What the user said of them.
        may_be_uncertain: Whether -1 is no value like others; found in the labels if None.
    """
    named = {same_value(one) for one in (options.positive, options.negative) if one is not None}
    plain = plain_values(raw)
    is_missing = plain.isin(UNKNOWN_WORDS - named)
    if may_be_uncertain is None:
        may_be_uncertain = _may_hold_uncertain(plain, is_missing, options)
        may_be_uncertain &= UNCERTAIN not in named
    return Marks(is_missing, (plain == UNCERTAIN) & may_be_uncertain, may_be_uncertain)


def plain_values(raw: pd.Series) -> pd.Series:
    """One spelling for all spellings of a value."""
    return raw.map({cell: same_value(cell) for cell in raw.unique()})


def find_rule(
    raw: pd.Series,
    marks: Marks,
    options: DataOptions,
    checks: Checks,
    several_rows: bool = False,
    may_be_classes: bool = True,
) -> LabelRule | None:
    """How labels are read; None (and a problem kept) if that cannot be decided."""
    known = raw[marks.is_known]
    if not len(known):
        checks.add(
            f"images must have labels; all {len(raw)} in {raw.name} are missing: add them, or name "
            "another column with --label-column"
        )
        return None
    is_open = options.positive is None and options.negative is None
    if may_be_classes and is_open and (names := several_classes(known)):
        _check_classes(known, options, checks)
        return LabelRule(names, missing=options.missing)
    classes = _classes(known, _uses(marks, options), options, checks)
    if classes is None:
        return None
    return LabelRule(
        classes,
        any_yes_or_no(set(plain_values(known))),
        options.missing,
        options.uncertain if marks.may_be_uncertain else None,
        has_limit=any(_limit(one, known) is not None for one in classes),
        several_rows=several_rows,
    )


def _described(raw: pd.Series, judged: Judged, rule: LabelRule) -> Iterator[str]:
    """How a column was understood, with the count of each value, a few words each."""
    counts = judged.values.value_counts()
    negative, positive = (
        f"{name}{' (all other labels)' * (name == REST)} ({counts.get(value, 0)})"
        for value, name in enumerate(rule.classes)
    )
    yield f"positive is {raw.name} = {positive}, negative is {negative}"
    yield from rule.remarks(judged)
    yield from _others(raw, judged)
    if rule.classes[1] == REST and not rule.has_limit:
        beside = rule.is_beside_others(raw) & (judged.values == 1)
        if beside.any():
            names = listing(sorted(set(raw[beside])))
            yield (
                f"{num_of(int(beside.sum()), 'positive one names', 'positive ones name')} "
                f"{rule.classes[0]} beside other findings: {names}"
            )


def _others(raw: pd.Series, judged: Judged) -> Iterator[str]:
    """Which labels are of no class that is asked for, where there are any."""
    if judged.is_other.any():
        names = listing(sorted(set(raw[judged.is_other])))
        yield f"{int(judged.is_other.sum())} of other labels left out: {names}"


def _described_classes(raw: pd.Series, judged: Judged, rule: LabelRule) -> Iterator[str]:
    counts = judged.values.value_counts()
    names = ", ".join(f"{name} ({counts.get(n, 0)})" for n, name in enumerate(rule.classes))
    yield f"the classes of {raw.name} are {names}"
    yield from rule.remarks(judged)


def _check_classes(known: pd.Series, options: DataOptions, checks: Checks) -> None:
    """Refuse cells of several findings, and missing labels that would count as a class."""
    if several := several_in_a_cell(known):
        one = several[0]
        checks.add(
            f"the labels of {known.name} hold several findings in a cell ({listing(several, 3)}): "
            "read each of them with --findings all, or one against all others with --positive "
            f"and --negative rest; if {one!r} is one class, write it without marks"
        )
    if options.missing == "negative":
        checks.add(
            "--missing negative is for findings; of several classes none is negative: leave the "
            "images out with --missing drop"
        )


def _limit(name: str | None, known: pd.Series) -> Limit | None:
    """The limit that the name of a class says, unless some label is called so."""
    return None if name is None or name.strip() in set(known) else Limit.read(name)


def _by_limit(known: pd.Series, options: DataOptions, checks: Checks) -> tuple[str, str] | None:
    """The classes where --positive or --negative is a limit; None if neither is."""
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
    """What the user calls the negative and the positive class; None if that is not clear."""
    if (by_limit := _by_limit(known, options, checks)) is not None:
        return by_limit
    positive, negative = (
        None if one is None else same_value(one) for one in (options.positive, options.negative)
    )
    plain = plain_values(known)
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
    return may_say_survival(column) and not says_survival(column) and only_say_yes_or_no(values)


def may_say_survival(column: object) -> bool:
    """Whether yes in a column of this name may mean that a patient lives."""
    return _OF_SURVIVAL.search(str(column).casefold()) is not None


def _uses(marks: Marks, options: DataOptions) -> set[str | None]:
    """The uses of rows without a certain label, where there are some; None where one is open."""
    rows = ((marks.is_missing, options.missing), (marks.is_uncertain, options.uncertain))
    return {use for some, use in rows if some.any()}


def _may_hold_uncertain(plain: pd.Series, is_missing: pd.Series, options: DataOptions) -> bool:
    """Whether -1 is no value like others: beside 0 and 1, or beside 1 and blanks."""
    values = set(plain[~is_missing])
    is_chexpert = "1" in values and values <= {"0", "1", UNCERTAIN}
    only_two = "0" not in values and not is_missing.any() and options.uncertain is None
    return is_chexpert and not only_two


def check_left_out(images: pd.Series, marks: Marks, options: DataOptions, checks: Checks) -> None:
    """Ask for the use of labels that say nothing certain."""
    is_missing, is_uncertain, _ = marks
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
