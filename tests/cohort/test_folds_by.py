"""Folds that leave out the values of a column: who trains what, what is kept, what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fixtures.searched_runs import search_of_phantoms

from search.options.options import SearchOptions
from search.plan.begin import resume
from search.plan.planner import plan_search
from search.rescored.across import judge_across
from search.rescored.trials import Part, StoredTrials
from search.results.search_result import SearchResult
from search.terminal.outcome import winner_sentences
from search.terminal.plan_lines import plan_lines
from trainable.cohort.by_value import with_folds_by
from trainable.cohort.cohort import Cohort
from trainable.cohort.splits import make_folds
from trainable.errors import InputError

OPTION = "--folds-by"


def cohort_of(make_cohort: Callable[..., Cohort], num_patients: int = 48) -> Cohort:
    """Two images a patient, every third patient positive."""
    owners = np.repeat(np.arange(num_patients), 2)
    return make_cohort((owners % 3 == 0).astype(np.int64), patients=[f"p{n}" for n in owners])


def by(cohort: Cohort, values: Any, most: int = 5) -> Cohort:
    return with_folds_by(cohort, pd.Series(values, name="site", dtype=object), most, 0, OPTION)


def test_each_fold_leaves_out_a_value_and_the_largest_comes_first(
    make_cohort: Callable[..., Cohort],
) -> None:
    cohort = cohort_of(make_cohort)
    sites = np.repeat(["a", "b", "c"], [24, 48, 24])
    sites[47] = "a"  # the second image of a patient of b
    folds = make_folds(by(cohort, sites), num_folds=5, seed=0, num_repeats=3)
    assert [len(fold.valid) for fold in folds] == [47, 25, 24]
    assert [set(sites[fold.valid]) for fold in folds] == [{"b"}, {"a"}, {"c"}]
    for fold in folds:
        assert not set(cohort.patients[fold.train]) & set(cohort.patients[fold.valid])


def test_more_values_than_folds_are_left_out_together(make_cohort: Callable[..., Cohort]) -> None:
    cohort = cohort_of(make_cohort)
    sites = np.repeat([f"s{number}" for number in range(8)], 12)
    folds = make_folds(by(cohort, sites, most=3), num_folds=3, seed=0)
    left_out = [set(sites[fold.valid]) for fold in folds]
    assert len(folds) == 3
    assert sorted(map(len, left_out)) == [2, 3, 3]
    assert set.union(*left_out) == {*sites}
    for fold in folds:
        assert not set(sites[fold.train]) & set(sites[fold.valid])
        assert cohort.labels[fold.valid].mean() == pytest.approx(1 / 3, abs=0.01)


def test_a_saved_cohort_has_the_same_folds_and_another_digest_than_without(
    make_cohort: Callable[..., Cohort], tmp_path: Path
) -> None:
    cohort = cohort_of(make_cohort)
    other = by(cohort, np.repeat(["a", "b"], 48))
    other.save(tmp_path)
    kept = Cohort.load(tmp_path)
    assert kept.left_out_by is not None
    assert kept.left_out_by.name == "site"
    assert kept.digest == other.digest != cohort.digest
    for one, same in zip(make_folds(kept, 5, 0), make_folds(other, 5, 0), strict=True):
        np.testing.assert_array_equal(one.valid, same.valid)


def test_values_that_cannot_be_left_out_are_refused_with_what_would_be_enough(
    make_cohort: Callable[..., Cohort],
) -> None:
    cohort = cohort_of(make_cohort)
    sites = np.repeat(["a", "b"], [94, 2]).astype(object)
    sites[0] = ""
    with pytest.raises(InputError) as error:
        by(cohort, sites)
    missing, few, others = error.value.problems
    assert "--folds-by needs a value for each image; site has none for 1 of 96" in missing
    assert "needs 2 positive and 2 negative patients of the value; these of site have few" in few
    assert "b: 0 positive, b: 1 negative" in few
    assert (
        "negative patients of the other values; these of site have fewer: a: 0 positive" in others
    )
    with pytest.raises(InputError, match=r"two values or more; site has 1 \(a\)"):
        by(cohort, ["a"] * 96)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return search_of_phantoms(tmp_path_factory.mktemp("by_site"), folds_by="site")


def asked(run: Path, **more: Any) -> SearchOptions:
    """What the search was asked, without the number of draws, of which there are none."""
    given = SearchResult.read(run).options.given
    return SearchOptions.of(**{**given, "repeats": 1, **more})


def test_a_search_is_scored_by_site_and_says_so(run: Path) -> None:
    result = SearchResult.read(run)
    site, cohort, winner = result.cohort.covariates["site"], result.cohort, result.winner
    assert (winner.folds, winner.repeats, winner.folds_by) == (2, 1, "site")
    north, south = result.folds
    for fold in (north, south):
        assert site.iloc[fold.valid].nunique() == site.iloc[fold.train].nunique() == 1
        # the first trial has scored what the fold left out, and once
        assert not np.isnan(result.folder.log.scores(0)[fold.valid]).any()
    promise, why, *_ = winner_sentences(winner, result.trials, is_sampled=False)
    assert "on new patients of another site (95 % CI" in promise
    assert why.startswith("no site was scored by models that had seen it")
    [line] = [line for line in plan_lines(plan_search(asked(run))) if " each scored " in line]
    assert "out of fold on 2 folds, each without one site of north, south" in line
    assert len(cohort.manifest) == len(site)


def test_a_fold_learns_the_odds_of_the_values_it_knows(run: Path) -> None:
    result = SearchResult.read(run)
    complete = result.complete
    [row] = complete[complete["head"] == "logistic"].iloc[:1].to_dict("records")
    trials = StoredTrials.of(result, [row])
    alone = trials.scores([Part(fold.train, (fold,)) for fold in result.folds])[:, 0]
    for fold, scores in zip(result.folds, alone, strict=True):
        kept = result.folder.log.scores(row["number"])
        np.testing.assert_allclose(kept[fold.valid], scores[fold.valid], atol=1e-6)


def test_what_the_folds_left_out_is_not_judged_across_again(run: Path) -> None:
    with pytest.raises(InputError, match="F1 is already that of new patients of another site"):
        judge_across(SearchResult.read(run), "site")


def test_other_folds_are_refused_when_it_is_resumed(run: Path) -> None:
    with pytest.raises(InputError, match="--folds-by site cannot change when a search is resumed"):
        resume(SearchOptions.of(folds_by="scanner"), None, run)
    folder, plan = resume(SearchOptions.of(folds_by="site"), None, run)
    folder.release()
    assert [len(fold.valid) for fold in plan.task.folds] == [
        len(fold.valid) for fold in SearchResult.read(run).folds
    ]


def test_folds_that_are_drawn_too_are_refused_beside_it(run: Path) -> None:
    for more, advice in (
        ({"repeats": 2}, "leaves the same values out each time: drop --repeats 2"),
        ({"shares": (80, 20)}, "drop it, or drop --folds 2 and --folds-by site"),
        ({"folds_by": "sit"}, "did you mean 'site'"),
    ):
        with pytest.raises(InputError, match=advice):
            plan_search(asked(run, **more))
