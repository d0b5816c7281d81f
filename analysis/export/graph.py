"""`model.onnx`: the whole team as one graph, from grey pixels of any size to the score."""

import warnings
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from analysis.export.squares import PillowSquare
from analysis.model_file import FinalModel
from analysis.predict import team_score
from analysis.shared_stages import ImageLook, image_look
from trainable.backbones.find import find_backbone
from trainable.errors import InputError
from trainable.images.decoding import Resize, decode, grey_values
from trainable.images.normalization import normalize

TOLERANCE = 1e-4
"""Largest difference between a score of the graph and ours."""

INPUT, OUTPUT = "pixels", "score"
_SIZES = {0: "batch", 1: "height", 2: "width"}
_LIBRARIES = ("onnx", "onnxscript", "onnxruntime")
_BATCH = 16
_WITHOUT = "or leave model.onnx out with --without-onnx"


class TeamGraph(nn.Module):
    """Scores (batch,) of grey values (batch, height, width)."""

    def __init__(self, models: Sequence[FinalModel]) -> None:
        """Take the networks of `models`, in which `share_stages` has shared what is equal."""
        super().__init__()
        self.models = models
        self.networks = nn.ModuleList(network for model in models for network in model.networks)
        self.squares = {square: PillowSquare(*square) for square in _squares(models)}

    def forward(self, pixels: Tensor) -> Tensor:
        """Resize, normalize and score, each once for all networks that need the same."""
        squares = {square: resize(pixels) for square, resize in self.squares.items()}
        return team_score(self.models, _looks(self.models, squares))


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


def write_graph(models: Sequence[FinalModel], about: dict[str, str], path: Path) -> None:
    """Write the graph of a team.

    Args:
        models: The team's members on the CPU, after `share_stages`.
        about: What the file says of itself.
        path: File to write.

    Raises:
        InputError: If PyTorch cannot write a network as ONNX.
    """
    pixels = torch.linspace(0, 255, 2 * 50 * 70).round().reshape(2, 50, 70)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # of PyTorch about itself
            program = torch.onnx.export(
                TeamGraph(models).eval(),
                (pixels,),
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({axis: torch.export.Dim.DYNAMIC for axis in _SIZES},),
                dynamo=True,
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


def _name_sizes(model: Any) -> None:
    """Names for the sizes that a caller may choose, in place of `s0`."""
    import onnx_ir

    [given], [score] = model.graph.inputs, model.graph.outputs
    given.shape = onnx_ir.Shape([*_SIZES.values()])
    score.shape = onnx_ir.Shape([_SIZES[0]])


def largest_difference(
    models: Sequence[FinalModel], graph: Path, paths: Sequence[str]
) -> tuple[float, str]:
    """The largest difference between the scores of the graph and of the team, and its image.

    Args:
        models: The team's members on the CPU.
        graph: The graph, which onnxruntime runs on each image as it is, whatever its size.
        paths: Image files; all are compared.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    worst, where = 0.0, ""
    for start in range(0, len(paths), _BATCH):
        part = paths[start : start + _BATCH]
        files = [Path(path).read_bytes() for path in part]
        greys = (pixels_of(models, data) for data in files)
        given = np.concatenate(
            [np.asarray(session.run(None, {INPUT: one[None]})[0]) for one in greys]
        )
        apart = np.abs(_scores(models, files) - given)
        if apart.max() >= worst:
            worst, where = float(apart.max()), part[int(apart.argmax())]
    return worst, where


def pixels_of(models: Sequence[FinalModel], data: bytes) -> NDArray[np.float32]:
    """The grey values (height, width) that the graph takes in for an image file."""
    return grey_values(data, largest_size(models), models[0].statistics.limits)


def largest_size(models: Sequence[FinalModel]) -> int:
    """Edge of the largest square, in pixels."""
    return max(size for size, _ in _squares(models))


@torch.inference_mode()
def _scores(models: Sequence[FinalModel], files: Sequence[bytes]) -> NDArray[np.float32]:
    """Our own scores, from pillow's squares."""
    limits = models[0].statistics.limits
    squares = {
        (size, resize): torch.from_numpy(
            np.stack([decode(data, size, limits, resize) for data in files])
        )
        for size, resize in _squares(models)
    }
    scores: NDArray[np.float32] = team_score(models, _looks(models, squares)).numpy()
    return scores


def _squares(models: Sequence[FinalModel]) -> list[tuple[int, Resize]]:
    return list(dict.fromkeys(model.config.square for model in models))


def _looks(
    models: Sequence[FinalModel], squares: dict[tuple[int, Resize], Tensor]
) -> dict[ImageLook, Tensor]:
    """Normalized images for each look that a model needs."""
    looks: dict[ImageLook, Tensor] = {}
    for model in models:
        config, look = model.config, image_look(model.config)
        if look not in looks:
            own = find_backbone(config.backbone).own
            pixels = squares[config.square]
            looks[look] = normalize(pixels, config.normalization, model.statistics, own)
    return looks
