"""Every figure of the source documents' tables is recomputed, and what in them is signal."""

import io

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from trainable.evaluation.counts import f1_of_counts
from trainable.evaluation.significance import differing_pairs

ASSIGNMENT = """\
experiment,row,tp,fn,fp,tn,f1
backbone,ResNet-18,4,26,23,225,0.14
backbone,ResNet-34,9,21,34,214,0.25
backbone,ResNet-50,16,14,98,150,0.22
backbone,SqueezeNet 1.0,15,15,44,204,0.33
backbone,SqueezeNet 1.1,6,24,46,202,0.15
normalize,no,15,15,44,204,0.33
normalize,yes,13,17,38,210,0.32
F1 average,macro,15,15,44,204,0.33
F1 average,micro,19,11,45,203,0.40
F1 average,weighted,15,15,40,208,0.35
F1 average,binary,16,14,50,198,0.33
cut,-1,12,18,47,201,0.27
cut,1,14,16,43,205,0.32
cut,2,8,22,29,219,0.24
cut,20,9,21,29,219,0.26
cut,None,19,11,45,203,0.40
"""
"""All four experiments."""

MAMMOGRAM = {
    "blocks": [87.31, 87.12, 88.27, 85.77],
    "layers": [88.46, 88.65, 88.65, 88.46, 88.46, 88.65, 90.38, 88.85, 89.61, 89.62, 90.00, 88.85],
}
"""Validation accuracies in per cent, of 4 to 1 dense blocks and 12 to 1 layers of the second."""
NUM_VALIDATION = 520

DEEP_COVID = {
    "ResNet-18": (90.7, 1.1),
    "ResNet-50": (89.6, 1.1),
    "SqueezeNet": (92.9, 0.9),
    "DenseNet-121": (75.1, 1.5),
}
"""Specificity on 3,000 images at a sensitivity of 98 % on 100, in per cent, with its interval."""


def assignment() -> pd.DataFrame:
    return pd.read_csv(io.StringIO(ASSIGNMENT), keep_default_na=False)


def counts() -> NDArray[np.int64]:
    return assignment()[["tp", "fn", "fp", "tn"]].to_numpy().T


def test_every_f1_of_the_assignment_is_that_of_its_counts() -> None:
    printed, found = assignment()["f1"].to_numpy(), f1_of_counts(counts(), "binary")
    # some are rounded, and some cut off: 0.2466 is printed as 0.25, 0.3371 as 0.33
    assert ((found.round(2) == printed) | (np.floor(100 * found) / 100 == printed)).all()
    assert (counts()[:2].sum(axis=0) == 30).all()
    assert (counts()[2:].sum(axis=0) == 248).all()


def test_all_positive_beats_two_networks_of_the_assignment() -> None:
    every_one = f1_of_counts(np.array([30, 0, 248, 0]), "binary")
    assert every_one == pytest.approx(0.195, abs=5e-4)
    below = assignment()[f1_of_counts(counts(), "binary") < every_one]
    assert below["row"].tolist() == ["ResNet-18", "SqueezeNet 1.1"]


def test_no_two_rows_of_an_experiment_of_the_assignment_differ_beyond_chance() -> None:
    for _, rows in assignment().groupby("experiment"):
        hits, misses = rows["tp"].tolist(), (rows["fn"] + rows["fp"]).tolist()
        assert differing_pairs(rows["row"].tolist(), hits, misses) == []


def test_every_accuracy_of_the_mammogram_paper_is_a_count_of_520_images() -> None:
    for printed in MAMMOGRAM.values():
        right = np.array(printed) * NUM_VALIDATION / 100
        # two decimals of a per cent are a twentieth of an image; the paper cuts some off
        assert np.abs(right - right.round()).max() <= 0.06


def test_no_two_layers_of_the_mammogram_paper_differ_by_more_than_chance() -> None:
    right = (np.array(MAMMOGRAM["layers"]) * NUM_VALIDATION / 100).round().astype(int)
    assert right.max() - right.min() == 10
    names = [str(layers) for layers in range(12, 0, -1)]
    assert differing_pairs(names, right.tolist(), (NUM_VALIDATION - right).tolist()) == []


def test_the_intervals_of_deep_covid_are_normal_ones_of_its_numbers_of_images() -> None:
    width = stats.norm.ppf(0.975)
    assert width * np.sqrt(0.98 * 0.02 / 100) == pytest.approx(0.027, abs=5e-4)
    for specificity, printed in DEEP_COVID.values():
        share = specificity / 100
        half = 100 * width * np.sqrt(share * (1 - share) / 3000)
        assert half == pytest.approx(printed, abs=0.07)


def test_the_specificities_of_deep_covid_do_differ() -> None:
    negatives = [round(30 * specificity) for specificity, _ in DEEP_COVID.values()]
    pairs = differing_pairs(list(DEEP_COVID), negatives, [3000 - n for n in negatives])
    assert {frozenset(pair[:2]) for pair in pairs} >= {
        frozenset({"DenseNet-121", name}) for name in DEEP_COVID if name != "DenseNet-121"
    }
