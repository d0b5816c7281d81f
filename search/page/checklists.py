"""What a run knows of the items of reporting guidelines."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from search.options.options import SearchOptions
from search.results.search_result import SearchResult
from trainable.backbones.start import Random, read_start, short_start
from trainable.cohort.cohort import Cohort
from trainable.errors import listing, num_of
from trainable.evaluation.scoring import ThresholdPolicy
from trainable.run.winner import Winner
from trainable.training.heads import HEADS

_FILE = Path(__file__).with_name("checklists.yaml")
_OPEN = "to be written by the authors"


def checklist_markdown(facts: Mapping[str, object]) -> str:
    """All items of all guidelines.

    Args:
        facts: Values of the names in braces of `checklists.yaml`.
    """
    return "\n".join(_lines(facts))


def _lines(facts: Mapping[str, object]) -> Iterator[str]:
    for guideline, items in yaml.safe_load(_FILE.read_text()).items():
        texts = [item.get("fill", "").format(**facts) for item in items]
        yield f"### {guideline}"
        yield ""
        yield f"{sum(map(bool, texts))} of the {len(items)} items below are filled in."
        yield ""
        for item, text in zip(items, texts, strict=True):
            yield f"- {item['item']}. {item['topic']}: {text or _OPEN}"
        yield ""


_METRICS = {"f1": "F1", "auc": "AUC", "average_precision": "average precision"}
_METRICS |= {"log_loss": "log loss"}
_USES = {"drop": "left out", "positive": "counted as positive", "negative": "counted as negative"}


def checklist_facts(result: SearchResult, explained: str) -> dict[str, object]:
    """Values of the names in braces of `checklists.yaml`.

    Args:
        result: The run.
        explained: What says what the model looks at; empty if nothing does.
    """
    winner, cohort, [found] = result.winner, result.cohort, result.winner.out_of_fold
    judged = winner.scoring
    sizes = sorted({member.config.image_size for member in winner.members})
    corrected = winner.corrected
    low, high = (f"{end:.3f}" for end in corrected.interval)
    size = len(winner.members)
    return {
        "positive": repr(cohort.classes[1]),
        "negative": repr(cohort.classes[0]),
        "size": " or ".join(map(str, sizes)),
        "missing": _missing(result.options, winner),
        "predictors": _predictors(winner, cohort),
        "partition": _partition(result),
        "disjoint": _disjoint(cohort),
        "patients": cohort.manifest["patient"].nunique(),
        "images": len(cohort.manifest),
        "exams": len(cohort.labels),
        "unit": cohort.grouping.unit,
        "num_positive": int(cohort.labels.sum()),
        "share": f"{100 * cohort.labels.mean():.1f}",
        "class_weights": _class_weights(result),
        "threshold_rule": _threshold_rule(judged.threshold),
        "low": low,
        "high": high,
        "model": _model(winner),
        "versions": ", ".join(f"{name} {number}" for name, number in winner.versions.items()) + ".",
        "start": _start(winner),
        "num_trials": winner.num_trials,
        "choice": _choice(winner),
        "ensemble": f"The score is the mean of {size} trials." if size > 1 else "None: one trial.",
        "f1_average": judged.f1_average,
        "threshold": f"{found['threshold']:.3f}",
        "f1": f"{corrected.f1:.3f}",
        "auc": f"{found['auc']:.3f}",
        "performance": _performance(winner),
        "recall": f"{found['recall']:.3f}",
        "specificity": f"{found['specificity']:.3f}",
        "precision": f"{found['precision']:.3f}",
        "explained": explained,
    }


def _missing(options: SearchOptions, winner: Winner) -> str:
    """What became of images without a label, of uncertain labels, and of unknown covariates."""
    data = options.data
    without = _USES[data.missing] if data.missing else "not accepted"
    uncertain = _USES[data.uncertain] if data.uncertain else "not accepted"
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
    scoring = result.options.scoring
    if not result.cohort.is_split:
        return (
            f"{scoring.folds} folds, stratified, drawn {scoring.repeats} times "
            f"(seed {result.winner.seed})."
        )
    has_test = (result.cohort.manifest["split"] == "test").any()
    drawn = "drawn by patient" if scoring.shares else "given with the data"
    parts = "training, validation and test" if has_test else "training and validation"
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
    return (
        f"A team (ensemble) of {size} of {count} trials. They have the least log loss out of fold; "
        "some trials that were planned before the search come first, and each encoder and cut has "
        "few places."
    )


def _performance(winner: Winner) -> str:
    [found], corrected, test = winner.out_of_fold, winner.corrected, winner.test
    low, high = corrected.interval
    text = (
        f"Out of fold: F1 {corrected.f1:.3f} ({low:.3f} to {high:.3f}), corrected for the choice "
        f"of the winner. Not corrected, and so a little too high: AUC {found['auc']:.3f}; average "
        f"precision {found['average_precision']:.3f}."
    )
    for one in winner.history.sentences():
        text += f" {one[:1].upper()}{one[1:]}."
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
