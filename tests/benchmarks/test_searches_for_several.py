"""Simulated searches for several findings and classes: what is told of each, beside the truth."""

import numpy as np
import pytest

from benchmarks.selection import several_findings
from benchmarks.selection.several_findings import CLASSES, FINDINGS, judge_classes, judge_findings


@pytest.mark.parametrize("is_classes", [False, True], ids=["findings", "classes"])
def test_what_is_told_of_each_finding_is_nearer_to_the_truth_than_before_its_correction(
    is_classes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(several_findings, "NUM_RESAMPLES", 60)
    monkeypatch.setattr(several_findings, "NUM_IMAGES", 400)
    judge = judge_classes if is_classes else judge_findings
    searches = [judge(seed) for seed in range(3)]
    names = [*(CLASSES if is_classes else FINDINGS), "mean"]
    for rows in searches:
        assert [row["finding"] for row in rows] == names
        means = [np.mean([float(row[one]) for row in rows[:-1]]) for one in ("told", "true_f1")]
        assert [rows[-1]["told"], rows[-1]["true_f1"]] == pytest.approx(means)
    last = [rows[-1] for rows in searches]
    bias, before = (np.mean([float(row[one]) for row in last]) for one in ("bias", "apparent_bias"))
    assert before > bias + 0.005
    assert abs(bias) < 0.08
