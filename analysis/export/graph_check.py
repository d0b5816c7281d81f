"""Does `model.onnx` give our scores? Both are computed of every labelled image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.export.graph import COLUMNS, exams_of, pixel_inputs, pixels_of, squares_of
from analysis.model_file import FinalModel
from analysis.predict import team_score
from trainable.cohort.cohort import Cohort
from trainable.images.decoding import decode
from trainable.model.covariate_encoder import ColumnCode

TOLERANCE = 1e-4
"""Largest difference between a score of the graph and ours."""

_BATCH = 16
_MISSING = np.full((1, 1, 1), np.nan, np.float32)

Exam = Sequence[bytes | None]
"""The file of each view of an examination; None where a view is missing."""


def largest_difference(
    models: Sequence[FinalModel], graph: Path, cohort: Cohort, columns: ColumnCode
) -> tuple[float, str]:
    """The largest difference between the scores of the graph and of the team, and what has it.

    Args:
        models: The team's members on the CPU.
        graph: The graph, which onnxruntime runs on each image as it is, whatever its size.
        cohort: The examinations; all are compared.
        columns: Covariates that the team sees.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    paths, exam_images = cohort.manifest["path"], cohort.exam_images
    values = columns.values(cohort.covariates)
    apart: list[float] = []
    for rows in np.split(np.arange(len(values)), range(_BATCH, len(values), _BATCH)):
        exams = [
            [Path(paths.iloc[image]).read_bytes() if image >= 0 else None for image in images]
            for images in exam_images[rows]
        ]
        given = [
            np.asarray(session.run(None, _inputs(models, exam, of_exam))[0])
            for exam, of_exam in zip(exams, values[rows], strict=True)
        ]
        apart += np.abs(_scores(models, exams, values[rows]) - np.concatenate(given)).tolist()
    worst = int(np.argmax(apart))
    return apart[worst], str(cohort.exams[cohort.grouping.column].iloc[worst])


def _inputs(
    models: Sequence[FinalModel], exam: Exam, values: NDArray[np.float64]
) -> dict[str, NDArray[np.float32]]:
    """What the graph takes in for one examination."""
    inputs = {
        name: _MISSING if data is None else pixels_of(models, data)[None]
        for name, data in zip(pixel_inputs(len(exam)), exam, strict=True)
    }
    return {**inputs, COLUMNS: values[None].astype(np.float32)} if len(values) else inputs


@torch.inference_mode()
def _scores(
    models: Sequence[FinalModel], exams: Sequence[Exam], values: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Our own scores, from pillow's squares."""
    limits = models[0].statistics.limits
    files = [data for exam in exams for data in exam if data is not None]
    squares = {
        square: torch.from_numpy(
            np.stack([decode(data, square.size, limits, square.resize) for data in files])
        )
        for square in squares_of(models)
    }
    present = torch.tensor([[data is not None for data in exam] for exam in exams])
    taken_in = exams_of(models, squares, present)
    scores: NDArray[np.float32] = team_score(models, taken_in, torch.from_numpy(values)).numpy()
    return scores
