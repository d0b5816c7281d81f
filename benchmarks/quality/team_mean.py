"""The mean of a team's probabilities beside two means of its logits.

    python -m benchmarks.quality.team_mean --cohorts 10
    python -m benchmarks.quality.team_mean --data FOLDER_OR_CSV --weights FOLDER --backbones NAME

Without `--data`, each cohort is of 300 fresh phantom patients, its trials are networks that were
trained, and the test images are 20,000 new phantoms. With `--data`, each cohort is a third of the
patients, tested on the others; its trials are logistic regressions on the stages of one network,
alone and side by side, with penalties from weak to strong. The team is always the one that
`cxr-search` takes. Printed is, for each mean, the AUC, and the F1 at the threshold that is best
out of fold, both on the test images:

- probabilities: the mean of the members' scores, as `cxr-search` has it;
- logits: the mean of their logits;
- standardized logits: the same of logits less their out-of-fold mean, over their out-of-fold
  standard deviation.
"""

import argparse
import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.quality.__main__ import difference
from benchmarks.quality.cohorts import Resplit, resplits
from benchmarks.quality.methods import Setup, best_threshold, pool_stages
from benchmarks.selection.claims import NUM_PLANNED
from benchmarks.selection.real_searches import NewImagesTruth, draw_new_images, run_search
from search.winner.selection import TeamRule, select
from trainable.backbones.encoder import Encoder
from trainable.cohort.scored import Scored
from trainable.evaluation.scoring import Scoring

_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
_FOLDS = 5
_REPEATS = 3

Scores = NDArray[np.floating]
Mean = Callable[[Scores, Scores], Scores]
"""Scores (num_images,) of a team, of those of its members and of their out-of-fold ones."""


def _logits(scores: Scores) -> Scores:
    return np.asarray(logit(np.clip(scores.astype(np.float64), 1e-7, 1 - 1e-7)))


def _standardized(scores: Scores, out_of_fold: Scores) -> Scores:
    known = _logits(out_of_fold)
    center, spread = known.mean(axis=1, keepdims=True), known.std(axis=1, keepdims=True)
    return np.asarray(((_logits(scores) - center) / spread).mean(axis=0))


MEANS: dict[str, Mean] = {
    "probabilities": lambda scores, _: np.asarray(scores.mean(axis=0)),
    "logits": lambda scores, _: np.asarray(_logits(scores).mean(axis=0)),
    "standardized logits": _standardized,
}


def compare(
    number: int, scored: Scored, labels: NDArray[np.int64], new: Scores
) -> Iterator[dict[str, object]]:
    """A row per mean of the team that a search takes.

    Args:
        number: Of the cohort.
        scored: Out-of-fold scores of its trials.
        labels: (num_new,), of the test images.
        new: (num_trials, num_new), scores of the test images.
    """
    planned = np.arange(len(scored.scores)) < NUM_PLANNED
    team = list(select(scored, Scoring(), TeamRule(planned=planned)).members)
    known = scored.scores[team, :, 0]
    for name, mean in MEANS.items():
        out_of_fold, of_new = mean(known, known), mean(new[team], known)
        threshold, _ = best_threshold(scored.labels[:, 0], out_of_fold)
        yield {
            "resplit": number,
            "method": name,
            "auc": float(sk.roc_auc_score(labels, of_new)),
            "f1": float(sk.f1_score(labels, of_new >= threshold)),
            "size": len(team),
        }


def _phantoms(number: int, folder: Path) -> Iterator[dict[str, object]]:
    search = run_search(folder, number)
    truth = search.truth
    assert isinstance(truth, NewImagesTruth)
    yield from compare(number, search.scored, truth.labels[:, 0], truth.scores[..., 0])


def _regressions(part: Resplit, setup: Setup) -> Iterator[dict[str, object]]:
    num_train = len(part.train)
    labels, patients = part.train["label"].to_numpy(np.int64), part.train["patient"]
    known, new = [], []
    for name in setup.backbones:
        stages = pool_stages(part, setup, name).averages
        for seen in (*stages, np.concatenate(stages, axis=1)):
            for penalty in _PENALTIES:
                scaled = (StandardScaler(), LogisticRegression(C=penalty, max_iter=2000))
                model = make_pipeline(*scaled)
                known.append(_out_of_fold(model, seen[:num_train], labels, patients))
                model.fit(seen[:num_train], labels)
                new.append(model.predict_proba(seen[num_train:])[:, 1])
    scores = np.array(known, np.float32)[..., None]
    scored = Scored(labels[:, None], pd.factorize(patients)[0].astype(np.int64), scores)
    test = part.test["label"].to_numpy(np.int64)
    yield from compare(part.number, scored, test, np.array(new))


def _out_of_fold(
    model: Pipeline, seen: NDArray[np.float32], labels: NDArray[np.int64], patients: pd.Series
) -> Scores:
    repeats = []
    for repeat in range(_REPEATS):
        folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=repeat)
        split = list(folds.split(seen, labels, patients))
        repeats.append(cross_val_predict(model, seen, labels, cv=split, method="predict_proba"))
    return np.asarray(np.mean(repeats, axis=0)[:, 1])


def _rows(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, object]]:
    numbers = range(options.first, options.first + options.cohorts)
    if options.data is None:
        with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
            draw_new_images(folder, pool)
        for number in numbers:
            yield from _phantoms(number, folder)
        return
    names = tuple(str(Encoder.read(name)) for name in options.backbones.split(","))
    setup = Setup(options.weights, 224, 0, folder / "cache", (), names)
    for part in resplits(folder, options.data, options.patient_pattern, numbers, 0.33):
        yield from _regressions(part, setup)


def main() -> None:
    """Compare the means on all cohorts; print the table, then one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.team_mean")
    add = parser.add_argument
    add("--data", type=Path, help="the labelled images as cxr-search takes them (phantoms)")
    add("--patient-pattern", help="regular expression that finds the patient in a file name")
    add("--weights", default="none", help="weights as cxr-search takes them (none)")
    add("--backbones", help="encoders, with --data")
    add("--cohorts", type=int, default=10, help="number of cohorts (10)")
    add("--first", type=int, default=0, help="number of the first one, its seed (0)")
    add("--processes", type=int, default=2, help="that draw phantoms at a time (2)")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="cxr-mean-") as folder:
        rows = []
        for row in _rows(options, Path(folder)):
            rows.append(row)
            print(json.dumps(row), flush=True)
    table = pd.DataFrame(rows)
    print(table.groupby("method", sort=False)[["auc", "f1", "size"]].mean().round(4).to_string())
    found = {
        f"{name} minus probabilities": {
            figure: difference(table, name, "probabilities", figure) for figure in ("auc", "f1")
        }
        for name in MEANS
        if name != "probabilities"
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
