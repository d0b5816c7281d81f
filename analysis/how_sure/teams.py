"""The teams that were chosen on resamples of the patients, as far as they can be fitted again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainable.config import TrialConfig
from trainable.run.resampled import NOBODY, ResampledChoices


@dataclass(frozen=True)
class ResampledTeams:
    """What is to be fitted to which resample; trials are named by their place among the choices'.

    Attributes:
        choices: What would have been chosen on each resample.
        of_resample: For each resample and finding the trials to fit; without the resamples of which
            no trial can be fitted for some finding.
    """

    choices: ResampledChoices
    of_resample: Mapping[int, Sequence[NDArray[np.int64]]]

    @classmethod
    def of(
        cls, choices: ResampledChoices, can_refit: Callable[[TrialConfig], bool]
    ) -> "ResampledTeams":
        """Leave out of all teams the trials that cannot be fitted again."""
        fits = np.array([can_refit(config) for config in choices.trials])
        teams = {
            number: [team[(team != NOBODY) & fits[team]] for team in of_findings]
            for number, of_findings in enumerate(choices.teams)
        }
        return cls(choices, {one: each for one, each in teams.items() if all(map(len, each))})

    @property
    def resamples_of(self) -> dict[int, list[int]]:
        """The resamples that each trial is to be fitted to."""
        found: dict[int, list[int]] = {}
        for number, teams in self.of_resample.items():
            for place in np.unique(np.concatenate(teams)).tolist():
                found.setdefault(place, []).append(number)
        return found

    @property
    def num_left_out(self) -> int:
        """Trials of some team that cannot be fitted again."""
        taken = np.unique(self.choices.teams)
        return int((taken != NOBODY).sum()) - len(self.resamples_of)
