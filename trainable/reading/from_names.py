"""Labelled images whose labels are in their file names."""

from pathlib import Path

import pandas as pd

from trainable.errors import Checks
from trainable.reading.from_table import LabelledImages
from trainable.reading.image_files import list_folder
from trainable.reading.labels_in_names import labels_in_names
from trainable.reading.options import DataOptions
from trainable.reading.several_labels import read_asked


def read_flat_folder(
    folder: Path, parts: dict[str, Path], source: DataOptions, checks: Checks
) -> LabelledImages:
    """Read the images of a folder and below, each with the label that its name holds.

    Args:
        folder: The folder.
        parts: Where the images are, by the side of the split that they are on; "" for none.
        source: What the user said of the labels and the split.
        checks: Given what cannot be decided, and notes.
    """
    assert source.label_pattern is not None
    listed = [(side, path) for side, part in parts.items() for path in list_folder(part).images]
    table = pd.DataFrame(
        {
            "image": [path.relative_to(folder).as_posix() for _, path in listed],
            "path": [str(path) for _, path in listed],
            "split": [side if source.split == "keep" else "" for side, _ in listed],
        },
        dtype=str,
    )
    if table.empty:
        checks.add(f"--data must hold images; there are none in {folder}")
        checks.raise_if_any()
    raw = labels_in_names(source.label_pattern, table["image"], checks)
    labels = read_asked(raw.to_frame(), table["image"], source, checks)
    checks.raise_if_any()
    assert labels is not None  # else there was a problem
    checks.note(labels.note)
    kept = table.join(labels.values)[(labels.values >= 0).any(axis=1)].reset_index(drop=True)
    return LabelledImages(kept, labels.rules)
