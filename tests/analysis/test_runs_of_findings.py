"""Runs of several findings, and of several classes, predict, are judged, drawn and exported."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from fixtures.cohorts import three_classes, three_findings
from fixtures.networks import tiny_config
from fixtures.small_runs import write_new_images, write_run_of_findings
from PIL import Image
from rich.console import Console

from analysis.api import load_model
from analysis.export.graph import TOLERANCE
from analysis.export.launch import launch as export
from analysis.launch import launch as predict
from analysis.options import ExportOptions, PredictOptions
from trainable.cohort.cohort import Cohort
from trainable.errors import InputError

CONFIGS = [
    tiny_config(cut="features.2", head="logistic"),
    tiny_config(cut="features.2", head="plain", head_layers=()),
]
NEW = ["0.png", "1.png", "2.png"]


def said(run: Path, home: Path, **options: object) -> list[str]:
    """What a prediction of the new images prints."""
    given = {"images": home / "new", "cache": home / "cache", "overwrite": True, **options}
    console = Console(file=io.StringIO(), soft_wrap=True)
    predict(run, PredictOptions(out=home / "p.csv", **given), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def made(home: Path, make: Callable[..., Cohort], **changes: object) -> Path:
    write_run_of_findings(home / "run", make, CONFIGS, **changes)
    write_new_images(home / "new")
    asked = ExportOptions(out=home / "team", cache=home / "cache", seeds=1)
    export(home / "run", asked, Console(file=io.StringIO()))
    return home


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three findings, of which each has its own team, and its export."""
    home = tmp_path_factory.mktemp("labels")
    changes = {"teams": ((0,), (1, 0), (1,)), "thresholds": (0.4, 0.2, 0.0)}
    return made(home, three_findings, **changes)


@pytest.fixture(scope="module")
def classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("classes"), three_classes, thresholds=(0.3, 0.3, 0.4))


def scores_of(home: Path) -> pd.DataFrame:
    table = pd.read_csv(home / "p_scores.csv")
    return table[[name for name in table if str(name).startswith("score:")]]


def test_findings_are_predicted_and_judged_and_each_positive_one_is_drawn(labels: Path) -> None:
    (labels / "l.csv").write_text(
        "image,mass,effusion\n" + "".join(f"{name},{n % 2},{n % 2}\n" for n, name in enumerate(NEW))
    )
    lines = said(
        labels / "run", labels, seeds=1, labels=labels / "l.csv", heat_maps=labels / "maps"
    )
    assert max(len(line) for line in lines if line.startswith("  ")) <= 80
    assert any(line.startswith("winner: a team for each finding, of trials 0, 1") for line in lines)
    assert any("has no column of nodule; the others are judged" in line for line in lines)
    filled = pd.read_csv(labels / "p.csv")
    assert list(filled) == ["image", "mass", "nodule", "effusion"]
    assert filled["effusion"].tolist() == [1, 1, 1], "at a threshold of 0"
    positives = filled.drop(columns="image").to_numpy()
    pictures = [path.name for path in (labels / "maps").iterdir()]
    assert len(pictures) == positives.sum()
    assert {f"{n}_effusion.png" for n in range(3)} <= set(pictures)
    page = (labels / "p_report.html").read_text()
    assert "macro F1 of 3 findings" in page
    part = page.split("<h2>Promise and result</h2>")[1].split("<h2>")[0]
    assert "<option>effusion</option>" in part
    assert "nodule" not in part
    assert any(line.split()[:2] == ["mass", "0.400"] for line in lines), "as told"


def test_a_finding_has_the_mean_score_of_its_own_team(labels: Path) -> None:
    said(labels / "run", labels, seeds=1)
    found = scores_of(labels)
    of_trials = []
    for trial in (0, 1):
        alone = labels / f"alone{trial}"
        record = json.loads((labels / "run" / "winner.json").read_text())
        record["members"] = [one for one in record["members"] if one["trial"] == trial]
        record["teams"] = [[trial]] * 3
        alone.mkdir()
        for file in ("cohort.csv", "cohort.json", "xrays", "models"):
            (alone / file).symlink_to(labels / "run" / file)
        (alone / "winner.json").write_text(json.dumps(record))
        said(alone, labels, seeds=1)
        of_trials.append(scores_of(labels))
    first, second = of_trials
    np.testing.assert_allclose(found["score:mass"], first["score:mass"], atol=1e-6)
    np.testing.assert_allclose(found["score:effusion"], second["score:effusion"], atol=1e-6)
    both = (first["score:nodule"] + second["score:nodule"]) / 2
    np.testing.assert_allclose(found["score:nodule"], both, atol=1e-6)


@pytest.mark.parametrize("kind", ["labels", "classes"])
def test_an_export_scores_as_its_run_does(kind: str, request: pytest.FixtureRequest) -> None:
    home: Path = request.getfixturevalue(kind)
    said(home / "run", home, seeds=1)
    of_run = scores_of(home)
    said(home / "team", home)
    np.testing.assert_allclose(scores_of(home), of_run, atol=1e-6)
    session = onnxruntime.InferenceSession(home / "team" / "model.onnx")
    for row, name in enumerate(NEW):
        with Image.open(home / "new" / name) as image:
            pixels = np.asarray(image, np.float32)[None]
        [given] = np.asarray(session.run(None, {"pixels": pixels})[0])
        np.testing.assert_allclose(given, of_run.iloc[row], atol=TOLERANCE)
    about = session.get_modelmeta().custom_metadata_map
    names = about["classes" if kind == "classes" else "findings"]
    assert [f"score:{one}" for one in json.loads(names)] == list(of_run)
    written = json.loads((home / "team" / "export.json").read_text())["thresholds"]
    assert list(written.values()) == json.loads(about["thresholds"])
    card = (home / "team" / "README.md").read_text()
    assert all(f"| {one} |" in card for one in json.loads(names))


def test_the_program_of_the_card_names_what_is_predicted(labels: Path, classes: Path) -> None:
    for home in (labels, classes):
        said(home / "team", home)
        card = (home / "team" / "README.md").read_text()
        program = card.split("```python\n")[1].split("```")[0]
        program = program.replace('"model.onnx"', repr(str(home / "team" / "model.onnx")))
        space: dict[str, object] = {}
        exec(program.replace('"xray.png"', repr(str(home / "new" / "0.png"))), space)
        row = pd.read_csv(home / "p.csv").iloc[0]
        if home is classes:
            assert space["predicted"] == row["prediction"]
        else:
            assert space["positive"] == [name for name in row.index[1:] if row[name]]


def test_classes_have_one_prediction_and_a_confusion_matrix(classes: Path) -> None:
    (classes / "l.csv").write_text("image,class\n0.png,normal\n1.png,viral\n2.png,bacterial\n")
    lines = said(
        classes / "run",
        classes,
        seeds=1,
        labels=classes / "l.csv",
        heat_maps=classes / "maps",
    )
    start = lines.index("labels down, predictions across:")
    matrix = [list(map(int, line.split()[1:])) for line in lines[start + 2 : start + 5]]
    assert np.sum(matrix, axis=1).tolist() == [1, 1, 1]
    assert any("why an F1 differs is left out: of several classes" in line for line in lines)
    assert "what the search told, and what these labels show:" in lines
    filled = pd.read_csv(classes / "p.csv")
    assert set(filled["prediction"]) <= {"normal", "bacterial", "viral"}
    np.testing.assert_allclose(scores_of(classes).sum(axis=1), 1, atol=1e-5)
    expected = {f"{n}_{name}.png" for n, name in enumerate(filled["prediction"])}
    assert {path.name for path in (classes / "maps").iterdir()} == expected


def test_a_team_of_several_findings_from_python(labels: Path, classes: Path) -> None:
    team = load_model(labels / "team", cache=labels / "cache")
    assert team.findings.names == ("mass", "nodule", "effusion")
    assert team.thresholds == {"mass": 0.4, "nodule": 0.2, "effusion": 0.0}
    with pytest.raises(InputError, match="a threshold is of one finding; of 3, see thresholds"):
        _ = team.threshold
    with pytest.raises(InputError, match="see findings"):
        _ = team.classes
    found = load_model(classes / "team", cache=classes / "cache")
    assert found.classes == found.findings.names == ("normal", "bacterial", "viral")
