"""Where a winner fails, and for whom it is worse: counts, names, and several findings."""

import numpy as np
import pandas as pd
import pytest
from fixtures.cohorts import three_findings

from trainable.cohort.cohort import Cohort
from trainable.cohort.findings import Findings
from trainable.cohort.label_rule import LabelRule
from trainable.evaluation.counts import decide
from trainable.evaluation.metrics import metrics_at
from trainable.evaluation.scoring import Scoring
from trainable.report.failures import Failures, failure_analysis, failures_of, failures_section
from trainable.report.gaps import fairness, gaps_of, gaps_section

RNG = np.random.default_rng(3)
LABELS = np.tile([0, 0, 1], 100)
SCORES = np.clip(0.35 + 0.3 * LABELS + RNG.normal(0, 0.15, 300), 0, 1).astype(np.float32)[:, None]
HALF = np.array([0.5], np.float32)


def cohort(**columns: np.ndarray) -> Cohort:
    manifest = pd.DataFrame(
        {"image": [f"{n}.png" for n in range(300)], "label": LABELS, "split": ""}
    )
    manifest = manifest.assign(patient=np.arange(300) // 2)
    return Cohort(
        manifest.assign(**{f"covariate:{name}": one for name, one in columns.items()}),
        (LabelRule(("alive", "dead")),),
    )


def failures(of: Cohort, scores: np.ndarray, by_member: list[np.ndarray]) -> list[Failures]:
    levels = np.full(scores.shape[1], 0.5, np.float32)
    called = decide(scores, levels, exclusive=False)
    teams = [list(range(len(by_member)))] * scores.shape[1]
    return failures_of(
        of.findings, of.labels, scores, levels.tolist(), called, np.stack(by_member), teams
    )


def test_the_wrong_ones_are_counted_and_the_surest_are_named() -> None:
    of, called = cohort(), SCORES >= 0.5
    found = failures(of, SCORES, [called, called, np.ones_like(called)])
    missed = int(((LABELS == 1) & ~called[:, 0]).sum())
    alarms = int(((LABELS == 0) & called[:, 0]).sum())
    section = failures_section(found, of, with_names=True)
    assert section.paragraphs[0] == (
        f"{missed} of 100 positive images are missed, and {alarms} of 200 negative images are "
        "called positive, out of fold."
    )
    assert f"{alarms} of these {missed + alarms} are wrong by each" in section.paragraphs[1]
    [surest] = section.tables
    rows = surest.frame[surest.frame["wrong as"] == "missed positive"]
    lowest = np.argsort(np.where(LABELS == 1, SCORES[:, 0], 2))[: len(rows)]
    assert list(rows["image"]) == [f"{row}.png" for row in lowest]
    assert set(rows["by all trials"]) == {"no"}
    shared = failures_section(found, of, with_names=False)
    assert not shared.tables
    assert "covariates" not in failure_analysis(found, of)
    assert "compares" not in failure_analysis(found, of)


def test_the_covariates_of_right_and_wrong_ones_stand_side_by_side() -> None:
    of = cohort(sex=np.where(np.arange(300) % 2, "F", "M"))
    found = failures(of, SCORES, [SCORES >= 0.5])
    section = failures_section(found, of, with_names=False)
    counts = section.tables[0].frame.set_index("characteristic").loc["images"]
    wanted = {name: str(rows.sum()) for name, rows in found[0].groups.items()} | {"all": "300"}
    assert counts.to_dict() == wanted
    assert len(section.paragraphs) == 1, "of one trial, all trials alone say the same"
    assert failure_analysis(found, of).endswith("compares sex of the wrong ones with the others.")


def test_unknown_labels_and_images_without_a_score_are_neither_right_nor_wrong() -> None:
    of = three_findings()
    scores = RNG.random((36, 3)).astype(np.float32)
    scores[:2] = np.nan
    found = failures(of, scores, [scores >= 0.5])
    section = failures_section(found, of, with_names=True)
    assert [one.title for one in section.choices] == ["mass", "nodule", "effusion"]
    known = (of.labels[2:] >= 0).sum(axis=0)
    for one, count in zip(found, known, strict=True):
        assert sum(int(rows.sum()) for rows in one.groups.values()) == count
    assert failure_analysis(found, of).startswith("mass: ")


def metrics_of(findings: Findings) -> dict:  # type: ignore[type-arg]
    levels = np.full(len(findings), 0.5, np.float32)
    average = "binary" if findings.is_one else "macro"
    return metrics_at(levels, Scoring(f1_average=average), 0.9)  # type: ignore[arg-type]


@pytest.mark.parametrize("has_gap", [True, False])
def test_a_gap_is_told_with_what_would_show(has_gap: bool) -> None:
    sex = np.where(np.arange(300) % 2, "F", "M")
    sex[:9] = ""
    scores = SCORES.copy()
    if has_gap:
        scores[sex == "F"] = RNG.random(((sex == "F").sum(), 1)).astype(np.float32)
    of = cohort(sex=sex)
    gaps = gaps_of(of, scores, metrics_of(of.findings))
    section = gaps_section(gaps, of.findings, of.covariates)
    text = " ".join(section.paragraphs)
    assert ("AUC of sex, lower at F than at M by 0." in text) == has_gap
    assert ("None of the 3 largest gaps" in text) != has_gap
    assert "would show are 0." in text
    assert list(section.tables[0].frame["metric"]) == ["AUC", "sensitivity", "specificity"]
    assert fairness(gaps, of.findings) in text


def test_without_columns_or_enough_patients_nothing_is_said_of_fairness() -> None:
    of = cohort()
    assert fairness(gaps_of(of, SCORES, metrics_of(of.findings)), of.findings) == ""
    assert gaps_section([[]], of.findings, of.covariates).paragraphs[0].startswith("Not known: no")
    rare = cohort(site=np.where(np.arange(300) < 4, "rare", "usual"))
    gaps = gaps_of(rare, SCORES, metrics_of(rare.findings))
    assert gaps == [[]]
    [said] = gaps_section(gaps, rare.findings, rare.covariates).paragraphs
    assert "no column has two values with 5 positive and 5 negative patients each" in said
