"""Folds and shares keep the images of a patient together."""

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
import pytest
from fixtures.cohorts import three_classes, three_findings
from sklearn.model_selection import StratifiedGroupKFold

from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import Fold, make_folds, seen_rows
from trainable.errors import InputError

MakeCohort = Callable[..., Cohort]
SEEDS = range(5)


def random_cohort(make_cohort: MakeCohort, seed: int) -> Cohort:
    """150 patients of 1 to 4 images, about a fifth of them positive, their images interleaved."""
    rng = np.random.default_rng(seed)
    positive = rng.random(150) < 0.2
    owners = rng.permutation(np.repeat(np.arange(150), rng.integers(1, 5, 150)))
    return make_cohort(positive[owners].astype(np.int64), patients=[f"p{n}" for n in owners])


def same(one: tuple[Fold, ...], other: tuple[Fold, ...]) -> bool:
    return all(
        np.array_equal(a.train, b.train) and np.array_equal(a.valid, b.valid)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("num_folds", [2, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_image_is_scored_once_by_a_fold_that_did_not_train_on_it(
    make_cohort: MakeCohort, seed: int, num_folds: int
) -> None:
    cohort = random_cohort(make_cohort, seed)
    folds = make_folds(cohort, num_folds, seed)
    everything = np.arange(len(cohort.labels))
    assert len(folds) == num_folds
    scored = np.concatenate([fold.valid for fold in folds])
    np.testing.assert_array_equal(np.sort(scored), everything)
    for fold in folds:
        both = np.concatenate([fold.train, fold.valid])
        np.testing.assert_array_equal(np.sort(both), everything)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_patient_is_on_both_sides(make_cohort: MakeCohort, seed: int) -> None:
    cohort = random_cohort(make_cohort, seed)
    for fold in make_folds(cohort, 5, seed):
        patients = cohort.manifest["patient"]
        assert set(patients.iloc[fold.train]).isdisjoint(patients.iloc[fold.valid])


@pytest.mark.parametrize("seed", SEEDS)
def test_folds_are_alike_in_size_and_in_their_share_of_positives(
    make_cohort: MakeCohort, seed: int
) -> None:
    labels = random_cohort(make_cohort, seed).labels
    for fold in make_folds(random_cohort(make_cohort, seed), 5, seed):
        assert labels[fold.valid].mean() == pytest.approx(labels.mean(), abs=0.03)
        assert len(fold.valid) == pytest.approx(len(labels) / 5, rel=0.2)


@pytest.mark.parametrize("seed", SEEDS)
def test_rows_are_in_ascending_order(make_cohort: MakeCohort, seed: int) -> None:
    for fold in make_folds(random_cohort(make_cohort, seed), 5, seed):
        assert (np.diff(fold.train) > 0).all()
        assert (np.diff(fold.valid) > 0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_seed_alone_decides_the_folds(make_cohort: MakeCohort, seed: int) -> None:
    cohort = random_cohort(make_cohort, seed)
    folds = make_folds(cohort, 5, seed)
    assert same(folds, make_folds(cohort, 5, seed))
    assert not same(folds, make_folds(cohort, 5, seed + 1))


def test_the_first_draw_of_one_finding_is_that_of_scikit_learn(make_cohort: MakeCohort) -> None:
    cohort = random_cohort(make_cohort, 0)
    labels, patients = cohort.labels, cohort.patients
    drawn = StratifiedGroupKFold(5, shuffle=True, random_state=7).split(labels, labels, patients)
    assert same(make_folds(cohort, 5, seed=7), tuple(Fold(*rows) for rows in drawn))


@pytest.mark.parametrize("seed", SEEDS)
def test_each_repeat_is_a_split_of_its_own_and_the_first_is_that_of_the_seed(
    make_cohort: MakeCohort, seed: int
) -> None:
    cohort = random_cohort(make_cohort, seed)
    folds = make_folds(cohort, 5, seed, num_repeats=3)
    repeats = [folds[first : first + 5] for first in (0, 5, 10)]
    assert len(folds) == 15
    assert same(repeats[0], make_folds(cohort, 5, seed))
    for one, other in itertools.combinations(repeats, 2):
        assert not same(one, other)
    for repeat in repeats:
        scored = np.concatenate([fold.valid for fold in repeat])
        np.testing.assert_array_equal(np.sort(scored), np.arange(len(cohort.labels)))
        for fold in repeat:
            assert not set(cohort.patients[fold.train]) & set(cohort.patients[fold.valid])


def test_later_repeats_let_large_patients_share_a_fold(make_cohort: MakeCohort) -> None:
    owners = np.repeat(np.arange(100), [6, 6] + [1] * 98)
    cohort = make_cohort((owners % 4 == 0).astype(np.int64), [f"p{owner}" for owner in owners])
    folds = make_folds(cohort, 5, seed=0, num_repeats=60)
    together = np.array([{0, 6} <= set(fold.valid.tolist()) for fold in folds]).reshape(60, 5)
    assert not together[0].any()
    assert 3 <= together.any(axis=1).sum() <= 24


@pytest.mark.parametrize("make", [three_findings, three_classes])
def test_several_findings_are_spread_over_every_fold(make: Callable[[int], Cohort]) -> None:
    cohort = make(90)
    folds = make_folds(cohort, 3, seed=0, num_repeats=2)
    labels = cohort.labels
    assert len(folds) == 6
    for fold in folds:
        assert abs(len(fold.valid) - 30) <= 2
        assert not set(cohort.patients[fold.train]) & set(cohort.patients[fold.valid])
        for value in (0, 1):
            counts = (labels[fold.valid] == value).sum(axis=0)
            assert np.abs(counts - (labels == value).sum(axis=0) / 3).max() <= 3


def test_folds_that_lack_a_finding_name_it() -> None:
    cohort = three_findings(30)
    cohort.manifest["label:nodule"] = [1, 1, 1, *[0] * 27]
    with pytest.raises(InputError) as refusal:
        make_folds(cohort, 3, seed=0)
    text = str(refusal.value)
    assert "positives and negatives of each finding; of 3 folds (seed 0) these do not: " in text
    assert text.count("(nodule)") == 1
    assert "mass" not in text


def test_folds_that_lack_a_class_name_it() -> None:
    cohort = three_classes(30)
    cohort.manifest.loc[cohort.manifest["label"] == 2, "patient"] = "one"
    with pytest.raises(InputError, match=r"must hold each class; .*\(viral\), . \(viral\)"):
        make_folds(cohort, 3, seed=0)


def test_new_names_of_patients_change_no_fold(make_cohort: MakeCohort) -> None:
    cohort, renamed = random_cohort(make_cohort, 0), random_cohort(make_cohort, 0)
    renamed.manifest["patient"] = [name[::-1] + "x" for name in cohort.manifest["patient"]]
    assert same(make_folds(cohort, 5, seed=0), make_folds(renamed, 5, seed=0))


@pytest.mark.parametrize("seed", SEEDS)
def test_kept_split_is_the_only_fold(make_cohort: MakeCohort, seed: int) -> None:
    sides = ["train", "valid", "valid", "train", "train", "valid"]
    (fold,) = make_folds(make_cohort([0, 0, 1, 1, 0, 1], splits=sides), 5, seed)
    np.testing.assert_array_equal(fold.train, [0, 3, 4])
    np.testing.assert_array_equal(fold.valid, [1, 2, 5])


def with_test(cohort: Cohort, tested: set[str]) -> tuple[Cohort, Cohort]:
    """The cohort with these patients kept for a test, and the cohort of all others alone."""
    is_test = cohort.manifest["patient"].isin(tested)
    kept = cohort.manifest.assign(split=np.where(is_test, "test", "train"))
    alone = cohort.manifest[~is_test].reset_index(drop=True)
    return (
        dataclasses.replace(cohort, manifest=kept),
        dataclasses.replace(cohort, manifest=alone),
    )


@pytest.mark.parametrize("kind", ["one", "findings", "classes"])
def test_folds_are_those_of_the_cohort_without_its_test_rows(
    make_cohort: MakeCohort, kind: str
) -> None:
    makers = {"findings": three_findings, "classes": three_classes}
    cohort = makers[kind](120) if kind in makers else random_cohort(make_cohort, 1)
    patients = cohort.manifest["patient"].unique()
    kept, alone = with_test(cohort, {*patients[::7]})
    seen = seen_rows(kept)
    assert len(seen) < len(cohort.labels)
    assert (kept.is_split, kept.has_test, kept.has_one_fold) == (True, True, False)
    expected = [
        Fold(seen[fold.train], seen[fold.valid]) for fold in make_folds(alone, 4, 3, num_repeats=3)
    ]
    assert same(make_folds(kept, 4, 3, num_repeats=3), tuple(expected))


def test_fold_of_a_single_class_is_refused(make_cohort: MakeCohort) -> None:
    cohort = make_cohort([1, 1, 1, 0, 0, 0], patients=["a", "a", "a", "b", "c", "d"])
    with pytest.raises(InputError, match="every fold must hold both classes"):
        make_folds(cohort, 3, seed=0)


@pytest.mark.parametrize("side", ["train", "valid"])
def test_side_of_a_single_class_is_refused(make_cohort: MakeCohort, side: str) -> None:
    other = {"train": "valid", "valid": "train"}[side]
    cohort = make_cohort([0, 0, 0, 1], splits=[side, side, other, other])
    with pytest.raises(InputError, match="every fold must hold both classes"):
        make_folds(cohort, 5, seed=0)
