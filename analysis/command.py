"""One prediction from command line to files: check everything, retrain if needed, score, write."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from rich.console import Console

from analysis.judge import describe, overlap, read_labels
from analysis.predict import NewImages, fill_in, find_new_images, score
from analysis.retrain import final_model, model_folder
from analysis.winner import Winner, read_winner
from trainable.cohort import Cohort
from trainable.pixels import load_pixels
from trainable.problems import InputProblemsError, Problems
from trainable.store import ArrayStore
from trainable.training import EpochRecord


@dataclass(frozen=True)
class Request:
    """Options of `cxr-predict`, as its help describes them."""

    run: Path
    images: Path
    template: Path | None
    out: Path
    labels: Path | None
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
        InputProblemsError: before anything is trained, naming every problem found.
    """
    run = request.run.expanduser().resolve()
    store = ArrayStore(request.cache.expanduser().resolve())
    winner, cohort, new, labels = _check(request, run, store)
    config, folder = winner.config, model_folder(run, winner)
    console.print(
        f"winner: trial {winner.trial}, {config.backbone} to {config.cut}, out-of-fold F1 "
        f"{winner.out_of_fold['f1']:.3f}"
    )
    if folder.exists():
        console.print(f"model found in {folder}")
    else:
        console.print(f"retraining on all {len(cohort.labels)} labelled images")

    def report(number: int, record: EpochRecord) -> None:
        if record.epoch == config.epochs:
            console.print(
                f"  seed {number} of {request.seeds}: loss {record.train_loss:.3f} after "
                f"{record.num_steps} steps"
            )

    model = final_model(run, winner, cohort, request.seeds, store, report)
    for sentence in overlap(new, cohort):
        console.print(f"note: among the new are {sentence}")
    if new.num_unlisted:
        console.print(f"note: {new.num_unlisted} images are not in the template, and left out")
    scores = score(model, new, store)
    predictions, score_table = fill_in(new, scores, model)
    write_csv(predictions, request.out)
    write_csv(score_table, request.scores_out)
    num_positive = int((scores >= model.threshold).sum())
    console.print(f"{len(scores)} images, {num_positive} predicted positive: {request.out}")
    console.print(f"scores: {request.scores_out}")
    if labels is not None:
        for line in describe(labels, scores, model.threshold, winner.f1_average):
            console.print(line)


def _check(
    request: Request, run: Path, store: ArrayStore
) -> tuple[Winner, Cohort, NewImages, NDArray[np.int64] | None]:
    """Everything that prediction stands on: the winner, the new images and their labels."""
    problems = Problems()
    if request.seeds < 1:
        problems.add(f"--seeds must be at least 1; got {request.seeds}")
    for file in (request.out, request.scores_out):
        if file.exists() and not request.overwrite:
            problems.add(f"{file} is there already; name another with --out, or --overwrite it")
    found = problems.attempt(lambda: read_winner(run))
    new = problems.attempt(lambda: find_new_images(request.images.expanduser(), request.template))
    if found is None or new is None:
        raise InputProblemsError(problems.found)
    winner, cohort = found
    size = winner.config.image_size
    problems.attempt(lambda: load_pixels(new.paths, new.hashes, size, store))
    labels = None
    if request.labels is not None:
        csv = request.labels.expanduser()
        labels = problems.attempt(lambda: read_labels(csv, new, cohort.classes))
        problems.found.extend(
            f"a model must be judged on others than its own {shared}"
            for shared in overlap(new, cohort)
        )
    problems.refuse()
    return winner, cohort, new, labels


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write a table as a whole: a kill leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    table.to_csv(partial, index=False)
    partial.replace(path)
