"""The demo cohort: phantoms whose best possible F1 is known, with options that fit a laptop."""

from pathlib import Path
from typing import Any

import pandas as pd

from search.demo.phantoms import best_possible_f1, write_demo
from trainable.reading.options import DataOptions

_FOLDER = "demo"

SPACE: dict[str, Any] = {
    "backbone": ["squeezenet1_0", "squeezenet1_1", "resnet18", "mobilenet_v3_large"],
    "unfreeze": [0],
    "image_size": 96,
    "batch_size": 32,
}
"""Changes of the default search space for the demo."""


def write(run: Path) -> None:
    """Draw the cohort into the run folder, if it is not there."""
    folder = run / _FOLDER
    if not folder.exists():
        write_demo(folder)


def images(run: Path) -> DataOptions:
    """Place of the labelled phantoms."""
    return DataOptions(data=run / _FOLDER / "train.csv")


def describe_best_possible(run: Path) -> str:
    """The F1 of a classifier that knows the true risk of each patient."""
    truth = pd.read_csv(run / _FOLDER / "truth.csv")
    train = truth[truth["split"] == "train"]
    best = best_possible_f1(train["probability"].to_numpy(), train["patient"].to_numpy())
    return f"  the best possible F1 on the demo, by the true risk of each phantom: {best:.3f}"
