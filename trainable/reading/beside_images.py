"""What lies beside images in a folder and is none: their masks, and DICOM files of other kinds."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from trainable.images.dicom import sop_class

_MASK_FOLDER = re.compile(
    r"(.*[^a-z])?(manual|lung|left|right|heart)?(masks?|segmentations?|annotations?)"
)
_MASK_ENDING = re.compile(r"(.+)[_\- .](masks?|seg|segmentation)", re.IGNORECASE)
_OF_IMAGES = "1.2.840.10008.5.1.4.1.1."
_NO_IMAGES = (
    *("1.2.840.10008.1.3.10", _OF_IMAGES + "88.", _OF_IMAGES + "11.", _OF_IMAGES + "104."),
    *(_OF_IMAGES + "9.", _OF_IMAGES + "66", _OF_IMAGES + "67", _OF_IMAGES + "481."),
)
"""Begin the SOP classes of directories, reports, presentation states, documents, waveforms, raw
data, segmentations, mappings and plans of radiotherapy (DICOM PS3.4, B.5)."""
_RADIOTHERAPY_IMAGE = _OF_IMAGES + "481.1"


def is_no_picture(file: Path) -> bool:
    """Whether a DICOM file is of a kind that holds no X-ray, such as a report."""
    kind = sop_class(file)
    return kind.startswith(_NO_IMAGES) and kind != _RADIOTHERAPY_IMAGE


def masks_among(images: Sequence[Path], folder: Path) -> Collection[Path]:
    """Masks of other images: of their names, in a folder called masks, or with `_mask` behind.

    Args:
        images: Image files in the folder and below.
        folder: The folder; how it is called itself says nothing.
    """
    inside = {path: _is_in_masks(path.relative_to(folder).parts[:-1]) for path in images}
    if not any(inside.values()) and not any(_MASK_ENDING.fullmatch(p.stem) for p in images):
        return ()
    of_images = {_plain(path) for path in images if not inside[path]}
    masks = set()
    for path in images:
        ending = _MASK_ENDING.fullmatch(_plain(path))
        without = ending[1] if ending else _plain(path)
        if (inside[path] and {without, _plain(path)} & of_images) or (
            ending and without in of_images
        ):
            masks.add(path)
    return masks


def _is_in_masks(folders: Sequence[str]) -> bool:
    return any(_MASK_FOLDER.fullmatch(name.casefold()) for name in folders)


def _plain(path: Path) -> str:
    return path.stem.casefold()
