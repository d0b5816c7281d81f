"""What a run knows of the items of reporting guidelines."""

from search.results.run_result import RunResult
from trainable.backbones.encoders import short_name


def checklist_facts(result: RunResult, explained: str) -> dict[str, object]:
    """Values of the names in braces of `checklists.yaml`.

    Args:
        result: The run.
        explained: What says what the model looks at; empty if nothing does.
    """
    winner, cohort, [found] = result.winner, result.cohort, result.winner.out_of_fold
    scoring, judged = result.options.scoring, winner.scoring
    bodies = dict.fromkeys(
        f"{short_name(one.config.backbone)} to {one.config.cut}" for one in winner.members
    )
    sizes = sorted({member.config.image_size for member in winner.members})
    partition = (
        f"{scoring.folds} folds, stratified, drawn {scoring.repeats} times (seed {winner.seed})."
        if not cohort.is_split
        else "One split into training and validation."
    )
    corrected = winner.corrected
    low, high = (f"{end:.3f}" for end in corrected.interval)
    size = len(winner.members)
    return {
        "positive": repr(cohort.classes[1]),
        "negative": repr(cohort.classes[0]),
        "size": " or ".join(map(str, sizes)),
        "partition": partition,
        "patients": cohort.manifest["patient"].nunique(),
        "images": len(cohort.manifest),
        "exams": len(cohort.labels),
        "unit": cohort.grouping.unit,
        "num_positive": int(cohort.labels.sum()),
        "share": f"{100 * cohort.labels.mean():.1f}",
        "low": low,
        "high": high,
        "model": f"Bodies: {', '.join(bodies)}; heads: logistic regression or a small network.",
        "versions": ", ".join(f"{name} {number}" for name, number in winner.versions.items()) + ".",
        "weights": winner.weights.kind,
        "seed": winner.seed,
        "num_trials": winner.num_trials,
        "choice": f"The best of {winner.num_trials} trials by {judged.objective}, out of fold.",
        "ensemble": f"The score is the mean of {size} trials." if size > 1 else "None: one trial.",
        "f1_average": judged.f1_average,
        "threshold": f"{found['threshold']:.3f}",
        "f1": f"{corrected.f1:.3f}",
        "auc": f"{found['auc']:.3f}",
        "performance": (
            f"Out of fold: F1 {corrected.f1:.3f} ({low} to {high}), corrected; AUC "
            f"{found['auc']:.3f}; average precision {found['average_precision']:.3f}."
        ),
        "recall": f"{found['recall']:.3f}",
        "specificity": f"{found['specificity']:.3f}",
        "precision": f"{found['precision']:.3f}",
        "explained": explained,
    }
