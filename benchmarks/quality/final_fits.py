"""A logistic regression that is fitted once to all patients, beside means of fits to fewer.

    python -m benchmarks.quality.final_fits --data FOLDER_OR_CSV --weights FOLDER --backbone NAME

Each resplit trains on a third of the patients. Three regressions with other penalties, on the
averages of all stages of one network, are a team: its score is their mean. Each is scored out of
fold on three draws of five folds, and the threshold is the best one there. The final model is one
fit to all, or a mean of the first 3, 5 or all 15 of the scored fits. Printed are AUC, F1 and log
loss of the team on the other patients, and the differences to one fit with Student's intervals.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.quality.__main__ import difference
from benchmarks.quality.cohorts import Resplit, resplits
from benchmarks.quality.methods import Setup, best_threshold, pool_stages
from trainable.backbones.encoder import Encoder

PENALTIES = (1e-3, 1e-2, 1e-1)
_FOLDS, _REPEATS = 5, 3
_MEANS = (3, 5, 15)
_FIGURES = ("auc", "f1", "log_loss")


def compare(part: Resplit, setup: Setup) -> Iterator[dict[str, float | str]]:
    """A row for each kind of final model."""
    seen = np.concatenate(pool_stages(part, setup, setup.backbones[0]).averages, axis=1)
    labels, test = part.train["label"].to_numpy(), part.test["label"].to_numpy()
    known, new = np.split(seen, [len(labels)])
    out_of_fold = np.zeros(len(labels))
    once, several = np.zeros(len(test)), np.zeros((_FOLDS * _REPEATS, len(test)))
    for penalty in PENALTIES:
        scaled = (StandardScaler(), LogisticRegression(C=penalty, max_iter=1000))
        model, number = make_pipeline(*scaled), 0
        for repeat in range(_REPEATS):
            folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=repeat)
            for train, valid in folds.split(known, labels, part.train["patient"]):
                model.fit(known[train], labels[train])
                out_of_fold[valid] += model.predict_proba(known[valid])[:, 1] / _REPEATS
                several[number] += model.predict_proba(new)[:, 1]
                number += 1
        once += model.fit(known, labels).predict_proba(new)[:, 1]
    threshold, _ = best_threshold(labels, out_of_fold / len(PENALTIES))
    finals = {"one fit": once} | {f"{count} fits": several[:count].mean(axis=0) for count in _MEANS}
    for name, total in finals.items():
        scores = total / len(PENALTIES)
        yield {
            "resplit": part.number,
            "method": name,
            "auc": float(sk.roc_auc_score(test, scores)),
            "f1": float(sk.f1_score(test, scores >= threshold)),
            "log_loss": float(sk.log_loss(test, scores)),
        }


def main() -> None:
    """Compare on all resplits; print the table, then one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.final_fits")
    add = parser.add_argument
    add("--data", type=Path, required=True, help="the labelled images as cxr-search takes them")
    add("--patient-pattern", help="regular expression that finds the patient in a file name")
    add("--weights", required=True, help="weights as cxr-search takes them")
    add("--backbone", required=True, help="the encoder")
    add("--resplits", type=int, default=40, help="number of resplits (40)")
    options = parser.parse_args()
    with TemporaryDirectory(prefix="cxr-final-") as folder:
        names = (str(Encoder.read(options.backbone)),)
        setup = Setup(options.weights, 224, 0, Path(folder, "cache"), (), names)
        numbers = range(options.resplits)
        parts = resplits(Path(folder), options.data, options.patient_pattern, numbers, 0.33)
        table = pd.DataFrame([row for part in parts for row in compare(part, setup)])
    print(table.groupby("method", sort=False)[list(_FIGURES)].mean().round(4).to_string())
    found = {
        f"{count} fits minus one": {
            figure: difference(table, f"{count} fits", "one fit", figure) for figure in _FIGURES
        }
        for count in _MEANS
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
