"""Phantoms with several findings, whose true risks are known.

Each finding has a sign, from absent to plain to see. Whether the finding is there is drawn from it
with a known probability, so the best F1 that any model can reach is known for each.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from search.demo.phantoms import IMAGES_OF_PATIENTS, best_possible_f1, write_phantoms


class _Finding(NamedTuple):
    """One finding.

    Attributes:
        sign: What a phantom shows of it: `severity`, or a field of `Signs`.
        share: Share of the patients who have much of the sign.
        unknown: Share of the images whose label is not known.
    """

    sign: str
    share: float
    unknown: float = 0.0


_FINDINGS = {
    "Opacity": _Finding("severity", 0.3),
    "Effusion": _Finding("effusion", 0.25, unknown=0.2),
    "Nodule": _Finding("nodule", 0.25),
    "Cardiomegaly": _Finding("heart", 0.03),
}
FINDINGS = tuple(_FINDINGS)
"""Findings that can stand together: plain to see, with unknown labels, small, and rare."""

_RISK = "probability:"
_SLOPE, _MIDPOINT = 14.0, 0.5  # Odds of a finding = exp(slope * (sign - midpoint)).


def sample_findings(num_patients: int, seed: int) -> pd.DataFrame:
    """Draw patients with 1 to 4 images each, and the findings of each image; no image is drawn.

    A finding comes and goes between the images of a patient, as its sign does.

    Returns:
        One row per image, as `write_phantoms` takes them: a column per finding (1, 0, missing where
        it is not known), and for each its `probability:NAME` in [0, 1].
    """
    rng = np.random.default_rng([seed, len(FINDINGS)])
    num_images = 1 + rng.choice(4, num_patients, p=IMAGES_OF_PATIENTS)
    who = np.repeat(np.arange(num_patients), num_images)
    day = 1 + np.arange(len(who)) - np.repeat(np.cumsum(num_images) - num_images, num_images)
    # what patients have of each sign, from which their images differ a little
    shape = (num_patients, len(FINDINGS))
    has_much = rng.random(shape) < [finding.share for finding in _FINDINGS.values()]
    levels = np.where(has_much, rng.beta(4.0, 1.5, shape), 0.6 * rng.beta(1.0, 3.0, shape))
    signs = np.clip(levels[who] + rng.normal(0.0, 0.06, (len(who), len(FINDINGS))), 0.0, 1.0)
    rows = pd.DataFrame({"patient": [f"patient{number:04d}" for number in who]})
    rows["image"] = rows["patient"] + "_day" + pd.Series(day).astype(str) + ".png"
    rows["anatomy_seed"] = rng.integers(2**62, size=num_patients)[who]
    rows["day_seed"] = rng.integers(2**62, size=len(who))
    rows[[finding.sign for finding in _FINDINGS.values()]] = signs
    for name, finding in _FINDINGS.items():
        risk = 1.0 / (1.0 + np.exp(-_SLOPE * (rows[finding.sign] - _MIDPOINT)))
        label = pd.Series(rng.random(len(rows)) < risk).astype("Int64")
        rows[name] = label.mask(rng.random(len(rows)) < finding.unknown)
        rows[_RISK + name] = risk
    return rows


def write_findings(
    folder: Path,
    num_patients: int = 300,
    num_test_patients: int = 120,
    size: int = 160,
    seed: int = 0,
) -> None:
    """Write a cohort of `sample_findings`, as `write_demo` does; unknown labels are blank.

    Raises:
        FileExistsError: If folder is there and is not an empty folder.
    """
    rows = sample_findings(num_patients + num_test_patients, seed)
    truth = [*(_RISK + name for name in FINDINGS), *(one.sign for one in _FINDINGS.values())]
    write_phantoms(folder, rows, list(FINDINGS), truth, num_patients, size, seed)


def best_possible_f1_each(truth: pd.DataFrame) -> dict[str, float]:
    """Expected F1 of a model that knows each image's true risk, by finding.

    Args:
        truth: `sample_findings`, or what `write_findings` kept apart.
    """
    images = np.arange(len(truth))
    return {name: best_possible_f1(truth[_RISK + name].to_numpy(), images) for name in FINDINGS}
