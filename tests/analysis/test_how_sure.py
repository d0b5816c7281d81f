"""How sure a score is: what models of other cohorts would say, and who may ask."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.cohorts import three_classes, three_findings
from fixtures.networks import RANDOM, tiny_config
from fixtures.small_runs import predicted, write_new_images, write_run, write_run_of_findings
from scipy.special import expit

from analysis.api import load_model
from analysis.how_sure.spread import ResampledScores, how_sure
from trainable.cohort.cohort import Cohort
from trainable.config import TrialConfig
from trainable.errors import InputError
from trainable.evaluation.intervals import resample_patients
from trainable.run.places import resampled_file
from trainable.run.resampled import ResampledChoices

CONFIGS = [
    tiny_config(head="logistic", C=0.01, cut="fused"),
    tiny_config(epochs=1),
    tiny_config(unfreeze=1),
]
RNG = np.random.default_rng(0)


def keep_choices(run: Path, configs: list[TrialConfig], size: int = 2) -> ResampledChoices:
    """Teams of some trials by chance, as a search might have chosen them on 24 resamples."""
    cohort = Cohort.load(run)
    labels, num_findings = cohort.labels, cohort.labels.shape[1]
    drawn = resample_patients(labels, cohort.patients, 24, 0, stratified=True)
    teams = [RNG.permutation(len(configs))[:size] for _ in range(24 * num_findings)]
    choices = ResampledChoices(
        drawn.astype(np.uint8),
        np.array([config.model_dump_json() for config in configs]),
        np.array([RANDOM.fingerprints[config.backbone] for config in configs]),
        np.array(teams).reshape(24, num_findings, size),
        RNG.uniform(0.3, 0.6, (24, num_findings)).astype(np.float32),
        np.tile([1.0, 1.0, 0.0], (24, num_findings, 1)),
    )
    choices.save(run)
    return choices


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_run(tmp_path / "run", CONFIGS[:2])
    write_new_images(tmp_path / "new")
    return tmp_path / "run"


def drawn_models(num_models: int, num_images: int, seed: int) -> ResampledScores:
    """Models whose log-odds are normal around those of each image, with a deviation of 0.7."""
    centres = np.linspace(-5, 3, num_images)
    each = np.random.default_rng(seed).normal(centres, 0.7, (num_models, num_images))
    return ResampledScores(each[..., None], np.full((num_models, 1), -0.8))


def test_the_interval_holds_the_score_of_another_model_and_flips_are_as_often_as_told() -> None:
    # the models of resamples scatter around another place, as they are fitted to fewer patients
    centres = drawn_models(15, 400, seed=1)
    held, told, true = [], [], []
    for number, mine in enumerate(centres.scores):
        around = drawn_models(100, 400, seed=2 + number)
        moved = dataclasses.replace(around, scores=around.scores - 0.3)
        level = expit(np.array([-0.8]))
        found = how_sure(
            expit(mine).astype(np.float32), level.astype(np.float32), moved, exclusive=False
        )
        others = expit(np.delete(centres.scores, number, axis=0))
        held.append(((found.low <= others) & (others <= found.high)).mean())
        told.append(found.flips.mean())
        true.append(((others >= level) != (expit(mine) >= level)).mean())
        assert (found.low <= expit(mine).astype(np.float32)).all()
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)
    assert np.mean(told) == pytest.approx(np.mean(true), abs=0.03)


def test_scores_of_0_and_1_are_in_their_intervals_and_models_that_agree_leave_no_doubt() -> None:
    same = ResampledScores(np.zeros((20, 2, 1)), np.zeros((20, 1)))
    scores, level = np.array([[0.0], [1.0]], np.float32), np.array([0.5], np.float32)
    found = how_sure(scores, level, same, exclusive=False)
    np.testing.assert_allclose(found.low, scores, atol=1e-5)
    np.testing.assert_allclose(found.high, scores, atol=1e-5)
    assert found.flips.max() == 0
    assert found.away.max() < 1e-5


def test_a_prediction_has_intervals_and_the_same_scores(run: Path, tmp_path: Path) -> None:
    keep_choices(run, CONFIGS, size=3)
    scores = predicted(run, tmp_path, "plain")
    assert predicted(run, tmp_path, "sure", how_sure=20) == scores
    table = pd.read_csv(tmp_path / "sure_scores.csv")
    assert list(table) == ["image", "score", "prediction", "low", "high"]
    assert (table["low"] < table["score"]).all()
    assert (table["score"] < table["high"]).all()
    page = (tmp_path / "sure_report.html").read_text()
    assert "Prediction of run" in page
    assert "Instability plot" in page
    assert not (tmp_path / "plain_report.html").exists()


def test_trials_with_trained_stages_are_left_out_and_named(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_choices(run, CONFIGS, size=3)
    from analysis.command import app

    words = [str(run), "--images", str(tmp_path / "new"), "--out", str(tmp_path / "p.csv")]
    app(
        [*words, "--cache", str(tmp_path / "cache"), "--how-sure", "20"],
        result_action="return_value",
    )
    said = capsys.readouterr().out
    assert "how sure: 2 trials fitted again to 20 resamples of the patients, 40 fits" in said
    assert "left out: 1 trial with trained stages" in said
    assert "0 of the winner's 2 trials among them; 0 resamples have no other" in said


@pytest.mark.parametrize("make", [three_findings, three_classes])
def test_each_finding_or_class_has_its_interval(
    make: Callable[..., Cohort], tmp_path: Path
) -> None:
    run, (logistic, *_) = tmp_path / "run", CONFIGS
    write_run_of_findings(run, make, [logistic])
    write_new_images(tmp_path / "new")
    keep_choices(run, [logistic, logistic.model_copy(update={"C": 1.0})], size=1)
    team = load_model(run, cache=tmp_path / "cache")
    with pytest.warns(UserWarning, match="as long as wide"):
        table = team.predict(tmp_path / "new", how_sure=24)
    for name in Cohort.load(run).findings.names:
        low, score, high = (table[f"{kind}:{name}"] for kind in ("low", "score", "high"))
        assert ((low < score) & (score < high)).all()


@pytest.mark.parametrize("number", [0, -3, 10_000])
def test_a_number_that_is_no_use_is_refused(run: Path, tmp_path: Path, number: int) -> None:
    keep_choices(run, CONFIGS)
    with pytest.raises(InputError, match=rf"--how-sure must be .* 20 to 200 \(got {number}\)"):
        predicted(run, tmp_path, "p", how_sure=number)


def test_a_run_of_before_and_a_winner_of_trained_networks_are_refused_in_a_sentence(
    run: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="which this run lacks: write it with cxr-search --resume"):
        predicted(run, tmp_path, "p", how_sure=20)
    resampled_file(run).write_bytes(b"no archive")
    with pytest.raises(InputError, match="is damaged"):
        predicted(run, tmp_path, "p", how_sure=20)
    write_run(tmp_path / "trained", CONFIGS[2:])
    keep_choices(tmp_path / "trained", CONFIGS)
    with pytest.raises(InputError, match="fits heads again, and never networks; the winner's"):
        predicted(tmp_path / "trained", tmp_path, "p", how_sure=20)
    keep_choices(run, CONFIGS[2:], size=1)
    with pytest.raises(InputError, match=r"must have been chosen \(got 0 of 20\)"):
        predicted(run, tmp_path, "p", how_sure=20)


def test_heads_that_are_fitted_again_see_the_columns_of_new_images(tmp_path: Path) -> None:
    columns = {
        "covariate:age": [str(60 + n) for n in range(12)],
        "covariate:sex": ["M", "F", "F"] * 4,
    }
    seeing = CONFIGS[0].model_copy(update={"covariates": True})
    write_run(tmp_path / "run", [seeing], columns)
    keep_choices(tmp_path / "run", [seeing, CONFIGS[0]], size=1)
    write_new_images(tmp_path / "new")
    rows = ("image,age,sex", "new/0.png,61,F", "new/1.png,,X", "new/2.png,71,m")
    (tmp_path / "new.csv").write_text("\n".join(rows))
    scores = predicted(tmp_path / "run", tmp_path, "p", images=tmp_path / "new.csv", how_sure=20)
    table = pd.read_csv(tmp_path / "p_scores.csv")
    assert (table["low"] < scores).all()
    assert (scores < table["high"]).all()
