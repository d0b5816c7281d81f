"""Score new images with the final model, and write one row for each, as a template asks."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from analysis.how_sure.spread import HowSure
from analysis.model_file import FinalModel
from analysis.new_images import NewImages
from analysis.team_score import HeadInputs, Teams, team_distance, team_score
from analysis.template import PREDICTION, what_is_predicted
from trainable.cohort.findings import Findings
from trainable.cohort.label_rule import REST, LabelRule, findings_of
from trainable.defaults import DeviceChoice
from trainable.device import Batching, own_device, place
from trainable.errors import num_of
from trainable.evaluation.answers import Answers
from trainable.features.body import cpu_batch
from trainable.images.batches import by_examination
from trainable.images.loading import load_images
from trainable.report.table_lines import table_lines
from trainable.run.winner import Winner
from trainable.store.arrays import ArrayStore

RAW_SCORE = "raw_score"
"""Column of the scores before they were recalibrated, where the search has done so."""

ANSWER = "answer"
"""Column of the answers, where something is promised."""

FAMILIAR = "familiar"
"""Column that says whether an image is like those of the training, where that is known."""

_GPU_BATCH = 16  # examinations; the activations of all shared stages are held for one batch
_HEAD_BATCH = 256  # examinations


class TeamScores(NamedTuple):
    """Scores of new images.

    Attributes:
        scores: Raw scores (num_rows, num_findings) of the rows to write.
        familiar: (num_rows,), which rows are like those of the training; None without a guard.
        cost: What each image has cost, in a line.
    """

    scores: NDArray[np.float32]
    familiar: NDArray[np.bool_] | None
    cost: str


@torch.inference_mode()
def score(
    models: Sequence[FinalModel],
    new: NewImages,
    store: ArrayStore,
    teams: Teams | None = None,
    choice: DeviceChoice = "auto",
) -> TeamScores:
    """Score the rows to write by a team, after `share_stages`.

    Bodies take in few images at once, and heads the features of many: their weights are read once
    for all of these.

    Raises:
        InputError: naming every image that cannot be read.
    """
    device = own_device(choice)
    largest = max(model.config.image_size for model in models)
    batching = Batching(cpu_batch(largest) if device.type == "cpu" else _GPU_BATCH, "this team")
    takes = {}
    for model in models:
        seen_as = model.preprocessing
        images = load_images(new.paths, new.hashes, seen_as.square, model.statistics, store)
        takes[seen_as] = by_examination(images.as_seen_by(seen_as, device), new.exam_images)
        for network in model.networks:
            place(network, device).eval()
    columns = torch.from_numpy(new.columns)

    def run_bodies(rows: torch.Tensor) -> HeadInputs:
        return HeadInputs.of(models, {seen_as: take(rows) for seen_as, take in takes.items()})

    found, distances = [], []
    for rows in torch.arange(len(new.table)).split(_HEAD_BATCH):
        inputs = HeadInputs.joined([*batching.run(rows, run_bodies)])
        found.append(team_score(models, inputs, columns[rows], teams).cpu())
        if (distance := team_distance(models, inputs)) is not None:
            distances.append(distance.cpu())
    scores: NDArray[np.float32] = torch.cat(found).numpy()
    familiar = (torch.cat(distances) <= 1).numpy() if distances else None
    return TeamScores(scores, familiar, inputs.cost)


def predictions_and_scores(
    new: NewImages,
    raw: NDArray[np.float32],
    winner: Winner,
    rules: Sequence[LabelRule],
    answers: Sequence[Answers] = (),
    sure: HowSure | None = None,
    familiar: NDArray[np.object_] | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The predictions table, as the template has it, and the table of scores.

    Args:
        new: The rows to write; the cells of what is left out stay empty.
        raw: Raw scores (num_rows, num_findings).
        winner: What makes scores and decisions of them.
        rules: How the labels of the search were read, whose words the predictions are in.
        answers: What each score is answered by, per finding; none if nothing is promised.
        sure: How sure the scores are, if that was asked.
        familiar: (number of whole rows,), the cells of `FAMILIAR`; None without a guard.
    """
    findings = findings_of(rules)
    scores = winner.recalibrated(raw)
    predicted = _in_words(winner.decide(scores), rules)
    predictions = {name: _in_rows(new, values, "", object) for name, values in predicted.items()}
    unit = "image" if new.exam_images.shape[1] == 1 else "exam"
    columns: dict[str, Any] = {unit: new.whole[new.name_column]}

    def add(kind: str, values: NDArray[np.float32]) -> None:
        for name, column in zip(findings.names, values.T, strict=True):
            own = kind if findings.is_one else f"{kind}:{name}"
            columns[own] = _in_rows(new, column, np.nan, np.float32)

    add("score", scores)
    for name, values in predictions.items():
        columns[name if len(predictions) == 1 else f"{PREDICTION}:{name}"] = values
    for name, one, column in zip(findings.names, answers, scores.T, strict=False):
        own = ANSWER if findings.is_one else f"{ANSWER}:{name}"
        columns[own] = _in_rows(new, one.words(column), "", object)
    if winner.recalibrations:
        add(RAW_SCORE, raw)
    if sure is not None:
        add("low", sure.low)
        add("high", sure.high)
    if familiar is not None:
        columns[FAMILIAR] = familiar
    filled = {column: predictions[name] for name, column in new.prediction_columns.items()}
    return new.whole.assign(**filled), pd.DataFrame(columns)


def _in_words(
    positives: NDArray[np.bool_], rules: Sequence[LabelRule]
) -> dict[str, NDArray[np.object_]]:
    """What is predicted, as the user says it, by its column."""
    findings = findings_of(rules)
    if findings.exclusive:
        return {PREDICTION: np.array(findings.names, object)[positives.argmax(axis=1)]}
    return {
        name: np.array(_words(rule, findings), object)[column.astype(int)]
        for name, rule, column in zip(what_is_predicted(findings), rules, positives.T, strict=True)
    }


def _words(rule: LabelRule, findings: Findings) -> tuple[str, ...]:
    """What the user calls negative and positive; of one finding in a cell of several, 0 and 1."""
    return rule.classes if findings.is_one or REST not in rule.classes else ("0", "1")


def _in_rows(new: NewImages, values: NDArray[Any], missing: object, kind: type) -> NDArray[Any]:
    """One value for each row to write, `missing` where an image is left out."""
    column: NDArray[Any] = np.full(len(new.whole), missing, kind)
    column[new.usable] = values
    return column


def describe_predictions(
    positives: NDArray[np.bool_], winner: Winner, unit: str, out: Path
) -> Iterator[str]:
    """How many images or examinations are predicted positive of each finding, a line each."""
    num, counts, thresholds = len(positives), positives.sum(axis=0), winner.thresholds
    findings = winner.findings
    if findings.is_one:
        yield (
            f"{num_of(num, unit)}, {counts[0]} predicted positive (a score of {thresholds[0]:.3f} "
            f"or more): {out}"
        )
        return
    how = ", each of the class with the highest ratio of score to threshold"
    yield f"{num_of(num, unit)}{how if findings.exclusive else ''}: {out}"
    table = pd.DataFrame(
        {
            findings.kind: findings.names,
            "predicted" if findings.exclusive else "predicted positive": counts,
            "threshold": [f"{threshold:.3f}" for threshold in thresholds],
            "expected F1": [one.estimate.short for one in winner.corrected_each],
        }
    )
    yield from (f"  {line}" for line in table_lines(table))
