"""Pools that several findings are searched on: parts that share no patient, and their truth."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.findings.pools import Pool, children, phantoms
from benchmarks.findings.truth import f1_of_each
from trainable.evaluation.counts import f1_of_each as f1_of_counts
from trainable.evaluation.counts import weighted_counts


def assert_parts_share_no_patient(pool: Pool) -> None:
    patients = pool.cohort.patients
    for part in pool.parts:
        assert not {*patients[part.train]} & {*patients[part.test]}


def test_phantoms_have_fresh_patients_and_true_risks(tmp_path: Path) -> None:
    pool = phantoms(tmp_path / "x", num_cohorts=1, num_new=20, size=32)
    [part] = pool.parts
    assert_parts_share_no_patient(pool)
    assert len(np.unique(pool.cohort.patients[part.train])) == 300
    assert len(np.unique(pool.cohort.patients[part.test])) == 20
    labels = pool.cohort.labels
    for finding in range(4):
        risks = pool.truth[:, finding]
        known = labels[:, finding] >= 0
        assert labels[known, finding].mean() == pytest.approx(risks[known].mean(), abs=0.05)
    assert len(pool.best) == 4


def test_children_are_of_the_class_that_the_file_says(tmp_path: Path) -> None:
    for number in range(9):
        for name in (
            f"IM-{number:04}-0001", f"NORMAL2-IM-{number + 50:04}-0001",
            f"person{number}_bacteria_1", f"person{number + 90}_virus_{number}",
        ):  # fmt: skip
            (tmp_path / f"{name}.jpeg").write_text(name)
    pool = children(tmp_path, num_resplits=3, train_share=0.5)
    assert pool.cohort.findings.names == ("normal", "bacterial", "viral")
    assert pool.cohort.labels.sum(axis=0).tolist() == [18, 9, 9]
    assert_parts_share_no_patient(pool)
    for part in pool.parts:
        assert len(part.train) + len(part.test) == 36
        assert (pool.truth[part.train].sum(axis=0) >= 4).all()


def test_the_f1_by_labels_is_that_of_the_counts() -> None:
    rng = np.random.default_rng(0)
    labels, calls = rng.integers(0, 2, (50, 3)), rng.random((50, 3)) < 0.4
    counts = weighted_counts(labels, calls, np.ones((1, 50)))
    found = f1_of_each(calls, labels.astype(np.float64))
    np.testing.assert_allclose(found, f1_of_counts(counts, "macro")[0])
