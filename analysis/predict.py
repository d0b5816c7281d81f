"""Score new images with the final model, and write one row for each, as a template asks."""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from analysis.model_file import FinalModel
from analysis.new_images import NewImages
from trainable.device import autocast, default_num_gpus, pick_device, place
from trainable.images.batches import by_examination, load_images
from trainable.store import ArrayStore


@torch.inference_mode()
def score(model: FinalModel, new: NewImages, store: ArrayStore) -> NDArray[np.float32]:
    """Probability of the positive class for each row to write, the mean over the networks.

    Raises:
        InputError: naming every image that cannot be read.
    """
    device = pick_device(default_num_gpus())
    size = model.config.image_size
    images = load_images(new.paths, new.hashes, size, model.statistics, store)
    networks = [place(network, device).eval() for network in model.networks]
    normalized = images.normalized(model.config.normalization, device)
    scores = []
    prefix = by_examination(
        lambda numbers: networks[0].prefix(normalized(numbers)), new.exam_images, device
    )
    for rows in torch.arange(len(new.table)).split(model.config.batch_size):
        with autocast(device):
            batch = prefix(rows)
            logits = [network.suffix(batch).float() for network in networks]
        scores.append(torch.stack([one.softmax(dim=1)[:, 1] for one in logits]).mean(dim=0).cpu())
    result: NDArray[np.float32] = torch.cat(scores).numpy()
    return result


def write_predictions_table(
    new: NewImages,
    scores: NDArray[np.float32],
    threshold: float,
    classes: tuple[str, str],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The predictions table, as the template has it, and the table of scores."""
    predictions = np.where(scores >= threshold, classes[1], classes[0])
    filled = new.table.assign(**{new.prediction_column: predictions})
    unit = "image" if new.exam_images.shape[1] == 1 else "exam"
    score_table = pd.DataFrame(
        {unit: new.table[new.name_column], "score": scores, "prediction": predictions}
    )
    return filled, score_table
