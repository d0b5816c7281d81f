"""One prediction from command line to files: check everything, retrain if needed, score, write."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console

from analysis.ensemble import choose_members, mean_threshold
from analysis.evaluate import TrueLabels, describe, leakage, read_true_labels
from analysis.model_file import FinalModel
from analysis.new_images import NewImages, find_new_images
from analysis.predict import score, write_predictions_table
from analysis.retrain import final_model, model_folder
from analysis.winner import Winner, read_winner
from trainable.cohort.cohort import Cohort
from trainable.cohort.exams import ONE_IMAGE_EACH
from trainable.cohort.splits import rows_of, seen_rows
from trainable.errors import InputError, Problems, listing
from trainable.files import replacing
from trainable.images.pixels import load_pixels
from trainable.store import ArrayStore
from trainable.training.loop import EpochRecord


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
    ensemble: int
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
    members, cohort, new, truth = _check(request, run, store)
    unit = cohort.grouping.unit
    winner, low_high = members[0], members[0].corrected["interval"]
    console.print(
        f"winner: trial {winner.trial}, {winner.config.backbone} to {winner.config.cut}; F1 to "
        f"expect {winner.corrected['f1']:.3f} ({low_high[0]:.3f} to {low_high[1]:.3f})"
    )
    models = [_model(request, run, member, cohort, store, console) for member in members]
    threshold = models[0].threshold
    if len(members) > 1:
        trials = [member.trial for member in members]
        threshold = mean_threshold(run, trials, winner, cohort)
        console.print(f"ensemble: the mean score of trials {listing(trials)}")
    for sentence in leakage(new, cohort):
        console.print(f"note: among the new are {sentence}")
    if new.num_unlisted:
        console.print(f"note: {new.num_unlisted} {unit}s are not in the template, and left out")
    by_model = np.stack([score(model, new, store) for model in models])
    scores: NDArray[np.float32] = by_model.mean(axis=0)
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


def _model(
    request: Request,
    run: Path,
    winner: Winner,
    cohort: Cohort,
    store: ArrayStore,
    console: Console,
) -> FinalModel:
    """The final model of one configuration, and what is said while it is trained."""
    folder = model_folder(run, winner)
    if folder.exists():
        console.print(f"model found in {folder}")
    else:
        but = " but those of the test" if len(rows_of(cohort, "test")) else ""
        console.print(
            f"retraining trial {winner.trial} on all {len(seen_rows(cohort))} labelled "
            f"{cohort.grouping.unit}s{but}"
        )

    def report(number: int, record: EpochRecord) -> None:
        console.print(
            f"  seed {number} of {request.seeds}: loss {record.train_loss:.3f} after "
            f"{record.num_steps} steps"
        )

    return final_model(run, winner, cohort, request.seeds, store, report)


def _check(
    request: Request, run: Path, store: ArrayStore
) -> tuple[list[Winner], Cohort, NewImages, TrueLabels | None]:
    """Everything that prediction stands on: what to retrain, the new images and their labels."""
    problems = Problems()
    if request.seeds < 1:
        problems.add(f"--seeds must be at least 1; got {request.seeds}")
    if not 0 < request.wanted <= 1:
        problems.add(f"--wanted must be above 0 and at most 1; got {request.wanted}")
    for file in (request.out, request.scores_out):
        if file.exists() and not request.overwrite:
            problems.add(f"{file} is there already; name another with --out, or --overwrite it")
    found = problems.attempt(lambda: read_winner(run))
    grouping = found[1].grouping if found else ONE_IMAGE_EACH
    images = request.images.expanduser()
    new = problems.attempt(lambda: find_new_images(images, request.template, grouping))
    if found is None or new is None:
        raise InputError(*problems.found)
    winner, cohort = found
    size = winner.config.image_size
    problems.attempt(lambda: load_pixels(new.paths, new.hashes, size, store))
    members = problems.attempt(lambda: choose_members(run, winner, cohort, request.ensemble))
    truth = None
    if request.labels is not None:
        csv = request.labels.expanduser()
        truth = problems.attempt(lambda: read_true_labels(csv, new, cohort))
        problems.found.extend(
            f"a model must be judged on others than its own {shared}"
            for shared in leakage(new, cohort)
        )
    if problems.found or members is None:
        raise InputError(*problems.found)
    return members, cohort, new, truth


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as a whole: a kill leaves the old file or the new one."""
    with replacing(path) as partial:
        table.to_csv(partial, index=False)
