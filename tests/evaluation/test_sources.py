"""Classes that come from different sources are told from their files, before any pixel."""

import numpy as np
import pytest
from numpy.typing import NDArray

from trainable.cohort.splits import Fold
from trainable.evaluation.sources import describe_sources, file_columns
from trainable.images.survey import KINDS, Survey

NUM = 40
LABELS = np.arange(NUM)[:, None] % 2
FOLDS = [
    Fold(np.setdiff1d(np.arange(NUM), part), part)
    for part in (np.arange(NUM // 2), np.arange(NUM // 2, NUM))
]
RNG = np.random.default_rng(0)
SIZES = RNG.integers(900, 1100, (NUM, 2))


def surveys(**of_positives: float) -> NDArray[np.float64]:
    """Images of all sizes; those of positives have further values."""
    png = KINDS.index("PNG")
    rows = [
        Survey(width, height, kind=png)._replace(**of_positives if label else {})
        for (width, height), label in zip(SIZES.tolist(), LABELS[:, 0], strict=True)
    ]
    return np.array(rows, np.float64)


@pytest.mark.parametrize(
    ("of_positives", "told"),
    [
        ({"kind": 1}, "kind of file (AUC 1.00; positive mostly JPEG, negative PNG)"),
        ({"channels": 3}, "channels (AUC 1.00; positive mostly 3, negative 1)"),
        (
            {"is_deep": 1, "high": 4095},
            "bits per pixel (AUC 1.00; positive mostly 12, negative 8)",
        ),
        ({"maker": 77}, "machine (AUC 1.00)"),
        ({"width": 512}, "width (AUC 1.00; positive mostly 512"),
    ],
)
def test_what_tells_the_classes_apart_is_named_with_what_is_usual(
    of_positives: dict[str, float], told: str
) -> None:
    (note,) = describe_sources(surveys(**of_positives), LABELS, FOLDS)
    assert told in note


def test_files_that_are_alike_or_differ_by_chance_are_no_note() -> None:
    assert list(file_columns(surveys())) == ["width", "height", "width by height"]
    assert not list(describe_sources(surveys(), LABELS, FOLDS))
    assert file_columns(surveys()[:1]).empty
