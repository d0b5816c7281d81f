"""What `benchmarks.gpu` looks at: each part yields figures, some with a limit to keep."""

import dataclasses
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from trainable.backbones.backbone import FUSED
from trainable.backbones.encoder import find_backbone
from trainable.backbones.weights import Weights
from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.device import autocast, pick_device, precision
from trainable.features.body import Body
from trainable.features.tables import frozen_inputs
from trainable.images.batches import Batch, Inputs
from trainable.images.loading import Images, load_images
from trainable.images.preprocessing import Square
from trainable.store.arrays import ArrayStore
from trainable.training.loop import FoldData, fit
from trainable.trial.cross_validation import assemble, new_network, train_network
from trainable.trial.task import Materials, TrainingData

CPU = torch.device("cpu")
_FEATURE_ERROR = {torch.float32: 1e-3, torch.bfloat16: 0.05}
_AUC_ERROR = 0.03
_STEP_SHARE = 0.95
_PEAK_EDGE = {"cuda": 8192, "cpu": 1024}
_TIMES = {"cuda": 4, "cpu": 1}


@dataclass(frozen=True)
class Line:
    """One figure.

    Attributes:
        part: What is looked at, such as features.
        what: Which backbone, cut or setting.
        figure: What was measured.
        unit: Its unit.
        most: Largest value that is right; None without a limit.
        least: Smallest value that is right; None without a limit.
    """

    part: str
    what: str
    figure: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def holds(self) -> bool:
        """Whether the figure keeps its limits."""
        above = self.least is None or self.figure >= self.least
        return above and (self.most is None or self.figure <= self.most)


@dataclass(frozen=True)
class Bench:
    """What all parts share.

    Attributes:
        device: Device that is compared with the CPU.
        data: Labelled images.
        weights: Weights of the bodies.
        folder: Folder for stored tables.
        size: Edge of the images, in pixels.
        compared: Number of images whose features are computed on the CPU too.
    """

    device: torch.device
    data: TrainingData
    weights: Weights
    folder: Path
    size: int
    compared: int

    def store(self, name: str, budget: int = 8 << 30) -> ArrayStore:
        """A store of its own, so that no part finds what another one has computed."""
        return ArrayStore(self.folder / name, budget)

    def config(self, **changes: object) -> TrialConfig:
        """A configuration of this size."""
        given = {"normalization": "imagenet", "image_size": self.size, "batch_size": 32, **changes}
        return TrialConfig.model_validate(given)

    def images(self) -> Images:
        """The decoded images."""
        data = self.data
        return load_images(
            data.paths, data.hashes, Square(self.size), data.statistics, self.store("images")
        )

    def wait(self) -> None:
        """Wait until the device has done all its work."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def peak(bench: Bench) -> Iterator[Line]:
    """Arithmetic per second of a large product of matrices: the roof of what a body can reach."""
    yield Line("peak", str(precision(bench.device)), _peak(bench) / 1e12, "Tflop/s")


def _peak(bench: Bench) -> float:
    edge = _PEAK_EDGE[bench.device.type]
    matrix = torch.ones(edge, edge, device=bench.device, dtype=precision(bench.device))
    return 2 * edge**3 / _seconds(bench, lambda: matrix @ matrix)


def _seconds(bench: Bench, work: Callable[[], object]) -> float:
    """The fastest of some runs."""
    found = []
    for _ in range(_TIMES[bench.device.type]):
        bench.wait()
        began = time.perf_counter()
        work()
        bench.wait()
        found.append(time.perf_counter() - began)
    return min(found)


def features(bench: Bench, backbones: tuple[str, ...]) -> Iterator[Line]:
    """Features of all cuts of each backbone, on the device and on the CPU; images per second."""
    roof = _peak(bench)
    for name in backbones:
        cut = find_backbone(name).cuts[-1]
        config = bench.config(backbone=name, cut=cut)
        few = torch.arange(bench.compared)
        body = Body(bench.images(), config, bench.weights, bench.device)
        ours = body.pooled(few).cpu()
        theirs = Body(bench.images(), config, bench.weights, CPU).pooled(few)
        error = ((ours - theirs).square().mean() / theirs.square().mean()).sqrt().item()
        yield Line(
            "features", name, error, "of their size", most=_FEATURE_ERROR[precision(bench.device)]
        )
        rows = torch.arange(len(bench.data.labels))
        per_second = len(rows) / _seconds(bench, partial(body.pooled, rows))
        yield Line("features", name, per_second, "images/s")
        yield Line("features", name, per_second * _flops(body, bench) / roof, "of the peak")


def _flops(body: Body, bench: Bench) -> float:
    with FlopCounterMode(display=False) as counter:
        body.pooled(torch.arange(1))
    return float(counter.get_total_flops())


def heads(bench: Bench) -> Iterator[Line]:
    """A network and a convex head on frozen features: how well they predict, here and there."""
    for head, cut in (("fastai", "features"), ("logistic", FUSED)):
        config = bench.config(backbone="squeezenet1_0", cut=cut, head=head, epochs=10)
        here, there = (_scores(bench, config, device) for device in (bench.device, CPU))
        labels = bench.data.labels[_fold(bench).valid, 0]
        difference = roc_auc_score(labels, here) - roc_auc_score(labels, there)
        yield Line("head", head, abs(float(difference)), "of AUC", most=_AUC_ERROR)
        threshold = np.median(there)
        equal = float(((here >= threshold) == (there >= threshold)).mean())
        yield Line("head", head, equal, "equal calls", least=0.9)


def _fold(bench: Bench) -> Fold:
    rows = np.arange(len(bench.data.labels))
    return Fold(rows[rows % 5 > 0], rows[rows % 5 == 0])


def _scores(bench: Bench, config: TrialConfig, device: torch.device) -> NDArray[np.float32]:
    store = bench.store(f"heads-{device.type}")
    parts = assemble(config, Materials(bench.data, bench.weights, store, device))
    return train_network(parts, _fold(bench), seed=0)[1].scores[:, 0]


def finetuning(bench: Bench) -> Iterator[Line]:
    """Steps that train one, two and all stages, beside the same steps on a tensor at hand."""
    last = find_backbone("resnet18").cuts[-1]
    for unfreeze in (1, 2, 4):
        for stored in (True, False) if unfreeze < 4 else (False,):
            config = bench.config(backbone="resnet18", cut=last, unfreeze=unfreeze, epochs=1)
            store = bench.store(f"trained-{stored}", (8 << 30) if stored else 0)
            body = Body(bench.images(), config, bench.weights, bench.device)
            inputs, source = frozen_inputs(body, store)
            what = f"resnet18, {unfreeze} of 4 stages, from {source}"
            seconds = _epoch(bench, config, body, inputs)
            yield Line("training", what, len(_fold(bench).train) / seconds, "images/s")
            if source == "activations" or not body.frozen:
                rows = torch.arange(len(bench.data.labels))
                at_hand = torch.cat([inputs(part) for part in rows.split(64)])
                ideal = _epoch(bench, config, body, at_hand.__getitem__)
                # a CPU has no device to be kept waiting
                least = _STEP_SHARE if bench.device.type == "cuda" else None
                yield Line("training", what, ideal / seconds, "of the ideal", least=least)


def _epoch(bench: Bench, config: TrialConfig, body: Body, inputs: Inputs) -> float:
    """Seconds of one epoch."""
    return _seconds(bench, _training(bench, config, body, inputs, _fold(bench).train))


def _training(
    bench: Bench, config: TrialConfig, body: Body, inputs: Inputs, train: NDArray[np.int64]
) -> Callable[[], None]:
    """What trains one epoch on some rows; the network is another copy each time."""
    labels = torch.tensor(bench.data.labels, device=bench.device)
    none = np.empty(0, np.int64)

    def work() -> None:
        network = new_network(config, [], body.trained, 0, bench.device)
        list(
            fit(
                network,
                FoldData(lambda rows: Batch(inputs(rows)), labels, train, none),
                config,
                seed=0,
            )
        )

    return work


def waits(bench: Bench) -> Iterator[Line]:
    """How often one more step of training waits for the GPU, hidden in a copy or a look at it."""
    if bench.device.type != "cuda":
        return
    last, rows = find_backbone("resnet18").cuts[-1], _fold(bench).train
    for unfreeze in (1, 4):
        config = bench.config(
            backbone="resnet18", cut=last, unfreeze=unfreeze, epochs=1, batch_size=len(rows) // 8
        )
        body = Body(bench.images(), config, bench.weights, bench.device)
        inputs, source = frozen_inputs(body, bench.store("waits"))
        few, many = (
            _training(bench, config, body, inputs, rows[: steps * config.batch_size])
            for steps in (4, 8)
        )
        few()  # what is done once is done before
        more = count_waits(many) - count_waits(few)
        what = f"resnet18, {unfreeze} of 4 stages, from {source}"
        yield Line("waits", what, more / 4, "per step", most=0)


def count_waits(work: Callable[[], None]) -> int:
    """How often the host waits for a GPU while it works, as PyTorch says."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            work()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchronizing CUDA operation" in str(one.message) for one in said)


def out_of_memory(bench: Bench) -> Iterator[Line]:
    """A GPU without memory for a batch takes smaller ones, and finds the same features."""
    if bench.device.type != "cuda":
        return
    config = bench.config(backbone="resnet18", cut="layer4")
    rows = torch.arange(len(bench.data.labels))
    expected = Body(bench.images(), config, bench.weights, bench.device).pooled(rows)
    body = Body(bench.images(), config, bench.weights, bench.device)
    body.pooled(rows[:1])  # weights and pixels are there before the memory becomes little
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(bench.device).total_memory
    little = torch.cuda.memory_reserved(bench.device) + (64 << 20)
    torch.cuda.set_per_process_memory_fraction(little / total)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = body.pooled(rows)
    torch.cuda.set_per_process_memory_fraction(1.0)
    yield Line("memory", "notes of smaller batches", len(said), "notes", least=1)
    error = ((found - expected).square().mean() / expected.square().mean()).sqrt().item()
    yield Line("memory", "features of smaller batches", error, "of their size", most=0.02)


def share(bench: Bench) -> dict[str, float]:
    """The work of one of two processes that share a device: its result, and the memory it held."""
    device = pick_device(0.5) if bench.device.type == "cuda" else bench.device
    mine = dataclasses.replace(bench, device=device)
    config = mine.config(backbone="squeezenet1_0", cut="features", epochs=5)
    labels = bench.data.labels[_fold(bench).valid, 0]
    found = {"auc": float(roc_auc_score(labels, _scores(mine, config, device)))}
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        held, promised = torch.cuda.max_memory_reserved(device), 0.5 * total
        found["held"] = held / promised
    return found


def precision_of_logits(bench: Bench) -> Iterator[Line]:
    """Scores of a trained body are as fine as float32: hardly any two are alike."""
    config = bench.config(backbone="resnet18", cut="layer4", unfreeze=1, epochs=1)
    scores = _scores(bench, config, bench.device)
    alike = 1 - len(np.unique(scores)) / len(scores)
    yield Line("precision", "scores that are alike", alike, "of all", most=0.02)
    with autocast(bench.device):
        product: Tensor = torch.ones(8, 8, device=bench.device) @ torch.ones(8, device=bench.device)
    kept = product.dtype == precision(bench.device)
    yield Line("precision", f"bodies compute in {product.dtype}", float(kept), "(1: yes)", least=1)
