"""Ray Tune's schedulers: which trial starts next, and which stops for being behind."""

from collections.abc import Iterable
from typing import cast

from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler

from search.run.trial_log import METRIC

_GRACE_FOLDS = 2
_REDUCTION = 2


class LatestFirst(FIFOScheduler):
    """Starts the trial that was suggested last, and stops none."""

    def choose_trial_to_run(self, tune_controller: TuneController) -> Trial | None:
        """The trial that was suggested last: a worker that has become free goes on with it.

        Ray's own choice is the one that has waited longest. It would leave the worker that is being
        started for it, which Ray then ends: a node that joins late would run nothing as long as
        trials take less time than the start of a worker.
        """
        waiting = [t for t in tune_controller.get_live_trials() if t.status == Trial.PENDING]
        return max(waiting, key=lambda trial: trial.config["number"], default=None)


class FoldASHA(LatestFirst, ASHAScheduler):
    """Asynchronous successive halving (Li 2020) over folds: at 2, 4 and 8 the lower half stops.

    Trials are compared by the objective over their out-of-fold scores of the same folds, never by
    time, so it does not matter which of them found its features stored. A trial that trains no
    layer reports its last fold alone, and is never stopped.
    """

    def __init__(self, num_folds: int, earlier: Iterable[tuple[int, int, float]] = ()) -> None:
        """Compare trials of so many folds, also with trials of earlier sessions.

        Args:
            num_folds: Number of folds of a trial.
            earlier: Number, fold and objective of each earlier report.
        """
        super().__init__(
            time_attr="fold",
            metric=METRIC,
            mode="max",
            max_t=num_folds,
            grace_period=min(_GRACE_FOLDS, num_folds),
            reduction_factor=_REDUCTION,
        )
        nobody = cast("TuneController", None)  # the scheduler asks it nothing
        known: dict[int, Trial] = {}
        for number, fold, objective in earlier:
            if number not in known:
                known[number] = Trial("earlier", trial_id=f"earlier-{number}", stub=True)
                self.on_trial_add(nobody, known[number])
            report = {"fold": fold, METRIC: objective}
            if fold < num_folds:
                self.on_trial_result(nobody, known[number], report)
            else:
                self.on_trial_complete(nobody, known[number], report)
