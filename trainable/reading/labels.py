"""The labels of a table: which rows are positive, negative, or of no use."""

import re
from collections import Counter
from typing import NamedTuple

import pandas as pd

from trainable.errors import Checks, listing
from trainable.reading.classes import (
    REST,
    only_say_yes_or_no,
    opposite_of,
    same_value,
    two_classes,
    yes_or_no,
)
from trainable.reading.options import DataOptions

UNKNOWN_WORDS = frozenset(
    {
        # those of pandas
        *("", "nan", "-nan", "na", "n/a", "<na>", "#na", "#n/a", "#n/a n/a", "null", "none", "nat"),
        *("1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan"),
        # those of people
        *("?", "??", "???", "-", "--", ".", "unclear", "unknown", "unk", "not known", "uncertain"),
        *("missing", "not available", "not recorded", "not reported", "not done", "undetermined"),
        *("indeterminate", "pending", "tbd", "nil", "blank", "not applicable", "not specified"),
    }
)
"""Words for a label that is not known, in small letters."""

_UNCERTAIN = "-1"
_OPPOSITES = frozenset({"survival", "survived", "alive"})
_OF_SURVIVAL = re.compile("surviv|alive")
_BETWEEN_FINDINGS = "|"


def says_survival(column: object) -> bool:
    """Whether yes in this column means that a patient lives; other columns name the bad outcome."""
    return str(column).strip().lower() in _OPPOSITES


class Labels(NamedTuple):
    """What a column of labels says.

    Attributes:
        values: 1 positive, 0 negative, -1 of no use, one per row.
        classes: What the user calls the negative and the positive class.
        note: How the column was understood, with the count of each value.
    """

    values: pd.Series
    classes: tuple[str, str]
    note: str


def read_labels(raw: pd.Series, images: pd.Series, options: DataOptions, checks: Checks) -> Labels:
    """Read a column of labels.

    Spellings of one value (`1` and `1.0`, `TRUE` and `true`) are one value. A word for "not known"
    is a missing label, unless it was named with --positive or --negative.

    Args:
        raw: The column, as text.
        images: The name of the image of each row, for the messages.
        options: What the user said of the labels.
        checks: Given all that cannot be decided.
    """
    named = {same_value(one) for one in (options.positive, options.negative) if one is not None}
    plain = raw.map(same_value)
    is_missing = plain.isin(UNKNOWN_WORDS - named)
    is_uncertain = _find_uncertain(plain, is_missing, named, is_asked=options.uncertain is not None)
    _check_left_out(images, is_missing, is_uncertain, options, checks)
    known = plain[~is_missing & ~is_uncertain]
    if not len(known):
        checks.add(f"images must have labels; all {len(raw)} in {raw.name} are missing")
        return Labels(plain.map(lambda _: -1).astype("int64"), ("", ""), "")
    uses = _uses(is_missing, is_uncertain, options)
    decided, classes = _decide(raw[known.index], known, uses, options, checks)
    found = pd.Series(-1, index=raw.index, dtype="int64")
    found[known.index] = decided
    for rows, use in ((is_missing, options.missing), (is_uncertain, options.uncertain)):
        if use in ("positive", "negative"):
            found[rows] = int(use == "positive")
    return Labels(found, classes, _note(raw, found, classes, is_missing, is_uncertain, options))


def _decide(
    raw: pd.Series,
    known: pd.Series,
    uses: set[str | None],
    options: DataOptions,
    checks: Checks,
) -> tuple[pd.Series, tuple[str, str]]:
    """Which rows are positive (1), negative (0) or neither (-1), and the names of both classes.

    Args:
        raw: Labels that are known, as the user writes them.
        known: The same, one spelling per value.
        uses: What all other rows count as.
        options: What the user said of the labels.
        checks: Given what cannot be decided.
    """
    positive, negative = (
        None if one is None else same_value(one) for one in (options.positive, options.negative)
    )
    parts = known.str.split(_BETWEEN_FINDINGS, regex=False).map(
        lambda found: {same_value(one) for one in found}
    )
    is_finding = negative == REST and positive is not None and positive not in set(known)
    values = sorted(set().union(*parts) if is_finding else set(known))
    if positive is None and negative is None and _may_be_either(raw.name, values):
        checks.add(
            f"the column {raw.name!r} may say who survived or who died: name the label of those "
            f"who died with --positive (it has {listing(sorted(set(raw)))})"
        )
        return known.map(lambda _: -1).astype("int64"), ("", "")
    words = yes_or_no(values)
    names = {value: _spellings(raw, known).get(value, value) for value in values}
    if words:
        known, names = known.map(words), {"0": "0", "1": "1"}
        positive, negative = (words.get(one or "", one) for one in (positive, negative))
    if is_finding and positive in names:
        names[positive] = str(options.positive).strip()
    is_lone = len(names) == 1
    if is_lone and "negative" in uses:
        names |= {other: other for other in opposite_of(values[0])}
        negative = negative or (REST if len(names) == 1 and positive else None)
    classes = two_classes(
        list(names.values()),
        names.get(positive or "", options.positive),
        REST if negative == REST else names.get(negative or "", options.negative),
        "labels",
        # a class may be among the rows whose use is open
        Checks() if is_lone and None in uses else checks,
        inverted=says_survival(raw.name) and only_say_yes_or_no(values),
    )
    low, high = (same_value(name) for name in classes)
    if negative == REST:
        return parts.map(lambda found: int(high in found)), classes
    return known.map({low: 0, high: 1}).fillna(-1).astype("int64"), classes


def _may_be_either(column: object, values: list[str]) -> bool:
    """Whether yes may mean either: in survival_status, 1 is often a death."""
    is_of_survival = _OF_SURVIVAL.search(str(column).casefold()) is not None
    return is_of_survival and not says_survival(column) and only_say_yes_or_no(values)


def _uses(is_missing: pd.Series, is_uncertain: pd.Series, options: DataOptions) -> set[str | None]:
    """The uses of rows without a certain label, where there are some; None where one is open."""
    rows = ((is_missing, options.missing), (is_uncertain, options.uncertain))
    return {use for some, use in rows if some.any()}


def _find_uncertain(
    plain: pd.Series, is_missing: pd.Series, named: set[str], *, is_asked: bool
) -> pd.Series:
    """Rows of -1 in a column that otherwise holds 0 and 1, or 1 and blanks."""
    values = set(plain[~is_missing])
    is_chexpert = "1" in values and values <= {"0", "1", _UNCERTAIN}
    only_two = "0" not in values and not is_missing.any() and not is_asked
    if not is_chexpert or only_two or _UNCERTAIN in named:
        return pd.Series(False, index=plain.index)
    return plain == _UNCERTAIN


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
            f"a label must be certain; -1 (uncertain, {int(is_uncertain.sum())} images): "
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


def _note(
    raw: pd.Series,
    found: pd.Series,
    classes: tuple[str, str],
    is_missing: pd.Series,
    is_uncertain: pd.Series,
    options: DataOptions,
) -> str:
    others = "" if classes[0] != REST else " (all other labels)"
    note = (
        f"positive is {raw.name} = {classes[1]} ({int((found == 1).sum())}), negative is "
        f"{classes[0]}{others} ({int((found == 0).sum())})"
    )
    for what, rows, use in (
        ("missing", is_missing, options.missing),
        ("uncertain", is_uncertain, options.uncertain),
    ):
        if rows.any():
            done = "left out" if use == "drop" else f"counted as {use}"
            note += f"; {int(rows.sum())} {what} labels {done}"
    left = (found == -1) & ~is_missing & ~is_uncertain
    if left.any():
        names = listing(sorted(set(raw[left])))
        note += f"; {int(left.sum())} of other labels left out: {names}"
    return note
