"""Classes that come from different sources are told from their files, before any pixel."""

import numpy as np
import pytest
from numpy.typing import NDArray

from trainable.cohort.findings import Findings
from trainable.cohort.splits import Fold
from trainable.evaluation.sources import describe_sources, file_columns
from trainable.images.survey import KINDS, Survey

NUM = 40
LABELS = np.arange(NUM)[:, None] % 2
FOLDS = [
    Fold(np.setdiff1d(np.arange(NUM), part), part)
    for part in (np.arange(NUM // 2), np.arange(NUM // 2, NUM))
]
FINDINGS = Findings(("dead",))
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
    (note,) = describe_sources(surveys(**of_positives), LABELS, FOLDS, FINDINGS)
    assert told in note


def test_files_that_are_alike_or_differ_by_chance_are_no_note() -> None:
    assert list(file_columns(surveys())) == ["width", "height", "width by height"]
    assert not list(describe_sources(surveys(), LABELS, FOLDS, FINDINGS))
    assert file_columns(surveys()[:1]).empty


def test_of_several_findings_the_one_that_is_told_best_is_named() -> None:
    both = np.hstack([LABELS[::-1], LABELS])
    both[:6, 0] = -1
    findings = Findings(("Mass", "Edema"))
    (note,) = describe_sources(surveys(kind=1), both[:, 1:], FOLDS, FINDINGS)
    (told,) = describe_sources(
        surveys(kind=1),
        np.hstack([0 * LABELS + RNG.integers(0, 2, (NUM, 1)), LABELS]),
        FOLDS,
        findings,
    )
    assert told == note.replace("(AUC", "(Edema: AUC")
