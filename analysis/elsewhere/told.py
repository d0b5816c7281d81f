"""What was told of a winner before anybody saw the new labels."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from analysis.evaluate import judge_findings
from trainable.cohort.cohort import Cohort
from trainable.cohort.scored import Scored
from trainable.evaluation.intervals import Estimate
from trainable.evaluation.metrics import Evaluation
from trainable.evaluation.scoring import Scoring
from trainable.evaluation.transport import Drawn, Resampled
from trainable.run.winner import Winner

_NO_INTERVALS = (
    "of what the search told, an exported team keeps the interval of the F1 alone; differences and "
    "their parts allow for chance in these labels, and not in the other numbers of the search"
)


@dataclass(frozen=True)
class ToldFinding:
    """What was told of one finding, or class.

    Attributes:
        estimates: Each metric by its name; with equal ends where no interval is known.
        drawn: The scores that it was told by; None of several classes.
    """

    estimates: Mapping[str, Estimate]
    drawn: Drawn | None


@dataclass(frozen=True)
class Told:
    """What was told of each finding, and by whom.

    Attributes:
        by: Who told it.
        each: What was told, by the number of the finding.
        notes: What a reader must know of it, a sentence each.
    """

    by: str
    each: Mapping[int, ToldFinding]
    notes: tuple[str, ...] = ()

    @classmethod
    def by_search(
        cls, run: Path | None, winner: Winner, cohort: Cohort, operating_point: float
    ) -> "Told":
        """What the search told.

        Args:
            run: Run folder of the search; None of an exported team, which lacks the scores of the
                search, so that most of what was told has no interval.
            winner: Winner of the search.
            cohort: Its cohort.
            operating_point: Specificity at which sensitivity is reported, and the reverse.

        Raises:
            InputError: If the scores of a member are missing or damaged.
        """
        findings = winner.findings
        expected = [{"F1": one.estimate} for one in winner.corrected_each]
        if run is None:
            each = {
                number: ToldFinding(_as_kept(one) | expected[number], _drawn_as_kept(one))
                for number, one in enumerate(winner.out_of_fold)
            }
            return cls("the search", each, (_NO_INTERVALS,))
        then = cohort.scored(winner.out_of_fold_scores(run))
        judged = judge_findings(then, findings, winner, operating_point)
        found = {}
        for one in judged.each:
            drawn = None
            if not findings.exclusive and one.estimates:
                drawn = resampled_finding(then, winner, one.number, seed=0).drawn()
            found[one.number] = ToldFinding({**one.estimates, **expected[one.number]}, drawn)
        return cls("the search", found)


def resampled_finding(scored: Scored, winner: Winner, number: int, seed: int) -> Resampled:
    """The scores of one finding whose labels are known, with resamples of the patients."""
    average = scoring_of_each(winner).f1_average
    return Resampled.of(scored.of_findings([number]), winner.thresholds[number], average, seed)


def scoring_of_each(winner: Winner) -> Scoring:
    """How one finding is judged: of several, the F1 of each is that of its positive class."""
    if winner.findings.is_one:
        return winner.scoring
    return replace(winner.scoring, f1_average="binary")


def _as_kept(found: Evaluation) -> dict[str, Estimate]:
    """The metrics that the record of a winner holds."""
    tp, fn, fp, tn = (found[cell] for cell in ("tp", "fn", "fp", "tn"))
    values = {
        "sensitivity": found["recall"],
        "specificity": found["specificity"],
        "AUC": found["auc"],
        "average precision": found["average_precision"],
        "PPV": found["precision"],
        "NPV": tn / max(tn + fn, 1),
        "prevalence": (tp + fn) / (tp + fn + fp + tn),
    }
    return {name: Estimate(one, one, one) for name, one in values.items() if one is not None}


def _drawn_as_kept(found: Evaluation) -> Drawn:
    positive = found["tp"] + found["fn"]
    total = positive + found["fp"] + found["tn"]
    return Drawn.known(found["recall"], found["specificity"], positive / total)
