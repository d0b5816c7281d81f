"""What a search that goes on from an earlier one says of a cohort that has changed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.cohorts import CONFIG
from fixtures.run_folders import begun_run
from fixtures.winners import make_winner
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from search.plan.warm_start import find_warm_start
from search.run.run_folder import RunFolder
from search.run.warm_start import WarmStart
from search.terminal.growth import change_line, comparison_lines
from trainable.cohort.cohort import Cohort
from trainable.cohort.label_rule import LabelRule
from trainable.config import TrialConfig
from trainable.run.places import scores_file
from trainable.run.winner import save_winner

TRIAL = 3
"""The member of the winner that `make_winner` makes; its threshold is 0.4."""


def cohort_of(numbers: list[int], relabelled: int = -1) -> Cohort:
    """Two images a patient; every third patient died."""
    label = [int(number // 2 % 3 == 0) ^ int(number == relabelled) for number in numbers]
    names = [f"{number}.png" for number in numbers]
    table = pd.DataFrame({"image": names, "path": names, "label": label, "split": ""})
    table["patient"] = [str(number // 2) for number in numbers]
    table["sha256"] = [f"content {number}" for number in numbers]
    return Cohort(table, (LabelRule(("alive", "dead")),))


def ended(path: Path, cohort: Cohort, scores: NDArray[np.float32]) -> RunFolder:
    """A run whose one trial and winner has these out-of-fold scores (num_images,)."""
    run = begun_run(path)
    cohort.save(run.path)
    run.log.add(TRIAL, "complete", CONFIG, {"objective": 0.5})
    np.save(scores_file(run.path, TRIAL), scores[:, None])
    save_winner(make_winner(TrialConfig()), run.path)
    run.release()
    return run


@pytest.fixture
def earlier(tmp_path: Path) -> RunFolder:
    scores = np.random.default_rng(0).random(60).astype(np.float32)
    return ended(tmp_path / "earlier", cohort_of([*range(60)]), scores)


def test_what_has_changed_is_counted_by_what_images_hold(earlier: RunFolder) -> None:
    numbers = [*range(3, 60), *range(60, 65)]
    search = find_warm_start(earlier.path, cohort_of(numbers, relabelled=7)).search
    assert [*change_line(search, "image")] == [
        f"since {earlier.path}: 5 images are new (3 new patients), 3 images are gone (1 patient), "
        "1 image has another label"
    ]
    same = find_warm_start(earlier.path, cohort_of([*range(60)])).search
    (line,) = change_line(same, "image")
    assert line.endswith("the images and their labels are the same")


def test_two_winners_are_compared_on_what_both_have_scored(
    earlier: RunFolder, tmp_path: Path
) -> None:
    numbers = [*range(70, 10, -1)]
    cohort, winner = cohort_of(numbers, relabelled=20), make_winner(TrialConfig())
    start = find_warm_start(earlier.path, cohort)
    scores = np.random.default_rng(1).random(60).astype(np.float32)
    run = ended(tmp_path / "run", cohort, scores)
    start.save(run.path)
    again = WarmStart.load(run.path)
    assert again is not None
    found, caveat = comparison_lines(again, cohort, winner, run.path)
    known = np.array(numbers) < 60
    labels = cohort.labels[known, 0]
    then = np.load(scores_file(earlier.path, TRIAL))[np.array(numbers)[known], 0]
    before, now = (f1_score(labels, one >= 0.4) for one in (then, scores[known]))
    assert found.startswith(
        f"on the 49 images of 25 patients that both searches scored, out of fold: F1 {now:.3f}, "
        f"and {before:.3f} of the earlier winner; difference {now - before:+.3f} (95 % CI "
    )
    assert "neither F1 is corrected" in caveat


def test_the_same_scores_differ_by_nothing_in_each_resample(
    earlier: RunFolder, tmp_path: Path
) -> None:
    cohort = cohort_of([*range(60)])
    start = find_warm_start(earlier.path, cohort)
    assert start.winner_scores is not None
    run = ended(tmp_path / "run", cohort, start.winner_scores[:, 0])
    found, _ = comparison_lines(start, cohort, make_winner(TrialConfig()), run.path)
    assert found.endswith("difference +0.000 (95 % CI +0.000 to +0.000)")


def test_nothing_is_compared_without_an_earlier_winner_or_common_images(
    earlier: RunFolder, tmp_path: Path
) -> None:
    others = cohort_of([*range(60, 120)])
    run = ended(tmp_path / "run", others, np.full(60, 0.5, np.float32))
    start, winner = find_warm_start(earlier.path, others), make_winner(TrialConfig())
    assert not [*comparison_lines(start, others, winner, run.path)]
    by_site = cohort_of([*range(60)])
    by_site = replace(by_site, manifest=by_site.manifest.assign(**{"fold:site": "a"}))
    start = find_warm_start(earlier.path, by_site)
    assert start.winner_scores is None, "other folds made its F1 easier or harder"
    (earlier.path / "winner.json").unlink()
    start = find_warm_start(earlier.path, cohort_of([*range(60)]))
    assert (start.winner_scores, start.search.thresholds) == (None, ())
    assert not [*comparison_lines(start, others, winner, run.path)]
