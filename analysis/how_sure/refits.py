"""Teams fitted again to resamples of the patients, from stored features, and their scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from analysis.how_sure.spread import ResampledScores
from analysis.how_sure.teams import ResampledTeams
from trainable.cohort.findings import Findings
from trainable.cohort.scored import team_scores
from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.errors import DivergedError
from trainable.evaluation.recalibration import bounded, log_odds
from trainable.images.batches import Batches, with_columns
from trainable.model.network import Network
from trainable.training.loop import predict_logits
from trainable.trial.cross_validation import Assembly
from trainable.trial.final import fit_final

_BATCH = 256
_NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True)
class TrialImages:
    """What a trial is fitted to, and the new images as its heads see them.

    Attributes:
        parts: The trial and its training images.
        num_steps: Gradient steps that each scored model of the trial took.
        new: The new images; without covariates.
        columns: Covariates of each new image; without columns where the trial sees none.
    """

    parts: Assembly
    num_steps: int
    new: Batches
    columns: pd.DataFrame

    def scores(self, networks: Sequence[Network]) -> NDArray[np.float32]:
        """Mean scores (num_new, num_findings) of the new images over networks of the trial."""
        rows, device, found = np.arange(len(self.columns)), self.parts.labels.device, []
        for network in networks:
            new, code = self.new, network.column_code
            if code is not None:
                values = code.encode(torch.from_numpy(code.values(self.columns)))
                new = with_columns(new, values, device)
            logits = predict_logits(network, new, rows, _BATCH, device)
            found.append(network.outputs.scores(logits).cpu().numpy())
        return np.asarray(np.mean(found, axis=0, dtype=np.float32))


@dataclass(frozen=True)
class Refits:
    """How the teams of resamples are fitted again.

    A fit is of all patients that were drawn, as often as they were, as the winner's is of all.

    Attributes:
        teams: What is fitted to which resample.
        findings: What is asked of each examination.
        num_fits: Networks per trial, where a seed makes a difference.
    """

    teams: ResampledTeams
    findings: Findings
    num_fits: int

    def scores(self, images_of: Callable[[TrialConfig], TrialImages]) -> ResampledScores:
        """Fit all, one trial after the other, and score the new images.

        Args:
            images_of: Gives what a trial is fitted to; asked once for each trial.
        """
        found: dict[tuple[int, int], NDArray[np.float32]] = {}
        choices = self.teams.choices
        trials = choices.trials
        for place, resamples in self.teams.resamples_of.items():
            images = images_of(trials[place])
            for number in resamples:
                scores = self._fitted(images, choices.counts[number])
                if scores is not None:
                    found[number, place] = scores
        return self._of_teams(found)

    def _fitted(self, images: TrialImages, counts: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        """Scores (num_new, num_findings) of a trial fitted to a resample; None if it diverges."""
        parts, rows = images.parts, np.repeat(np.arange(len(counts)), counts)
        drawn = parts.learned_from(rows, self.findings)
        try:
            fit = fit_final(
                drawn, images.num_steps, Fold(rows, _NO_ROWS), self.num_fits, whole=False
            )
        except DivergedError:
            return None
        return images.scores(fit.networks)

    def _of_teams(self, found: Mapping[tuple[int, int], NDArray[np.float32]]) -> ResampledScores:
        """Log-odds of the teams' scores; a trial that diverged is in no team, as in a search."""
        scores, thresholds, choices = [], [], self.teams.choices
        for number, teams in self.teams.of_resample.items():
            there = [
                [found[number, place] for place in team.tolist() if (number, place) in found]
                for team in teams
            ]
            if not all(there):
                continue
            levels, maps = choices.thresholds[number], choices.maps[number]
            raw = [team_scores(np.stack(one)[..., n]) for n, one in enumerate(there)]
            scores.append(np.stack([_mapped(*one) for one in zip(raw, maps, strict=True)], axis=1))
            thresholds.append(np.stack([_mapped(*one) for one in zip(levels, maps, strict=True)]))
        return ResampledScores(np.array(scores), np.array(thresholds))


def _mapped(raw: NDArray[np.float32], coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-odds of the probabilities of raw scores."""
    return np.asarray(log_odds(torch.tensor(bounded(raw)), *coefficients.tolist()).numpy())
