"""What the model looks at in new images: one picture each, by one member of the team."""

from collections.abc import Sequence
from pathlib import Path

import torch

from analysis.model_file import FinalModel
from analysis.new_images import NewImages
from trainable.errors import Checks
from trainable.files import replacing, writing
from trainable.images.endings import stem
from trainable.images.loading import load_images
from trainable.model.heat_map import has_heat_map, heat_maps_of
from trainable.report.heat_map_picture import draw_all
from trainable.run.winner import Winner
from trainable.store.arrays import ArrayStore
from trainable.training.heads import HEADS

OPTION = "--heat-maps"


def check_heat_maps(folder: Path, winner: Winner, checks: Checks) -> None:
    """Add what keeps heat maps from being written: a folder in use, or a team without any."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        checks.add(f"{OPTION} must name a new folder; {folder} exists already: name another")
    if not any(has_heat_map(member.config) for member in winner.members):
        checks.add(
            f"{OPTION} needs a trial that sees places of images, and nothing else; those of this "
            "team see covariates, or a class token alone: drop the option"
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
    config, networks = model.config, model.networks
    square = model.preprocessing.square
    images = load_images(new.paths, new.hashes, square, model.statistics, store)
    device = next(networks[0].parameters()).device
    jobs = [(networks, torch.arange(len(new.exam_images)))]
    pictures = draw_all(images.pixels, heat_maps_of(config, images, new.exam_images, device, jobs))
    with writing(folder.parent, OPTION), replacing(folder) as partial:
        partial.mkdir()
        for picture, name in zip(pictures, _file_names(new), strict=True):
            picture.save(partial / name)
    negative, positive = model.classes
    exact = ", exact" if HEADS[config.head].is_exact else ""
    return (
        f"trial {member.trial} alone, {config.backbone.short} to {config.cut}"
        f"{exact}; orange speaks for {positive!r}, blue for {negative!r}"
    )


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
