"""One trial: what its networks learn from, a network for each fold, and the out-of-fold scores."""

import copy
import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from trainable.backbones.backbone import FUSED
from trainable.backbones.layout import STATISTICS, num_numbers
from trainable.cohort.findings import Findings
from trainable.cohort.scored import OutOfFold
from trainable.cohort.splits import Fold, TrialRows
from trainable.config import TrialConfig
from trainable.device import place
from trainable.features.body import Body
from trainable.features.tables import Source, frozen_inputs
from trainable.images.augmentation import with_augmented
from trainable.images.batches import Batches, by_examination, with_columns
from trainable.model.covariate_encoder import ColumnCode
from trainable.model.network import ConcatPool, KeptStatistics, Network, TrueOdds, split_body
from trainable.model.outputs import ONE_FINDING, Outputs, outputs_of
from trainable.store.arrays import ArrayStore
from trainable.training.balance import Balance
from trainable.training.heads import HEADS
from trainable.training.loop import EpochRecord, FoldData
from trainable.training.split_network import split_over_ranks
from trainable.trial.task import Materials, Task


@dataclass(frozen=True)
class Assembly:
    """All that training a configuration on some folds takes.

    Attributes:
        config: The configuration.
        rows: The cohort's examinations, then their augmented copies.
        labels: int64 (num_rows, num_findings) on the device.
        outputs: What the logits of the networks mean.
        balance: The odds that each fold learns.
        inputs: What the trained part of a network takes in, for rows; without covariates,
            whose numbers depend on the training rows.
        covariates: Covariates of each row.
        source: What the inputs are made from.
        body: The frozen and the trained stages, as they start.
    """

    config: TrialConfig
    rows: TrialRows
    labels: torch.Tensor
    outputs: Outputs
    balance: Balance
    inputs: Batches
    covariates: pd.DataFrame
    source: Source
    body: Body

    def learned_from(self, exams: NDArray[np.int64], findings: Findings) -> "Assembly":
        """The same with the odds of some of the examinations, which folds then learn.

        Args:
            exams: Numbers of the examinations; in a resample some come several times.
            findings: What is asked of each.
        """
        balance = Balance.of(self.rows.labels[exams], findings, self.config.odds_factor)
        return dataclasses.replace(self, balance=balance)


def assemble(config: TrialConfig, materials: Materials) -> Assembly:
    """Decode the images, add augmented copies, and run the frozen stages; or find all that stored.

    Raises:
        InputError: If an image cannot be read.
        ValueError: If the configuration is for another number of views, or for covariates that
            the data lack.
    """
    data, store, device = materials.data, materials.store, materials.device
    if config.covariates and data.covariates.empty:
        raise ValueError("covariates needs images with covariates; these have none")
    if config.views != data.exam_images.shape[1]:
        raise ValueError(
            f"views must be {data.exam_images.shape[1]}, as in the examinations of the cohort "
            f"(got {config.views})"
        )
    findings = data.findings
    rows = data.rows(config.positive_copies)
    square = config.preprocessing.square
    images = with_augmented(
        data.images(square, store),
        data.hashes,
        rows.positives,
        config.positive_copies,
        store,
        square.resize,
    )
    body = Body(images, config, materials.weights, device, materials.by_place)
    of_images, source = frozen_inputs(body, store)
    return Assembly(
        config,
        rows,
        labels=torch.tensor(rows.labels, device=device),
        outputs=outputs_of(len(findings), exclusive=findings.exclusive),
        balance=Balance.of(
            np.delete(data.labels, data.held_out, axis=0), findings, config.odds_factor
        ),
        inputs=by_examination(of_images, rows.images),
        covariates=data.covariates,
        source=source,
        body=body,
    )


def num_image_features(config: TrialConfig) -> int:
    """Number of the features that a head sees of the images of an examination."""
    widths = config.backbone.network.widths(config.cut)
    return sum(widths) * config.views * num_numbers(STATISTICS[config.pool])


def fresh_head(
    config: TrialConfig, num_columns: int = 0, outputs: Outputs = ONE_FINDING
) -> nn.Sequential:
    """The head of a configuration, newly initialised.

    Args:
        config: The configuration.
        num_columns: Numbers of covariates behind the features.
        outputs: What its logits mean.
    """
    backbone = config.backbone.network
    widths, layout, kept = backbone.widths(config.cut), backbone.layout, STATISTICS[config.pool]
    num_features = num_image_features(config) + num_columns
    chosen: list[nn.Module] = []
    if kept != set(layout.pooled(config.pool)):
        chosen = [KeptStatistics(config.pool, widths, config.views, layout, num_columns)]
    layers = [*chosen, *HEADS[config.head].build(num_features, config, outputs.num_logits)]
    if config.odds_factor != 1:
        layers.append(TrueOdds(outputs, config.odds_factor))
    return nn.Sequential(*layers)


def _pool_of(config: TrialConfig) -> ConcatPool:
    layout = config.backbone.network.layout
    return ConcatPool(layout, layout.pooled(config.pool))


def build_network(
    model: nn.Module, config: TrialConfig, num_columns: int = 0, outputs: Outputs = ONE_FINDING
) -> Network:
    """Cut `model` and put a fresh head on it, as a configuration says.

    Args:
        model: The whole network of the config's backbone, with its weights; its parameters are
            taken, not copied.
        config: backbone, cut, trained stages and head.
        num_columns: Numbers of covariates that the head sees.
        outputs: What its logits mean.
    """
    head = fresh_head(config, num_columns, outputs)
    backbone = config.backbone.network
    body = split_body(backbone.body(model, config.cut), config.unfreeze)
    fused = config.cut == FUSED
    return Network(*body, head, outputs=outputs, pool=_pool_of(config), fused=fused)


def new_network(
    config: TrialConfig,
    frozen: Sequence[nn.Module],
    trained: Sequence[nn.Module],
    seed: int,
    device: torch.device,
    code: ColumnCode | None = None,
    outputs: Outputs = ONE_FINDING,
) -> Network:
    """A network with a fresh head, ready to train; the same seed gives the same head.

    Args:
        config: Configuration of the trial.
        frozen: Stages that the network takes as they are; none for a network that starts from what
            they computed (`suffix`).
        trained: Stages that the network takes a copy of.
        seed: Seed of the head.
        device: Device of the network.
        code: What turns covariates into numbers for the head.
        outputs: What its logits mean.
    """
    torch.manual_seed(seed)
    head = fresh_head(config, code.width if code else 0, outputs)
    trained = [copy.deepcopy(stage).requires_grad_() for stage in trained]
    network = Network(
        frozen,
        trained,
        head,
        outputs=outputs,
        pool=_pool_of(config),
        fused=config.cut == FUSED,
        augmented=config.augment != "none",
    )
    network.column_code = code
    return place(network, device)


@dataclass(frozen=True)
class FoldRecord:
    """The state of a trial after one more fold; `Task.judge` says what it is worth.

    Attributes:
        fold: Number of folds done so far.
        scores: float32 (num_exams, num_findings), mean probability by the models so far that did
            not train on the examination or its patient; NaN where there is none yet.
        last_epoch: Record of the last epoch of this fold.
        source: What the inputs of the networks are made from.
        num_forwarded: Images that the trial ran the frozen part on so far; 0 if all was stored.
    """

    fold: int
    scores: NDArray[np.float32]
    last_epoch: EpochRecord
    source: Source
    num_forwarded: int


def cross_validate(
    config: TrialConfig, task: Task, device: torch.device, store: ArrayStore
) -> Iterator[FoldRecord]:
    """Train on each fold in turn, and score the examinations that the fold leaves out.

    Yields:
        One record per fold; the last one holds the trial's score.

    Raises:
        ValueError: If the configuration is for another number of views.
    """
    yield from score_folds(assemble(config, task.materials(device, store)), task.folds, task.seed)


def score_folds(parts: Assembly, folds: Sequence[Fold], seed: int) -> Iterator[FoldRecord]:
    """Train on each of these folds, which may be of some of the examinations, as `cross_validate`.

    Args:
        parts: The configuration and what it is trained on.
        folds: Examinations to train on and to score.
        seed: Seed of the study.
    """
    found = OutOfFold(parts.rows.num_exams, parts.rows.labels.shape[1])
    for number, fold in enumerate(folds, start=1):
        _, record = train_network(parts, fold, fold_seed(seed, number, parts.config.seed))
        found.add(fold.valid, record.scores)
        yield FoldRecord(number, found.scores, record, parts.source, parts.body.num_forwarded)


def train_network(
    parts: Assembly, fold: Fold, seed: int, frozen: Sequence[nn.Module] = ()
) -> tuple[Network, EpochRecord]:
    """Train a new network for all epochs; the last record counts, never the best one.

    Args:
        parts: The configuration and what it is trained on.
        fold: Examinations to train on, and those to score; the latter may be none.
        seed: Seed of the head, the order of the images and dropout.
        frozen: Frozen stages, for a network that is to take in whole images later.
    """
    config, device, inputs = parts.config, parts.labels.device, parts.inputs
    code = None
    if config.covariates:
        columns = parts.covariates
        code = ColumnCode.fit(columns.iloc[fold.train], num_image_features(config))
        values = torch.from_numpy(code.values(columns.iloc[parts.rows.origins]))
        inputs = with_columns(inputs, code.encode(values), device)
    network = new_network(config, frozen, parts.body.trained, seed, device, code, parts.outputs)
    network.take_out(parts.balance.factors.tolist())
    network = split_over_ranks(network, device)
    rows = parts.rows.fold(fold)
    odds_of = None if fold.own_odds else parts.rows.labels[rows.train]
    weights = parts.balance.weights(odds_of)
    data = FoldData(inputs, parts.labels, rows.train, rows.valid, weights)
    return network, HEADS[config.head].fit(network, data, config, seed)


def fold_seed(seed: int, fold: int, draw: int = 0) -> int:
    """A seed of its own for each fold of each run and draw, from the run's and the trial's seed."""
    return int(np.random.SeedSequence([seed, fold, draw]).generate_state(1)[0])
