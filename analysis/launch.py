"""One prediction from command line to files: check everything, retrain if needed, score, write."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
from rich.console import Console

from analysis.evaluate import TrueLabels, describe, leakage, read_true_labels
from analysis.model_file import FinalModel
from analysis.new_images import NewImages, find_new_images
from analysis.predict import score, write_predictions_table
from analysis.retrain import Retraining
from analysis.shared_stages import describe_cost, share_stages
from trainable.cohort.cohort import Cohort
from trainable.cohort.exams import ONE_IMAGE_EACH
from trainable.cohort.splits import rows_of, seen_rows
from trainable.errors import InputError, Problems, listing
from trainable.files import replacing
from trainable.images.pixels import load_pixels
from trainable.store import ArrayStore
from trainable.training.loop import EpochRecord
from trainable.winner import Member, Winner, read_winner


@dataclass(frozen=True)
class Request:
    """Options of `cxr-predict`, as its help describes them."""

    run: Path
    images: Path
    template: Path | None
    out: Path
    labels: Path | None
    wanted: float
    seeds: int
    overwrite: bool
    cache: Path

    @property
    def scores_out(self) -> Path:
        """The second file, beside the predictions."""
        return self.out.with_name(f"{self.out.stem}_scores.csv")


def run_request(request: Request, console: Console) -> None:
    """Write the predictions and the scores.

    Raises:
        InputError: before anything is trained, naming every problem found.
    """
    run = request.run.expanduser().resolve()
    store = ArrayStore(request.cache.expanduser().resolve())
    winner, cohort, new, truth = _check(request, run, store)
    unit = cohort.grouping.unit
    low, high = winner.corrected.interval
    best, trials = winner.best, listing([member.trial for member in winner.members], most=100)
    chosen = f"trial {best.trial}, {best.config.backbone} to {best.config.cut}"
    if len(winner.members) > 1:
        chosen = f"the mean score of trials {trials}"
    console.print(
        f"winner: {chosen}; F1 to expect {winner.corrected.f1:.3f} ({low:.3f} to {high:.3f})"
    )
    if winner.test is not None:
        num_exams, f1 = winner.test.num_exams, winner.test.estimates["F1"]
        console.print(f"  on the {num_exams} test {unit}s of the search: F1 {f1}")
    retraining = Retraining(run, winner, cohort, request.seeds, store)
    models = [_model(retraining, member, console) for member in winner.members]
    share_stages(models)
    console.print(describe_cost(models))
    for sentence in leakage(new, cohort):
        console.print(f"note: among the new are {sentence}")
    if new.num_unlisted:
        console.print(f"note: {new.num_unlisted} {unit}s are not in the template, and left out")
    scores = score(models, new, store)
    threshold = winner.threshold
    predictions, score_table = write_predictions_table(new, scores, threshold, cohort.classes)
    write_csv(predictions, request.out)
    write_csv(score_table, request.scores_out)
    num_positive = int((scores >= threshold).sum())
    console.print(
        f"{len(scores)} {unit}s, {num_positive} predicted positive (a score of {threshold:.3f} or "
        f"more): {request.out}"
    )
    console.print(f"scores: {request.scores_out}")
    if truth is not None:
        for line in describe(truth, scores, threshold, winner.f1_average, request.wanted):
            console.print(line)


def _model(retraining: Retraining, member: Member, console: Console) -> FinalModel:
    """The final model of one member, and what is reported while it is trained."""
    folder, cohort = retraining.folder(member), retraining.cohort
    if folder.exists():
        console.print(f"model found in {folder}")
    else:
        but = " except test rows" if len(rows_of(cohort, "test")) else ""
        console.print(
            f"retraining trial {member.trial} on all {len(seen_rows(cohort))} labelled "
            f"{cohort.grouping.unit}s{but}"
        )

    def report(number: int, record: EpochRecord) -> None:
        console.print(
            f"  seed {number} of {retraining.num_seeds}: loss {record.train_loss:.3f} after "
            f"{record.num_steps} steps"
        )

    return retraining.model(member, report)


def _check(
    request: Request, run: Path, store: ArrayStore
) -> tuple[Winner, Cohort, NewImages, TrueLabels | None]:
    """Everything that prediction stands on: what to retrain, the new images and their labels."""
    problems = Problems()
    if request.seeds < 1:
        problems.add(f"--seeds must be at least 1; got {request.seeds}")
    if not 0 < request.wanted <= 1:
        problems.add(f"--wanted must be above 0 and at most 1; got {request.wanted}")
    for file in (request.out, request.scores_out):
        if file.exists() and not request.overwrite:
            problems.add(f"{file} is there already; name another with --out, or --overwrite it")
    found = problems.attempt(lambda: (read_winner(run), Cohort.load(run)))
    grouping = found[1].grouping if found else ONE_IMAGE_EACH
    images = request.images.expanduser()
    new = problems.attempt(lambda: find_new_images(images, request.template, grouping))
    if found is None or new is None:
        raise InputError(*problems.found)
    winner, cohort = found
    for size in {member.config.image_size for member in winner.members}:
        problems.attempt(partial(load_pixels, new.paths, new.hashes, size, store))
    truth = None
    if request.labels is not None:
        csv = request.labels.expanduser()
        truth = problems.attempt(lambda: read_true_labels(csv, new, cohort))
        problems.found.extend(
            f"a model must be judged on others than its own {shared}"
            for shared in leakage(new, cohort)
        )
    problems.raise_if_any()
    return winner, cohort, new, truth


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as a whole: a kill leaves the old file or the new one."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False)
