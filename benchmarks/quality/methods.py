"""The methods that `benchmarks.quality` compares, each on one resplit with the same weights."""

import functools
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy import special
from sklearn import metrics as sk
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from analysis.predict import RAW_SCORE
from benchmarks.quality.cohorts import Resplit
from search.demo import demo
from trainable.backbones.encoder import Encoder
from trainable.backbones.weights import Weights, find_weights
from trainable.config import TrialConfig
from trainable.evaluation.curves import slope_and_intercept
from trainable.evaluation.recalibration import bounded
from trainable.features.body import Body
from trainable.images.loading import load_images
from trainable.images.preprocessing import PixelStatistics, Square
from trainable.reading.image_files import hash_files
from trainable.store.arrays import ArrayStore
from trainable.store.known_rows import Rows

METHODS = ("trial_0", "probe", "fused_probe", "single", "team")
_PENALTIES = np.logspace(-4, 2, 13)
_FOLDS = 5
_COHORT_IS_NOT_USED = PixelStatistics(0.5, 0.25)

Row = dict[str, float | str]


@dataclass(frozen=True)
class Setup:
    """What all methods share.

    Attributes:
        weights: as `cxr-search` takes them.
        image_size: edge of the square images, in pixels.
        trials: trials per search.
        cache: folder of decoded images and features.
        options: further options of `cxr-search`.
        encoders: as `cxr-search --backbones` takes them; all that have weights if there are none.
        time_budget: as `cxr-search` takes it; figures then depend on what else the machine does.
    """

    weights: str
    image_size: int
    trials: int
    cache: Path
    options: tuple[str, ...]
    encoders: tuple[str, ...] = ()
    time_budget: str = "none"

    @property
    def backbones(self) -> tuple[str, ...]:
        """The backbones of every method: all that have weights; the demo's if these are random."""
        if self.weights == "none" and not self.encoders:
            return tuple(demo.SPACE["backbone"])
        return self.bodies.names

    @functools.cached_property
    def bodies(self) -> Weights:
        """The weights of all methods."""
        return find_weights(self.weights, self.encoders)


def run_methods(part: Resplit, setup: Setup, methods: Sequence[str] = METHODS) -> Iterator[Row]:
    """One row per method: test F1, AUC, average precision, reported minus test F1, CPU seconds."""
    if {"probe", "fused_probe"} & {*methods}:
        yield from (row for row in _probes(part, setup) if row["method"] in methods)
    for table, name in ((part.train, "train"), (part.test, "test")):
        table.to_csv(part.folder / f"{name}.csv", index=False)
    if "trial_0" in methods:
        first, cpu = run_search(part, setup, "trial-0", "--trials", "1")
        yield predict_test(part, setup, "trial_0", first, cpu)
    if {"team", "single"} & {*methods}:
        run, cpu = run_search(part, setup, "run", "--trials", str(setup.trials))
        if "team" in methods:
            yield predict_test(part, setup, "team", run, cpu)
        if "single" in methods:
            cpu_of_command("search", "--resume", run, "--team", "1")
            yield predict_test(part, setup, "single", run, cpu)


def judged(part: Resplit, method: str, scores: NDArray[np.floating], **more: float) -> Row:
    """What scores of the test part are worth, by `threshold`, and the F1 `reported` before."""
    labels = part.test["label"].to_numpy()
    f1 = float(sk.f1_score(labels, scores >= more["threshold"]))
    return {
        "resplit": part.number,
        "method": method,
        "f1": f1,
        "auc": float(sk.roc_auc_score(labels, scores)),
        "ap": float(sk.average_precision_score(labels, scores)),
        "reported_minus_test": more["reported"] - f1,
        "cpu_s": more["cpu"],
    }


def _probes(part: Resplit, setup: Setup) -> Iterator[Row]:
    """Both regressions, each with the backbone and penalty that its own folds find best."""
    found: dict[str, list[tuple[float, Row]]] = {"probe": [], "fused_probe": []}
    num_train = len(part.train)
    labels = part.train["label"].to_numpy()
    for name in setup.backbones:
        pooled = pool_stages(part, setup, name)
        stages = np.concatenate(pooled.averages, axis=1)
        for method, features in (("probe", pooled.last), ("fused_probe", stages)):
            began = time.process_time()
            folds = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=part.number)
            split = list(folds.split(features[:num_train], labels, part.train["patient"]))
            model = GridSearchCV(
                make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
                {"logisticregression__C": _PENALTIES},
                scoring="roc_auc",
                cv=split,
            ).fit(features[:num_train], labels)
            best = model.best_estimator_
            out_of_fold = cross_val_predict(
                best, features[:num_train], labels, cv=split, method="predict_proba"
            )[:, 1]
            threshold, reported = best_threshold(labels, out_of_fold)
            scores = best.predict_proba(features[num_train:])[:, 1]
            row = judged(
                part, method, scores, threshold=threshold, reported=reported,
                cpu=pooled.seconds + time.process_time() - began,
            )  # fmt: skip
            found[method].append((sk.roc_auc_score(labels, out_of_fold), row))
    for method, rows in found.items():
        cpu = sum(float(row["cpu_s"]) for _, row in rows)
        yield {**max(rows, key=lambda item: item[0])[1], "method": method, "cpu_s": cpu}


def best_threshold(labels: NDArray[np.int64], scores: NDArray[np.floating]) -> tuple[float, float]:
    """The score from which on positive gives the best F1, and that F1."""
    precision, recall, thresholds = sk.precision_recall_curve(labels, scores)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(thresholds[f1[:-1].argmax()]), float(f1.max())


@dataclass(frozen=True)
class Pooled:
    """What a network sees in the images of a resplit.

    Attributes:
        last: (num_images, width), averages and maxima of the last cut, training images first.
        averages: For each stage the averages (num_images, width).
        seconds: CPU seconds that the training images took.
    """

    last: NDArray[np.float32]
    averages: Sequence[NDArray[np.float32]]
    seconds: float


def pool_stages(part: Resplit, setup: Setup, name: str) -> Pooled:
    """Run a network on the training and the test images of a resplit, but for what is stored."""
    encoder, store = Encoder.read(name), ArrayStore(setup.cache)
    backbone = encoder.network
    config = TrialConfig(
        backbone=name, cut=backbone.cuts[-1], normalization="own", image_size=setup.image_size
    )
    weights = f"{encoder.name}-{setup.bodies.fingerprints[encoder]}".replace("/", "-")
    parts, seconds = [], 0.0
    for table in (part.train, part.test):
        paths = table["image"].tolist()
        hashes = hash_files(paths)
        size = setup.image_size
        images = load_images(paths, hashes, Square(size), _COHORT_IS_NOT_USED, store)
        body = Body(images, config, setup.bodies, torch.device("cpu"))
        width = backbone.pooled_width(config.cut)
        began = time.process_time()
        parts.append(
            store.get_or_compute(
                images.name.of_same_rows(f"features-quality-{weights}-{images.name.what}"),
                (width,),
                np.float32,
                functools.partial(_pooled, body),
            )
        )
        seconds = seconds or time.process_time() - began
    both = np.concatenate(parts)
    by_stage = [both[:, backbone.pooled_columns(cut)] for cut in backbone.cuts]
    averages = [columns[:, columns.shape[1] // 2 :] for columns in by_stage]
    return Pooled(by_stage[-1], averages, seconds)


def _pooled(body: Body, rows: Rows) -> NDArray[np.float32]:
    features: NDArray[np.float32] = body.pooled(torch.from_numpy(rows)).numpy()
    return features


def run_search(part: Resplit, setup: Setup, name: str, *options: str) -> tuple[Path, float]:
    """Run `cxr-search`; its run folder and CPU seconds."""
    run = part.folder / name
    size = ("--image-size", str(setup.image_size), "--batch-size", "32", "--unfreeze", "0")
    data = ("--data", str(part.folder / "train.csv"), "--weights", setup.weights)
    where = ("--out", str(run), "--cache", str(setup.cache))
    whole = ("--time-budget", setup.time_budget, "--learning-curve", "no")
    backbones = ("--backbones", ",".join(setup.backbones))
    seconds = cpu_of_command(
        "search", *data, *size, *backbones, *where, *whole, *options, *setup.options
    )
    return run, seconds


def predict_test(part: Resplit, setup: Setup, method: str, run: Path, cpu: float) -> Row:
    """Predict the test images with the winner of a run folder."""
    out = part.folder / f"{method}.csv"
    images = ("--images", str(part.folder / "test.csv"), "--out", str(out))
    cpu += cpu_of_command("analysis", str(run), *images, "--cache", str(setup.cache))
    winner = json.loads((run / "winner.json").read_text())
    table, reported = pd.read_csv(out.with_name(f"{method}_scores.csv")), winner["corrected"]["f1"]
    scores, raw = table["score"].to_numpy(), table.get(RAW_SCORE, table["score"]).to_numpy()
    row = judged(
        part, method, scores, threshold=winner["thresholds"][0], reported=reported, cpu=cpu
    )
    labels = part.test["label"].to_numpy()
    (slope, loss), (raw_slope, raw_loss) = (_calibration(labels, one) for one in (scores, raw))
    return {**row, "slope": slope, "raw_slope": raw_slope, "loss_minus_raw": loss - raw_loss}


def _calibration(labels: NDArray[np.int64], scores: NDArray[np.floating]) -> tuple[float, float]:
    """Slope and log loss."""
    slope, _ = slope_and_intercept(labels, special.logit(bounded(scores)))
    return slope, float(sk.log_loss(labels, bounded(scores)))


def cpu_of_command(module: str, *arguments: object) -> float:
    """Run a command of this project to its end; its CPU seconds.

    Workers of Ray are not in it where they are forks (Linux): nobody waits for these.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    if done.returncode:
        raise RuntimeError(f"{module} {arguments} ended with {done.returncode}:\n{done.stderr}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
