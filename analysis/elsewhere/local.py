"""Recalibrate a team to the labels of another hospital: check, judge, say, and keep it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.elsewhere.site import OPTION, Site, SiteFinding, site_file, team_digest
from analysis.elsewhere.told import Told, ToldFinding, scoring_of_each
from analysis.elsewhere.words import signed
from analysis.evaluate import metrics_of
from trainable.cohort.scored import Scored
from trainable.errors import Checks, InputError
from trainable.evaluation.intervals import estimate_each
from trainable.evaluation.local import ENOUGH, FEWEST, Local, recalibrate
from trainable.evaluation.metrics import of_scores
from trainable.evaluation.scoring import Scoring
from trainable.evaluation.transport import Drawn, weightings
from trainable.report.table_lines import table_lines
from trainable.run.winner import Winner

_BY_LEVEL = ("Brier score", "mean score")
"""Metrics that a recalibration changes beside those of what is predicted."""


def check_site(run: Path, name: str, winner: Winner, has_labels: bool, checks: Checks) -> None:
    """Refuse a recalibration that has no labels, no name, or no sense."""
    if not has_labels:
        checks.add(f"{OPTION} needs true labels: give --labels")
    if winner.findings.exclusive:
        checks.add(
            f"{OPTION} is for findings that are there or not; of {len(winner.findings)} classes a "
            "map of each would change which one is predicted: drop the option"
        )
    file = checks.attempt(lambda: site_file(run, name))
    if file is not None and file.exists():
        checks.add(f"{file} exists already, and is never replaced: give {OPTION} another name")


def check_enough(labels: NDArray[np.int64], patients: NDArray[np.int64], winner: Winner) -> None:
    """Refuse labels of too few patients.

    Raises:
        InputError: If no finding has enough patients of both classes.
    """
    counts = [_patients(column, patients) for column in labels.T]
    if not any(min(both) >= FEWEST for both in counts):
        most = max(counts, key=min)
        raise InputError(
            f"{OPTION} needs labels of at least {FEWEST} positive and {FEWEST} negative patients "
            f"(got {most[0]} and {most[1]}"
            f"{'' if winner.findings.is_one else ' of the finding with the most'}); {ENOUGH} of "
            "each would also say well how good the scores then are"
        )


def _patients(labels: NDArray[np.int64], patients: NDArray[np.int64]) -> tuple[int, int]:
    """Positive patients, and negative ones."""
    positive, negative = (len(np.unique(patients[labels == label])) for label in (1, 0))
    return positive, negative


@dataclass(frozen=True)
class Recalibrated:
    """A team recalibrated to another hospital.

    Attributes:
        each: What was found of each finding; None of one with too few patients.
        site: What is kept; None if no finding is better.
    """

    each: tuple[Local | None, ...]
    site: Site | None


def recalibrate_here(
    raw: Scored, winner: Winner, images: list[str], operating_point: float
) -> Recalibrated:
    """Recalibrate every finding that has enough patients.

    Args:
        raw: True labels, patients and raw scores.
        winner: The winner of the search.
        images: SHA-256 of each image with a label.
        operating_point: Specificity at which sensitivity is told, and the reverse.
    """
    scores = winner.recalibrated(raw.scores)
    before = winner.recalibrations or (None,) * len(winner.findings)
    scoring = scoring_of_each(winner)
    each: list[Local | None] = []
    told: list[SiteFinding | None] = []
    for number, threshold in enumerate(winner.thresholds):
        one = raw.of_findings([number])
        if min(_patients(one.labels[:, 0], one.patients)) < FEWEST:
            each.append(None)
            told.append(None)
            continue
        known = Scored(raw.labels, raw.patients, scores).of_findings([number]).scores
        local = recalibrate(one, known, before[number], threshold, scoring)
        each.append(local)
        told.append(_told(local, known, scoring, operating_point))
    maps = [local and local.recalibration for local in each]
    if not any(maps):
        return Recalibrated(tuple(each), None)
    both = zip(each, maps, told, winner.thresholds, before, strict=True)
    parts = [
        (found, local.threshold, said) if local and found else (old, at, None)
        for local, found, said, at, old in both
    ]
    site = Site(
        date=str(date.today()),
        team=team_digest(winner),
        recalibrations=tuple(part[0] for part in parts),
        thresholds=tuple(part[1] for part in parts),
        each=tuple(part[2] for part in parts),
        images=tuple(sorted(images)),
    )
    return Recalibrated(tuple(each), site)


def _told(
    local: Local, scores: NDArray[np.float32], scoring: Scoring, operating_point: float
) -> SiteFinding:
    """What is told of a recalibrated finding.

    Args:
        local: The recalibration.
        scores: (num_exams, 1) before it, whose order stays; that of several folds is mixed.
        scoring: Which F1 is computed.
        operating_point: Specificity at which sensitivity is told, and the reverse.
    """
    metrics = metrics_of(local.positives, scoring, operating_point)
    metrics |= {name: of_scores(local.scored.scores, metrics[name]) for name in _BY_LEVEL}
    [estimates] = estimate_each(replace(local.scored, scores=scores), metrics)
    return SiteFinding.of(
        estimates, Drawn.of(local.scored, local.positives, weightings(local.scored, seed=0))
    )


def describe_local(found: Recalibrated, winner: Winner, file: Path) -> Iterator[str]:
    """What the recalibration is worth, a line each."""
    yield "recalibrated to these labels, judged by cross-validation by patient:"
    for name, local in zip(winner.findings.names, found.each, strict=True):
        of = "" if winner.findings.is_one else f"{name}: "
        if local is None:
            yield f"  {of}fewer than {FEWEST} positive or negative patients: its scores stay"
            continue
        if of:
            yield f"  {name}"
        yield from (f"  {line}" for line in table_lines(_table(local)))
        if local.recalibration is None:
            yield f"  {of}the log loss is no better: the scores stay"
    yield "  AUC: as before, since no order changes"
    if found.site is None:
        yield "nothing is kept, since nothing would be better"
        return
    yield f"site: {file}; predict there with --site {file.stem}"


def _table(local: Local) -> pd.DataFrame:
    rows = [
        (name, change.before.short, change.after.short, signed(change.difference).split(" ")[0])
        for name, change in local.changes.items()
    ]
    return pd.DataFrame(rows, columns=["", "before", "after", "change"])


def told_by_site(site: Site, name: str) -> Told:
    """What the cross-validation at a site told of the findings that were recalibrated there."""
    each = {
        number: ToldFinding(one.metrics, one.as_drawn)
        for number, one in enumerate(site.each)
        if one is not None
    }
    return Told(f"the recalibration to {name}", each)
