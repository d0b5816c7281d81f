"""The demo cohort: phantoms whose best possible F1 is known, with options that fit a laptop."""

from pathlib import Path
from typing import Any

import pandas as pd

from search.settings import SearchSettings
from trainable.cohort_files import CohortSource
from trainable.phantoms import best_possible_f1, write_demo

_FOLDER = "demo"

_DEFAULTS: dict[str, Any] = {
    # no download, and a body this small finds opacities from a random start
    "weights": "none",
    "backbones": ("squeezenet1_0", "squeezenet1_1", "resnet18", "mobilenet_v3_large"),
    "unfreeze": ("none",),
    "image_size": 96,
    "batch_size": 32,
}


def with_defaults(settings: SearchSettings) -> SearchSettings:
    """The demo's own defaults for every option that the user left open."""
    ours = {name: v for name, v in _DEFAULTS.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=ours)


def write(run: Path) -> None:
    """Draw the cohort into the run folder, once."""
    folder = run / _FOLDER
    if not folder.exists():
        write_demo(folder)


def source(run: Path) -> CohortSource:
    """Where the labelled phantoms are."""
    return CohortSource(data=run / _FOLDER / "train.csv")


def describe_best_possible(run: Path) -> str:
    """What a classifier would score that knew each patient's true risk."""
    truth = pd.read_csv(run / _FOLDER / "truth.csv")
    train = truth[truth["split"] == "train"]
    best = best_possible_f1(train["probability"].to_numpy(), train["patient"].to_numpy())
    return f"  the best possible F1 on the demo, by the true risk of each phantom: {best:.3f}"
