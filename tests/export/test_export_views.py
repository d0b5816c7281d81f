"""An exported team of several views: each is an input of the graph, and one may be missing."""

import io
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from fixtures.networks import tiny_config
from fixtures.small_runs import predicted, write_new_images, write_run
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from analysis.export.graph import TOLERANCE
from analysis.export.launch import launch
from analysis.options import ExportOptions
from trainable.cohort.exams import Grouping

CONFIGS = (
    tiny_config(views=2, head="logistic", cut="fused", pool="grid"),
    tiny_config(views=2, cut="features.2", unfreeze=1, pool="top"),
)
EXAMS = ["a", "b", "a", "b", "c", "d", "c", "d", "e", "f", "g", "h"]
PLACES = [0, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 0]
MISSING = np.full((1, 1, 1), np.nan, np.float32)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, its exported team, and new examinations, one of which lacks a view."""
    home = tmp_path_factory.mktemp("home")
    grouping = Grouping(2, "study", "view", ("AP", "L"))
    columns = {"exam": EXAMS, "patient": EXAMS, "view": PLACES}
    write_run(home / "run", CONFIGS, columns, grouping)
    write_new_images(home / "new")
    (home / "new.csv").write_text("image,study,view\n0.png,x,L\n1.png,x,AP\n2.png,y,L\n")
    options = ExportOptions(out=home / "team", seeds=1, cache=home / "cache")
    launch(home / "run", options, Console(file=io.StringIO()))
    return home


def grey(file: Path) -> NDArray[np.float32]:
    with Image.open(file) as image:
        return np.asarray(image, np.float32)[None]


def test_folder_and_graph_score_examinations_as_the_run_does(home: Path) -> None:
    of_run = predicted(home / "run", home, "of_run", images=home / "new.csv", seeds=1)
    of_team = predicted(home / "team", home, "of_team", images=home / "new.csv")
    np.testing.assert_allclose(of_team, of_run, atol=1e-6)
    session = onnxruntime.InferenceSession(home / "team" / "model.onnx")
    assert [(one.name, one.shape) for one in session.get_inputs()] == [
        ("pixels_1", ["batch", "height_1", "width_1"]),
        ("pixels_2", ["batch", "height_2", "width_2"]),
    ]
    first, second, third = (grey(home / "new" / f"{number}.png") for number in range(3))
    of_graph: list[float] = []
    for ap, lateral in ((second, first), (MISSING, third)):
        of_graph += np.asarray(session.run(None, {"pixels_1": ap, "pixels_2": lateral})[0]).tolist()
    np.testing.assert_allclose(of_graph, of_run, atol=TOLERANCE)


def test_the_card_says_which_input_is_which_view(home: Path) -> None:
    card = (home / "team" / "README.md").read_text()
    assert "`pixels_1` (AP) and `pixels_2` (L)" in card
    assert "A view that is missing is NaN" in card
