"""The largest gap between values of a column: what is shown, what is not, and what would be."""

import numpy as np
import pytest

from trainable.cohort.scored import Scored
from trainable.evaluation.gaps import Gap, largest_gaps
from trainable.evaluation.metrics import Metric, Weighted, auc, metrics_at
from trainable.evaluation.scoring import Scoring


def metrics() -> dict[str, Metric]:
    found = metrics_at(np.array([0.5], np.float32), Scoring(), 0.9)
    return {name: found[name] for name in ("AUC", "sensitivity", "specificity")}


def cohort(num: int, gain: float, seed: int = 0, num_values: int = 2) -> tuple[Scored, np.ndarray]:
    """Images of as many patients, and the value of each; the first value is told apart better."""
    rng = np.random.default_rng(seed)
    labels, values = rng.integers(0, 2, num), rng.integers(0, num_values, num)
    signs = (2 * labels - 1) * np.where(values == 0, 1 + gain, 1)
    scores = (1 / (1 + np.exp(-signs - rng.normal(size=num)))).astype(np.float32)
    return Scored(labels[:, None], np.arange(num), scores[:, None]), values


def gaps(scored: Scored, values: np.ndarray) -> dict[str, Gap]:
    strata = {"site": {str(one): values == one for one in np.unique(values)}}
    [found] = largest_gaps(scored, strata, metrics())
    return {gap.metric: gap for gap in found}


def test_a_real_gap_is_shown_and_chance_is_not() -> None:
    real = gaps(*cohort(600, 1.0))
    assert all(gap.is_shown and (gap.low, gap.high) == ("1", "0") for gap in real.values())
    shown = [gaps(*cohort(300, 0, seed, num_values=4))["AUC"].is_shown for seed in range(40)]
    assert sum(shown) <= 6, "the largest of six gaps is never 0, and no finding for that"


def test_the_gap_is_the_difference_and_more_patients_show_smaller_ones() -> None:
    scored, values = cohort(400, 0.5)
    found = gaps(scored, values)["AUC"]
    each = [auc_of(scored.take(values == value)) for value in (int(found.high), int(found.low))]
    assert found.gap.value == pytest.approx(each[0] - each[1])
    assert found.gap.low < found.gap.value < found.gap.high
    many = gaps(*cohort(1600, 0.5))["AUC"]
    assert many.smallest == pytest.approx(found.smallest / 2, rel=0.25)


def auc_of(scored: Scored) -> float:
    return float(auc(Weighted.once(scored.labels, scored.scores))[0, 0])


def test_copies_of_images_show_no_smaller_gaps() -> None:
    scored, values = cohort(200, 0.5)
    twice = scored.take(np.repeat(np.arange(200), 2))
    once, copies = gaps(scored, values)["AUC"], gaps(twice, np.repeat(values, 2))["AUC"]
    assert copies.smallest == pytest.approx(once.smallest, rel=0.05)


def test_values_with_few_patients_of_a_class_are_left_out_and_counted() -> None:
    scored, values = cohort(200, 0)
    values = np.where(np.arange(200) < 6, 7, values)
    found = gaps(scored, values)["AUC"]
    assert (found.num_values, found.num_few) == (2, 1)
    assert "7" not in (found.low, found.high)
    assert gaps(scored, np.where(values == 7, 7, 0)) == {}, "one value has nothing beside it"


def test_each_of_several_findings_has_its_own_and_unknown_labels_do_not_count() -> None:
    scored, values = cohort(600, 1.0)
    other, _ = cohort(600, 0.0, seed=5)
    unknown = np.where(np.arange(600) % 3 == 0, -1, other.labels[:, 0])
    both = Scored(
        np.stack([scored.labels[:, 0], unknown], axis=1),
        scored.patients,
        np.concatenate([scored.scores, other.scores], axis=1),
    )
    strata = {"site": {str(one): values == one for one in (0, 1)}}
    thresholds = np.array([0.5, 0.5], np.float32)
    found = metrics_at(thresholds, Scoring(f1_average="macro"), 0.9)
    first, second = largest_gaps(both, strata, {"AUC": found["AUC"]})
    assert first[0].gap.value == pytest.approx(gaps(scored, values)["AUC"].gap.value)
    known = unknown >= 0
    assert second[0].gap.value == pytest.approx(
        gaps(other.take(known), values[known])["AUC"].gap.value
    )
