"""What the model looks at in new images: a picture of each, by one trial of the team."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from analysis.model_file import FinalModel
from analysis.new_images import NewImages
from trainable.errors import Checks, listing, num_of
from trainable.files import replacing, writing
from trainable.images.endings import stem
from trainable.images.loading import Images, load_images
from trainable.model.heat_map import has_heat_map, heat_maps_of
from trainable.report.heat_map_picture import draw_all
from trainable.run.winner import Member, Winner
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
    folder: Path,
    winner: Winner,
    models: Sequence[FinalModel],
    new: NewImages,
    positives: NDArray[np.bool_],
    store: ArrayStore,
) -> str:
    """Write a PNG per image: the image, and beside it the image under its heat map.

    Of several findings, or classes, there is one per image and finding that is predicted positive.
    The map is of the first trial of the finding's team that has one, the mean over its networks.

    Args:
        folder: Folder to write, as a whole.
        winner: The team, at least one of whose members has heat maps.
        models: Model of each member.
        new: Images, and the examinations that they are of.
        positives: (num_rows, num_findings), what is predicted positive.
        store: Store of the decoded images.

    Returns:
        Whose maps they are, and what their colours say.
    """
    drawings = list(_drawings(winner, models, positives))
    names: dict[str, None] = {}  # in order, and fast to look into
    counts = []
    with writing(folder.parent, OPTION), replacing(folder) as partial:
        partial.mkdir()
        maps = _maps_of_findings(drawings, new, store)
        for drawing in drawings:
            numbers, pictures = _drawn(drawing, maps.pop(drawing.finding), new, store)
            for number, picture in zip(numbers, pictures, strict=True):
                picture.save(partial / _file_name(new.paths[number], drawing, winner, names))
            counts.append(len(numbers))
    if winner.findings.is_one:
        [drawing] = drawings
        negative, positive = drawing.model.classes
        return f"{drawing.who}; orange speaks for {positive!r}, blue for {negative!r}"
    shown = listing((one.of(winner, n) for one, n in zip(drawings, counts, strict=True)), 20)
    return f"{num_of(sum(counts), 'picture')}: {shown}; orange speaks for it, blue against it"


class _Drawing(NamedTuple):
    """Heat maps of one finding.

    Attributes:
        finding: Its number.
        member: Trial whose they are.
        model: Its model.
        rows: (num,), rows of the predictions, whose images are drawn.
    """

    finding: int
    member: Member
    model: FinalModel
    rows: NDArray[np.int64]

    @property
    def who(self) -> str:
        """The trial."""
        config = self.member.config
        exact = ", exact" if HEADS[config.head].is_exact else ""
        return f"trial {self.member.trial} alone, {config.backbone.short} to {config.cut}{exact}"

    def of(self, winner: Winner, num_pictures: int) -> str:
        """How many there are, and whose, in a few words."""
        name = winner.findings.names[self.finding]
        return f"{name} {num_pictures} (trial {self.member.trial})"


def _drawings(
    winner: Winner, models: Sequence[FinalModel], positives: NDArray[np.bool_]
) -> Iterator[_Drawing]:
    """All images of one finding; of several, of each those where it is predicted positive."""
    for finding, team in enumerate(winner.teams):
        rows = np.arange(len(positives))
        if not winner.findings.is_one:
            rows = np.flatnonzero(positives[:, finding])
        for member, model in zip(winner.members, models, strict=True):
            if member.trial in team and has_heat_map(member.config) and len(rows):
                yield _Drawing(finding, member, model, rows)
                break


def _maps_of_findings(
    drawings: Sequence[_Drawing], new: NewImages, store: ArrayStore
) -> dict[int, NDArray[np.float32]]:
    """The maps of each finding, by its number; each model runs once on an image."""
    by_trial: dict[int, list[_Drawing]] = {}
    for drawing in drawings:
        by_trial.setdefault(drawing.member.trial, []).append(drawing)
    maps = dict[int, NDArray[np.float32]]()
    for of_trial in by_trial.values():
        model, wanted = of_trial[0].model, {one.finding: one.rows for one in of_trial}
        images = _images_of(model, new, store)
        device = next(model.networks[0].parameters()).device
        rows = torch.from_numpy(np.unique(np.concatenate([*wanted.values()])))
        jobs = [(model.networks, rows)]
        maps |= heat_maps_of(model.config, images, new.exam_images, device, jobs, wanted)
    return maps


def _images_of(model: FinalModel, new: NewImages, store: ArrayStore) -> Images:
    square = model.preprocessing.square
    return load_images(new.paths, new.hashes, square, model.statistics, store)


def _drawn(
    drawing: _Drawing, maps: NDArray[np.float32], new: NewImages, store: ArrayStore
) -> tuple[list[int], Iterator[Image.Image]]:
    """The numbers of the images, and their pictures."""
    images = _images_of(drawing.model, new, store)
    shown = np.unique(new.exam_images[drawing.rows])
    shown = shown[shown >= 0]
    pixels = images.pixels if len(shown) == len(new.paths) else images.pixels[shown]
    return shown.tolist(), draw_all(pixels, maps)


def _file_name(path: str, drawing: _Drawing, winner: Winner, taken: dict[str, None]) -> str:
    """NAME.png, or NAME_FINDING.png of several findings; images of one name are numbered."""
    name = stem(Path(path).name)
    if not winner.findings.is_one:
        name += "_" + re.sub(r"\W+", "-", winner.findings.names[drawing.finding])
    file, number = name, 1
    while file in taken:
        number += 1
        file = f"{name}-{number}"
    taken[file] = None
    return f"{file}.png"
