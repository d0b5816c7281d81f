"""The labels of a table: which rows are positive, negative, or of no use."""

from collections import Counter
from typing import NamedTuple

import pandas as pd

from trainable.cohort.classes import REST, same_value, two_classes, yes_or_no
from trainable.cohort.options import DataOptions
from trainable.errors import Problems, listing

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
_BETWEEN_FINDINGS = "|"


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


def read_labels(
    raw: pd.Series, images: pd.Series, options: DataOptions, problems: Problems
) -> Labels:
    """Read a column of labels.

    Spellings of one value (`1` and `1.0`, `TRUE` and `true`) are one value. A word for "not known"
    is a missing label, unless it was named with --positive or --negative.

    Args:
        raw: The column, as text.
        images: The name of the image of each row, for the messages.
        options: What the user said of the labels.
        problems: Given all that cannot be decided.
    """
    positive = None if options.positive is None else same_value(options.positive)
    negative = None if options.negative is None else same_value(options.negative)
    named = {positive, negative}
    plain = raw.map(same_value)
    is_missing = plain.isin(UNKNOWN_WORDS - named)
    is_uncertain = _find_uncertain(plain, is_missing, named)
    _check_left_out(images, is_missing, is_uncertain, options, problems)
    known = plain[~is_missing & ~is_uncertain]
    if not len(known):
        problems.add(f"images must have labels; all {len(raw)} in {raw.name} are missing")
        return Labels(plain.map(lambda _: -1).astype("int64"), ("", ""), "")
    parts = known.str.split(_BETWEEN_FINDINGS, regex=False).map(
        lambda found: {same_value(one) for one in found}
    )
    if negative == REST and positive is not None and positive not in set(known):
        values = sorted(set().union(*parts))
    else:
        values = sorted(set(known))
    words = yes_or_no(values)
    if words:
        known, values = known.map(words), ["0", "1"]
        positive, negative = (
            words.get(positive or "", positive),
            words.get(negative or "", negative),
        )
    opposite = str(raw.name).strip().lower() in _OPPOSITES
    spelled = _spellings(raw[known.index], plain[known.index]) if not words else {}
    shown = [spelled.get(value, value) for value in values]
    names = {value: name for value, name in zip(values, shown, strict=True)}
    chosen = two_classes(
        shown,
        names.get(positive or "", options.positive),
        REST if negative == REST else names.get(negative or "", options.negative),
        "labels",
        problems,
        inverted=opposite,
    )
    low, high = (same_value(name) for name in chosen)
    is_positive = parts.map(lambda found: high in found) if negative == REST else known == high
    found = pd.Series(-1, index=raw.index, dtype="int64")
    found[known.index] = is_positive.astype("int64")
    if negative != REST:
        found[known.index[~known.isin([low, high])]] = -1
    if options.missing == "negative":
        found[is_missing] = 0
    if options.uncertain in ("positive", "negative"):
        found[is_uncertain] = int(options.uncertain == "positive")
    return Labels(found, chosen, _note(raw, found, chosen, is_missing, is_uncertain, options))


def _find_uncertain(plain: pd.Series, is_missing: pd.Series, named: set[str | None]) -> pd.Series:
    """Rows of -1 in a column that otherwise holds 0 and 1, or 1 and blanks."""
    values = set(plain[~is_missing])
    is_chexpert = "1" in values and values <= {"0", "1", _UNCERTAIN}
    only_two = "0" not in values and not is_missing.any()
    if not is_chexpert or only_two or _UNCERTAIN in named:
        return pd.Series(False, index=plain.index)
    return plain == _UNCERTAIN


def _check_left_out(
    images: pd.Series,
    is_missing: pd.Series,
    is_uncertain: pd.Series,
    options: DataOptions,
    problems: Problems,
) -> None:
    if is_missing.any() and options.missing is None:
        problems.add(
            f"every image must have a label; without ({int(is_missing.sum())}): "
            f"{listing(images[is_missing])}. Add the labels, leave the images out with "
            "--missing drop, or count them as negative with --missing negative"
        )
    if is_uncertain.any() and options.uncertain is None:
        problems.add(
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
