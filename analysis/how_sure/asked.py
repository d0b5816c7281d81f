"""What `--how-sure` needs, found and checked before anything is trained."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from analysis.how_sure.spread import FEWEST
from analysis.how_sure.teams import ResampledTeams
from trainable.cohort.cohort import Cohort
from trainable.config import TrialConfig
from trainable.defaults import DeviceChoice
from trainable.device import own_device
from trainable.errors import InputError, num_of
from trainable.reading.moved_images import require_unchanged
from trainable.run.resampled import NUM_KEPT, ResampledChoices
from trainable.run.winner import Member, Winner, weights_as_then
from trainable.store.arrays import ArrayStore
from trainable.trial.task import Materials, TrainingData

OPTION = "--how-sure"


@dataclass(frozen=True)
class Asked:
    """How sure each score is: all that it takes to find out.

    Attributes:
        winner: Winner of the search.
        cohort: Its labelled images.
        materials: The same as trials take them in.
        teams: What is fitted again to which resample.
    """

    winner: Winner
    cohort: Cohort
    materials: Materials
    teams: ResampledTeams

    @classmethod
    def of(
        cls,
        num_resamples: int | None,
        run: Path,
        winner: Winner,
        cohort: Cohort,
        store: ArrayStore,
        device: DeviceChoice = "auto",
    ) -> "Asked | None":
        """Find what it takes; None where nobody asked.

        Args:
            num_resamples: Number of resamples; None if nobody asked.
            run: Run folder of the search.
            winner: Winner of the search.
            cohort: Its labelled images.
            store: Store of pixels and features.
            device: Where bodies run.

        Raises:
            InputError: If the number is none that is possible, the run is of an earlier version,
                the winner's networks were trained, or images or weights are missing or changed.
        """
        if num_resamples is None:
            return None
        if not FEWEST <= num_resamples <= NUM_KEPT:
            raise InputError(
                f"{OPTION} must be a number of resamples from {FEWEST} to {NUM_KEPT} "
                f"(got {num_resamples})"
            )
        num_fast = [sum(is_fast(winner, one.config) for one in team) for team in _teams(winner)]
        if not all(num_fast):
            raise InputError(
                f"{OPTION} fits heads again, and never networks; the winner's trials have trained "
                "stages: drop the option, or search with --unfreeze 0"
            )
        choices = ResampledChoices.read(run).first(num_resamples)
        teams = ResampledTeams.of(choices, lambda config: is_fast(winner, config))
        if (num_whole := len(teams.of_resample)) < FEWEST:
            raise InputError(
                f"{OPTION} fits heads again, and never networks; on {FEWEST} resamples a trial "
                f"without trained stages must have been chosen (got {num_whole} of "
                f"{num_resamples}): ask for more, or drop the option"
            )
        trials = choices.trials
        then = {str(trials[one].backbone): str(choices.weights[one]) for one in teams.resamples_of}
        materials = Materials(
            TrainingData.of(require_unchanged(cohort, "--labelled-images"), winner.statistics),
            weights_as_then(winner.weights.kind, then),
            store,
            own_device(device),
        )
        return cls(winner, cohort, materials, teams)

    @property
    def before(self) -> Iterator[str]:
        """What will be done, and what is left out of it, a line each."""
        teams, members = self.teams, self.winner.members
        resamples_of, num_resamples = teams.resamples_of, len(teams.choices)
        yield (
            f"how sure: {num_of(len(resamples_of), 'trial')} fitted again to {num_resamples} "
            f"resamples of the patients, {sum(map(len, resamples_of.values())):,} fits"
        )
        if teams.num_left_out:
            slow = sum(not is_fast(self.winner, one.config) for one in members)
            without = num_resamples - len(teams.of_resample)
            left_out = num_of(teams.num_left_out, "trial")
            yield f"  left out: {left_out} with trained stages, or columns that the winner lacks"
            yield (
                f"  {slow} of the winner's {num_of(len(members), 'trial')} among them; "
                f"{num_of(without, 'resample has', 'resamples have')} no other"
            )


def is_fast(winner: Winner, config: TrialConfig) -> bool:
    """Whether a trial can be fitted again in a moment, to what is known of the new images.

    Of a frozen network the head alone is fitted. Covariates of new images are known where the
    winner sees some.
    """
    return not config.unfreeze and (winner.sees_columns or not config.covariates)


def _teams(winner: Winner) -> list[list[Member]]:
    return [[winner.members[row] for row in rows] for rows in winner.team_rows]
