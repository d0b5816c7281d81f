"""Score new images with the final model, and write one row for each, as a template asks."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from analysis.model_file import FinalModel, team_score
from analysis.new_images import NewImages
from trainable.device import Batching, own_device, place
from trainable.features.body import cpu_batch
from trainable.images.batches import by_examination
from trainable.images.loading import load_images
from trainable.run.winner import Winner
from trainable.store.arrays import ArrayStore

_GPU_BATCH = 16  # images; the activations of all shared stages are held for one batch


@torch.inference_mode()
def score(models: Sequence[FinalModel], new: NewImages, store: ArrayStore) -> NDArray[np.float32]:
    """Scores (num_rows, num_findings) of the rows to write, the mean over the models.

    A model's score is the mean over its networks. Stages that are shared (`share_stages`) are run
    once per image.

    Raises:
        InputError: naming every image that cannot be read.
    """
    device = own_device()
    largest = max(model.config.image_size for model in models)
    batch = _GPU_BATCH if device.type == "cuda" else cpu_batch(largest)
    takes = {}
    for model in models:
        seen_as = model.preprocessing
        images = load_images(new.paths, new.hashes, seen_as.square, model.statistics, store)
        takes[seen_as] = by_examination(images.as_seen_by(seen_as, device), new.exam_images)
        for network in model.networks:
            place(network, device).eval()
    columns = torch.from_numpy(new.columns)

    def scored(rows: torch.Tensor) -> torch.Tensor:
        batches = {seen_as: take(rows) for seen_as, take in takes.items()}
        return team_score(models, batches, columns[rows]).cpu()[:, None]  # one finding

    scores = Batching(batch, "this team").run(torch.arange(len(new.table)), scored)
    result: NDArray[np.float32] = torch.cat([*scores]).numpy()
    return result


def predictions_and_scores(
    new: NewImages, scores: NDArray[np.float32], winner: Winner, classes: tuple[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The predictions table, as the template has it, and the table of scores, of one finding."""
    [column], [threshold] = scores.T, winner.thresholds
    predictions = np.where(column >= np.float32(threshold), classes[1], classes[0])
    # cells of what is left out stay empty
    predicted = np.full(len(new.whole), "", object)
    predicted[new.usable] = predictions
    all_scores = np.full(len(new.whole), np.nan, np.float32)
    all_scores[new.usable] = column
    filled = new.whole.assign(**{new.prediction_column: predicted})
    unit = "image" if new.exam_images.shape[1] == 1 else "exam"
    score_table = pd.DataFrame(
        {unit: new.whole[new.name_column], "score": all_scores, "prediction": predicted}
    )
    return filled, score_table
