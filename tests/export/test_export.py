"""An exported team predicts what its run predicts, without the run and all that a search needs."""

import dataclasses
import io
import json
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
import torch
from fixtures.commands import ROOT, environment
from fixtures.networks import random_model, random_pixels, tiny_config
from fixtures.small_runs import predicted, write_new_images, write_run
from fixtures.winners import RECALIBRATION
from PIL import Image
from rich.console import Console

from analysis.api import load_model
from analysis.export import graph
from analysis.export.folder import read_export
from analysis.export.graph import TOLERANCE, largest_difference
from analysis.export.launch import launch
from analysis.options import ExportOptions
from analysis.shared_stages import share_stages
from trainable.cohort.cohort import Cohort
from trainable.errors import InputError
from trainable.evaluation.answers import AnswerSteps, Step
from trainable.files import hash_file
from trainable.model.covariate_encoder import NO_COLUMNS
from trainable.run.winner import History, UsedWeights, WarmStarted, read_winner, save_winner

ABSENT = ("ray", "optuna", "sqlalchemy", "yaml")
CONFIGS = (
    tiny_config(cut="features.2", normalization="cohort"),
    tiny_config(
        cut="features.5", normalization="image", head="logistic", resize="pad", positive_weight=5
    ),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run, its exported team, new images of several shapes, and their scores."""
    home = tmp_path_factory.mktemp("home")
    write_run(home / "run", CONFIGS)
    changes = {
        "recalibrations": (RECALIBRATION,),
        "thresholds": (RECALIBRATION.threshold,),
        "answers": (AnswerSteps(12, 6, 12, no=(Step(0.1, 5, 5, 0, 0.0),), yes=()),),
    }
    winner = read_winner(home / "run").model_copy(update=changes)
    save_winner(winner, home / "run")
    write_new_images(home / "new")
    options = ExportOptions(out=home / "team", seeds=2, cache=home / "cache", keep_identifiers=True)
    launch(home / "run", options, Console(file=io.StringIO()))
    pd.Series(predicted(home / "run", home, "of_run", seeds=2)).to_csv(home / "expected.csv")
    return home


def expected(home: Path) -> list[float]:
    found: list[float] = pd.read_csv(home / "expected.csv", index_col=0)["0"].tolist()
    return found


def test_an_exported_team_predicts_where_nothing_of_a_search_is_left(
    home: Path, tmp_path: Path
) -> None:
    shutil.copytree(home / "team", tmp_path / "moved")
    shutil.copytree(home / "new", tmp_path / "new")
    program = f"""
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ImportError(name + " is not installed")
sys.meta_path.insert(0, Absent())
sys.argv = ["cxr-predict", "moved", "--images", "new", "--cache", "cache"]
from analysis.__main__ import predict
predict()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path, env={**environment(), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    assert "3 images, " in done.stdout
    found = pd.read_csv(tmp_path / "predictions_scores.csv")["score"]
    np.testing.assert_allclose(found, expected(home), atol=1e-6)


def test_the_graph_scores_grey_pixels_of_any_size(home: Path) -> None:
    session = onnxruntime.InferenceSession(home / "team" / "model.onnx")
    [given] = session.get_inputs()
    assert (given.name, given.shape) == ("pixels", ["batch", "height", "width"])
    found: list[float] = []
    for path in sorted((home / "new").iterdir()):
        with Image.open(path) as image:
            pixels = np.asarray(image, np.float32)
        found += np.asarray(session.run(None, {"pixels": pixels[None]})[0]).tolist()
    np.testing.assert_allclose(found, expected(home), atol=TOLERANCE)
    assert session.get_modelmeta().custom_metadata_map["positive"] == "dead"


def test_the_graph_has_each_shared_stage_once(home: Path) -> None:
    nodes = onnx.load(home / "team" / "model.onnx").graph.node
    # of two networks each: a first convolution alone; and that with three fires of three
    assert sum(node.op_type == "Conv" for node in nodes) == 1 + (1 + 3 * 3)


def test_the_graph_gives_no_score_for_what_is_no_image(home: Path) -> None:
    session = onnxruntime.InferenceSession(home / "team" / "model.onnx")
    images = np.full((5, 40, 50), 128, np.float32)
    images[1, 3, 3], images[2], images[3, 0, 0], images[4, 0, 0] = np.nan, np.nan, -7, 300
    found = np.asarray(session.run(None, {"pixels": images})[0])
    assert np.isnan(found).tolist() == [False, True, True, True, True]


def test_the_program_of_the_card_scores_odd_files_as_we_do_or_refuses_them(
    home: Path, tmp_path: Path
) -> None:
    plain = random_pixels(1, 48)[0]
    clear = np.dstack([plain, plain, plain, np.full_like(plain, 255)])
    clear[:20, :, 3] = 0
    (tmp_path / "new").mkdir()
    Image.fromarray(clear).save(tmp_path / "new" / "clear.png")
    Image.fromarray(clear).convert("P").save(tmp_path / "new" / "palette.png")
    [card] = re.findall(
        r"```python\n(.*?)```", (home / "team" / "README.md").read_text(), re.DOTALL
    )
    program = card.replace('"model.onnx"', repr(str(home / "team" / "model.onnx")))
    scores = []
    for file in sorted((tmp_path / "new").iterdir()):
        space: dict[str, Any] = {}
        exec(program.replace('"xray.png"', repr(str(file))), space)
        scores.append(space["score"])
    wanted = predicted(home / "team", tmp_path, "wanted", images=tmp_path / "new")
    np.testing.assert_allclose(scores, wanted, atol=TOLERANCE)
    Image.fromarray(plain.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    with pytest.raises(ValueError, match="a deep image needs the step below"):
        exec(program.replace('"xray.png"', repr(str(tmp_path / "deep.png"))), {})


def test_the_card_says_what_is_in_the_folder_and_who_was_seen(home: Path) -> None:
    card = (home / "team" / "README.md").read_text()
    assert "died = dead" in card
    assert "12 images of 12 patients; 12 images, 6 positive" in card
    assert "On all 12 labelled images" in card
    assert "| no | NPV 0.99 |  |  |  |  |  | over 299 patients |" in card
    model = onnx.load(home / "team" / "model.onnx")
    opset, runtime = model.opset_import[0].version, "1.18"
    assert f"ONNX opset {opset}: onnxruntime {runtime} or later" in card
    assert model.ir_version <= 10, "which this onnxruntime reads"
    packages = (home / "team" / "requirements.txt").read_text()
    assert "torch==" in packages
    assert "ray" not in packages


def test_an_export_names_no_folder_no_patient_and_no_file_unless_it_is_asked_to(
    tmp_path: Path,
) -> None:
    torch.save(random_model("squeezenet1_0").state_dict(), tmp_path / "mine.pth")
    run, file = tmp_path / "run", f"squeezenet1_0@{tmp_path / 'mine.pth'}"
    write_run(run, [tiny_config(cut="features", head="logistic", backbone=file)])
    marks = {file: hash_file(tmp_path / "mine.pth")}
    weights = UsedWeights(kind="none", fingerprints=marks)
    start = WarmStarted(
        run=str(tmp_path / "earlier"), num_configurations=1, num_trials=2, num_shared=0,
        is_repeated=True,
    )  # fmt: skip
    update = {"weights": weights, "history": History(warm_start=start)}
    save_winner(read_winner(run).model_copy(update=update), run)
    cohort = Cohort.load(run)
    asked = {**cohort.found_by, "patient_pattern": r"id(\d+)"}
    dataclasses.replace(cohort, found_by=asked).save(run)
    hashes = set(cohort.manifest["sha256"])

    def texts(name: str, **given: bool) -> str:
        asked = {"out": tmp_path / name, "cache": tmp_path / "cache", "without_onnx": True}
        launch(run, ExportOptions(**asked, **given), Console(file=io.StringIO()))
        files = [path for path in (tmp_path / name).rglob("*") if path.suffix in (".json", ".md")]
        return "".join(path.read_text() for path in files)

    said = texts("plain")
    assert "squeezenet1_0@/mine.pth" in said
    assert str(tmp_path) not in said
    assert '"run": "earlier"' in said
    assert r"id(\\d+)" not in said
    assert not any(one in said for one in hashes)
    kept = texts("kept", keep_identifiers=True)
    assert r"id(\\d+)" in kept
    assert all(one in kept for one in hashes)
    write_new_images(tmp_path / "new")
    assert predicted(tmp_path / "plain", tmp_path, "a") == predicted(run, tmp_path, "b")


def test_an_exported_team_is_not_judged_on_what_it_was_trained_on(home: Path) -> None:
    seen = home / "run" / "xrays"
    labels = home / "labels.csv"
    names = [path.name for path in sorted(seen.iterdir())]
    pd.DataFrame({"image": names, "died": ["alive", "dead"] * 6}).to_csv(labels, index=False)
    with pytest.raises(InputError, match="images that the model was trained on"):
        predicted(home / "team", home, "no", images=seen, labels=labels)


@pytest.mark.filterwarnings("ignore:images that are 2 times as long as wide")
def test_a_loaded_team_goes_to_another_process(home: Path) -> None:
    team = load_model(home / "team", cache=home / "cache")
    size = len(pickle.dumps(team))
    with pytest.warns(UserWarning, match="2 times as long as wide"):
        found = team.predict(home / "new")
    copy = pickle.loads(pickle.dumps(team))
    with pytest.warns(UserWarning, match="2 times as long as wide"):
        pd.testing.assert_frame_equal(copy.predict(home / "new"), found)
    assert len(pickle.dumps(team)) < size + 1000, "no batch goes along"


def test_options_of_the_training_need_the_run(home: Path) -> None:
    with pytest.raises(InputError) as refusal:
        predicted(home / "team", home, "no", seeds=2, labelled_images=home)
    assert [one.split()[0] for one in refusal.value.problems] == ["--labelled-images", "--seeds"]


def test_a_damaged_team_is_refused_in_a_sentence(home: Path, tmp_path: Path) -> None:
    for file in ("export.json", "winner.json", "models/trial_00000/model.safetensors"):
        team = tmp_path / file.replace("/", "-")
        shutil.copytree(home / "team", team)
        (team / file).write_bytes((team / file).read_bytes()[:20])
        with pytest.raises(InputError, match="export the team again"):
            predicted(team, home, "no")


def test_a_team_that_an_earlier_version_exported_scores_the_same(
    home: Path, tmp_path: Path
) -> None:
    shutil.copytree(home / "team", tmp_path / "team")
    record = json.loads((home / "team" / "winner.json").read_text())
    for name in ("findings", "teams", "corrected_each", "recalibrations"):
        del record[name]
    (tmp_path / "team" / "winner.json").write_text(json.dumps({**record, "format": 6}))
    predicted(home / "team", home, "now")
    raw = pd.read_csv(home / "now_scores.csv")["raw_score"]
    assert predicted(tmp_path / "team", home, "earlier") == raw.tolist()


def test_a_graph_that_scores_otherwise_is_found(home: Path) -> None:
    winner, _, models = read_export(home / "team")
    share_stages(models)
    cohort, onnx = Cohort.load(home / "run"), home / "team" / "model.onnx"
    assert largest_difference(models, onnx, cohort, NO_COLUMNS, winner)[0] < TOLERANCE
    with torch.no_grad():
        next(models[1].networks[0].head.parameters()).mul_(2)
    assert largest_difference(models, onnx, cohort, NO_COLUMNS, winner)[0] > TOLERANCE


def test_all_that_stands_in_the_way_is_named_at_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph, "_LIBRARIES", ("a_library_that_is_not_there",))
    with pytest.raises(InputError) as refusal:
        launch(home / "team", ExportOptions(out=home / "new"), Console(file=io.StringIO()))
    exists, extra, again = refusal.value.problems
    assert "exists already; name another folder with --out" in exists
    assert "a_library_that_is_not_there: install the extra `export`" in extra
    assert "is an exported team already" in again
