"""Read what a search found: its winner and its labelled images."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainable.cohort import Cohort
from trainable.config import TrialConfig
from trainable.metrics import F1Average
from trainable.pixels import PixelStatistics
from trainable.problems import InputProblemsError
from trainable.weights import Weights, find_weights

FORMAT = 1
"""Version of `winner.json` that this code reads."""


@dataclass(frozen=True)
class Winner:
    """The configuration that a search chose, with all that retraining it takes.

    Attributes:
        trial: its number in the search.
        config: its settings.
        threshold: a score of at least this is predicted positive.
        f1_average: the F1 that was searched for.
        weights_kind: imagenet, none, or the folder that bodies started from.
        weights_fingerprint: names the weights that the winner's body started from.
        statistics: of the labelled images' pixels.
        out_of_fold: metrics of the trial.
    """

    trial: int
    config: TrialConfig
    threshold: float
    f1_average: F1Average
    weights_kind: str
    weights_fingerprint: str
    statistics: PixelStatistics
    out_of_fold: dict[str, Any]

    def weights(self) -> Weights:
        """The weights that the body starts from.

        Raises:
            InputProblemsError: if they are gone, or are no longer the same.
        """
        weights = find_weights(self.weights_kind, [self.config.backbone])
        found = weights.fingerprints[self.config.backbone]
        if found != self.weights_fingerprint:
            raise InputProblemsError(
                [
                    f"the winner must be retrained from the weights that it was found with; those "
                    f"of {self.config.backbone} from {self.weights_kind} have changed since "
                    f"(then {self.weights_fingerprint}, now {found})"
                ]
            )
        return weights


def read_winner(run: Path) -> tuple[Winner, Cohort]:
    """Read the winner and the labelled images of a run folder.

    Raises:
        InputProblemsError: if the folder holds no winner, or one that this code cannot read.
    """
    file = run / "winner.json"
    if not file.is_file():
        raise InputProblemsError(
            [f"RUN must be the folder of a search with a winner; there is no {file}"]
        )
    found = json.loads(file.read_text())
    if found.get("format") != FORMAT:
        raise InputProblemsError(
            [f"{file} must be of format {FORMAT}; it is of {found.get('format')}: search again"]
        )
    winner = Winner(
        trial=found["trial"],
        config=TrialConfig(**found["config"]),
        threshold=found["threshold"],
        f1_average=found["f1_average"],
        weights_kind=found["weights"]["kind"],
        weights_fingerprint=found["weights"]["fingerprint"],
        statistics=PixelStatistics(**found["statistics"]),
        out_of_fold=found["out_of_fold"],
    )
    return winner, Cohort.load(run)
