"""Images that cannot be used, as they are absent or damaged, where the user has them left out."""

from collections.abc import Sequence

import pandas as pd

from trainable.cohort.label_rule import LabelRule
from trainable.cohort.left_out import FILE, LeftOut, describe_left_out
from trainable.errors import Checks
from trainable.images.pixels import unreadable
from trainable.reading.places import Places

NOT_FOUND = "not found"
OTHER_KIND = "of a kind that is not read"


def find_unusable(names: Sequence[str], places: Places) -> dict[str, LeftOut]:
    """Which images are absent or cannot be decoded, by their names; all are decoded once.

    A name that fits several files is not one of them: it is refused as ever.
    """
    distinct = [*dict.fromkeys(names)]
    matched = places.match(distinct)
    if matched is None:
        return {}
    others = matched.others()
    found: dict[str, LeftOut] = {}
    for name, paths in zip(distinct, matched.found, strict=True):
        if not paths:
            found[name] = LeftOut(name, "", OTHER_KIND if others.find(name) else NOT_FOUND)
    there = [(name, path) for name, path in zip(distinct, matched.paths, strict=True) if path]
    return found | _damaged(*zip(*there, strict=True)) if there else found


def _damaged(names: Sequence[str], paths: Sequence[str]) -> dict[str, LeftOut]:
    return {
        names[index]: LeftOut(names[index], paths[index], reason)
        for index, reason in unreadable(paths).items()
    }


def usable_rows(
    table: pd.DataFrame, column: str, places: Places, checks: Checks
) -> tuple[pd.DataFrame, tuple[LeftOut, ...]]:
    """The rows whose images can be used, and the images that are left out.

    Where no image can be used, all rows come back, to be refused as ever.

    Args:
        table: A table, with the names of images in `column`.
        column: Its column of images.
        places: Where the images may be.
        checks: Given a note on what is left out.
    """
    unusable = find_unusable(list(table[column]), places)
    return _without(table, table[column], unusable, checks)


def usable_files(
    table: pd.DataFrame, rules: Sequence[LabelRule], checks: Checks
) -> tuple[pd.DataFrame, tuple[LeftOut, ...]]:
    """The same of images that are in no table, with the labels of a manifest, read by rules."""
    damaged = _damaged(list(table["image"]), list(table["path"]))
    kept, left_out = _without(table, table["image"], damaged, checks)
    if left_out and len(rules) == 1:
        counts = kept["label"].value_counts()
        names = enumerate(rules[0].classes if rules[0].is_exclusive else ("negative", "positive"))
        remain = [f"{counts.get(value, 0)} {name}" for value, name in reversed([*names])]
        checks.note(f"{' and '.join(remain)} ones remain")
    return kept, left_out


def _without(
    table: pd.DataFrame, images: pd.Series, unusable: dict[str, LeftOut], checks: Checks
) -> tuple[pd.DataFrame, tuple[LeftOut, ...]]:
    is_usable = ~images.isin(unusable)
    if not unusable or not is_usable.any():
        return table, ()
    for note in describe_left_out(unusable.values(), images.nunique()):
        checks.note(f"{note}; {FILE} lists all of them")
    return table[is_usable].reset_index(drop=True), tuple(unusable.values())
