"""A team on an accelerator that is not there: fitted, its stages shared, scored and explained."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.accelerator import CPU, accelerator
from fixtures.device_trials import COUNT, device_config, device_task
from fixtures.networks import random_pixels, tiny_config
from fixtures.small_runs import write_run
from PIL import Image
from torch import Tensor

from analysis.api import load_model
from analysis.export.squares import PillowSquare
from analysis.model_file import FinalModel
from analysis.shared_stages import share_stages
from analysis.team_score import HeadInputs, team_score
from trainable.cohort.splits import Fold
from trainable.config import TrialConfig
from trainable.defaults import DeviceChoice
from trainable.images.batches import by_examination
from trainable.images.preprocessing import Resize
from trainable.model.heat_map import heat_maps
from trainable.store.arrays import ArrayStore
from trainable.trial.cross_validation import assemble
from trainable.trial.final import fit_final

CONFIGS = (
    device_config(cut="fused", head="logistic"),
    device_config(head="fastai", normalization="image"),
    device_config(backbone="resnet18", cut="layer2", unfreeze=1),
    device_config(head="logistic", pool="grid"),
)
NEW = torch.arange(6)


def fitted(
    folder: Path, configs: Sequence[TrialConfig], device: torch.device
) -> tuple[Tensor, list[Tensor]]:
    """Scores of new images by a team that was fitted to all, and the heat maps of each member."""
    models, batches, maps = [], {}, []
    for number, config in enumerate(configs):
        task = device_task(folder / str(number), config)
        store = ArrayStore(task.cache)
        fold = Fold(np.arange(COUNT), np.empty(0, np.int64))
        parts = assemble(config, task.materials(device, store))
        fit = fit_final(parts, 6, fold, num_fits=2)
        names = ("alive", "dead")
        model = FinalModel(config, fit.networks, (0.5,), task.data.statistics, names, "")
        seen_as = config.preprocessing
        images = task.data.images(seen_as.square, store).as_seen_by(seen_as, device)
        batches[seen_as] = by_examination(images, task.data.exam_images)(NEW)
        maps.append(heat_maps(model.networks[0], batches[seen_as]).detach())
        models.append(model)
    share_stages(models)
    with torch.inference_mode():
        return team_score(models, HeadInputs.of(models, batches)), maps


def test_a_team_scores_and_explains_as_on_the_processor(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "gpu").mkdir()
    expected, expected_maps = fitted(tmp_path / "cpu", CONFIGS, CPU)
    with accelerator() as gpu:
        scores, maps = fitted(tmp_path / "gpu", CONFIGS, gpu.device)
        assert all(one in gpu.marked for one in (scores, *maps))
        torch.testing.assert_close(scores.cpu(), expected, rtol=1e-4, atol=1e-5)
        for one, other in zip(maps, expected_maps, strict=True):
            torch.testing.assert_close(one.cpu(), other, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
def test_the_graph_of_an_export_resizes_on_a_device(resize: Resize) -> None:
    grey = torch.linspace(0, 255, 2 * 50 * 70).round().reshape(2, 50, 70)
    expected = PillowSquare(32, resize)(grey)
    with accelerator() as gpu:
        found = PillowSquare(32, resize)(grey.to(gpu.device))
        assert found in gpu.marked
        assert torch.equal(found.cpu(), expected)


@pytest.mark.filterwarnings("ignore:.*unlike those of the training")
@pytest.mark.parametrize(("choice", "is_used"), [("auto", True), ("cpu", False)])
def test_a_user_may_keep_a_team_off_the_gpu(
    tmp_path: Path, choice: DeviceChoice, *, is_used: bool
) -> None:
    write_run(tmp_path / "run", [tiny_config(head="logistic")])
    for number, pixels in enumerate(random_pixels(3)):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    with accelerator() as gpu:
        load_model(tmp_path / "run", cache=tmp_path / "cache", device=choice)
        trained_on_it = bool(gpu.waits.copies + gpu.waits.reads)
        team = load_model(tmp_path / "run", cache=tmp_path / "cache", device=choice)
        gpu.waits.reads.clear()
        team.predict([tmp_path / f"{number}.png" for number in range(3)])
        scored_on_it = bool(gpu.waits.reads)
    assert (trained_on_it, scored_on_it) == (is_used, is_used)
