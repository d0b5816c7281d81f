"""What a search that goes on from an earlier one says of the cohort that has changed since."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from search.run.warm_start import EarlierSearch, WarmStart
from trainable.cohort.cohort import Cohort
from trainable.errors import listing, num_of
from trainable.evaluation.intervals import estimate
from trainable.evaluation.metrics import difference, f1_at, of_scores
from trainable.run.winner import Winner


def change_line(search: EarlierSearch, unit: str) -> Iterator[str]:
    """How the cohort differs from that of the earlier search, in one line, or none.

    Args:
        search: The earlier search.
        unit: What has a label, "image" or "exam".
    """
    change = search.change
    if change is None:
        return
    said = []
    if change.new_images:
        patients = num_of(change.new_patients, "new patient")
        said.append(f"{num_of(change.new_images, 'image is', 'images are')} new ({patients})")
    if change.gone_images:
        patients = num_of(change.gone_patients, "patient")
        said.append(f"{num_of(change.gone_images, 'image is', 'images are')} gone ({patients})")
    if change.relabelled:
        said.append(f"{num_of(change.relabelled, f'{unit} has', f'{unit}s have')} another label")
    same = "the images and their labels are the same"
    yield f"since {search.run}: {listing(said) if said else same}"


def comparison_lines(start: WarmStart, cohort: Cohort, winner: Winner, run: Path) -> Iterator[str]:
    """The earlier winner's out-of-fold F1 against the new one's, on what both have scored.

    Each patient is drawn for both at a time, so that the difference is that of the winners. Labels
    are those of now. Nothing is said where one class has no examination that both have scored.

    Args:
        start: The earlier search.
        cohort: Cohort of the new search.
        winner: The new winner.
        run: Run folder of the new search.
    """
    if start.winner_scores is None:
        return
    now = winner.out_of_fold_scores(run)
    both = cohort.scored(np.stack([start.winner_scores, now]))
    if not len(both) or not both.has_both:
        return
    then = np.array(start.search.thresholds, np.float32)
    earlier = of_scores(both.scores[0], f1_at(then, winner.scoring))
    latest = of_scores(both.scores[1], winner.f1)
    metrics = {"then": earlier, "now": latest, "more": difference(latest, earlier)}
    found = estimate(both, metrics)
    more = found["more"]
    yield (
        f"on the {len(both)} {cohort.grouping.unit}s of {num_of(both.num_patients, 'patient')} "
        f"that both searches scored, out of fold: {winner.f1_name} {found['now'].value:.3f}, and "
        f"{found['then'].value:.3f} of the earlier winner; difference {more.value:+.3f} (95 % CI "
        f"{more.low:+.3f} to {more.high:+.3f})"
    )
    yield "each winner was chosen by such scores; neither F1 is corrected for that choice"
