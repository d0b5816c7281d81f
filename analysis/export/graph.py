"""`model.onnx`: the whole team as one graph, from grey pixels of any size to our score.

Of an examination of several views, each is an input of its own.
"""

import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from analysis.export.squares import PillowSquare
from analysis.model_file import FinalModel, guards_of
from analysis.team_score import HeadInputs, team_distance, team_score
from trainable.cohort.cohort import Cohort
from trainable.errors import InputError
from trainable.evaluation.recalibration import recalibrated_tensor
from trainable.images.batches import Batch
from trainable.images.decoding import decode, grey_values
from trainable.images.preprocessing import Preprocessing, Square
from trainable.model.covariate_encoder import ColumnCode
from trainable.run.winner import Winner

PIXELS, COLUMNS, OUTPUT, FAMILIAR = "pixels", "columns", "score", "familiar"
OPSET, OLDEST_RUNTIME = 20, "1.18"
"""Version of ONNX's operators, and the first onnxruntime that has them."""
_ROUNDING = 0.5  # of grey values that a program makes from deep ones
_ROUNDED_LIMIT = 1e-3  # of the distance of what is familiar
_SIZES = ("batch", "height", "width")
_LIBRARIES = ("onnx", "onnxscript", "onnxruntime")
_BATCH = 16
_MISSING = np.full((1, 1, 1), np.nan, np.float32)
_WITHOUT = "or leave model.onnx out with --without-onnx"

TOLERANCE = 1e-4
"""Largest difference between a score of the graph and ours."""

Exam = Sequence[bytes | None]
"""The file of each view of an examination; None where a view is missing."""


class TeamGraph(nn.Module):
    """Scores of grey values of each view, and of covariates; (batch,) of one finding."""

    def __init__(self, models: Sequence[FinalModel], winner: Winner) -> None:
        """Take the networks of `models`, in which `share_stages` has shared what is equal."""
        super().__init__()
        self.models, self.winner = models, winner
        self.networks = nn.ModuleList(network for model in models for network in model.networks)
        self.squares = {square: PillowSquare(*square) for square in squares_of(models)}

    def forward(
        self, pixels: Sequence[Tensor], columns: Tensor | None = None
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Resize, normalize and score, each once for all networks that need the same.

        Args:
            pixels: float32 (batch, height, width) of each view, 0 black to 255 white; of several
                views, one that is missing is NaN throughout.
            columns: float32 (batch, num_columns), `ColumnCode.values`, if a model sees some.

        Returns:
            float32 (batch,) of one finding, else (batch, num_findings); NaN where a view that is
            there has a value outside that range, or NaN, and where no view is there. Of a team
            with a guard, also bool (batch,): whether the examination is like those of the training.
        """
        missing = torch.stack([view.isnan().all(dim=2).all(dim=1) for view in pixels], dim=1)
        is_grey = [(view >= -_ROUNDING) & (view <= 255 + _ROUNDING) for view in pixels]  # not NaN
        whole = torch.stack([one.all(dim=2).all(dim=1) for one in is_grey], dim=1)
        has_score = (whole | missing).all(dim=1) & whole.any(dim=1)
        present = ~missing
        known = [view.where(is_here, 0) for view, is_here in zip(pixels, is_grey, strict=True)]
        squares = {
            square: torch.stack([resize(view) for view in known], dim=1).flatten(0, 1)
            for square, resize in self.squares.items()
        }
        values = None if columns is None else columns.double()
        exams = exams_of(self.models, squares, present)
        scores, distance = _found_of(self.models, exams, values, self.winner)
        found: Tensor = scores.where(has_score[:, None], torch.nan)
        found = found[:, 0] if found.shape[1] == 1 else found
        return found if distance is None else (found, (distance <= 1) & has_score)


def _found_of(
    models: Sequence[FinalModel],
    exams: Mapping[Preprocessing, Batch],
    columns: Tensor | None,
    winner: Winner,
) -> tuple[Tensor, Tensor | None]:
    """Scores (batch, num_findings), recalibrated where the winner's are, and `team_distance`."""
    inputs = HeadInputs.of(models, exams)
    raw = team_score(models, inputs, columns, winner.team_rows)
    scores = recalibrated_tensor(raw, winner.recalibrations, winner.thresholds)
    return scores, team_distance(models, inputs)


def output_names(models: Sequence[FinalModel]) -> list[str]:
    """What the graph of a team gives."""
    return [OUTPUT, FAMILIAR] if guards_of(models) else [OUTPUT]


def require_libraries() -> None:
    """Refuse to begin without the libraries of the extra.

    Raises:
        InputError: Naming the extra.
    """
    missing = [library for library in _LIBRARIES if find_spec(library) is None]
    if missing:
        raise InputError(
            f"model.onnx needs {', '.join(missing)}: install the extra `export` "
            f"(uv sync --extra export), {_WITHOUT}"
        )


def pixel_inputs(views: int) -> list[str]:
    """The input of each view."""
    return [PIXELS] if views == 1 else [f"{PIXELS}_{place + 1}" for place in range(views)]


def write_graph(
    models: Sequence[FinalModel],
    columns: ColumnCode,
    about: Mapping[str, str],
    path: Path,
    winner: Winner,
) -> None:
    """Write the graph of a team.

    Args:
        models: The team's members on the CPU, after `share_stages`.
        columns: Covariates that the team sees; with some, they are a second input.
        about: What the file says of itself.
        path: File to write.
        winner: What the search chose.

    Raises:
        InputError: If PyTorch cannot write a network as ONNX.
    """
    names = pixel_inputs(models[0].config.views)
    pixels = torch.linspace(0, 255, 2 * 50 * 70).round().reshape(2, 50, 70)
    # sizes of their own, lest those of two views be taken for one
    given: list[Any] = [[pixels[:, place:, place:] for place in range(len(names))]]
    free: list[Any] = [[_free(len(_SIZES)) for _ in names]]
    if columns.names:
        names.append(COLUMNS)
        given.append(torch.zeros(2, len(columns.names)))
        free.append(_free(1))
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # of PyTorch about itself
            program = torch.onnx.export(
                TeamGraph(models, winner).eval(),
                tuple(given),
                input_names=names,
                output_names=output_names(models),
                dynamic_shapes=tuple(free),
                dynamo=True,
                opset_version=OPSET,
                verbose=False,
            )
    except Exception as error:  # whatever a network makes the exporter raise
        raise InputError(
            f"PyTorch cannot write this team as ONNX ({str(error).strip().splitlines()[0]}): "
            f"search with other backbones, {_WITHOUT}"
        ) from error
    assert program is not None
    _name_sizes(program.model)
    program.model.metadata_props.update(about)
    program.save(path, external_data=False)


def _free(num_axes: int) -> dict[int, Any]:
    return dict.fromkeys(range(num_axes), torch.export.Dim.DYNAMIC)


def _name_sizes(model: Any) -> None:
    """Names for the sizes that a caller may choose, in place of `s0`."""
    import onnx_ir

    for one in (*model.graph.inputs, *model.graph.outputs):
        view = one.name.partition(PIXELS)[2]
        names = (_SIZES[0], *(f"{size}{view}" for size in _SIZES[1:]))
        named = zip(one.shape, names, strict=False)
        one.shape = onnx_ir.Shape([size if isinstance(size, int) else name for size, name in named])


def pixels_of(models: Sequence[FinalModel], data: bytes) -> NDArray[np.float32]:
    """The grey values (height, width) that the graph takes in for an image file."""
    return grey_values(data, largest_size(models), models[0].statistics.limits)


def largest_size(models: Sequence[FinalModel]) -> int:
    """Edge of the largest square, in pixels."""
    return max(size for size, _ in squares_of(models))


def squares_of(models: Sequence[FinalModel]) -> list[Square]:
    """What the models' images are decoded to, each square once."""
    return list(dict.fromkeys(model.preprocessing.square for model in models))


def exams_of(
    models: Sequence[FinalModel], squares: Mapping[Square, Tensor], present: Tensor
) -> dict[Preprocessing, Batch]:
    """Normalized examinations for each preprocessing that a model needs.

    Args:
        models: The team.
        squares: uint8 (num_images, size, size) by square, examination by examination.
        present: bool (num_exams, views), see `Batch`.
    """
    exams: dict[Preprocessing, Batch] = {}
    for model in models:
        seen_as = model.preprocessing
        if seen_as not in exams:
            images = seen_as.normalize(squares[seen_as.square], model.statistics)
            exams[seen_as] = Batch(images, None if model.config.views == 1 else present)
    return exams


def largest_difference(
    models: Sequence[FinalModel],
    graph: Path,
    cohort: Cohort,
    columns: ColumnCode,
    winner: Winner,
) -> tuple[float, str]:
    """The largest difference between the scores of the graph and of the team, and what has it.

    It has no end where the two do not agree on whether an examination is familiar.

    Args:
        models: The team's members on the CPU.
        graph: The graph, which onnxruntime runs on each image as it is, whatever its size.
        cohort: The examinations; all are compared.
        columns: Covariates that the team sees.
        winner: What the search chose.
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
            [np.asarray(one) for one in session.run(None, _inputs(models, exam, of_exam))]
            for exam, of_exam in zip(exams, values[rows], strict=True)
        ]
        scores, *familiar = (np.concatenate(one) for one in zip(*given, strict=True))
        ours, distance = _found(models, exams, values[rows], winner)
        difference = np.abs(ours - scores.reshape(ours.shape)).max(axis=1)
        if distance is not None:  # on the limit itself, either answer is right
            is_other = (familiar[0] != (distance <= 1)) & (np.abs(distance - 1) > _ROUNDED_LIMIT)
            difference[is_other] = np.inf
        apart += difference.tolist()
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
def _found(
    models: Sequence[FinalModel],
    exams: Sequence[Exam],
    values: NDArray[np.float64],
    winner: Winner,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Our own scores and distances, from pillow's squares."""
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
    scores, distance = _found_of(models, taken_in, torch.from_numpy(values), winner)
    return scores.numpy(), None if distance is None else distance.numpy()
