"""Read what a search found: its winner and its labelled images."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from trainable.backbones.weights import Weights, find_weights
from trainable.cohort.cohort import Cohort
from trainable.config import TrialConfig
from trainable.errors import InputError
from trainable.evaluation.metrics import F1Average
from trainable.evaluation.thresholds import ThresholdPolicy
from trainable.images.pixels import PixelStatistics

FORMAT = 3
"""Version of `winner.json` that this code reads."""


class Tied(NamedTuple):
    """A trial that cannot be told from the best one."""

    trial: int
    config: TrialConfig
    num_steps: int


@dataclass(frozen=True)
class Winner:
    """The configuration that a search chose, with all that retraining it takes.

    Attributes:
        trial: its number in the search.
        config: its settings.
        num_steps: gradient steps that each of its scored models took.
        threshold: a score of at least this is predicted positive.
        threshold_policy: how the threshold was chosen.
        f1_average: the F1 that was searched for.
        weights_kind: imagenet, none, or the folder that bodies started from.
        weights_fingerprints: for each backbone among the tied, what names its weights.
        statistics: of the labelled images' pixels.
        out_of_fold: metrics of the trial.
        corrected: its F1 without the luck of having been chosen, with the interval and that luck.
        tied: the trials that cannot be told from the best, best first; this one is among them.
    """

    trial: int
    config: TrialConfig
    num_steps: int
    threshold: float
    threshold_policy: ThresholdPolicy
    f1_average: F1Average
    weights_kind: str
    weights_fingerprints: dict[str, str]
    statistics: PixelStatistics
    out_of_fold: dict[str, Any]
    corrected: dict[str, Any]
    tied: tuple[Tied, ...]

    def weights(self) -> Weights:
        """The weights that the body starts from.

        Raises:
            InputError: if they are gone, or are no longer the same.
        """
        weights = find_weights(self.weights_kind, [self.config.backbone])
        found = weights.fingerprints[self.config.backbone]
        wanted = self.weights_fingerprints[self.config.backbone]
        if found != wanted:
            raise InputError(
                f"the winner must be retrained from the weights that it was found with; those "
                f"of {self.config.backbone} from {self.weights_kind} have changed since "
                f"(then {wanted}, now {found})"
            )
        return weights


def read_winner(run: Path) -> tuple[Winner, Cohort]:
    """Read the winner and the labelled images of a run folder.

    Raises:
        InputError: if the folder holds no winner, or one that this code cannot read.
    """
    file = run / "winner.json"
    if not file.is_file():
        raise InputError(f"RUN must be the folder of a search with a winner; there is no {file}")
    found = json.loads(file.read_text())
    if found.get("format") != FORMAT:
        raise InputError(
            f"{file} must be of format {FORMAT}; it is of {found.get('format')}: search again"
        )
    winner = Winner(
        trial=found["trial"],
        config=TrialConfig(**found["config"]),
        num_steps=found["num_steps"],
        threshold=found["threshold"],
        threshold_policy=ThresholdPolicy.parse(found["threshold_policy"]),
        f1_average=found["f1_average"],
        weights_kind=found["weights"]["kind"],
        weights_fingerprints=found["weights"]["fingerprints"],
        statistics=PixelStatistics(**found["statistics"]),
        out_of_fold=found["out_of_fold"],
        corrected=found["corrected"],
        tied=tuple(
            Tied(other["trial"], TrialConfig(**other["config"]), other["num_steps"])
            for other in found["tied"]
        ),
    )
    return winner, Cohort.load(run)
