"""One split by shares: near to them in each class, patients together, test rows apart."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.cohorts import three_classes, three_findings

from search.options.options import SearchOptions
from search.plan.planner import plan_search
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import make_folds, rows_of, seen_rows, split_by_shares
from trainable.errors import InputError

MakeCohort = Callable[..., Cohort]


def patients_of_several_images(make_cohort: MakeCohort) -> Cohort:
    rng = np.random.default_rng(0)
    patients = np.repeat(np.arange(200), rng.integers(1, 5, 200))
    return make_cohort((patients < 30).astype(np.int64), [f"p{one}" for one in patients])


@pytest.mark.parametrize("shares", [(80, 20), (60, 20, 20), (40, 60), (70, 15, 15)])
def test_each_side_has_its_share_of_both_classes_and_whole_patients(
    make_cohort: MakeCohort, shares: tuple[int, ...]
) -> None:
    split = split_by_shares(patients_of_several_images(make_cohort), shares, seed=0)
    table = split.manifest
    assert (table.groupby("patient")["split"].nunique() == 1).all()
    for label in (0, 1):
        sides = table.loc[table["label"] == label, "split"].value_counts(normalize=True)
        for side, share in zip(("train", "valid", "test"), shares, strict=False):
            assert sides[side] == pytest.approx(share / 100, abs=0.06)
        assert len(sides) == len(shares)


def test_another_seed_is_another_split(make_cohort: MakeCohort) -> None:
    cohort = patients_of_several_images(make_cohort)
    one, same, other = (split_by_shares(cohort, (80, 20), seed).manifest for seed in (0, 0, 1))
    assert one["split"].tolist() == same["split"].tolist() != other["split"].tolist()


def test_test_rows_are_neither_trained_on_nor_scored(make_cohort: MakeCohort) -> None:
    cohort = split_by_shares(patients_of_several_images(make_cohort), (60, 20, 20), seed=0)
    [fold] = make_folds(cohort, 5, seed=0)
    test = rows_of(cohort, "test")
    assert len(test)
    assert not np.intersect1d(test, np.concatenate([fold.train, fold.valid])).size
    assert seen_rows(cohort).tolist() == np.union1d(fold.train, fold.valid).tolist()


def test_too_few_patients_for_such_shares_are_refused(make_cohort: MakeCohort) -> None:
    cohort = make_cohort([0, 1] * 8)
    with pytest.raises(InputError, match="20 patients of each class; one class has 8"):
        split_by_shares(cohort, (85, 15), seed=0)


@pytest.mark.parametrize("make", [three_findings, three_classes])
@pytest.mark.parametrize("shares", [(80, 20), (70, 15, 15)])
def test_each_side_has_its_share_of_several_findings(
    make: Callable[[int], Cohort], shares: tuple[int, ...]
) -> None:
    cohort = split_by_shares(make(120), shares, seed=0)
    assert (cohort.manifest.groupby("patient")["split"].nunique() == 1).all()
    for side, share in zip(("train", "valid", "test"), shares, strict=False):
        labels = cohort.labels[rows_of(cohort, side)]
        for value in (0, 1):
            expected = share / 100 * (cohort.labels == value).sum(axis=0)
            assert np.abs((labels == value).sum(axis=0) - expected).max() <= 3


def test_a_side_that_cannot_have_a_finding_is_refused() -> None:
    cohort = three_findings(30)
    cohort.manifest["label:nodule"] = [1, 1, 1, 1, *[0] * 26]
    with pytest.raises(
        InputError, match=r"80,10,10 must hold .*; these do not: .* \(nodule\)\. Ask"
    ):
        split_by_shares(cohort, (80, 10, 10), seed=0)


@pytest.mark.parametrize("shares", ["80", "80,30", "100,0", "50,20,20,10", "80,x"])
def test_shares_that_are_none_are_refused(shares: str) -> None:
    with pytest.raises(ValueError, match="shares"):
        SearchOptions.of(shares=shares)


def test_folds_and_shares_exclude_each_other(xray_csv: Path) -> None:
    settings = SearchOptions.of(data=xray_csv, weights="none", shares=(80, 20), folds=3, repeats=2)
    with pytest.raises(InputError, match="drop it, or drop --folds 3 and --repeats 2"):
        plan_search(settings)


def test_folds_and_a_side_to_score_on_exclude_each_other(xray_csv: Path, tmp_path: Path) -> None:
    table = pd.read_csv(xray_csv, dtype=str)
    table["split"] = ["train", "train", "val", "val"] * 6
    table.to_csv(xray_csv, index=False)
    asked = {"data": xray_csv, "weights": "none", "split": "keep", "cache": tmp_path / "cache"}
    settings = SearchOptions.of(**asked, backbones="squeezenet1_0", image_size=32, folds=3)
    with pytest.raises(InputError, match="without folds: drop --folds 3, or cross-validate"):
        plan_search(settings)


def test_shares_are_read_as_they_are_written() -> None:
    settings = SearchOptions.of(shares="60,20,20")
    assert settings.scoring.shares == (60, 20, 20)
    assert SearchOptions.model_validate_json(settings.model_dump_json()) == settings
