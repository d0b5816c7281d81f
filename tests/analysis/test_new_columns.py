"""Columns that the team sees beside new images: read, or refused with all that is wrong."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fixtures.networks import tiny_config
from fixtures.winners import make_winner
from PIL import Image

from analysis.model_file import seen_columns
from analysis.new_images import NewImages, find_new_images
from trainable.cohort.cohort import Cohort
from trainable.cohort.label_rule import LabelRule
from trainable.errors import InputError
from trainable.model.covariate_encoder import NO_COLUMNS

MANIFEST = pd.DataFrame(
    {
        **{"image": [f"{n}.png" for n in range(8)], "label": np.arange(8) % 2, "split": ""},
        "patient": [f"p{n}" for n in range(8)],
        **{"covariate:age": [str(60 + n) for n in range(8)], "covariate:sex": ["M", "F"] * 4},
    }
)
COHORT = Cohort(MANIFEST, (LabelRule(("alive", "dead")),), found_by={"image": "image"})
SEEN = seen_columns(make_winner(tiny_config(covariates=True)), COHORT)


def found(folder: Path, table: str) -> NewImages:
    for name in ("a", "b"):
        Image.new("L", (32, 32)).save(folder / f"{name}.png")
    (folder / "t.csv").write_text(table)
    return find_new_images(folder / "t.csv", None, COHORT, SEEN)


def test_only_a_team_that_sees_columns_needs_them() -> None:
    assert SEEN.names == ("age", "sex")
    assert seen_columns(make_winner(tiny_config()), COHORT) == NO_COLUMNS


def test_each_image_has_its_own_cells(tmp_path: Path) -> None:
    new = found(tmp_path, "image,sex,age\nb.png,f,70\na.png,M,\n")
    np.testing.assert_array_equal(new.columns, [[70, 0], [np.nan, 1]])  # F, M
    assert new.notes == ()


def test_missing_columns_are_named(tmp_path: Path) -> None:
    rule = "--images must be a table with the columns age, sex, which the team sees beside the"
    with pytest.raises(InputError, match=f"{rule} image; .* lacks sex"):
        found(tmp_path, "image,age\na.png,70\n")
    with pytest.raises(InputError, match=f"{rule} image; .* is a folder"):
        find_new_images(tmp_path, None, COHORT, SEEN)


def test_a_number_must_be_one_and_an_unknown_category_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"column age must hold numbers.*\(got old\)"):
        found(tmp_path, "image,age,sex\na.png,old,M\nb.png,70,M\n")
    [note] = found(tmp_path, "image,age,sex\na.png,70,X\nb.png,unknown,m\n").notes
    assert note.startswith("sex has values that the training lacks (X)")
    new = found(tmp_path, "image,age,sex\na.png,90+,M\nb.png,70,M\n")
    assert new.columns[:, 0].tolist() == [90, 70]
    assert "90+ (1)" in new.notes[0]
