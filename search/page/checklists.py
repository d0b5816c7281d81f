"""What a run knows of the items of reporting guidelines."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from search.options.options import SearchOptions
from search.results.search_result import SearchResult
from trainable.backbones.start import Random, read_start, short_start
from trainable.cohort.cohort import Cohort
from trainable.errors import listing, num_of
from trainable.evaluation.intervals import estimate_each
from trainable.evaluation.scoring import ThresholdPolicy
from trainable.report.page import as_sentence
from trainable.run.winner import Winner
from trainable.training.heads import HEADS

_ANY_POINT = 0.9  # of metrics that are not used here
_METRICS = {"f1": "F1", "auc": "AUC", "average_precision": "average precision"}
_METRICS |= {"log_loss": "log loss"}
_REFUSED = "not accepted"
_USES = {"drop": "left out", "positive": "counted as positive", "negative": "counted as negative"}


def checklist_facts(result: SearchResult) -> dict[str, object]:
    """Settings and metrics, by names in braces of `checklists.yaml`."""
    winner, cohort, found = result.winner, result.cohort, result.winner.out_of_fold
    judged = winner.scoring
    sizes = sorted({member.config.image_size for member in winner.members})
    corrected = winner.corrected
    rates = estimate_each(result.scored, winner.metrics(_ANY_POINT))
    return {
        "asked": _asked(cohort),
        "and_columns": " and covariates" * winner.sees_columns,
        "size": " or ".join(map(str, sizes)),
        "missing": _missing(result.options, cohort, winner),
        "predictors": _predictors(winner, cohort),
        "partition": _partition(result),
        "disjoint": _disjoint(cohort),
        "patients": cohort.manifest["patient"].nunique(),
        "images": len(cohort.manifest),
        "exams": len(cohort.labels),
        "unit": cohort.grouping.unit,
        "num_positive": _each(winner, [str(count) for count in (cohort.labels == 1).sum(axis=0)]),
        "share": _each(winner, [f"{100 * share:.1f}" for share in _shares(cohort)]),
        "class_weights": _class_weights(result),
        "threshold_rule": _threshold_rule(judged.threshold),
        "model": _model(winner),
        "versions": ", ".join(f"{name} {number}" for name, number in winner.versions.items()) + ".",
        "start": _start(winner),
        "num_trials": winner.num_trials,
        "choice": _choice(winner),
        "ensemble": _ensemble(winner),
        "f1_average": judged.f1_average,
        "f1_name": winner.f1_name,
        "threshold": _each(winner, [f"{one['threshold']:.3f}" for one in found]),
        "f1": str(corrected.estimate),
        "auc": _each(winner, [f"{one['auc']:.3f}" for one in found]),
        "performance": _performance(winner),
        "recall": _each(winner, [str(one["sensitivity"]) for one in rates]),
        "specificity": _each(winner, [str(one["specificity"]) for one in rates]),
        "precision": _each(winner, [f"{one['precision']:.3f}" for one in found]),
    }


def _asked(cohort: Cohort) -> str:
    """What is predicted, for "predicts ..." and "the outcome is ..."."""
    findings = cohort.findings
    if findings.is_one:
        negative, positive = cohort.classes
        return f"{positive!r} against {negative!r}"
    names = listing(map(repr, findings.names), most=100)
    if findings.exclusive:
        return f"one of {len(findings)} classes ({names})"
    return f"{len(findings)} findings that can stand together ({names})"


def _each(winner: Winner, values: Sequence[str]) -> str:
    """The value of the only finding, or of each with its name."""
    if winner.findings.is_one:
        return values[0]
    named = zip(values, winner.findings.names, strict=True)
    return ", ".join(f"{value} ({name})" for value, name in named)


def _shares(cohort: Cohort) -> NDArray[np.float64]:
    """Share of the positives of each finding, among the examinations whose label is known."""
    return np.asarray((cohort.labels == 1).sum(axis=0) / (cohort.labels >= 0).sum(axis=0))


def _ensemble(winner: Winner) -> str:
    size = len(winner.members)
    if size == 1:
        return "None: one trial."
    if not winner.findings.can_stand_together:
        return f"The score is the mean of {size} trials."
    sizes = _each(winner, [str(len(team)) for team in winner.teams])
    return f"The score of a finding is the mean of its own trials; their number is {sizes}."


def _missing(options: SearchOptions, cohort: Cohort, winner: Winner) -> str:
    """What became of images without a label, of uncertain labels, and of unknown covariates."""
    data, rules = options.data, cohort.label_rules
    uses = [  # a data set that is known by its name, and the demo, have their own
        next(filter(None, (data.missing, *(rule.missing for rule in rules))), None),
        next(filter(None, (data.uncertain, *(rule.uncertain for rule in rules))), None),
    ]
    of = " of that finding" * (len(rules) > 1)
    without, uncertain = (_USES[one] + of * (one == "drop") if one else _REFUSED for one in uses)
    text = f"Images without a label were {without}; uncertain labels were {uncertain}."
    if winner.sees_columns:
        text += " A covariate that is not known is marked as missing."
    return text


def _predictors(winner: Winner, cohort: Cohort) -> str:
    size = len(winner.members)
    num_seeing = sum(member.config.covariates for member in winner.members)
    if not num_seeing:
        return "The only predictor is the image."
    who = f", in {num_seeing} of the {size} trials of the team," if size > 1 else ""
    return f"The predictors are the image and{who} covariates: {listing(cohort.covariates)}."


def _partition(result: SearchResult) -> str:
    scoring, cohort, winner = result.options.scoring, result.cohort, result.winner
    test = "A test part, given with the data; the other images in " if cohort.has_test else ""
    if not cohort.has_one_fold:
        if winner.folds_by:
            return f"{test}{winner.folds} folds, each without one {winner.folds_by} or several."
        return (
            f"{test}{scoring.folds} folds, stratified, drawn {scoring.repeats} times "
            f"(seed {winner.seed})."
        )
    drawn = "drawn by patient" if scoring.shares else "given with the data"
    parts = "training, validation and test" if cohort.has_test else "training and validation"
    return f"One split into {parts}, {drawn}."


def _disjoint(cohort: Cohort) -> str:
    """What the partitions are disjoint by; without known patients each image counts as one."""
    patients, unit = cohort.manifest["patient"].nunique(), cohort.grouping.unit
    alone = f"; every {unit} counts as one patient" if patients == len(cohort.labels) else ""
    return f"Partitions are disjoint by patient ({patients} patients{alone})."


def _class_weights(result: SearchResult) -> str:
    weights = sorted(result.trials["positive_weight"].dropna().unique())
    if len(weights) > 1:
        return f"weights of the positive class from {weights[0]:g} to {weights[-1]:g} were tried"
    return f"a positive image weighed {weights[0]:g} in every trial"


def _threshold_rule(policy: ThresholdPolicy) -> str:
    if policy.kind == "best":
        return "the threshold was chosen for the best F1"
    if policy.kind == "fixed":
        return f"the threshold was fixed at {policy.value:g} before the search"
    share = f"{100 * policy.value:g} %"
    if policy.kind == "sensitivity":
        return f"the threshold is the highest that finds {share} of the positives"
    return f"the threshold is the lowest that leaves out {share} of the negatives"


def _model(winner: Winner) -> str:
    configs = [member.config for member in winner.members]
    bodies = dict.fromkeys(f"{config.backbone.short} to {config.cut}" for config in configs)
    heads = dict.fromkeys(HEADS[config.head].title for config in configs)
    return f"Bodies: {', '.join(bodies)}. Heads: {', '.join(heads)}."


def _start(winner: Winner) -> str:
    """What bodies and heads start from; a logistic head is fitted to its one optimum."""
    configs = [member.config for member in winner.members]
    of_search = read_start(winner.weights.kind)
    starts = dict.fromkeys(config.backbone.start or of_search for config in configs)
    named = ("random weights" if one == Random() else short_start(one) for one in starts)
    text = f"Bodies start from {', '.join(named)}."
    depend = {HEADS[config.head].is_seeded for config in configs}
    if True in depend:
        text += f" Heads that are networks are random (seed {winner.seed})."
    if False in depend:
        text += " Logistic regressions have one optimum, whatever they start from."
    return text


def _choice(winner: Winner) -> str:
    """How the winner was chosen: one trial by the objective, a simple one, or a team."""
    size, count, metric = len(winner.members), winner.num_trials, _METRICS[winner.scoring.objective]
    if winner.preferred_simple:
        return (
            f"The simplest of {len(winner.tied)} trials that are statistically tied with the best "
            f"of {count} by {metric}, out of fold."
        )
    if size == 1:
        return f"The best of {num_of(count, 'trial')} by {metric}, out of fold."
    each = f"A team (ensemble) for each finding, {size} of {count} trials in all."
    team = (
        each
        if winner.findings.can_stand_together
        else f"A team (ensemble) of {size} of {count} trials."
    )
    return (
        f"{team} They have the least log loss out of fold; "
        "some trials that were planned before the search come first, and each encoder and cut has "
        "few places."
    )


def _performance(winner: Winner) -> str:
    found, corrected, test = winner.out_of_fold, winner.corrected, winner.test
    low, high = corrected.interval
    auc, precision = (
        _each(winner, [f"{one[name]:.3f}" for one in found])
        for name in ("auc", "average_precision")
    )
    text = (
        f"Out of fold: {winner.f1_name} {corrected.f1:.3f} ({low:.3f} to {high:.3f}), corrected "
        f"for the choice of the winner. Not corrected, and so a little too high: AUC {auc}; "
        f"average precision {precision}."
    )
    if not winner.findings.is_one:
        each = _each(winner, [f"{one.f1:.3f}" for one in winner.corrected_each])
        text += f" Corrected F1 of each: {each}."
    for one in winner.history.sentences():
        text += f" {as_sentence(one)}"
    if test:
        text += (
            f" On {test.num_exams} test images: F1 {test.estimates['F1']}, AUC "
            f"{test.estimates['AUC']}."
        )
    if (count := len(winner.test_looks)) > 1:
        trials = listing(winner.test_looks[0].trials, most=100)
        text += (
            f" This is the first of {count} looks at them, of trials {trials}; later choices may "
            "know its result."
        )
    return text
