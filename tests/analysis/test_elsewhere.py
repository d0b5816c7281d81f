"""What was told of a winner beside labels of other images: in a terminal, on a page, as data."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.networks import random_pixels, tiny_config
from fixtures.small_runs import write_run
from PIL import Image
from rich.console import Console

from analysis.api import load_model
from analysis.elsewhere.site import SiteFinding
from analysis.launch import launch as predict
from analysis.options import PredictOptions
from trainable.cohort.scored import Scored
from trainable.errors import InputError
from trainable.evaluation.intervals import Estimate
from trainable.evaluation.transport import Resampled
from trainable.run.places import scores_file

CONFIGS = [tiny_config(cut="features.2", head="logistic")]
NUM_NEW = 100


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one finding, and 100 labelled images from elsewhere, one of one grey."""
    home = tmp_path_factory.mktemp("elsewhere")
    write_run(home / "run", CONFIGS)
    file = scores_file(home / "run", 0)
    file.parent.mkdir()
    np.save(file, np.linspace(0.1, 0.9, 12, dtype=np.float32)[:, None])
    new = home / "new"
    new.mkdir()
    pixels = random_pixels(NUM_NEW, seed=5)
    pixels[0] = 90
    for number, one in enumerate(pixels):
        Image.fromarray(one).save(new / f"{number}.png")
    names = [f"{number}.png" for number in range(NUM_NEW)]
    patients = [f"new{number // 2}" for number in range(NUM_NEW)]
    labels = np.where(np.arange(NUM_NEW) // 2 % 2, "dead", "alive")
    table = pd.DataFrame({"image": names, "died": labels, "patient": patients})
    table.to_csv(home / "labels.csv", index=False)
    return home


def said(home: Path, **options: object) -> list[str]:
    """What a prediction of the new images prints."""
    given = {"images": home / "new", "labels": home / "labels.csv", "cache": home / "cache"}
    console = Console(file=io.StringIO(), soft_wrap=True)
    asked = PredictOptions(out=home / "p.csv", overwrite=True, seeds=1, **{**given, **options})
    predict(home / "run", asked, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_what_was_told_and_found_stand_side_by_side_with_the_causes(home: Path) -> None:
    lines = said(home)
    start = lines.index("what the search told, and what these labels show:")
    block = lines[start : lines.index(f"report: {home / 'p_report.html'}")]
    assert max(map(len, block)) <= 80
    told = dict(line.split(maxsplit=1) for line in block[2:10])
    assert told["F1"].startswith("0.400 (0.300-0.600)"), "the corrected one"
    assert told["prevalence"].startswith("0.500")
    assert any(line.startswith("why the F1 differs by ") for line in block)
    assert "  1 image is unlike the training, of 100" in block
    page = (home / "p_report.html").read_text()
    part = page.split("<h2>Promise and result</h2>")[1].split("<h2>")[0]
    assert "another prevalence" in part
    assert "sensitivity at specificity 0.9" in part


def test_the_same_is_data_in_python(home: Path) -> None:
    said(home)
    team = load_model(home / "run", seeds=1, cache=home / "cache")
    with pytest.warns(UserWarning, match="of one grey"):
        found = team.compare(home / "new", home / "labels.csv")
    [one] = found.findings
    assert (found.num_exams, found.num_unlike) == (NUM_NEW, 1)
    row = found.table.iloc[0]
    assert [row[name] for name in ("metric", "told", "told_low")] == ["F1", 0.4, 0.3]
    assert one.causes is not None
    parts = one.causes.prevalence.value + one.causes.calibration.value + one.causes.rest.value
    assert parts == pytest.approx(row["difference"])


def test_a_team_is_recalibrated_to_a_site_and_predicts_there(home: Path) -> None:
    lines = said(home, recalibrate_here="lyon")
    start = lines.index("recalibrated to these labels, judged by cross-validation by patient:")
    assert [line.split()[0] for line in lines[start + 2 : start + 4]] == ["log", "Brier"]
    file = home / "run" / "sites" / "lyon.json"
    assert lines[-2] == f"site: {file}; predict there with --site lyon"
    before = pd.read_csv(home / "p_scores.csv")
    kept = file.read_text()
    there = said(home, site="lyon")
    assert any(line.startswith("  recalibrated to lyon on ") for line in there)
    assert "what the recalibration to lyon told, and what these labels show:" in there
    assert any(
        f"labels of {NUM_NEW} of these images have recalibrated lyon" in one for one in there
    )
    after = pd.read_csv(home / "p_scores.csv")
    assert after["raw_score"].tolist() == before["score"].tolist()
    assert before["score"].rank().corr(after["score"].rank()) > 0.99
    assert abs(after["score"].mean() - 0.5) < 0.02 < abs(before["score"].mean() - 0.5)
    team = load_model(home / "run", seeds=1, cache=home / "cache", site="lyon")
    found = team.predict(home / "new" / "7.png")["score"][0]
    assert found == pytest.approx(after.set_index("image").loc["7.png", "score"], abs=1e-5)
    with pytest.raises(InputError, match="exists already, and is never replaced"):
        said(home, recalibrate_here="lyon")
    assert file.read_text() == kept
    with pytest.warns(UserWarning, match="of one grey"):
        table = team.compare(home / "new", home / "labels.csv").table.set_index("metric")
    assert {"F1", "AUC", "PPV", "mean score"} <= {*table.index}, "all that labels show was told"
    told = table.loc[["F1", "AUC", "PPV", "prevalence", "mean score"]]
    assert (told["told_low"] < told["told_high"]).all()
    assert (told["verdict"] != "").all()
    team_then = json.loads(kept)["team"]
    file.write_text(kept.replace(team_then, "0" * len(team_then)))
    with pytest.raises(InputError, match="is of another team or threshold, since the winner was"):
        said(home, site="lyon")
    for change in (kept[:50], kept.replace('"format":2', '"format":1')):
        file.write_text(change)
        with pytest.raises(InputError, match=r"cannot be read .*: remove it, and make it again"):
            said(home, site="lyon")
    file.write_text(kept[:50])
    assert any(f"{file} cannot be read, so labels of these images may have" in one
               for one in said(home))  # fmt: skip
    file.write_text(kept)


def test_a_site_keeps_what_was_measured_there() -> None:
    rng = np.random.default_rng(0)
    labels = (np.arange(200) % 4 == 0).astype(np.int64)[:, None]
    scored = Scored(labels, np.arange(200) // 2, rng.random((200, 1)).astype(np.float32))
    drawn = Resampled.of(scored, 0.4, "binary", seed=0).drawn()
    told = SiteFinding.of({"F1": Estimate(0.5, 0.4, 0.6)}, drawn)
    again = SiteFinding.model_validate_json(told.model_dump_json())
    assert again.metrics["F1"] == Estimate(0.5, 0.4, 0.6)
    for name in ("sensitivity", "specificity", "prevalence", "lines", "tail"):
        np.testing.assert_allclose(getattr(again.as_drawn, name), getattr(drawn, name), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"recalibrate_here": "a/b"}, "letters, digits, - and _ alone"),
        ({"recalibrate_here": "x", "labels": None}, "needs true labels"),
        ({"site": "nowhere"}, "--site must name a file of"),
        ({"site": "nowhere", "promise_npv": 0.9}, "drop one of the two"),
        (
            {"recalibrate_here": "x", "few": True},
            "20 positive and 20 negative patients .got 4 and 46",
        ),
    ],
)
def test_a_site_that_cannot_be_is_refused_in_a_sentence(
    home: Path, options: dict[str, object], sentence: str
) -> None:
    if options.pop("few", False):
        table = pd.read_csv(home / "labels.csv").assign(died="alive")
        table.loc[:7, "died"] = "dead"
        table.to_csv(home / "few.csv", index=False)
        options["labels"] = home / "few.csv"
    with pytest.raises(InputError, match=sentence):
        said(home, **options)
    assert not (home / "run" / "sites" / "x.json").exists()
