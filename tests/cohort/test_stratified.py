"""Parts are alike in all findings, and each patient is in one of them."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from trainable.cohort.stratified import draw_parts

Labels = NDArray[np.int64]
SEEDS = range(8)


def equal(num_parts: int) -> NDArray[np.float64]:
    return np.full(num_parts, 1 / num_parts)


def hospital(seed: int) -> tuple[Labels, NDArray[np.int64]]:
    """400 patients of 1 to 12 images and five findings, 2 % to 40 % of them; a tenth is unknown."""
    rng = np.random.default_rng(seed)
    patients = rng.permutation(np.repeat(np.arange(400), np.minimum(rng.geometric(0.4, 400), 12)))
    chances = np.array([0.02, 0.05, 0.1, 0.25, 0.4]) * rng.gamma(2, 0.5, (400, 1))[patients]
    labels = (rng.random(chances.shape) < chances).astype(np.int64)
    labels[rng.random(labels.shape) < 0.1] = -1
    return labels, patients


def tiny(rng: np.random.Generator) -> tuple[Labels, NDArray[np.int64], int]:
    """Two or three parts, and as few patients that it is hard or impossible to spread them."""
    num_parts = int(rng.integers(2, 4))
    patients = np.arange(rng.integers(num_parts, 8))
    patients = np.repeat(patients, rng.integers(1, 4, len(patients)))
    num_findings = int(rng.integers(1, 4))
    chances = rng.uniform(0.1, 0.5, num_findings)
    labels = (rng.random((len(patients), num_findings)) < chances).astype(np.int64)
    labels[rng.random(labels.shape) < 0.1] = -1
    return labels, patients, num_parts


def owners(labels: Labels, patients: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(num_patients, 2 * num_findings), who has negatives and positives of each finding."""
    numbers = range(patients.max() + 1)
    has = [[(labels[patients == one] == value).any(axis=0) for value in (0, 1)] for one in numbers]
    return np.array(has).reshape(len(numbers), -1)


def num_lacking(parts: NDArray[np.int64], has: NDArray[np.bool_], num_parts: int) -> int:
    """How often a part has no patient with a kind of label."""
    return sum(num_parts - len(np.unique(parts[column])) for column in has.T)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_patient_is_in_one_part_and_the_seed_alone_decides(seed: int) -> None:
    labels, patients = hospital(seed)
    parts = draw_parts(labels, patients, equal(5), seed)
    assert parts.shape == patients.shape
    assert len({*zip(patients.tolist(), parts.tolist(), strict=True)}) == 400
    assert np.array_equal(parts, draw_parts(labels, patients, equal(5), seed))
    assert not np.array_equal(parts, draw_parts(labels, patients, equal(5), seed + 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_parts_are_alike_in_size_and_in_positives_and_negatives_of_each_finding(seed: int) -> None:
    labels, patients = hospital(seed)
    parts = draw_parts(labels, patients, equal(5), seed)
    counts = np.array(
        [[(labels[parts == part] == value).sum(axis=0) for value in (0, 1)] for part in range(5)]
    )
    negatives, positives = np.abs(counts - counts.mean(axis=0)).max(axis=0)
    assert positives.max() < 1  # as near as whole images allow
    assert (negatives <= 0.1 * (labels == 0).sum(axis=0) / 5).all()
    sizes = np.bincount(parts)
    assert np.abs(sizes / sizes.mean() - 1).max() < 0.04
    has = owners(labels, patients)
    assert num_lacking(parts[np.unique(patients, return_index=True)[1]], has, 5) == 0


def test_no_part_lacks_what_any_split_could_give_it() -> None:
    rng, num_hard = np.random.default_rng(0), 0
    for seed in range(200):
        labels, patients, num_parts = tiny(rng)
        has, one_each = owners(labels, patients), np.unique(patients, return_index=True)[1]
        parts = draw_parts(labels, patients, equal(num_parts), seed)[one_each]
        splits = itertools.product(range(num_parts), repeat=len(has))
        fewest = min(num_lacking(np.array(split), has, num_parts) for split in splits)
        assert num_lacking(parts, has, num_parts) == fewest
        luck = rng.integers(0, num_parts, len(has))
        num_hard += num_lacking(luck, has, num_parts) > fewest
    assert num_hard > 100  # chance alone would not do


@pytest.mark.parametrize("shares", [(80, 20), (60, 20, 20), (70, 15, 15), (95, 5)])
def test_unequal_shares_hold_for_each_finding(shares: tuple[int, ...]) -> None:
    labels, patients = hospital(1)
    part = np.array(shares) / 100
    parts = draw_parts(labels, patients, part, 0)
    for chosen in (np.ones(len(parts), bool), *(labels == 1).T, *(labels == 0).T):
        counts = np.bincount(parts[chosen], minlength=len(part))
        assert np.abs(counts - part * chosen.sum()).max() <= max(2.5, 0.05 * chosen.sum())


@pytest.mark.parametrize("is_positive", [0, 1])
def test_large_patients_share_a_part_nearly_as_often_as_chance_has_it(is_positive: int) -> None:
    patients = np.repeat(np.arange(200), [8, 8] + [1] * 198)
    labels = (patients % 2)[:, None]
    labels[patients < 2] = is_positive
    draws = [draw_parts(labels, patients, equal(5), seed) for seed in range(300)]
    together = np.mean([parts[0] == parts[8] for parts in draws])
    assert 0.07 < together < 0.24  # a fifth of the places, less those that the other has
    assert max(np.ptp(np.bincount(parts)) for parts in draws) <= 2
