"""A search without Ray, from the first trial to the winner; and what its winner is truly worth."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from benchmarks.findings.truth import f1_of_each
from search.options.options import SearchOptions
from search.plan.planner import plan_search
from search.rescored.trials import StoredTrials
from search.results.search_result import SearchResult
from search.run.run_folder import RunFolder
from search.space.files import dump_space
from search.tune.study import open_study
from search.winner.winner import choose_winner
from trainable.cohort.splits import Fold, rows_of
from trainable.config import TrialConfig
from trainable.run.winner import save_winner
from trainable.trial.cross_validation import assemble, cross_validate
from trainable.trial.final import fit_final

_CPU = torch.device("cpu")
_CUTS, _PENALTIES = ("fused", "features"), (1e-3, 1e-2, 1e-1)
_FOLDS, _REPEATS = 5, 1


def searched(options: SearchOptions, configs: Sequence[TrialConfig], folder: Path) -> RunFolder:
    """The run folder of a search that tried these configurations.

    Args:
        options: What the search was asked.
        configs: Settings of trials 0, 1 and so on.
        folder: Run folder to make.
    """
    plan = plan_search(options, options.data)
    run, task = RunFolder(folder), plan.task
    run.claim()
    run.begin(plan.options, dump_space(plan.space), plan.cohort)
    study = open_study(run, plan.space_here(has_gpu=False))
    for number, config in enumerate(configs):
        study.ask()  # the trial of this number
        store = task.materials(_CPU).store
        *_, last = cross_validate(config, task, _CPU, store)
        objective, [found, *_] = task.judge(last.scores)
        metrics = {
            **found,
            "objective": objective,
            "num_steps": last.last_epoch.num_steps,
            "num_forwarded": last.num_forwarded,
            "seconds": 1.0,
            "weights": "none",
        }
        run.log.add(number, "complete", config.model_dump(), metrics, scores=last.scores)
    winner = choose_winner(run, plan)
    assert winner is not None
    save_winner(winner, run.path)
    run.release()
    return run


@dataclass(frozen=True)
class Bench:
    """What all cohorts share.

    Attributes:
        home: Folder of films, runs, and stored features, which are of a film whatever its cohort.
        image_size: Pixels a side.
        backbone: The network, with random weights and frozen.
        new: New films that all winners are judged on, rows as `Hospital.draw` has them.
    """

    home: Path
    image_size: int
    backbone: str
    new: pd.DataFrame

    @property
    def configs(self) -> list[TrialConfig]:
        """What every search tries: regressions, for each cut with each penalty."""
        return [
            TrialConfig(
                backbone=self.backbone, cut=cut, head="logistic", C=penalty,
                image_size=self.image_size,
            )
            for penalty in _PENALTIES
            for cut in _CUTS
        ]  # fmt: skip

    def search(self, films: pd.DataFrame, name: str, seed: int) -> "Searched":
        """Search on a cohort, whose table lists the new films as its test.

        So their features are there for the truth; nothing else of a search sees a test.

        Args:
            films: Films of the cohort, rows as `Hospital.draw` has them.
            name: Name of the run.
            seed: Seed of the folds.
        """
        whole = pd.concat([films.assign(split="train"), self.new.assign(split="test")])
        table = self.home / f"{name}.csv"
        whole.drop(columns="risk").to_csv(table, index=False)
        options = SearchOptions.of(
            data=table, images=self.home, split="keep", weights="none", folds=_FOLDS,
            backbones=(self.backbone,), image_size=self.image_size, repeats=_REPEATS,
            cache=self.home / "cache", seed=seed,
        )  # fmt: skip
        result = SearchResult.read(searched(options, self.configs, self.home / name).path)
        risks = whole.set_index("image")["risk"].loc[result.cohort.manifest["image"]]
        return Searched(result, risks.to_numpy())


@dataclass(frozen=True)
class Searched:
    """A run, and the truth of its films.

    Attributes:
        result: The run.
        risks: (num_images,), the true risk of each film of its table.
    """

    result: SearchResult
    risks: NDArray[np.float64]

    @property
    def new(self) -> NDArray[np.int64]:
        """The films that no search and no fit has seen."""
        return rows_of(self.result.cohort, "test")

    def calls(self, fold: Fold) -> NDArray[np.bool_]:
        """Which films (num_valid,) the winner calls positive, fitted as `cxr-predict` fits it.

        Args:
            fold: Films to fit its heads to, and films to call.
        """
        winner = self.result.winner
        rows = self.result.trials.set_index("number", drop=False)
        members = rows.loc[[member.trial for member in winner.members]]
        trials = StoredTrials.of(self.result, members.to_dict("records"))
        scores = []
        for member, config in zip(winner.members, trials.configs, strict=True):
            parts = assemble(config, trials.materials)
            own = parts.learned_from(fold.train, winner.findings)
            final = fit_final(own, member.num_steps, fold, winner.repeats, whole=False)
            scores.append(final.scores)
        return winner.decide(winner.team_scores(np.stack(scores)))[:, 0]

    def true_f1(self, films: NDArray[np.int64], calls: NDArray[np.bool_]) -> float:
        """F1 of calls of some films, by their true risks."""
        return float(f1_of_each(calls[:, None], self.risks[films, None])[0])
