"""The demo cohorts: phantoms whose best possible F1 is known, with options that fit a laptop."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from search.demo.findings import FINDINGS, best_possible_f1_each, write_findings
from search.demo.phantoms import best_possible_f1, write_demo
from search.options.options import DEMO_OF_FINDINGS
from trainable.reading.options import DataOptions

_FOLDER = "demo"

SPACE: dict[str, Any] = {
    "backbone": ["squeezenet1_0", "squeezenet1_1", "resnet18", "mobilenet_v3_large"],
    "unfreeze": [0],
    "image_size": 96,
    "batch_size": 32,
}
"""Changes of the default search space for the demo."""


def write(run: Path, asked: DataOptions) -> DataOptions:
    """Draw the cohort that is asked for into the run folder, if it is not there.

    Returns:
        Place of the labelled phantoms.
    """
    folder = run / _FOLDER
    if not folder.exists():
        draw = write_findings if asked.data == DEMO_OF_FINDINGS else write_demo
        draw(folder)
    found = DataOptions(data=folder / "train.csv")
    if asked.data == DEMO_OF_FINDINGS:
        return found.model_copy(update={"label_column": ",".join(FINDINGS), "missing": "drop"})
    return found


def describe_best_possible(run: Path, asked: DataOptions) -> Iterator[str]:
    """The F1 of a classifier that knows the true risk of each patient, a line each."""
    truth = pd.read_csv(run / _FOLDER / "truth.csv")
    train = truth[truth["split"] == "train"]
    line = "  the best possible F1 on the demo, by the true risk of each phantom:"
    if asked.data == DEMO_OF_FINDINGS:
        best = best_possible_f1_each(train)
        yield f"{line} mean {np.mean(list(best.values())):.3f}"
        yield f"    {', '.join(f'{name} {f1:.3f}' for name, f1 in best.items())}"
    else:
        f1 = best_possible_f1(train["probability"].to_numpy(), train["patient"].to_numpy())
        yield f"{line} {f1:.3f}"
