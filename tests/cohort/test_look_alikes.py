"""Images that look the same are named where that harms, and can be kept together."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trainable.cohort.cohort import Cohort
from trainable.cohort.look_alikes import (
    describe_look_alikes,
    find_look_alikes,
    keep_together,
    perceptual_hashes_of,
    with_perceptual_hashes,
)
from trainable.cohort.splits import make_folds
from trainable.images.perceptual_hash import HOW_SURE

MakeCohort = Callable[..., Cohort]


def looking(cohort: Cohort, alike: list[tuple[int, int]]) -> Cohort:
    """The cohort with looks of its own for each image, but for copies."""
    looks = np.random.default_rng(0).integers(0, 256, (len(cohort.manifest), 32), np.uint8)
    for one, other in alike:
        looks[other] = looks[one]
        looks[other, 0] ^= 7  # as another format does: 3 bits of 256
    return with_perceptual_hashes(cohort, looks)


def described(cohort: Cohort) -> list[str]:
    """What is said of pairs; the rates of the rule follow on it."""
    *said, rates = describe_look_alikes(cohort)
    assert rates == HOW_SURE
    return said


def test_pairs_are_named_by_what_differs(make_cohort: MakeCohort) -> None:
    cohort = make_cohort([0, 1, 0, 0, 1, 1], patients=["a", "b", "c", "d", "e", "e"])
    labels, patients = described(looking(cohort, [(0, 1), (2, 3), (4, 5)]))
    assert "have two labels (pairs: 1): image0.png and image1.png" in labels
    assert "count as two patients" in patients
    assert "--group-duplicates (pairs: 1): image2.png and image3.png" in patients


def test_pairs_on_two_sides_of_a_split_are_named(make_cohort: MakeCohort) -> None:
    cohort = make_cohort([0, 0, 1, 1], splits=["train", "valid", "train", "valid"])
    (sides,) = described(looking(cohort, [(0, 1)]))
    assert "on two sides of the split" in sides


def test_copies_of_one_file_are_left_to_the_rule_of_equal_content(make_cohort: MakeCohort) -> None:
    cohort = looking(make_cohort([0, 0], contents=["same", "same"]), [(0, 1)])
    assert len(find_look_alikes(cohort)) == 0


def test_images_that_look_the_same_are_kept_in_one_fold(
    make_cohort: MakeCohort, tmp_path: Path
) -> None:
    labels = [0] * 8 + [1] * 8
    cohort = looking(make_cohort(labels), [(0, 1), (1, 2), (8, 9)])
    together = keep_together(cohort, find_look_alikes(cohort))
    patients = together.manifest["patient"]
    assert patients[:3].tolist() == ["patient0"] * 3
    assert patients.nunique() == 13
    assert together.manifest["own_patient"].tolist() == cohort.manifest["patient"].tolist()
    for fold in make_folds(together, 4, seed=0):
        assert len({0, 1, 2} & set(fold.valid.tolist())) in (0, 3)
    assert not list(describe_look_alikes(together))
    together.save(tmp_path)
    again = keep_together(Cohort.load(tmp_path), find_look_alikes(Cohort.load(tmp_path)))
    assert again.digest == together.digest
    assert again.manifest["own_patient"].tolist() == cohort.manifest["patient"].tolist()


def test_a_run_folder_keeps_the_pairs_so_that_no_resume_compares_again(
    make_cohort: MakeCohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = looking(make_cohort([0, 0, 1, 1]), [(0, 1), (2, 3)])
    cohort.save(tmp_path)
    again = dataclasses.replace(Cohort.load(tmp_path), look_alikes=None)  # as of an older search
    assert find_look_alikes(again).tolist() == [[0, 1], [2, 3]]
    monkeypatch.delattr("trainable.cohort.look_alikes.find_alike")
    assert find_look_alikes(Cohort.load(tmp_path)).tolist() == [[0, 1], [2, 3]]


def test_without_pairs_every_patient_stays(make_cohort: MakeCohort) -> None:
    cohort = looking(make_cohort([0, 1]), [])
    together = keep_together(cohort, find_look_alikes(cohort))
    assert together.digest == cohort.digest


@pytest.mark.parametrize("has_looks", [True, False])
def test_looks_are_read_back(make_cohort: MakeCohort, tmp_path: Path, has_looks: bool) -> None:
    cohort = make_cohort([0, 1])
    if has_looks:
        cohort = looking(cohort, [])
    cohort.save(tmp_path)
    loaded = perceptual_hashes_of(dataclasses.replace(Cohort.load(tmp_path)))
    np.testing.assert_array_equal(loaded, perceptual_hashes_of(cohort))
    assert loaded.shape == (2 * has_looks, 32)
