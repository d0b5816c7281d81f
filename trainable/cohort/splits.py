"""Splits: stratified by all findings, each patient on one side; the rows that a fold trains on."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from trainable.cohort.cohort import Cohort
from trainable.cohort.stratified import draw_parts
from trainable.errors import InputError, listing


@dataclass(frozen=True)
class Fold:
    """Row numbers of the cohort, ascending: those trained on and those scored.

    In a resample, a row that was drawn several times is there as often.

    Attributes:
        train: Rows trained on.
        valid: Rows scored.
        own_odds: Whether models learn the odds of the rows trained on, and not of the whole cohort:
            where a hospital is left out, nothing is known of how many are ill there.
    """

    train: NDArray[np.int64]
    valid: NDArray[np.int64]
    own_odds: bool = False


SIDES = ("train", "valid", "test")


def split_by_shares(cohort: Cohort, shares: Sequence[int], seed: int) -> Cohort:
    """Split a cohort once, stratified by all findings, each patient on one side.

    Args:
        cohort: not yet split.
        shares: percentages of the images for training, validation and, if there is a third one,
            test; the split comes as near to them as whole patients allow.
        seed: Seed of the split.

    Returns:
        The cohort with its `split` column filled in.

    Raises:
        InputError: if there are too few patients of a class for such shares.
    """
    if cohort.findings.is_one:
        split = _sides_of_images(cohort, shares, seed)
    else:
        parts = draw_parts(cohort.labels, cohort.patients, np.array(shares) / sum(shares), seed)
        lacking = {
            side: _lacking(cohort, np.flatnonzero(parts == part))
            for part, side in enumerate(SIDES[: len(shares)])
        }
        if any(lacking.values()):
            raise InputError(
                f"each side of --shares {','.join(map(str, shares))} must hold "
                f"{_all_kinds(cohort)}; these do not: {_listed(cohort, lacking)}. Ask for larger "
                "shares, or leave out what is too rare"
            )
        side_of = dict(zip(cohort.exams["patient"], np.take(SIDES, parts), strict=True))
        split = cohort.manifest["patient"].map(side_of).to_numpy(object)
    return dataclasses.replace(cohort, manifest=cohort.manifest.assign(split=split))


def _sides_of_images(cohort: Cohort, shares: Sequence[int], seed: int) -> NDArray[np.object_]:
    """The side of each image for one finding, as scikit-learn splits it into equal parts.

    Raises:
        InputError: if there are too few patients of a class for such shares.
    """
    part = math.gcd(*shares)
    num_parts = sum(shares) // part
    patients = cohort.manifest.groupby("label")["patient"].nunique()
    if patients.min() < num_parts:
        raise InputError(
            f"--shares {','.join(map(str, shares))} cuts the cohort into {num_parts} equal "
            f"parts, for which there must be {num_parts} patients of each class; one class has "
            f"{patients.min()}. "
            "Ask for rounder shares, such as 80,20 or 60,20,20"
        )
    splitter = StratifiedGroupKFold(num_parts, shuffle=True, random_state=seed)
    labels = cohort.manifest["label"].to_numpy(np.int64)
    side_of_part = np.repeat(SIDES[: len(shares)], [share // part for share in shares])
    split = np.empty(len(labels), object)
    parts = splitter.split(np.zeros(len(labels)), labels, cohort.manifest["patient"])
    for side, (_, rows) in zip(side_of_part, parts, strict=True):
        split[rows] = side
    return split


def rows_of(cohort: Cohort, side: str) -> NDArray[np.int64]:
    """Examinations on one side of the cohort's split, ascending."""
    return np.flatnonzero(cohort.exams["split"] == side)


def seen_rows(cohort: Cohort) -> NDArray[np.int64]:
    """All examinations but those that are kept for a test, ascending."""
    return np.setdiff1d(np.arange(len(cohort.labels)), rows_of(cohort, "test"))


def make_folds(cohort: Cohort, num_folds: int, seed: int, num_repeats: int = 1) -> tuple[Fold, ...]:
    """Split the cohort for out-of-fold scores, one repeat after the other.

    Where the cohort has sides to train and to score on, they are the one fold. Where the values of
    a column are left out, the folds are those of `leave_out`, once. Otherwise every image is scored
    once a repeat, in the fold that leaves its patient out. Test rows have no part in any fold, and
    change none.

    Raises:
        InputError: if some fold would be trained or scored on one class only.
    """
    if cohort.has_one_fold:
        folds = [Fold(rows_of(cohort, "train"), rows_of(cohort, "valid"))]
    elif cohort.left_out_by is not None:
        # the gradient steps of the last fold count for the final model, so it trains on the most
        by_value = leave_out(cohort, cohort.left_out_by).values()
        folds = sorted(by_value, key=lambda fold: -len(fold.valid))
    else:
        seen = seen_rows(cohort)
        folds = [
            Fold(seen[parts != part], seen[parts == part])
            for repeat in range(num_repeats)
            for parts in [_equal_parts(cohort, seen, num_folds, seed, repeat)]
            for part in range(num_folds)
        ]
    lacking = {
        number: _lacking(cohort, fold.train, fold.valid) for number, fold in enumerate(folds)
    }
    if any(lacking.values()):
        raise InputError(
            f"every fold must hold {_all_kinds(cohort)}; of {len(folds)} folds (seed {seed}) these "
            f"do not: {_listed(cohort, lacking)}. Ask for fewer with --folds or try another --seed"
        )
    return tuple(folds)


def leave_out(cohort: Cohort, values: pd.Series) -> dict[str, Fold]:
    """For each value the examinations that have it, and those of other values and patients.

    Args:
        cohort: The cohort.
        values: (num_exams,), NaN where not known.
    """
    seen, patients, found = seen_rows(cohort), cohort.patients, {}
    known = seen[values.iloc[seen].notna().to_numpy(bool)]
    for value in sorted(values.iloc[known].unique()):
        valid = known[(values.iloc[known] == value).to_numpy(bool)]
        found[str(value)] = Fold(
            known[~np.isin(patients[known], patients[valid])], valid, own_odds=True
        )
    return found


def _equal_parts(
    cohort: Cohort, rows: NDArray[np.int64], num_parts: int, seed: int, repeat: int
) -> NDArray[np.int64]:
    """The part of each of these rows in one repeat; that of one finding at first is scikit-learn's.

    Its later repeats would never let two of the largest patients share a part.
    """
    labels = cohort.labels[rows]
    patients = np.unique(cohort.patients[rows], return_inverse=True)[1]
    if repeat or not cohort.findings.is_one:
        shares = np.full(num_parts, 1 / num_parts)
        return draw_parts(labels, patients, shares, _repeat_seed(seed, repeat))
    splitter = StratifiedGroupKFold(num_parts, shuffle=True, random_state=seed)
    parts = np.empty(len(labels), np.int64)
    for part, (_, inside) in enumerate(splitter.split(labels, labels[:, 0], patients)):
        parts[inside] = part
    return parts


def _all_kinds(cohort: Cohort) -> str:
    """What a side needs to be trained or scored on."""
    if cohort.findings.is_one:
        return "both classes"
    return "each class" if cohort.findings.exclusive else "positives and negatives of each finding"


def _lacking(cohort: Cohort, *sides: NDArray[np.int64]) -> list[str]:
    """Findings of which one of some sides, given by its rows, lacks positives or negatives."""
    labels = cohort.labels
    has = np.array([[(labels[rows] == value).any(axis=0) for value in (0, 1)] for rows in sides])
    return [cohort.findings.names[number] for number in np.flatnonzero(~has.all(axis=(0, 1)))]


def _listed(cohort: Cohort, lacking: Mapping[Any, list[str]]) -> str:
    """The sides that lack something, and what each lacks where that is not clear."""
    is_one = cohort.findings.is_one
    return listing(
        [
            side if is_one else f"{side} ({', '.join(lacks)})"
            for side, lacks in lacking.items()
            if lacks
        ]
    )


def _repeat_seed(seed: int, repeat: int) -> int:
    """The first repeat is drawn by the seed itself."""
    return int(np.random.SeedSequence([seed, repeat]).generate_state(1)[0]) if repeat else seed


@dataclass(frozen=True)
class TrialRows:
    """The rows that a trial trains on. The rows of the cohort come first, in its order.

    Attributes:
        images: int64 (num_rows, views), numbers of images, -1 where a view is missing. Those of
            augmented views follow on those of the cohort, view by view.
        labels: int64 (num_rows, num_findings), 1 positive, 0 negative, -1 unknown.
        origins: int64 (num_rows,), the cohort's row that each is, or is an augmented view of.
        positives: int64 (num_positives,), the images that are augmented, ascending.
    """

    images: NDArray[np.int64]
    labels: NDArray[np.int64]
    origins: NDArray[np.int64]
    positives: NDArray[np.int64]

    @property
    def num_exams(self) -> int:
        """Number of the cohort's own rows."""
        return int(self.origins.max()) + 1

    def fold(self, fold: Fold) -> Fold:
        """A fold of the cohort, to be trained also on the augmented views of what it trains on.

        What it has several times, as a resample does, comes as often.
        """
        counts = np.bincount(fold.train, minlength=self.num_exams)
        train = np.repeat(np.arange(len(self.origins)), counts[self.origins])
        return dataclasses.replace(fold, train=train)


_NO_ROWS = np.empty(0, np.int64)


def trial_rows(
    exam_images: NDArray[np.int64],
    labels: NDArray[np.int64],
    positive_copies: int,
    *,
    exclusive: bool = False,
    held_out: NDArray[np.int64] = _NO_ROWS,
) -> TrialRows:
    """The rows of a cohort, then each augmented view of all that have a positive label.

    Of several classes every row has one: those of the most frequent class are not augmented. Nor
    are rows that are held out.

    Args:
        exam_images: int64 (num_exams, views), numbers of images, -1 where a view is missing.
        labels: int64 (num_exams, num_findings), 1 positive, 0 negative, -1 unknown.
        positive_copies: Copies per positive row, the row itself counted.
        exclusive: Whether the columns of labels are classes, of which one holds.
        held_out: Rows that are kept for a test.
    """
    is_positive = labels == 1
    is_positive[held_out] = False
    if exclusive:
        is_positive[:, is_positive.sum(axis=0).argmax()] = False
    exams = np.flatnonzero(is_positive.any(axis=1))
    images = exam_images[exams]
    positives = np.sort(images[images >= 0])
    first = exam_images.max() + 1
    parts = [exam_images]
    for view in range(positive_copies - 1):
        augmented = first + view * len(positives) + np.searchsorted(positives, images)
        parts.append(np.where(images >= 0, augmented, -1))
    origins = np.concatenate([np.arange(len(labels)), np.tile(exams, positive_copies - 1)])
    return TrialRows(np.concatenate(parts), labels[origins], origins, positives)
