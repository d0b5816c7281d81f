"""Passes that are behind on a part of the patients stop, but not the baseline and the best half."""

from pathlib import Path
from typing import Any

import numpy as np
from fixtures.run_folders import begun_run
from numpy.typing import NDArray
from optuna.trial import TrialState
from ray.tune.experiment import Trial

from search.space.files import Layer, make_space
from search.tune.callbacks import TrialLogger
from search.tune.race import Race
from search.tune.scheduler import FoldASHA, ReportTimeout, SearchStopper
from search.tune.study import StudySearch, open_study, origins, reconcile
from trainable.config import TrialConfig
from trainable.features.passes import pass_of

NAMES = ("squeezenet1_0", "squeezenet1_1", "resnet18", "resnet34", "resnet50", "densenet121")
LABELS = (np.arange(120) % 4 == 0).astype(np.int64)[:, None]
PART = np.arange(120) % 3 == 0


def config(name: str, normalization: str = "none") -> TrialConfig:
    return TrialConfig(backbone=name, cut="fused", normalization=normalization)


def scores(quality: float, seed: int = 0) -> NDArray[np.float32]:
    """Scores of the part; the better, the surer of the right label."""
    noise = np.random.default_rng(seed).normal(size=LABELS.shape)
    found = 1 / (1 + np.exp(-(quality * (4 * LABELS - 2) + 0.3 * noise)))
    return np.where(PART[:, None], found, np.nan).astype(np.float32)


def race() -> Race:
    planned = [pass_of(config(name)) for name in NAMES]
    return Race(LABELS, tuple(one for one in planned if one))


def tell(told: Race, which: TrialConfig, quality: float, seed: int = 0, percent: int = 25) -> bool:
    return told.judge(which.model_dump(), percent, scores(quality, seed).tobytes())


def test_a_pass_that_is_clearly_behind_more_than_a_quarter_stops() -> None:
    told = race()
    assert tell(told, config(NAMES[1], "image"), 0.5)
    assert not tell(told, config(NAMES[2], "image"), 0.1), "one of one is ahead"
    assert not tell(told, config(NAMES[3], "image"), 0.3), "one of two is ahead"
    assert tell(told, config(NAMES[4], "image"), 0.51)
    assert tell(told, config(NAMES[5], "image"), 0.505), "one of four is ahead"
    assert tell(told, config(NAMES[5], "image"), 0.1), "it was judged before"
    assert tell(told, config(NAMES[0], "image"), 0.5, seed=1), "within chance of the best"


def test_the_baseline_always_goes_on() -> None:
    told = race()
    assert tell(told, config(NAMES[1], "image"), 0.5)
    assert tell(told, config(NAMES[0]), 0.0)
    assert tell(told, config(NAMES[1], "image"), 0.5, percent=50)
    assert tell(told, config(NAMES[0]), 0.0, percent=50)


def test_the_first_trials_of_the_best_half_of_the_encoders_go_on(tmp_path: Path) -> None:
    told, run = race(), begun_run(tmp_path / "run")
    run.log.add(0, "complete", config(NAMES[0]).model_dump(), {"fold": 15})
    qualities = (0.0, 0.9, 0.7, 0.6, 0.5, 0.8)
    for number, (name, quality) in enumerate(zip(NAMES, qualities, strict=True)):
        went_on = tell(told, config(name), quality)
        assert went_on == (number not in (3, 4)), "half of the encoders so far are ahead"
        if number:
            run.log.add(
                number,
                "complete" if went_on else "stopped",
                config(name).model_dump(),
                {"fold": 15 * went_on},
            )
        if number < 5:
            assert told.stopped_too_early(run.log, 6) is None
    assert told.stopped_too_early(run.log, 6) == []
    # if the last one had come first, the third would have been stopped
    run = begun_run(tmp_path / "other")
    for number, name in enumerate(NAMES):
        left = number in (2, 4)
        metrics = {"fold": 0 if left else 15}
        run.log.add(number, "stopped" if left else "complete", config(name).model_dump(), metrics)
    assert told.stopped_too_early(run.log, 6) == [2]


def test_on_other_patients_other_passes_go_on() -> None:
    told = race()
    first, second = config(NAMES[1], "image"), config(NAMES[2], "image")
    first_pass, second_pass = pass_of(first), pass_of(second)
    assert first_pass
    assert second_pass
    tell(told, first, 0.5)
    tell(told, second, 0.2, seed=1)
    every = np.ones((3, 120), np.float32)
    # where the first is worse, nothing counts but that
    wrong = np.zeros(120, np.float32)
    seen = told.scores[25]
    lead = np.abs(seen[first_pass] - LABELS) - np.abs(seen[second_pass] - LABELS)
    wrong[np.nanargmax(lead)] = 1
    every[1] = wrong
    going_on = told.going_on(25, every)
    assert going_on[first_pass].tolist() == [True] * 3
    assert going_on[second_pass].tolist() == [False, True, False]


def test_a_first_trial_that_was_stopped_too_early_runs_again_and_all_is_kept(
    tmp_path: Path,
) -> None:
    layer = {"unfreeze": ["none"], "normalization": ["none", "image"]}
    first = [{"cut": "fused", "head": "logistic"}]
    space = make_space(Layer("{}", {**layer, "backbone": list(NAMES), "first_trials": first}))
    space = space.restricted_to(NAMES, has_gpu=False)
    run, told = begun_run(tmp_path / "run"), race()
    search = StudySearch(space, run, seed=0, capacity=lambda: 9, race=told)
    stopper, scheduler = SearchStopper(5, None), FoldASHA(5, (), told)
    logger = TrialLogger(run, 5, 1, stopper, ReportTimeout(None))
    qualities = dict(zip(NAMES, (0.1, 0.8, 0.7, 0.3, 0.2, 0.15), strict=True))
    ends = []
    for number in range(7):
        suggested = search.suggest(f"{number}")
        assert suggested is not None
        trial = Trial("race", config=suggested, trial_id=f"{number}", stub=True)
        scheduler.on_trial_add(None, trial)  # type: ignore[arg-type]
        quality = scores(qualities[suggested["trial"]["backbone"]])
        for report in ({"fold": 0, "percent": 25}, {"fold": 5}):
            result: dict[str, Any] = {**report, "objective": 0.5, "time_total_s": 1.0}
            result["scores"] = quality.tobytes()
            decision = scheduler.STOP
            if not stopper("", result):
                decision = scheduler.on_trial_result(None, trial, result)  # type: ignore[arg-type]
            result["done"] = decision == scheduler.STOP
            logger.on_trial_result(0, [], trial, result)
            if result["done"]:
                break
        search.on_trial_complete(f"{number}", result)
        ends.append(result["fold"])
    # the baseline, its encoder again, then the others
    assert ends == [5, 5, 5, 5, 0, 0, 0]
    [row] = run.log.table().query("number == 4").to_dict("records")
    assert row["error"] == "on 25 % of the patients, its network is behind others"
    assert run.race.rows()[4] == (4, 25, 0.5)
    again = search.suggest("again")
    assert again is not None
    assert again["number"] == 7
    assert again["trial"]["backbone"] == NAMES[3], "the third best of six, stopped by the second"
    assert origins(run)[7].number == 4
    # what is behind is not tried again
    behind = {pass_of(config(NAMES[number])) for number in (4, 5)}
    for number in range(20):
        suggested = search.suggest(f"new {number}")
        assert suggested is not None
        assert pass_of(TrialConfig(**suggested["trial"])) not in behind
        run.log.add(suggested["number"], "complete", suggested["trial"], {"objective": 0.1})
        search.on_trial_complete(f"new {number}", {"objective": 0.1})
    study = open_study(run, space)
    passed_over = study.get_trials(states=[TrialState.PRUNED])[3:]
    assert {pass_of(config(one.params["backbone"])) for one in passed_over} == behind
    run.log.add(7, "complete", again["trial"], {"objective": 0.1})
    num_rows = len(run.log.table())
    assert reconcile(run, study) == 0, "what was passed over was not interrupted"
    assert len(run.log.table()) == num_rows
