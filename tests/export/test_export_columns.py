"""An exported team that sees covariates asks for them, and scores as its run does."""

import io
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from fixtures.networks import tiny_config
from fixtures.small_runs import predicted, write_new_images, write_run
from PIL import Image
from rich.console import Console

from analysis.export.graph import TOLERANCE
from analysis.export.launch import launch
from analysis.options import ExportOptions
from trainable.errors import InputError

CONFIGS = (
    tiny_config(cut="features.2", head="logistic", C=1.0, covariates=True, pool="top+average"),
    tiny_config(cut="features.2", covariates=True, pool="grid+average"),
    tiny_config(cut="features.2"),
)
TABLE = "image,sex,age\n2.png,M,71\n0.png,f,\n1.png,X,055Y\n"
AS_NUMBERS = np.array([[71, 1], [np.nan, 0], [55, -1]], np.float32)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, its exported team, and a table of new images."""
    home = tmp_path_factory.mktemp("home")
    ages = ["", *(str(50 + 3 * number) for number in range(11))]
    columns = {"covariate:age": ages, "covariate:sex": ["M", "F", "F"] * 4}
    write_run(home / "run", CONFIGS, columns)
    write_new_images(home / "new")
    (home / "new.csv").write_text(TABLE)
    options = ExportOptions(out=home / "team", seeds=1, cache=home / "cache")
    launch(home / "run", options, Console(file=io.StringIO()))
    return home


def test_it_scores_a_table_as_its_run_does(home: Path) -> None:
    before = predicted(home / "run", home, "of_run", images=home / "new.csv", seeds=1)
    (home / "run").rename(home / "gone")
    after = predicted(home / "team", home, "of_team", images=home / "new.csv")
    (home / "gone").rename(home / "run")
    np.testing.assert_allclose(after, before, atol=1e-6)


def test_it_asks_for_the_columns_as_its_run_does(home: Path) -> None:
    (home / "bad.csv").write_text("image,age,sex\nnew/0.png,old,M\n")
    (home / "less.csv").write_text("image,age\nnew/0.png,70\n")
    for images in ("new", "bad.csv", "less.csv"):
        refusals = []
        for run in ("run", "team"):
            with pytest.raises(InputError, match="column") as refusal:
                predicted(home / run, home, "no", images=home / images)
            refusals.append(refusal.value.problems)
        assert refusals[0] == refusals[1]


def test_the_graph_takes_in_a_number_per_column(home: Path) -> None:
    session = onnxruntime.InferenceSession(home / "team" / "model.onnx")
    assert [(one.name, one.shape) for one in session.get_inputs()] == [
        ("pixels", ["batch", "height", "width"]),
        ("columns", ["batch", 2]),
    ]
    about = session.get_modelmeta().custom_metadata_map
    assert json.loads(about["columns"]) == {"age": None, "sex": ["F", "M"]}
    found: list[float] = []
    for name, columns in zip(pd.read_csv(home / "new.csv")["image"], AS_NUMBERS, strict=True):
        with Image.open(home / "new" / name) as image:
            pixels = np.asarray(image, np.float32)
        given = {"pixels": pixels[None], "columns": columns[None]}
        found += np.asarray(session.run(None, given)[0]).tolist()
    expected = predicted(home / "team", home, "expected", images=home / "new.csv")
    np.testing.assert_allclose(found, expected, atol=TOLERANCE)


def test_the_card_names_the_columns_in_their_order(home: Path) -> None:
    card = (home / "team" / "README.md").read_text()
    assert "| 1 | age | the number itself; the mean in the training was 65 |" in card
    assert "| 2 | sex | 0: F, 1: M |" in card
