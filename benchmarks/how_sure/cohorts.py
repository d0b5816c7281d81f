"""Cohorts of features from a known distribution, and what a search makes of one."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import special

from analysis.how_sure.refits import Refits, TrialImages
from analysis.how_sure.spread import HowSure, ResampledScores, how_sure
from analysis.how_sure.teams import ResampledTeams
from benchmarks.selection.claims import NUM_PLANNED
from benchmarks.selection.simulated_searches import patients_of
from search.winner.resampled import choices_of
from search.winner.selection import TeamRule, select
from trainable.backbones.encoder import Encoder
from trainable.backbones.weights import find_weights
from trainable.cohort.findings import Findings
from trainable.cohort.scored import OutOfFold, Scored, team_scores
from trainable.cohort.splits import Fold, trial_rows
from trainable.cohort.stratified import draw_parts
from trainable.config import TrialConfig
from trainable.device import one_thread
from trainable.evaluation.recalibration import recalibrated
from trainable.evaluation.scoring import Scoring
from trainable.features.body import Body
from trainable.images.batches import by_examination
from trainable.images.loading import Images
from trainable.images.preprocessing import PixelStatistics
from trainable.model.outputs import ONE_FINDING
from trainable.store.table_name import TableName
from trainable.training.balance import Balance
from trainable.trial.cross_validation import Assembly, fold_seed, train_network
from trainable.trial.final import fit_final

NUM_FOLDS, NUM_REPEATS, NUM_TRIALS, NUM_NEW = 5, 3, 24, 300
_NUM_CAUSES, _SHARE_OF_PATIENT = 20, 0.8
_SHARE_POSITIVE, _SLOPE = 0.15, 3.0
_ENCODER, _FINDING = Encoder("resnet18"), Findings(("sign",))
_CUTS = (*_ENCODER.network.cuts, "fused")
_NO_ROWS = np.empty(0, np.int64)


@dataclass(frozen=True)
class Drawn:
    """Examinations with an image each.

    Attributes:
        labels: (num_images, 1).
        patients: (num_images,).
        features: By the cut, (num_images, width).
    """

    labels: NDArray[np.int64]
    patients: NDArray[np.int64]
    features: dict[str, torch.Tensor]


def draw(num_images: int, seed: int) -> Drawn:
    """Draw images of patients, whose labels follow from what the features show of them.

    What decides is one of forty causes of what an image looks like. A patient's images are alike,
    and have one label. Each cut mixes the causes in its own way, with noise; the mixtures are the
    same for every seed.
    """
    rng = np.random.default_rng([seed, 1])
    patients = patients_of(num_images, rng)
    own = rng.normal(size=(patients.max() + 1, _NUM_CAUSES))
    risks = special.expit(_SLOPE * own[:, 0] + special.logit(_SHARE_POSITIVE) - _SLOPE / 4)
    labels = (rng.random(len(risks)) < risks).astype(np.int64)
    of_image = rng.normal(size=(num_images, _NUM_CAUSES))
    share = _SHARE_OF_PATIENT
    causes = np.sqrt(share) * own[patients] + np.sqrt(1 - share) * of_image
    features = {cut: _seen(causes, cut, rng) for cut in _CUTS}
    return Drawn(labels[patients][:, None], patients, features)


def _seen(causes: NDArray[np.float64], cut: str, rng: Generator) -> torch.Tensor:
    place = _CUTS.index(cut)
    width = 2 * sum(_ENCODER.network.widths(cut))
    mixture = np.random.default_rng(place).normal(size=(_NUM_CAUSES, width))
    mixture[1:] *= np.random.default_rng(place).exponential(size=(_NUM_CAUSES - 1, 1))
    mixed = causes @ mixture + (4 + place) * rng.normal(size=(len(causes), width))
    return torch.from_numpy(np.maximum(mixed, 0).astype(np.float32))


def draw_trials(seed: int) -> list[TrialConfig]:
    """Settings of the trials of one search: the first are planned, the others are its own."""
    planned, own = np.random.default_rng(0), np.random.default_rng([seed, 2])
    return [
        TrialConfig(
            backbone=_ENCODER,
            cut=str(rng.choice(_CUTS)),
            head="logistic",
            C=float(10 ** rng.uniform(-4, 0)),
            positive_weight=float(2 ** rng.uniform(0, 4)),
        )
        for rng in [planned] * NUM_PLANNED + [own] * (NUM_TRIALS - NUM_PLANNED)
    ]


@dataclass(frozen=True)
class Model:
    """What a search on one cohort says of new images.

    Attributes:
        scores: float32 (num_new, 1).
        threshold: float32 (1,).
        found: How sure it is of them.
        resampled: What that is known from.
    """

    scores: NDArray[np.float32]
    threshold: NDArray[np.float32]
    found: HowSure
    resampled: ResampledScores


def search(num_images: int, num_resamples: int, new: Drawn, seed: int) -> Model:
    """Draw a cohort, choose a team of trials on it, and score new images as `cxr-predict` does."""
    cohort, configs = draw(num_images, seed), draw_trials(seed)
    folds = _folds(cohort, seed)
    trials = [images_of(config, cohort, new) for config in configs]
    scores = np.stack([_out_of_fold(one, folds, seed) for one in trials])
    rule = TeamRule(
        kinds=np.array([_CUTS.index(config.cut) for config in configs]),
        planned=np.arange(NUM_TRIALS) < NUM_PLANNED,
    )
    found = select(Scored(cohort.labels, cohort.patients, scores), Scoring(), rule, seed=seed)
    fingerprints = find_weights("none").fingerprints
    choices = choices_of(found.resampled, found.resampled.counts, configs, fingerprints)
    teams = ResampledTeams.of(choices.first(num_resamples), lambda _: True)
    resampled = Refits(teams, _FINDING, NUM_REPEATS).scores(
        lambda config: trials[configs.index(config)]
    )
    raw = team_scores(np.stack([_final(trials[member]) for member in found.members]))
    [one], [level] = found.recalibrations, found.thresholds
    threshold = np.array([level if one is None else one.threshold], np.float32)
    mine = recalibrated(raw, [one], threshold.tolist())
    return Model(mine, threshold, how_sure(mine, threshold, resampled, exclusive=False), resampled)


def _folds(cohort: Drawn, seed: int) -> list[Fold]:
    shares = np.full(NUM_FOLDS, 1 / NUM_FOLDS)
    parts = [
        draw_parts(cohort.labels, cohort.patients, shares, fold_seed(seed, repeat))
        for repeat in range(NUM_REPEATS)
    ]
    return [
        Fold(np.flatnonzero(of_repeat != part), np.flatnonzero(of_repeat == part))
        for of_repeat in parts
        for part in range(NUM_FOLDS)
    ]


def images_of(config: TrialConfig, cohort: Drawn, new: Drawn) -> TrialImages:
    """A trial with features in place of images; its body is never built."""
    numbers = np.arange(len(cohort.labels))[:, None]
    rows = trial_rows(numbers, cohort.labels, config.positive_copies)
    seen, shown = cohort.features[config.cut], new.features[config.cut]
    names = tuple(map(str, numbers[:, 0]))
    no_pixels = np.zeros((len(names), 1, 1), np.uint8)
    images = Images(no_pixels, PixelStatistics(0.4, 0.2), TableName("pixels-1-none", names))
    parts = Assembly(
        config,
        rows,
        labels=torch.from_numpy(rows.labels),
        outputs=ONE_FINDING,
        balance=Balance.of(cohort.labels, _FINDING, config.odds_factor),
        inputs=by_examination(lambda those: seen[those], rows.images),
        covariates=pd.DataFrame(),
        source="features",
        body=Body(images, config, find_weights("none"), torch.device("cpu")),
    )
    every = np.arange(len(shown))
    inputs = by_examination(lambda those: shown[those], every[:, None])
    return TrialImages(parts, 1, inputs, pd.DataFrame(index=every))


def _out_of_fold(trial: TrialImages, folds: list[Fold], seed: int) -> NDArray[np.float32]:
    found = OutOfFold(len(trial.parts.rows.labels), 1)
    for number, fold in enumerate(folds):
        with one_thread():
            _, record = train_network(trial.parts, fold, fold_seed(seed, number))
        found.add(fold.valid, record.scores)
    return found.scores


def _final(trial: TrialImages) -> NDArray[np.float32]:
    everything = Fold(np.arange(len(trial.parts.rows.labels)), _NO_ROWS)
    fit = fit_final(trial.parts, trial.num_steps, everything, NUM_REPEATS, whole=False)
    return trial.scores(fit.networks)
