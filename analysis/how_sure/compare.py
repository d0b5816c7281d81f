"""The winner's scores beside those of the teams of resamples, and what is reported of that."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from analysis.how_sure.asked import OPTION, Asked
from analysis.how_sure.images import SeenImages
from analysis.how_sure.refits import Refits
from analysis.how_sure.spread import FEWEST, MANY_FLIPS, HowSure, how_sure
from analysis.model_file import seen_columns
from analysis.new_images import NewImages
from trainable.errors import InputError, num_of


def compare(
    asked: Asked, new: NewImages, scores: NDArray[np.float32], report: Callable[[str], None]
) -> HowSure:
    """Fit the teams of all resamples, and compare their scores with those of the winner.

    Args:
        asked: What it takes.
        new: New images.
        scores: (num_rows, num_findings), the winner's.
        report: Takes a line for the user.

    Raises:
        InputError: If too few fits converge.
    """
    winner = asked.winner
    code = seen_columns(winner, asked.cohort)
    images = SeenImages(winner, asked.cohort, asked.materials, new, code)
    resampled = Refits(asked.teams, asked.cohort.findings, winner.repeats).scores(images.of)
    if images.num_forwarded:
        report(
            f"  {num_of(images.num_forwarded, 'forward pass', 'forward passes')} of training "
            "images, whose features were no longer stored"
        )
    if len(resampled.scores) < FEWEST:
        raise InputError(
            f"{OPTION} needs {FEWEST} resamples whose fits converge, and there are "
            f"{len(resampled.scores)}: ask for more, or drop the option"
        )
    levels = np.array(winner.thresholds, np.float32)
    return how_sure(scores, levels, resampled, exclusive=winner.scoring.exclusive)


def describe(sure: HowSure | None, unit: str) -> Iterator[str]:
    """What was found, over all images and findings, a line each; none if nobody asked."""
    if sure is None:
        return
    num, width = len(sure.low), float((sure.high - sure.low).mean())
    many = int((sure.flips > MANY_FLIPS).any(axis=1).sum())
    yield f"how sure: 95 % intervals (low, high) are {width:.3f} wide on average"
    yield (
        f"  a model of another cohort gives {100 * sure.flips.mean():.1f} % of the {unit}s another "
        "answer"
    )
    yield f"  {many} of {num_of(num, unit)}: more than one such model in ten says otherwise"
