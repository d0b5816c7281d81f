"""What the model looks at in new images: one picture each, by one member of the team."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.model_file import FinalModel
from analysis.new_images import NewImages
from trainable.disk import writing
from trainable.errors import Checks
from trainable.files import replacing
from trainable.heads.find import find_head
from trainable.images.batches import Images, WithColumns, by_examination, load_images
from trainable.model.heat_map import has_heat_map, heat_maps
from trainable.reading.image_files import stem
from trainable.report.heat_map_picture import draw, strongest
from trainable.run.winner import Winner
from trainable.store.arrays import ArrayStore

OPTION = "--heat-maps"
_BATCH = 16


def check_heat_maps(folder: Path, winner: Winner, checks: Checks) -> None:
    """Add what keeps heat maps from being written: a folder in use, or a team without any."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        checks.add(f"{OPTION} must name a new folder; {folder} exists already: name another")
    if not any(has_heat_map(member.config) for member in winner.members):
        checks.add(
            f"{OPTION} needs a trial that sees places of images, and nothing else; those of this "
            "team see further columns, or a class token alone: drop the option"
        )


def room_for(winner: Winner, num_images: int) -> int:
    """Bytes that the pictures may take."""
    size = max(member.config.image_size for member in winner.members)
    return num_images * 6 * size * (size + 8)  # two pictures, three channels


def write_heat_maps(
    folder: Path, winner: Winner, models: Sequence[FinalModel], new: NewImages, store: ArrayStore
) -> str:
    """Write a PNG per image: the image, and beside it the image under its heat map.

    The map is of the first member that has one, the mean over its networks.

    Args:
        folder: Folder to write, as a whole.
        winner: The team, at least one of whose members has heat maps.
        models: Model of each member.
        new: Images, and the examinations that they are of.
        store: Store of the decoded images.

    Returns:
        Whose maps they are, and what their colours say.
    """
    pairs = zip(winner.members, models, strict=True)
    member, model = next(pair for pair in pairs if has_heat_map(pair[0].config))
    size, resize = model.config.square
    images = load_images(new.paths, new.hashes, size, model.statistics, store, resize)
    maps = _heat_maps(model, images, new.exam_images)
    full = strongest(maps)
    with writing(folder.parent, OPTION), replacing(folder) as partial:
        partial.mkdir()
        for row, name in enumerate(_file_names(new)):
            draw(images.pixels[row], maps[row], full).save(partial / name)
    negative, positive = model.classes
    exact = ", exact" if find_head(model.config.head).is_exact else ""
    return (
        f"trial {member.trial} alone, {model.config.backbone.short} to {model.config.cut}"
        f"{exact}; orange speaks for {positive!r}, blue for {negative!r}"
    )


def _heat_maps(
    model: FinalModel, images: Images, exam_images: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Maps (num_images, edge, edge), the mean over the networks."""
    device = next(model.networks[0].parameters()).device
    config = model.config
    own = config.backbone.network.own
    take = by_examination(images.normalized(config.normalization, device, own), exam_images)
    found = []
    for rows in torch.arange(len(exam_images)).split(_BATCH):
        batch = take(rows)
        assert not isinstance(batch, WithColumns)
        maps = [heat_maps(network, batch) for network in model.networks]
        found.append(torch.stack(maps).mean(dim=0).cpu())
    # examination by examination, and back to the order of the images
    order = exam_images[exam_images >= 0].argsort()
    result: NDArray[np.float32] = torch.cat(found).numpy()[order]
    return result


def _file_names(new: NewImages) -> list[str]:
    """NAME.png for each image; images of one name in several folders are numbered."""
    names: dict[str, None] = {}  # in order, and fast to look into
    for path in new.paths:
        name = file = stem(Path(path).name)
        number = 1
        while file in names:
            number += 1
            file = f"{name}-{number}"
        names[file] = None
    return [f"{name}.png" for name in names]
