"""What more patients would be worth: parts, the law, and what a run keeps and shows of it."""

import dataclasses
import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
from fixtures.commands import call_command

from search.rescored.growing import CurvePlan
from search.rescored.learning_curve import LearningCurve
from search.rescored.parts import STARTS, choose_on, parts_of, require_enough
from search.rescored.power_law import fit_law
from search.rescored.trials import Part
from search.results.search_result import SearchResult
from trainable.cohort.cohort import Cohort
from trainable.errors import InputError
from trainable.evaluation.metrics import Weighted, auc
from trainable.run.winner import read_winner, save_winner


@pytest.fixture(scope="module")
def reported(searched_run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A copy of the run, with its learning curve and its page; and what the command said."""
    copy = tmp_path_factory.mktemp("curve") / "run"
    shutil.copytree(searched_run, copy)
    asked = ("--learning-curve", "--judge-across", "scanner", "--heat-maps", "no")
    return copy, call_command("search.__main__:report", copy, *asked, columns=80).stdout


def test_draws_are_nested_by_patient_and_every_fold_is_within_its_part(searched_run: Path) -> None:
    cohort = Cohort.load(searched_run)
    parts = parts_of(cohort, 2, 0, "--learning-curve")
    patients = {place: set(cohort.patients[part.exams]) for place, part in parts.items()}
    for start in STARTS[4]:
        nested = [patients[size, start] for size in STARTS]
        assert all(one < other for one, other in itertools.pairwise(nested))
    quarters = [patients[1, start] for start in STARTS[1]]
    assert sum(map(len, quarters)) == len(set(cohort.patients)), "each patient is in one quarter"
    for part in parts.values():
        valid = np.sort(np.concatenate([fold.valid for fold in part.folds]))
        np.testing.assert_array_equal(valid, part.exams)
        for fold in part.folds:
            assert not set(cohort.patients[fold.train]) & set(cohort.patients[fold.valid])
            assert set(cohort.labels[fold.train, 0]) == {0, 1}


def test_a_law_is_found_again_and_says_no_more_than_1() -> None:
    sizes = np.array([0.25, 0.5, 0.75, 1.0])
    law = fit_law(sizes.tolist(), 0.8 - 0.1 * sizes**-0.5, [1, 1, 1, 1])
    assert law.at(4) == pytest.approx(0.75, abs=2e-3)
    flat = fit_law(sizes.tolist(), np.full(4, 0.6), [1, 1, 1, 1])
    assert flat.at(4) == pytest.approx(0.6, abs=2e-3)
    steep = fit_law(sizes.tolist(), 0.99 - 0.3 * (1 - sizes), [1, 1, 1, 1])
    assert steep.at(100) <= 1


def test_the_scores_of_all_patients_are_those_of_the_search_when_the_folds_are(
    searched_run: Path,
) -> None:
    result = SearchResult.read(searched_run)
    trials = CurvePlan.of(result).trials
    [scores] = trials.scores([Part.of(result.folds)])
    for row, again in zip(trials.rows, scores, strict=True):
        np.testing.assert_allclose(again, result.folder.log.scores(row["number"]), atol=1e-6)


def test_the_curve_ends_at_the_f1_that_the_winner_promises(reported: tuple[Path, str]) -> None:
    run, _ = reported
    curve, winner = SearchResult.read(run).learning_curve, read_winner(run)
    assert curve is not None
    [one] = curve.curves
    assert [point.patients for point in one.f1.points] == [25, 50, 75, 100]
    assert one.f1.points[-1].estimate.value == pytest.approx(winner.corrected.f1)
    for point in (*one.f1.points, *one.auc.points, *one.f1.told):
        assert 0 <= point.estimate.low <= point.estimate.value <= point.estimate.high <= 1
    assert curve.trials == (1, 2, 3, 4, 5), "the regressions"
    assert curve.num_left_out == 1


def test_the_auc_of_a_choice_by_luck_is_corrected_for_it(searched_run: Path) -> None:
    """Teams chosen among scores that know nothing seem to know something."""
    result = SearchResult.read(searched_run)
    plan = CurvePlan.of(result)
    part = parts_of(result.cohort, 2, 0, "x")[4, 0]
    alone = result.options.scoring.model_copy(update={"team": 1})
    rng, lucky, honest = np.random.default_rng(0), [], []
    shape = (len(plan.trials.rows), *result.cohort.labels.shape)
    for _ in range(10):
        scores = rng.uniform(size=shape).astype(np.float32)
        chosen = choose_on(part, scores, plan.trials, plan.planned, result.winner.scoring, alone)
        scored = chosen.scored
        lucky.append(auc(Weighted.once(scored.labels, scored.scores))[0, 0])
        honest.append(chosen.aucs(np.ones((1, len(result.cohort.labels)), np.float32))[0, 0])
    assert np.mean(lucky) > np.mean(honest) + 0.02
    assert np.mean(honest) == pytest.approx(0.5, abs=0.05)


def test_too_few_patients_are_refused_with_how_many_would_be_enough(searched_run: Path) -> None:
    with pytest.raises(
        InputError, match=r"needs 400 positive and 400 negative patients.*got \d+ p"
    ):
        require_enough(Cohort.load(searched_run), 100, "--learning-curve")


def test_the_command_says_the_cost_before_and_the_page_shows_what_is_kept(
    reported: tuple[Path, str],
) -> None:
    run, said = reported
    assert "learning curve: 5 trials fitted again" in said
    assert "left out: 1 trial trained by gradient steps" in said
    curve = SearchResult.read(run).learning_curve
    assert curve is not None
    page = (run / "report.html").read_text()
    section = page.split("<h2>Would more patients help?</h2>")[1].split("<h2>")[0]
    for sentence in curve.sentences:
        assert sentence in said
        assert sentence[1:] in section
    assert "F1 by patients" in section


def test_the_command_prints_what_was_judged_across_and_the_page_shows_it(
    reported: tuple[Path, str],
) -> None:
    run, said = reported
    assert "fitted again without each of 3 values" in said
    assert "of values of scanner that no head saw, the F1 is" in said
    assert "Heads that never saw a value of scanner" in (run / "report.html").read_text()


def test_a_curve_of_another_winner_is_not_shown(reported: tuple[Path, str], tmp_path: Path) -> None:
    run, copy = reported[0], tmp_path / "run"
    shutil.copytree(run, copy)
    winner = read_winner(copy)
    save_winner(winner.model_copy(update={"num_trials": 99}), copy)
    assert SearchResult.read(copy).learning_curve is None
    LearningCurve.file(copy).write_text("{")
    with pytest.raises(InputError, match=r"damaged.*write it again with cxr-report"):
        _ = SearchResult.read(copy).learning_curve


def test_features_that_are_gone_are_computed_again_and_their_images_are_asked_for(
    searched_run: Path, tmp_path: Path
) -> None:
    result = SearchResult.read(searched_run)
    advanced = result.options.advanced.model_copy(update={"cache": tmp_path})
    options = result.options.model_copy(update={"advanced": advanced})
    cleared = dataclasses.replace(result, options=options)
    *_, last = CurvePlan.of(cleared).before
    count = len(result.cohort.manifest)
    assert f"first, {count} images go through 1 frozen network, as their features are no" in last
    moved = dataclasses.replace(
        result.cohort, manifest=result.cohort.manifest.assign(path="/moved/image.png")
    )
    with pytest.raises(InputError, match=r"are missing.*with --labelled-images"):
        CurvePlan.of(dataclasses.replace(cleared, cohort=moved))
    assert CurvePlan.of(dataclasses.replace(result, cohort=moved)).trials.missing == {}
