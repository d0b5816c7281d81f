"""Parts of a cohort, stratified by all findings at once, each patient in one part."""

import numpy as np
from numpy.typing import NDArray

_DRAWS = 20  # of 4,500 tiny cohorts all were spread as well as any split does, most at first


def draw_parts(
    labels: NDArray[np.int64], patients: NDArray[np.int64], shares: NDArray[np.float64], seed: int
) -> NDArray[np.int64]:
    """Draw the part that each examination belongs to.

    Iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011), of patients in place of single
    examples: those with what fewest patients have come first, and of these the largest, so that
    small ones even out what large ones leave. A patient comes into one of the parts that overflow
    least, by chance. So large patients share a part nearly as often as chance has it, which
    scikit-learn's `StratifiedGroupKFold` never lets them. Where a part lacks positives or negatives
    of a finding that enough patients have, all is drawn again, a few times.

    Args:
        labels: (num_exams, num_findings), 1 positive, 0 negative, -1 unknown.
        patients: (num_exams,), numbers of the patients, 0 and up, without gaps.
        shares: Share of the examinations per part; together 1.
        seed: Seed of the draw.

    Returns:
        (num_exams,), number of the part.
    """
    # what is spread: examinations, positives of each finding, negatives of each finding
    kinds = np.hstack([np.ones((len(labels), 1)), labels == 1, labels == 0])
    amounts = np.zeros((patients.max() + 1, kinds.shape[1]))
    np.add.at(amounts, patients, kinds)
    num_owners = (amounts > 0).sum(axis=0)
    fewest_lacks = np.maximum(0, len(shares) - num_owners).sum()
    rng, rarity, draws = np.random.default_rng(seed), num_owners.astype(float), []
    for _ in range(_DRAWS):
        draws.append(_draw(amounts, rarity, shares, rng))
        if draws[-1][1] == fewest_lacks:
            break
        # the next draw spreads another kind first
        rarity = num_owners * np.exp(rng.normal(size=len(num_owners)))
    part_of, _ = min(draws, key=lambda draw: draw[1])
    return part_of[patients]


def _draw(
    amounts: NDArray[np.float64],
    rarity: NDArray[np.float64],
    shares: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], int]:
    """Draw the part of each patient.

    Args:
        amounts: (num_patients, num_kinds), what each patient has of what is to be spread.
        rarity: (num_kinds,); what has the lowest is spread first.
        shares: Share of each part.
        rng: Generator.

    Returns:
        (num_patients,), number of the part; and how often a part lacks a kind.
    """
    is_owned, totals = amounts > 0, amounts.sum(axis=0)
    rarity_of = np.where(is_owned, rarity, np.inf)
    rarest = rarity_of.argmin(axis=1)
    order = np.lexsort((rng.random(len(amounts)), -amounts[:, 0], rarity_of.min(axis=1)))
    num_left, room = is_owned.sum(axis=0), np.outer(shares, totals)
    lacks = np.ones(room.shape, bool)
    part_of = np.empty(len(amounts), np.int64)
    for patient, luck in zip(order, rng.random(len(order)), strict=True):
        kinds = np.flatnonzero(is_owned[patient])
        # where as many parts lack a kind as patients are left who have it, each must get one
        is_urgent = num_left[kinds] <= lacks[:, kinds].sum(axis=0)
        missed = (is_urgent & ~lacks[:, kinds]).sum(axis=1)
        overflow = np.maximum(amounts[patient, kinds] - room[:, kinds], 0) / totals[kinds]
        cost = missed * len(kinds) + overflow.sum(axis=1)
        best = np.flatnonzero(cost <= cost.min() + 1e-9)
        # by the square of the room, since else some parts have far more patients than others
        chances = np.cumsum(np.maximum(room[best, rarest[patient]], 1e-9) ** 2)
        part = best[np.searchsorted(chances, luck * chances[-1], side="right")]
        part_of[patient] = part
        room[part] -= amounts[patient]
        lacks[part, kinds] = False
        num_left[kinds] -= 1
    return part_of, int(lacks.sum())
