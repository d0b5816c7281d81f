"""The image files of a folder: what is listed, what is passed over, and their hashes."""

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from trainable.errors import InputError, listing, num_of, unreadable_images
from trainable.files import hash_file
from trainable.images.dicom import is_dicom
from trainable.images.endings import ALL_SUFFIXES, SUFFIXES
from trainable.reading.beside_images import is_no_picture, masks_among

READ = "PNG, JPEG, BMP, TIFF, WebP, JPEG 2000 and DICOM"
"""The kinds of images that are read, as a message names them."""

_MAC_FOLDER = "__MACOSX"


class FolderListing(NamedTuple):
    """The files in a folder and below.

    Attributes:
        images: Files of a kind that is read, sorted by their path.
        hidden: Files passed over: hidden ones (`._name`, `.DS_Store`) and those in `__MACOSX`.
        others: Files of a kind that is not read, sorted.
        no_pictures: DICOM files passed over that hold no picture, such as reports, sorted.
        masks: Images passed over that are masks of others, sorted.
    """

    images: list[Path]
    hidden: list[Path]
    others: list[Path]
    no_pictures: Sequence[Path] = ()
    masks: Sequence[Path] = ()

    def notes(self, folder: Path) -> list[str]:
        """A sentence on each kind of files that look like images and are passed over."""
        hidden = [path for path in self.hidden if path.suffix.lower() in ALL_SUFFIXES]
        return [
            f"{num_of(len(paths), what + ' is', several + ' are')} passed over: "
            f"{listing([path.relative_to(folder).as_posix() for path in paths], 3)}"
            for paths, what, several in (
                (hidden, "hidden file", "hidden files"),
                (
                    self.no_pictures,
                    "DICOM file without a picture (a report, directory or such)",
                    "DICOM files without a picture (reports, directories and such)",
                ),
                (
                    self.masks,
                    "mask of another image, by its name,",
                    "masks of other images, by their names,",
                ),
            )
            if paths
        ]

    def other_notes(self, folder: Path) -> list[str]:
        """A sentence on files below `folder` that are not read, where there are any."""
        others = [path for path in self.others if path.parent != folder]
        kinds = self._replace(others=others).kinds()
        return [f"files of other kinds are not read: {kinds}"] if others else []

    def kinds(self) -> str:
        """The endings of the files that are not read, with their counts."""
        endings = Counter("".join(path.suffixes[-2:]).lower() or path.name for path in self.others)
        return listing(f"{ending} ({count})" for ending, count in endings.most_common())


def list_folder(folder: Path) -> FolderListing:
    """List all files in `folder` and below, through linked folders too, each folder once.

    Raises:
        InputError: Naming images whose names are no text, which no table could name.
    """
    images: list[Path] = []
    hidden: list[Path] = []
    others: list[Path] = []
    no_pictures: list[Path] = []
    seen = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = Path(place).resolve()
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        inside = Path(place).relative_to(folder).parts
        is_hidden = any(part.startswith(".") or part == _MAC_FOLDER for part in inside)
        for name in names:
            path = Path(place, name)
            if is_hidden or name.startswith("."):
                hidden.append(path)
            elif is_image(path):
                is_other = path.suffix.lower() not in SUFFIXES and is_no_picture(path)
                (no_pictures if is_other else images).append(path)
            else:
                others.append(path)
    if no_text := [_readable(path) for path in images if _readable(path) != str(path)]:
        raise InputError(f"the name of an image must be text (UTF-8); rename {listing(no_text)}")
    masks = masks_among(images, folder)
    shown = sorted(path for path in images if path not in masks)
    return FolderListing(shown, sorted(hidden), sorted(others), sorted(no_pictures), sorted(masks))


def _readable(path: Path) -> str:
    """The path, with the numbers of the bytes that are no text."""
    return os.fsencode(path).decode(errors="backslashreplace")


def list_images(folder: Path) -> list[Path]:
    """All image files in `folder` and below, sorted by their path."""
    return list_folder(folder).images


def hash_files(paths: Sequence[str] | pd.Series) -> list[str]:
    """SHA-256 of each file's bytes, in order.

    Raises:
        InputError: Naming every file that cannot be opened.
    """
    failed: list[str] = []

    def attempt(path: str) -> str:
        try:
            return hash_file(Path(path))
        except OSError as error:
            failed.append(f"{path} ({error.strerror})")
            return ""

    with ThreadPoolExecutor() as pool:
        hashes = list(pool.map(attempt, paths))
    if failed:
        raise unreadable_images(sorted(failed))
    return hashes


def is_image(path: Path) -> bool:
    """Whether a file is of a kind that is read: by its ending, or as DICOM without one."""
    ending = path.suffix.lower()
    if ending in ALL_SUFFIXES:
        return path.is_file()
    # a PACS often writes files without an ending, named by an identifier with dots
    is_known_other = ending and not ending[1:].isdigit()
    return not is_known_other and path.is_file() and is_dicom(path)
