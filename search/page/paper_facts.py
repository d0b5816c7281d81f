"""What a run knows beside its settings and metrics: its patients, its gaps, and what it lacks."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from search.page.known import Known
from search.page.more_patients import width_of_interval
from search.results.search_result import SearchResult
from trainable.cohort.cohort import Cohort
from trainable.cohort.left_out import by_reason
from trainable.errors import listing, num_of
from trainable.report.covariates import all_characteristics
from trainable.report.failures import failure_analysis
from trainable.report.gaps import fairness
from trainable.report.page import as_sentence
from trainable.run.exported import Exported
from trainable.run.places import sites_folder


def paper_facts(result: SearchResult, known: Known) -> dict[str, str]:
    """Values of further names in braces of `checklists.yaml`; empty where a run does not know.

    Args:
        result: The run.
        known: What was worked out of it.
    """
    winner, cohort = result.winner, result.cohort
    return {
        "explained": known.explained,
        "fairness": fairness(known.gaps, winner.findings),
        "failures": failure_analysis(known.failures, cohort),
        "robust": _robust(known),
        "sample_size": " ".join(_sample_size(result)),
        "unused": unused(cohort),
        "characteristics": _characteristics(cohort),
        "unknown": " ".join(_unknown(cohort)),
        "available": _available(result),
        "updated": _updated(result.run),
    }


def _sample_size(result: SearchResult) -> Iterator[str]:
    yield from width_of_interval(result)
    if result.learning_curve is not None:
        yield from map(as_sentence, result.learning_curve.sentences)


def unused(cohort: Cohort) -> str:
    """Which images and rows were left out and why, in counts; empty if the run knows of none."""
    parts = [f"{num_of(count, 'image')} {why}" for why, count in by_reason(cohort.left_out).items()]
    parts += cohort.unused
    return f"Not used: {'; '.join(parts)}." if parts else ""


def _robust(known: Known) -> str:
    """What was asked: small changes of images, and heads judged across a column."""
    texts = [*known.robust.sentences] if known.robust else []
    texts += [text for one in known.across for text in one.sentences]
    return " ".join(map(as_sentence, texts))


def _characteristics(cohort: Cohort) -> str:
    """The column "all" of table 1."""
    columns = cohort.covariates
    if columns.empty:
        return ""
    cells = all_characteristics(columns, f"{cohort.grouping.unit}s")
    return "; ".join(f"{name} {text}" for name, text in cells.items()) + "."


def _unknown(cohort: Cohort) -> Iterator[str]:
    """How many labels and covariates are not known, where there are any."""
    unit, total = f"{cohort.grouping.unit}s", len(cohort.labels)
    labels = zip(cohort.findings.names, (cohort.labels < 0).sum(axis=0), strict=True)
    missing = [f"{name} {count:,}" for name, count in labels if count]
    if missing:
        yield f"Labels that are not known, of {total:,} {unit}: {listing(missing, most=100)}."
    columns: pd.DataFrame = cohort.covariates
    gone = [f"{name} {count:,}" for name, count in columns.isna().sum().items() if count]
    if gone:
        yield f"Covariates that are not known, of {total:,} {unit}: {listing(gone, most=100)}."


def _available(result: SearchResult) -> str:
    """What names software, model, weights and data."""
    winner, cohort = result.winner, result.cohort
    version, weights = winner.versions.get("cxr"), winner.weights
    exported = Exported.read(result.run, winner, cohort)
    software = f"Software: cxr {version}. " if version else ""
    licences = weights.licences or dict.fromkeys(weights.fingerprints, "licence not known")
    named = "; ".join(f"{name}: {text}" for name, text in licences.items())
    model = f"Model: exported on {exported.date}, SHA-256 {exported.sha256}. " if exported else ""
    return f"{software}{model}Weights: {named}. Cohort: SHA-256 {cohort.digest}."


def _updated(run: Path) -> str:
    """What became of the model after the search."""
    sites = sorted(path.stem for path in sites_folder(run).glob("*.json"))
    if not sites:
        return "None."
    return f"Scores and thresholds were recalibrated, each kept beside the model: {listing(sites)}."
