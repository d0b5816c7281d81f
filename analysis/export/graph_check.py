"""Does `model.onnx` give our scores? Both are computed of every labelled image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.export.graph import COLUMNS, PIXELS, looks_of, pixels_of, squares_of
from analysis.model_file import FinalModel
from analysis.predict import team_score
from trainable.images.decoding import decode

TOLERANCE = 1e-4
"""Largest difference between a score of the graph and ours."""

_BATCH = 16


def largest_difference(
    models: Sequence[FinalModel], graph: Path, paths: Sequence[str], columns: NDArray[np.float64]
) -> tuple[float, str]:
    """The largest difference between the scores of the graph and of the team, and its image.

    Args:
        models: The team's members on the CPU.
        graph: The graph, which onnxruntime runs on each image as it is, whatever its size.
        paths: Image files; all are compared.
        columns: Further columns of each that the team sees, `ColumnCode.values`.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    worst, where = 0.0, ""
    for start in range(0, len(paths), _BATCH):
        rows = slice(start, start + _BATCH)
        files = [Path(path).read_bytes() for path in paths[rows]]
        given = []
        for data, values in zip(files, columns[rows], strict=True):
            inputs = {PIXELS: pixels_of(models, data)[None]}
            if len(values):
                inputs[COLUMNS] = values[None].astype(np.float32)
            given.append(np.asarray(session.run(None, inputs)[0]))
        apart = np.abs(_scores(models, files, columns[rows]) - np.concatenate(given))
        if apart.max() >= worst:
            worst, where = float(apart.max()), paths[start + int(apart.argmax())]
    return worst, where


@torch.inference_mode()
def _scores(
    models: Sequence[FinalModel], files: Sequence[bytes], columns: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Our own scores, from pillow's squares."""
    limits = models[0].statistics.limits
    squares = {
        (size, resize): torch.from_numpy(
            np.stack([decode(data, size, limits, resize) for data in files])
        )
        for size, resize in squares_of(models)
    }
    values = torch.from_numpy(columns)
    scores: NDArray[np.float32] = team_score(models, looks_of(models, squares), values).numpy()
    return scores
