"""What a run knows of the signalling questions of PROBAST+AI."""

from search.page.drafts import NOT_KNOWN
from search.results.search_result import SearchResult
from trainable.cohort.cohort import Cohort
from trainable.errors import listing, num_of
from trainable.run.winner import Winner
from trainable.training.heads import HEADS


def assessment_answers(result: SearchResult) -> dict[str, str]:
    """Answers by the names of `assessment.yaml`, each with why, without the full stop."""
    winner, cohort = result.winner, result.cohort
    return {
        "preprocessing": _preprocessing(winner),
        "enough": _enough(winner),
        "handling": _handling(winner),
        "incomplete": _incomplete(result),
        "balanced": _balanced(winner),
        "overfitting": _overfitting(winner),
        "apparent": "yes: every score is of a model that never saw the patient",
        "as_they_are": _as_they_are(winner),
        "leakage": _leakage(winner, cohort),
        "repeated": _repeated(winner),
        "measures": (
            "yes: AUC, calibration curve and slope, and net benefit are shown with 95 % CIs, "
            "beside the F1"
        ),
    }


def _preprocessing(winner: Winner) -> str:
    text = "yes: every image became a grey square and was normalized by one rule per trial"
    if winner.sees_columns:
        text += "; covariates were standardized or made one-hot by the training rows of each fold"
    return text


def _enough(winner: Winner) -> str:
    """Not enough where the winner is not shown to be better than a constant answer."""
    if winner.corrected.interval[0] > winner.all_positive_f1:
        return NOT_KNOWN
    return (
        f"no: the interval of the {winner.f1_name} reaches down to {winner.all_positive_f1:.3f}, "
        "that of a constant answer"
    )


def _handling(winner: Winner) -> str:
    if not winner.sees_columns:
        return "yes: grey values were never cut into classes, and there is no other predictor"
    return "yes: no number was cut into classes, neither a grey value nor a covariate"


def _incomplete(result: SearchResult) -> str:
    """Whether anything was incomplete, as far as the run knows."""
    cohort, data = result.cohort, result.options.data
    counted = {
        str(use)
        for rule in cohort.label_rules
        for use in (data.missing, data.uncertain, rule.missing, rule.uncertain)
    }
    if counted & {"positive", "negative"}:
        which = listing(sorted(counted & {"positive", "negative"}))
        return f"no: labels that are missing or uncertain were counted as {which}"
    columns = cohort.covariates if result.winner.sees_columns else cohort.covariates[[]]
    complete = not ("drop" in counted or cohort.left_out or columns.isna().any(axis=None))
    return "yes: every image that was read has its label" if complete else NOT_KNOWN


def _is_balanced(winner: Winner) -> bool:
    return any(member.config.odds_factor != 1 for member in winner.members)


def _balanced(winner: Winner) -> str:
    if not _is_balanced(winner):
        return "does not apply: no trial of the winner weighs or copies positive images"
    return "yes: what weights and copies add to the odds is taken out of every score"


def _as_they_are(winner: Winner) -> str:
    if not _is_balanced(winner):
        return "does not apply: no trial of the winner weighs or copies positive images"
    return "yes: every examination counts once in the evaluation, without weight or copy"


def _overfitting(winner: Winner) -> str:
    heads = listing(
        dict.fromkeys(HEADS[member.config.head].title for member in winner.members), most=10
    )
    frozen = sum(not member.config.unfreeze for member in winner.members)
    of_all = num_of(len(winner.members), "trial")
    return (
        f"yes: settings were chosen out of fold ({heads}; {frozen} of {of_all} with a frozen "
        f"network), and the {winner.f1_name} is corrected for having chosen the best"
    )


def _leakage(winner: Winner, cohort: Cohort) -> str:
    are_known = {"patient", "patient_pattern"} & cohort.found_by.keys()
    if not are_known and cohort.manifest["patient"].nunique() == len(cohort.labels):
        return NOT_KNOWN
    text = "yes: folds are disjoint by patient, and thresholds of resamples never saw those judged"
    if cohort.look_alikes is not None:
        text += "; images that look the same were searched for"
    if any(member.config.normalization == "cohort" for member in winner.members):
        text += "; the mean grey value is of all images, without their labels"
    return text


def _repeated(winner: Winner) -> str:
    """The choice is repeated; the sampler's proposals, which saw scores of all, are not."""
    if not winner.history.is_corrected:
        return "no: a choice before the winner's is not repeated on the resamples"
    return (
        "probably yes: the choice of trials, team size and threshold is made anew on each resample "
        "and judged on the patients whom it left out; what the sampler proposes is not"
    )
