"""Phantoms of several findings: what they show, and their true risks."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from search.demo.films import draw_phantom
from search.demo.findings import (
    FINDINGS,
    best_possible_f1_each,
    sample_findings,
    write_findings,
)
from search.demo.phantoms import films_of
from search.demo.signs import Signs

SIZE = 64
SIGNS = ("heart", "effusion", "nodule")


def difference(sign: str, extent: float, seed: int) -> float:
    """How far a sign moves the pixels, in standard deviations of the picture."""
    plain = draw_phantom(0.2, seed, seed + 50, SIZE).astype(float)
    shown = draw_phantom(0.2, seed, seed + 50, SIZE, Signs(**{sign: extent}))
    return float(np.abs(shown - plain).mean() / plain.std())


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_is_absent_at_0_and_grows(sign: str) -> None:
    for seed in range(6):
        found = [difference(sign, extent, seed) for extent in (0.0, 0.3, 0.6, 1.0)]
        assert found[0] == 0.0
        assert found == sorted(found)
        assert found[-1] > found[1] + 0.001


def test_a_nodule_is_small_and_white_and_stays_at_its_place() -> None:
    for seed in range(6):
        places = []
        for day in (1, 2):
            plain = draw_phantom(0.0, seed, day, SIZE).astype(float)
            change = draw_phantom(0.0, seed, day, SIZE, Signs(nodule=1.0)) - plain
            is_spot = change > change.max() / 2
            assert change.max() > 20
            assert is_spot.mean() < 0.015
            places.append(np.argwhere(is_spot).mean(axis=0) / SIZE)
        assert np.abs(places[0] - places[1]).max() < 0.12


def test_labels_agree_with_their_true_risks_finding_by_finding() -> None:
    rows = sample_findings(6000, seed=2)
    for name in FINDINGS:
        known = rows[rows[name].notna()]
        bins = pd.cut(known[f"probability:{name}"], [0.0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
        for _, part in known.groupby(bins, observed=True):
            risk = part[f"probability:{name}"]
            spread = float((risk * (1.0 - risk)).sum()) ** 0.5
            assert abs(part[name].sum() - risk.sum()) < 4.0 * spread


def test_one_finding_is_rare_one_has_unknown_labels_and_they_stand_together() -> None:
    rows = sample_findings(6000, seed=5)
    shares, unknown = rows[list(FINDINGS)].mean(), rows[list(FINDINGS)].isna().mean()
    assert 0.04 < shares["Cardiomegaly"] < 0.065
    assert shares.drop("Cardiomegaly").between(0.2, 0.3).all()
    assert unknown["Effusion"] == pytest.approx(0.2, abs=0.02)
    assert unknown.drop("Effusion").eq(0).all()
    assert (rows[list(FINDINGS)].sum(axis=1) > 1).mean() > 0.15
    mixed = rows.groupby("patient")["Nodule"].nunique() > 1
    assert mixed.any()


def test_the_best_possible_f1_of_each_finding_is_neither_trivial_nor_hopeless() -> None:
    rows = sample_findings(3000, seed=1)
    for name, best in best_possible_f1_each(rows).items():
        share = float(rows[name].mean())
        of_all_positive = 2 * share / (1 + share)
        assert of_all_positive + 0.3 < best < 0.95


def test_patients_are_reproducible_and_have_one_anatomy_each() -> None:
    rows = sample_findings(300, seed=1)
    assert rows.equals(sample_findings(300, seed=1))
    assert not rows["severity"].equals(sample_findings(300, seed=2)["severity"])
    assert rows.groupby("patient")["anatomy_seed"].nunique().eq(1).all()
    assert rows["image"].is_unique
    assert rows["day_seed"].is_unique
    assert rows["image"][:3].tolist() == sorted(rows["image"][:3])


def test_the_folder_holds_what_it_promises(tmp_path: Path) -> None:
    write_findings(tmp_path / "demo", num_patients=12, num_test_patients=8, size=SIZE, seed=3)
    names = ["prediction_example.csv", "test_labels.csv", "train.csv", "truth.csv"]
    template, labels, train, truth = (pd.read_csv(tmp_path / "demo" / name) for name in names)
    assert list(train.columns) == list(labels.columns) == ["image", *FINDINGS, "patient"]
    assert list(template.columns) == ["image", *FINDINGS]
    assert (template[list(FINDINGS)] == 0).all(axis=None)
    assert len(truth) == len(train) + len(labels)
    assert (train["patient"].nunique(), labels["patient"].nunique()) == (12, 8)
    drawn = sample_findings(20, seed=3)
    rows = truth.merge(drawn, on=["patient", "nodule"], suffixes=("", "_drawn"))
    assert len(rows) == len(truth)
    for row, film in zip(rows.to_dict("records"), films_of(rows), strict=True):
        with Image.open(tmp_path / "demo" / str(row["split"]) / str(row["image"])) as written:
            assert np.array_equal(np.asarray(written), film.draw(SIZE))
    known = pd.concat([train, labels]).set_index("image").loc[rows["image"]]
    for name in FINDINGS:
        assert known[name].astype("Int64").tolist() == rows[name].tolist()
    text = (tmp_path / "demo" / "train.csv").read_text()
    assert {cell for line in text.splitlines()[1:] for cell in line.split(",")[1:5]} == {
        "0",
        "1",
        "",
    }
