"""Cohorts that the interval of an image is judged on, and heads that are fitted to resamples."""

import dataclasses

import numpy as np
import pytest
from scipy.special import expit

from analysis.how_sure.refits import Refits
from analysis.how_sure.teams import ResampledTeams
from benchmarks.how_sure import cohorts
from benchmarks.how_sure.__main__ import judge
from trainable.cohort.findings import Findings
from trainable.cohort.splits import Fold
from trainable.run.resampled import ResampledChoices
from trainable.trial.final import fit_final

NEW = cohorts.draw(30, seed=9)


def test_a_model_agrees_with_itself_and_not_with_its_opposite(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cohorts, "NUM_TRIALS", 9)
    monkeypatch.setattr(cohorts, "NUM_REPEATS", 1)
    monkeypatch.setattr(cohorts, "NUM_FOLDS", 2)
    one = cohorts.search(60, 20, NEW, seed=0)
    other = dataclasses.replace(one, scores=1 - one.scores)
    assert one.resampled.scores.shape == (20, 30, 1)
    same, apart = judge([one, one]), judge([one, other])
    assert same["coverage"] == 1
    assert same["true_away"] == same["true_flips"] == 0
    assert apart["coverage"] < 0.9
    assert apart["true_away"] == pytest.approx(np.abs(2 * one.scores - 1).mean(), abs=1e-3)


def test_a_resample_of_each_patient_once_is_fitted_as_the_final_model_is() -> None:
    cohort, [config, *_] = cohorts.draw(60, seed=0), cohorts.draw_trials(seed=0)
    trial = cohorts.images_of(config, cohort, NEW)
    choices = ResampledChoices(
        counts=np.ones((2, 60), np.uint8),
        configs=np.array([config.model_dump_json()]),
        weights=np.array([""]),
        teams=np.zeros((2, 1, 1), np.int64),
        thresholds=np.full((2, 1), 0.4, np.float32),
        maps=np.array([[[1.0, 1.0, 0.0]], [[2.0, 2.0, 1.0]]]),
    )
    refits = Refits(ResampledTeams.of(choices, lambda _: True), Findings(("sign",)), 1)
    plain, recalibrated = refits.scores(lambda _: trial).scores
    everything = Fold(np.arange(60), np.empty(0, np.int64))
    fit = fit_final(trial.parts, 1, everything, 1, whole=False)
    np.testing.assert_allclose(expit(plain), trial.scores(fit.networks), atol=1e-5)
    np.testing.assert_allclose(recalibrated, 2 * plain + 1, atol=1e-5)
