"""The page of a run: what was found, how sure it is, and how to repeat it."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from search.options.options import command_line
from search.options.types import HeatMaps
from search.page.assessment import assessment_answers
from search.page.checklists import checklist_facts
from search.page.drafts import assessment_markdown, checklist_markdown
from search.page.elsewhere import elsewhere_section
from search.page.heat_maps import explanation, heat_map_section, num_maps
from search.page.known import Known
from search.page.more_patients import more_patients_section
from search.page.paper_facts import paper_facts
from search.page.robust import robust_section
from search.page.study_figures import study_figures
from search.results.search_result import SearchResult, by_body
from search.terminal.outcome import findings_table, look_sentences, winner_sentences
from trainable.backbones.encoder import Encoder
from trainable.cohort.cohort import Cohort
from trainable.errors import InputError, num_of
from trainable.evaluation.intervals import estimate
from trainable.evaluation.metrics import auc, of_scores
from trainable.report.answers import promises_section
from trainable.report.covariates import covariates_section
from trainable.report.failures import failures_section
from trainable.report.gaps import gaps_section
from trainable.report.page import Section, Table, as_sentence, write_page
from trainable.report.scores_section import scores_section

PAGE = "report.html"
_DEMO = (
    "The data are the demo's: the X-rays are drawn phantoms, and what this page calls patients are "
    "groups of them."
)


class WrittenPage(NamedTuple):
    """Where the page is, and what it shows that is not for everybody, in words."""

    path: Path
    private: str


def require_shareable(heat_maps: HeatMaps, *, for_sharing: bool) -> None:
    """Refuse to show X-rays on a page that is to be shared.

    Raises:
        InputError: If both are asked for.
    """
    if for_sharing and heat_maps not in ("auto", "no"):
        raise InputError(f"--for-sharing leaves out X-rays: drop it, or --heat-maps {heat_maps}")


def write_report(
    result: SearchResult,
    out: Path | None = None,
    heat_maps: HeatMaps = "auto",
    labelled_images: Path | None = None,
    *,
    for_sharing: bool = False,
) -> WrittenPage:
    """Write `report.html` of a run.

    Args:
        result: The run.
        out: File to write; in the run folder if not given.
        heat_maps: Whether to show heat maps; auto: only if that takes seconds.
        labelled_images: Folder of the labelled images, if they have moved.
        for_sharing: Whether to leave out X-rays, names of images, and names of folders.

    Raises:
        InputError: If heat maps are asked for that cannot be made.
    """
    page = out or result.run / PAGE
    seen = heat_map_section(result, "no" if for_sharing else heat_maps, labelled_images)
    shown = result.for_sharing() if for_sharing else result
    command = command_line(result.options, with_folders=not for_sharing)
    known = Known.of(shown, explanation(shown, seen))
    sections = _sections(shown, seen, known, shlex.join(command), for_sharing=for_sharing)
    write_page(page, f"Search {result.run.name}", list(sections))
    if for_sharing or result.is_demo:
        return WrittenPage(page, "")
    count, unit = num_maps(seen), result.cohort.grouping.unit
    xrays = f"X-rays of patients ({num_of(count, unit)})" if count else ""
    return WrittenPage(page, ", ".join(filter(None, (xrays, "names of images and of folders"))))


def _sections(
    result: SearchResult, seen: Section, known: Known, command: str, *, for_sharing: bool
) -> Iterator[Section]:
    is_sampled = result.options.space.preset is None
    facts = winner_sentences(result.winner, result.trials, is_sampled=is_sampled)
    sentences = [as_sentence(fact) for fact in (*facts, *look_sentences(result.winner))]
    if result.is_demo:
        sentences.append(_DEMO)
    winner = result.winner
    tables = [_team(result)]
    if not winner.findings.is_one:
        tables.insert(0, Table(findings_table(winner), _FINDINGS))
    yield Section("Result", sentences, tables=tables)
    yield scores_section(
        result.scored,
        winner,
        ["All scores are out of fold: of models that never saw the patient."],
        result.raw_scored if winner.recalibrations else None,
    )
    yield promises_section(winner.answers, winner.findings, result.cohort.grouping.unit)
    yield covariates_section(
        result.cohort, result.folds, result.out_of_fold, winner.f1,
        sees_columns=winner.sees_columns,
    )  # fmt: skip
    yield gaps_section(known.gaps, winner.findings, result.cohort.covariates)
    yield failures_section(known.failures, result.cohort, with_names=not for_sharing)
    yield more_patients_section(result)
    yield elsewhere_section(known.across)
    yield robust_section(known.robust)
    yield seen
    yield Section("Encoders and cuts", tables=[_by_encoder(result), _by_body(result)])
    yield Section(
        "The search", list(_cost(result)), study_figures(result.folder, result.trials),
        tables=list(_unfinished(result)),
    )  # fmt: skip
    yield Section("Cohort", list(_cohort_lines(result)), tables=[_partitions(result)])
    yield Section(
        "To repeat this search",
        ["One trial at a time (--max-concurrent 1) gives the same search again."],
        tables=[_environment(result)],
        listing=command,
    )
    checklists = checklist_markdown(checklist_facts(result) | paper_facts(result, known))
    yield Section(
        "For the paper",
        [
            "A first draft of two reporting guidelines and of a self-assessment, as Markdown. "
            "Check each sentence. A run cannot know what the authors did before it."
        ],
        listing=f"{checklists}\n{assessment_markdown(assessment_answers(result))}",
    )


def _team(result: SearchResult) -> Table:
    """The trials whose mean score predicts, and for several findings which ones they predict."""
    members = [member.trial for member in result.winner.members]
    trials = result.trials.set_index("number").loc[members].reset_index()
    trials["backbone"] = [Encoder.read(name).short for name in trials["backbone"]]
    shown = trials[["number", "backbone", "cut", "head", "normalization", "f1", "auc"]]
    names = {"number": "trial", "f1": "F1 alone", "auc": "AUC alone"}
    # several findings have no AUC in common
    shown = shown.rename(columns=names).dropna(axis="columns", how="all")
    winner = result.winner
    if not winner.findings.can_stand_together:
        are = "trials whose mean score" if len(members) > 1 else "trial that"
        return Table(shown, f"The {are} predicts.")
    of_trial = [
        ", ".join(
            name
            for name, team in zip(winner.findings.names, winner.teams, strict=True)
            if trial in team
        )
        for trial in members
    ]
    return Table(
        shown.assign(predicts=of_trial),
        "The trials that predict. The score of a finding is the mean over the trials that name it.",
    )


_FINDINGS = (
    "What to expect for each on new patients, corrected for the choice of its trials. AUCs are out "
    "of fold and not corrected."
)

_CHOSEN = (
    "Tied: statistically, with the best trial. These F1s are of chosen trials, so they are too "
    "high; the corrected F1 of the winner is at the top of the page."
)


def _by_encoder(result: SearchResult) -> Table:
    caption = (
        f"The best trial of each encoder, out of fold. {_CHOSEN} The last two columns are of all "
        "trials of the encoder: images that passed through its frozen body, as far as they were "
        "not stored, and time of the trials times CPUs per trial."
    )
    rows = result.encoders
    aucs = {
        str(trial): of_scores(result.folder.log.scores(trial)[result.rows], auc)
        for trial in rows["trial"]
    }
    return Table(rows.assign(AUC=list(map(str, estimate(result.scored, aucs).values()))), caption)


def _by_body(result: SearchResult) -> Table:
    return Table(by_body(result), f"The best trial of each encoder and cut, out of fold. {_CHOSEN}")


def _cost(result: SearchResult) -> Iterator[str]:
    trials = result.trials
    counts = trials["state"].value_counts()
    yield "Trials: " + ", ".join(f"{count} {state}" for state, count in counts.items()) + "."
    passes, images = int(trials["num_forwarded"].sum()), len(result.cohort.manifest)
    alone = images * len(result.complete)
    yield (
        f"Images through frozen bodies: {passes:,}. One pass of all {images:,} images per "
        f"complete trial would have been {alone:,}."
    )
    yield f"Time of all trials together: {trials['seconds'].sum():,.0f} seconds."


def _unfinished(result: SearchResult) -> Iterator[Table]:
    rows = result.trials[~result.trials["state"].isin(["complete", "interrupted"])]
    if len(rows):
        shown = rows[["number", "state", "backbone", "cut", "error"]].fillna("")
        shown["backbone"] = [Encoder.read(name).short for name in shown["backbone"]]
        yield Table(shown, "Trials that were stopped early, or failed.")


def _cohort_lines(result: SearchResult) -> Iterator[str]:
    cohort, unit = result.cohort, result.cohort.grouping.unit
    manifest = cohort.manifest
    counted = f"{len(manifest):,} images of {manifest['patient'].nunique():,} patients"
    if cohort.grouping.views > 1:
        counted += f"; {len(cohort.labels):,} {unit}s"
    if cohort.findings.is_one:
        negative, positive = cohort.classes
        yield (
            f"{counted}, {int(cohort.labels.sum()):,} positive. "
            f"Positive is {positive!r}, negative is {negative!r}."
        )
    else:
        yield f"{counted}."
    for note in result.remarks:
        yield as_sentence(note)


def _partitions(result: SearchResult) -> Table:
    """Images, patients and positives of each side of the split; of all images without one."""
    manifest = result.cohort.manifest
    sides = manifest["split"].replace("", "cross-validation").rename("part")
    grouped = manifest.groupby(sides, sort=False)
    counted = pd.DataFrame({"images": grouped.size(), "patients": grouped["patient"].nunique()})
    positive = _positive(result.cohort).groupby(sides, sort=False).sum()
    return Table(counted.join(positive).reset_index())


def _positive(cohort: Cohort) -> pd.DataFrame:
    """Which images are positive, or of a class: a column for each finding or class."""
    manifest, names = cohort.manifest, cohort.findings.names
    if cohort.findings.exclusive:
        of_class = {name: manifest["label"] == number for number, name in enumerate(names)}
        return pd.DataFrame(of_class)
    heads = ["positive images"] if cohort.findings.is_one else [f"positive: {one}" for one in names]
    return (manifest[cohort.label_columns] == 1).set_axis(heads, axis=1)


def _environment(result: SearchResult) -> Table:
    winner = result.winner
    facts = {
        **winner.versions,
        "seed": winner.seed,
        "weights": winner.weights.kind,
        **{f"weights of {name}": mark for name, mark in winner.weights.fingerprints.items()},
        **{f"licence of {name}": text for name, text in winner.weights.licences.items()},
        "cohort (SHA-256)": result.cohort.digest,
    }
    return Table(pd.DataFrame({"what": list(facts), "value": [str(one) for one in facts.values()]}))
