"""New images as people name them: one file, several, a list of which some cannot be used."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.networks import tiny_config
from fixtures.winners import RECALIBRATION, make_winner

from analysis.new_images import NewImages, find_new_images
from analysis.predict import predictions_and_scores
from trainable.cohort.cohort import Cohort
from trainable.cohort.exams import Grouping
from trainable.cohort.label_rule import LabelRule
from trainable.errors import InputError

WriteImages = Callable[[Path, Iterable[str]], None]
COHORT = Cohort(pd.DataFrame(), (LabelRule(("no", "yes")),))
NAMES = ["a.png", "b.png", "c.png"]


@pytest.fixture
def folder(tmp_path: Path, write_images: WriteImages) -> Path:
    """Three images, the second of which is damaged."""
    write_images(tmp_path / "new", NAMES)
    (tmp_path / "new" / "b.png").write_bytes(b"")
    return tmp_path / "new"


def tables(new: NewImages, *scores: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    column = np.array(scores, np.float32)[:, None]
    return predictions_and_scores(new, column, make_winner(tiny_config()), COHORT.label_rules)


def test_one_image_is_predicted(folder: Path) -> None:
    new = find_new_images(folder / "a.png", None, COHORT)
    assert new.paths == (str(folder / "a.png"),)


def test_images_may_be_named_one_by_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    new = find_new_images(["c.png", folder / "a.png"], None, COHORT)
    assert new.paths == (str(folder / "c.png"), str(folder / "a.png"))
    assert new.images == ("c.png", str(folder / "a.png"))
    with pytest.raises(InputError, match=r"1 of 2 is not found: absent\.png\. Check their names"):
        find_new_images(["absent.png", "a.png"], None, COHORT)
    with pytest.raises(InputError, match="the list is empty"):
        find_new_images([], None, COHORT)


def test_one_image_is_no_examination_of_several_views(folder: Path) -> None:
    cohort = Cohort(pd.DataFrame(), COHORT.label_rules, grouping=Grouping(2, "exam", None, ()))
    with pytest.raises(InputError, match=r"must be a table .*; .*a\.png is an image"):
        find_new_images(folder / "a.png", None, cohort)


def test_cells_of_images_that_cannot_be_used_are_empty(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("died,image\n?,c.png\n?,b.png\n?,absent.png\n?,a.png\n")
    new = find_new_images(folder, tmp_path / "t.csv", COHORT, leave_out=True)
    assert [Path(path).name for path in new.paths] == ["c.png", "a.png"]
    assert {one.image: one.reason for one in new.left_out} == {
        "b.png": "the file is empty",
        "absent.png": "not found",
    }
    assert any("2 predictions are empty" in note for note in new.notes)
    filled, scores = tables(new, 0.9, 0.1)
    assert filled["died"].tolist() == ["yes", "", "", "no"]
    assert scores["image"].tolist() == ["c.png", "b.png", "absent.png", "a.png"]
    assert np.isnan(scores["score"]).tolist() == [False, True, True, False]


def test_a_view_that_cannot_be_used_is_a_missing_view(folder: Path) -> None:
    cohort = Cohort(pd.DataFrame(), COHORT.label_rules, grouping=Grouping(2, "exam", None, ()))
    (folder.parent / "new.csv").write_text("image,exam\na.png,1\nb.png,1\nabsent.png,2\nc.png,3\n")
    new = find_new_images(folder.parent / "new.csv", None, cohort, leave_out=True)
    assert new.exam_images.tolist() == [[0, -1], [1, -1]]
    assert tables(new, 0.9, 0.1)[1]["prediction"].tolist() == ["yes", "", "no"]


def test_without_the_option_they_are_refused_and_it_is_named(folder: Path) -> None:
    with pytest.raises(InputError, match=r"1 of 2 is not found.* with --unusable drop"):
        find_new_images([folder / "a.png", folder / "absent.png"], None, COHORT)


def test_a_recalibrated_score_stands_beside_its_raw_one(folder: Path) -> None:
    at = RECALIBRATION.threshold
    winner = make_winner(tiny_config(), recalibrations=(RECALIBRATION,), thresholds=(at,))
    new = find_new_images(folder, None, COHORT, leave_out=True)
    raw = np.nextafter(np.float32(0.5), np.array([[0], [0.5]], np.float32))
    _, scores = predictions_and_scores(new, raw, winner, COHORT.label_rules)
    assert list(scores) == ["image", "score", "prediction", "raw_score"]
    assert scores["raw_score"].to_numpy() == pytest.approx([raw[0, 0], np.nan, 0.5], nan_ok=True)
    assert scores["score"].to_numpy()[2] == np.float32(at)
    assert scores["prediction"].tolist() == ["no", "", "yes"]
