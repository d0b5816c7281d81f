"""One prediction from command line to files: check everything, retrain if needed, score, write."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from rich.console import Console

from analysis.answers import describe_answers, describe_judged, judge_answers
from analysis.check import Checked, check
from analysis.elsewhere.local import describe_local, recalibrate_here
from analysis.elsewhere.promised import Promised
from analysis.elsewhere.site import save_site, site_file
from analysis.elsewhere.words import describe as describe_comparison
from analysis.evaluate import judge_findings
from analysis.evaluation_lines import describe
from analysis.guard.absent import why_unguarded
from analysis.guard.familiarity import Familiarity
from analysis.heat_maps import write_heat_maps
from analysis.how_sure.compare import compare
from analysis.how_sure.compare import describe as describe_how_sure
from analysis.how_sure.spread import HowSure
from analysis.model_file import FinalModel
from analysis.options import PredictOptions
from analysis.predict import (
    RAW_SCORE,
    TeamScores,
    describe_predictions,
    predictions_and_scores,
    score,
)
from analysis.retrain import Retraining, team_models
from analysis.shared_stages import share_stages
from trainable.cohort.left_out import write_left_out
from trainable.cohort.scored import Scored
from trainable.commands.stop import stop_signals
from trainable.errors import InputError, listing, num_of
from trainable.files import replacing, writing
from trainable.report.page import Section, write_page
from trainable.run.places import ANOTHER_RUN
from trainable.run.winner import Winner
from trainable.store.arrays import ArrayStore


def launch(run: Path, options: PredictOptions, console: Console) -> None:
    """Write the predictions and the scores.

    Raises:
        InputError: before anything is trained, naming every problem found.
        KeyboardInterrupt: after Ctrl-C; its text names what was written.
    """
    run = run.expanduser().resolve()
    store = ArrayStore(options.cache.expanduser().resolve(), options.cache_bytes)
    written: list[Path] = []
    try:
        # a stop signal ends what is released below, and never what writes
        with stop_signals.held(), only_writer(options.out):
            with stop_signals.released():
                checked = check(run, options, store)
            retraining = Retraining(
                run, checked.winner, checked.cohort, options.seeds, store, options.device
            )
            _predict(options, checked, retraining, console, written)
    except KeyboardInterrupt as interrupt:
        kept = f"Written: {listing(written)}." if written else "Nothing was written."
        raise KeyboardInterrupt(f"Stopped by {stop_signals.name}. {kept}") from interrupt


@contextlib.contextmanager
def only_writer(out: Path) -> Iterator[None]:
    """Keep another prediction from writing the same file, from before the first look at it."""
    out = out.expanduser()
    lock = FileLock(out.with_name(f".{out.name}.lock"))
    try:
        with writing(out.parent, "--out"):
            out.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(
            f"another cxr-predict is writing {out}: wait for it, or name another file with --out"
        ) from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _predict(
    options: PredictOptions,
    checked: Checked,
    retraining: Retraining,
    console: Console,
    written: list[Path],
) -> None:
    """Retrain, score and write; each path goes into `written` once it is whole."""
    winner, unit = checked.winner, checked.cohort.grouping.unit
    for line in _summary(winner, unit):
        console.print(line)
    if checked.site is not None:
        console.print(f"  recalibrated to {options.site} on {checked.site.date}")
    for note in _notes(checked, unit):
        console.print(f"note: {note}", markup=False)
    models = checked.models or team_models(retraining, console, written)
    share_stages(models)
    with stop_signals.released():
        found = score(models, checked.new, retraining.store, winner.team_rows, options.device)
    console.print(found.cost)
    checked, raw = _at_the_door(options, checked, models, found, console)
    new, scores = checked.new, winner.recalibrated(raw)
    positives = winner.decide(scores)
    sure = _how_sure(checked, scores, console)
    _write_tables(options, checked, raw, sure, written)
    for line in (
        *describe_predictions(positives, winner, unit, options.out),
        *describe_answers(checked.answers, winner.findings, scores, unit),
    ):
        console.print(line)
    also = f"; column {RAW_SCORE}: before they were recalibrated" if winner.recalibrations else ""
    console.print(f"scores: {options.scores_out}{also}")
    for line in describe_how_sure(sure, unit):
        console.print(line)
    if new.left_out:
        console.print(f"left out: {options.left_out_out}")
    if options.heat_maps is not None:
        folder = options.heat_maps.expanduser()
        with stop_signals.released():
            about = write_heat_maps(folder, winner, models, new, positives, retraining.store)
        written.append(folder)
        console.print(f"heat maps: {folder} ({about})")
    sections = _evaluate(options, checked, raw, console, written)
    if sure is not None:
        # matplotlib takes a second to import
        from analysis.how_sure.section import how_sure_section

        sections.append(how_sure_section(sure, scores, winner, unit))
    if sections:
        what = "Prediction" if checked.truth is None else "Evaluation"
        write_page(options.report_out, f"{what} of {checked.run.name}", sections)
        written.append(options.report_out)
        console.print(f"report: {options.report_out}")


def _at_the_door(
    options: PredictOptions,
    checked: Checked,
    models: Sequence[FinalModel],
    found: TeamScores,
    console: Console,
) -> tuple[Checked, NDArray[np.float32]]:
    """Say which images are unlike those of the training; these are left out if that is asked.

    Returns:
        What is left to predict, and its raw scores.

    Raises:
        InputError: If they cannot be left out.
    """
    unguarded = why_unguarded(models, checked.run)
    known = Familiarity(checked.new, found.familiar, checked.odd, unguarded)
    checked = replace(checked, familiarity=known)
    for sentence in known.sentences():
        console.print(f"note: {sentence}", markup=False)
    if known.remark:
        console.print(known.remark, markup=False)
    refused = known.refused(asked=options.refuse_unfamiliar)
    return checked.without(refused), found.scores[~refused]


def _notes(checked: Checked, unit: str) -> Iterator[str]:
    """What a reader of the predictions must know of the new images, a sentence each."""
    new = checked.new
    yield from (*new.notes, *checked.unlike)
    yield from (f"the new images include {shared}" for shared in checked.shared)
    if new.num_unlisted:
        yield f"{num_of(new.num_unlisted, unit)} not in the template, and left out"


def _how_sure(checked: Checked, scores: NDArray[np.float32], console: Console) -> HowSure | None:
    """How sure the scores are, if that was asked."""
    if checked.asked is None:
        return None
    for line in checked.asked.before:
        console.print(line)
    with stop_signals.released(), console.status("fitting heads again"):
        return compare(checked.asked, checked.new, scores, console.print)


def _write_tables(
    options: PredictOptions,
    checked: Checked,
    raw: NDArray[np.float32],
    sure: HowSure | None,
    written: list[Path],
) -> None:
    """Write the predictions, the scores, and which images are left out."""
    new = checked.new
    rules, known = checked.cohort.label_rules, checked.familiarity
    cells = None if known is None else known.cells()
    tables = predictions_and_scores(new, raw, checked.winner, rules, checked.answers, sure, cells)
    for table, file in zip(tables, (options.out, options.scores_out), strict=True):
        write_csv(table, file)
        written.append(file)
    if options.may_leave_out:
        with writing(options.out.parent, "--out"):
            write_left_out(new.left_out, options.left_out_out)
        written.append(options.left_out_out)


def _evaluate(
    options: PredictOptions,
    checked: Checked,
    raw: NDArray[np.float32],
    console: Console,
    written: list[Path],
) -> list[Section]:
    """Print the metrics, if labels were given; their sections of the page where both occur."""
    truth = checked.truth
    if truth is None:
        return []
    for note in truth.notes:
        console.print(f"note: {note}", markup=False)
    findings, winner = checked.cohort.findings, checked.winner
    scored = truth.scored(winner.recalibrated(raw))
    judged = judge_findings(scored, findings, winner, options.operating_point)
    lines = list(describe(judged, scored, findings, winner))
    if checked.answers:
        lines += describe_judged(judge_answers(checked.answers, scored, findings))
    comparison = None
    if any(judged.estimates):
        assert checked.familiarity is not None
        at = None if checked.site is None else (str(options.site), checked.site)
        comparison = Promised(checked.run, winner, checked.cohort, at).compare(
            checked.new, checked.familiarity, truth, scored, judged, options.operating_point
        )
        lines += describe_comparison(comparison)
    if options.recalibrate_here is not None:
        lines += _recalibrate(options, checked, truth.scored(raw), written)
    for line in lines:
        console.print(line, markup=False)
    if comparison is None or not comparison.findings:
        return []
    # matplotlib takes a second to import
    from analysis.report import evaluation_sections

    before = truth.scored(raw) if winner.recalibrations else None
    point = options.operating_point
    return evaluation_sections(checked, scored, before, judged, comparison, lines, point)


def _recalibrate(
    options: PredictOptions, checked: Checked, raw: Scored, written: list[Path]
) -> Iterator[str]:
    """Recalibrate to the labels, keep that if it is better, and say so, a line each."""
    truth, file = checked.truth, site_file(checked.run, str(options.recalibrate_here))
    assert truth is not None
    hashes = checked.new.hashes_of(truth.rows)
    found = recalibrate_here(raw, checked.winner, hashes, options.operating_point)
    if found.site is not None:
        with writing(checked.run, ANOTHER_RUN):
            save_site(found.site, file)
        written.append(file)
    return describe_local(found, checked.winner, file)


def _summary(winner: Winner, unit: str) -> Iterator[str]:
    """The winner and the F1 to expect of it, a line each."""
    low, high = winner.corrected.interval
    best = winner.best
    chosen = f"trial {best.trial}, {best.config.backbone.short} to {best.config.cut}"
    trials = listing([member.trial for member in winner.members], most=100)
    if len(set(winner.teams)) > 1:
        chosen = f"a team for each finding, of trials {trials}"
    elif len(winner.members) > 1:
        chosen = f"the mean score of trials {trials}"
    expected = f"expected {winner.f1_name} {winner.corrected.f1:.3f}"
    yield f"winner: {chosen}; {expected} (95 % CI {low:.3f} to {high:.3f})"
    look = winner.own_look
    if look is not None:
        num_looks, f1 = winner.test_looks.index(look) + 1, look.result.estimates["F1"]
        again = f" (look {num_looks} at them)" if num_looks > 1 else ""
        exams = f"{look.result.num_exams} test {unit}s"
        yield f"  on the {exams} of the search: {winner.f1_name} {f1}{again}"


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as a whole: a kill leaves the old file or the new one."""
    with writing(path.parent, "--out"), replacing(path) as partial:
        table.to_csv(partial, index=False)
