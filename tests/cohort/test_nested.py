"""Each part of a cohort is within the next one, of whole patients, and as rich in positives."""

import dataclasses

import numpy as np
from fixtures.cohorts import three_findings

from trainable.cohort.nested import nested_parts


def test_parts_are_nested_and_like_the_cohort() -> None:
    whole = three_findings(400)
    side = np.where(np.arange(400) // 2 % 10 == 0, "test", "train")
    cohort = dataclasses.replace(whole, manifest=whole.manifest.assign(split=side))
    quarter, half = nested_parts(cohort, (0.25, 0.5), seed=0)
    assert set(quarter) < set(half)
    assert not set(half) & set(np.flatnonzero(side == "test"))
    for part, share in ((quarter, 0.25), (half, 0.5)):
        assert np.array_equal(part, np.unique(part))
        assert (np.bincount(cohort.patients[part]) != 1).all(), "a patient has two images"
        of_cohort = (cohort.labels[side != "test"] == 1).sum(axis=0)
        assert np.abs((cohort.labels[part] == 1).sum(axis=0) - share * of_cohort).max() <= 3
