"""The regressions that `benchmarks.quality` compares a search with run, and find what is there."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.quality.cohorts import Resplit, resplits
from benchmarks.quality.methods import Setup, _probes

SIZE = 32


@pytest.fixture
def part(tmp_path: Path) -> Resplit:
    """Bright images are positive."""
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 30)
    rows = []
    for number, label in enumerate(labels):
        pixels = rng.integers(0, 120, (SIZE, SIZE)) + 100 * label
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        rows.append({"image": str(path), "label": label, "patient": str(number)})
    table = pd.DataFrame(rows)
    return Resplit(0, tmp_path, table[:40], table[40:])


def test_both_probes_learn_what_anybody_sees(part: Resplit, tmp_path: Path) -> None:
    rows = list(_probes(part, Setup("none", SIZE, 1, tmp_path / "cache", ())))
    assert [row["method"] for row in rows] == ["probe", "fused_probe"]
    assert all(float(row["auc"]) > 0.95 for row in rows)
    assert all(np.isfinite(float(row["reported_minus_test"])) for row in rows)


def test_a_patient_is_on_one_side_and_further_columns_are_kept(
    part: Resplit, tmp_path: Path
) -> None:
    every = pd.concat([part.train, part.test], ignore_index=True)
    pairs = np.arange(len(every)) // 2
    table = every.assign(patient=pairs, label=pairs % 2, age=40 + pairs)
    table.to_csv(tmp_path / "labels.csv", index=False)
    split = next(resplits(tmp_path, tmp_path / "labels.csv", None, [3], 0.33))
    assert not set(split.train["patient"]) & set(split.test["patient"])
    assert len(split.train) + len(split.test) == len(table)
    ages = pd.concat([split.train, split.test]).set_index("image")["age"]
    assert ages.to_dict() == table.set_index("image")["age"].to_dict()
