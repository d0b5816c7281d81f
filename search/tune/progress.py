"""The one callback that tells a view what Ray Tune is doing."""

from typing import Any, Protocol

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.stopper import Stopper

from search.tune.losses import why_lost


class View(Protocol):
    """What a person sees while trials run."""

    def begin(self, ends_at: float | None) -> None:
        """Trials are about to run, until a time of `time.monotonic` at most."""

    def show(self, num_running: int) -> None:
        """Something may have changed; called often."""

    def say(self, line: str) -> None:
        """Print a line that stays."""

    def end(self) -> None:
        """No trial runs any more."""


class Progress(tune.Callback):
    """Keeps a view up to date."""

    def __init__(self, view: View, ends_at: float | None = None) -> None:
        """Show the trials in `view`, and that they run until `ends_at` at most."""
        self._view = view
        self._ends_at = ends_at

    def __getstate__(self) -> dict[str, Any]:
        """Ray pickles its callbacks; a terminal cannot be."""
        return {**self.__dict__, "_view": None}

    def setup(
        self,
        stop: Stopper | None = None,
        num_samples: int | None = None,
        total_num_samples: int | None = None,
        **info: Any,
    ) -> None:
        """Begin the view."""
        self._view.begin(self._ends_at)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Show what has changed."""
        self._view.show(sum(trial.status == Trial.RUNNING for trial in trials))

    def on_trial_recover(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Say in a line that a trial has lost its worker or its node."""
        number, why = trial.config["number"], why_lost(trial)
        self._view.say(f"trial {number:3d}  lost its worker ({why}) and runs again")

    def on_experiment_end(self, trials: list[Trial], **info: Any) -> None:
        """End the view."""
        self._view.end()
