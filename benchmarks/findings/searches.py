"""A search on part of a pool, with the parts of this project but without Ray; and its rivals."""

import dataclasses
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.findings.pools import Part, Pool
from search.space.files import Layer, make_space
from search.winner.selection import Selection, TeamRule, select
from trainable.backbones.backbone import FUSED
from trainable.backbones.weights import Weights
from trainable.cohort.cohort import Cohort
from trainable.cohort.nested import kept_apart
from trainable.cohort.scored import scores_of_teams
from trainable.cohort.splits import Fold, make_folds
from trainable.config import TrialConfig
from trainable.evaluation.counts import decide
from trainable.evaluation.scoring import Scoring
from trainable.features.body import Body
from trainable.features.tables import frozen_inputs
from trainable.images.loading import load_images
from trainable.images.preprocessing import PixelStatistics
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import assemble, cross_validate, fresh_head
from trainable.trial.final import fit_final
from trainable.trial.task import Task, TrainingData

_CPU = torch.device("cpu")
_FOLDS = 5
_PENALTIES = np.logspace(-4, 2, 13)
# one for all parts, so that features are computed once
_STATISTICS = PixelStatistics(0.5, 0.25)


@dataclass(frozen=True)
class Setup:
    """What all searches share.

    Attributes:
        weights: Weights of the networks to try.
        normalization: Normalization of all trials.
        image_size: Pixels a side.
        trials: Trials per search; the first are those that every search begins with.
        repeats: How often the folds are drawn.
        cache: Folder of pixels and features.
    """

    weights: Weights
    normalization: str
    image_size: int
    trials: int
    repeats: int
    cache: Path

    @property
    def store(self) -> ArrayStore:
        """Store of pixels and features."""
        return ArrayStore(self.cache)


@dataclass(frozen=True)
class Found:
    """What a search found on a part.

    Attributes:
        selection: The teams, their thresholds, and the F1s that are reported.
        calls: (num_test, num_findings), whether each test image is called positive.
    """

    selection: Selection
    calls: NDArray[np.bool_]


def search(pool: Pool, part: Part, setup: Setup) -> Found:
    """Try configurations of the default space with frozen bodies, choose, and predict the test."""
    cohort = kept_apart(pool.cohort, part.train)
    exclusive = cohort.findings.exclusive
    scoring = Scoring(f1_average="macro", exclusive=exclusive)
    task = _task(cohort, part, setup, scoring)
    configs, num_planned = draw_configs(setup, part.number)
    everything, scores, new_scores = Fold(part.train, part.test), [], []
    for config in configs:
        *_, last = cross_validate(config, task, _CPU, setup.store)
        scores.append(last.scores)
        parts = assemble(config, task.materials(_CPU, setup.store))
        num_steps = last.last_epoch.num_steps
        final = fit_final(parts, num_steps, everything, setup.repeats)
        new_scores.append(final.scores)
    kinds = [f"{config.backbone} to {config.cut}" for config in configs]
    rule = TeamRule(
        kinds=np.unique(kinds, return_inverse=True)[1],
        planned=np.arange(len(configs)) < num_planned,
    )
    found = select(cohort.scored(np.stack(scores)), scoring, rule, seed=part.number)
    of_teams = scores_of_teams(np.stack(new_scores), found.teams)
    thresholds = np.array(found.thresholds, np.float32)
    return Found(found, decide(of_teams, thresholds, exclusive=exclusive))


def _task(cohort: Cohort, part: Part, setup: Setup, scoring: Scoring) -> Task:
    return Task(
        data=TrainingData.of(cohort, _STATISTICS),
        folds=make_folds(cohort, _FOLDS, part.number, setup.repeats),
        weights=setup.weights,
        cache=setup.cache,
        cache_bytes=2**34,
        scoring=scoring,
        seed=part.number,
    )


def draw_configs(setup: Setup, seed: int) -> tuple[list[TrialConfig], int]:
    """Configurations to try; the first ones, whose number is given, a search begins with."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    fixed = {
        "unfreeze": 0, "positive_copies": 1, "normalization": setup.normalization,
        "image_size": setup.image_size, "batch_size": 32,
    }  # fmt: skip
    space = make_space(Layer("{}", fixed)).restricted_to(setup.weights.names, has_gpu=False)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    first = space.first_trials()[: setup.trials]
    for values in first:
        study.enqueue_trial(values)
    return [TrialConfig(**space(study.ask())["trial"]) for _ in range(setup.trials)], len(first)


def probe(pool: Pool, part: Part, setup: Setup) -> NDArray[np.bool_]:
    """Calls of the test images by scikit-learn's multinomial logistic regression.

    It sees the averages of all stages of the first network. Its penalty, and whether classes are
    weighted, are those with the best macro F1 in folds by patient.
    """
    features, classes = _features(pool, setup), pool.cohort.labels.argmax(axis=1)
    own = pool.cohort.manifest.iloc[part.train].reset_index(drop=True)
    folds = make_folds(dataclasses.replace(pool.cohort, manifest=own), _FOLDS, part.number)
    grid = {
        "logisticregression__C": _PENALTIES,
        "logisticregression__class_weight": [None, "balanced"],
    }
    model = GridSearchCV(
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)), grid,
        scoring="f1_macro", cv=[(fold.train, fold.valid) for fold in folds],
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features[part.train], classes[part.train])
    called = model.predict(features[part.test])
    return np.asarray(called[:, None] == np.arange(len(pool.cohort.findings)))


def _features(pool: Pool, setup: Setup) -> NDArray[np.float32]:
    """Averages of all stages of the first network, (num_images, num_features)."""
    config = TrialConfig(
        backbone=setup.weights.names[0], cut=FUSED, pool="average", head="logistic",
        normalization=setup.normalization, image_size=setup.image_size,
    )  # fmt: skip
    data = TrainingData.of(pool.cohort, _STATISTICS)
    square = config.preprocessing.square
    images = load_images(data.paths, data.hashes, square, data.statistics, setup.store)
    inputs, _ = frozen_inputs(Body(images, config, setup.weights, _CPU), setup.store)
    only_averages = fresh_head(config)[0]
    return np.asarray(only_averages(inputs(torch.arange(len(data.paths)))).numpy())
