"""The labelled images of a run folder: found where they are now, and as they were then."""

import dataclasses
from collections import defaultdict
from pathlib import Path

from trainable.cohort.cohort import Cohort
from trainable.errors import InputError, listing
from trainable.reading.image_files import hash_files, list_folder


def find_images(cohort: Cohort, folder: Path, option: str) -> Cohort:
    """The same cohort, with each image found by its content in `folder` or below.

    Raises:
        InputError: Naming every image that is not in the folder.
    """
    if not folder.is_dir():
        raise InputError(f"{option} must be a folder of images; not found: {folder}")
    files = [str(path) for path in list_folder(folder).images]
    by_content = defaultdict(list)
    for content, file in zip(hash_files(files), files, strict=True):
        by_content[content].append(file)
    manifest = cohort.manifest
    # of images with the same content each has a file of its own
    copies = manifest.groupby("sha256").cumcount()
    found = [
        (by_content[content][copy:] or [""])[0]
        for content, copy in zip(manifest["sha256"], copies, strict=True)
    ]
    missing = [name for name, file in zip(manifest["image"], found, strict=True) if not file]
    if missing:
        raise InputError(
            f"{option} must hold all labelled images of the search, by their content; {folder} "
            f"lacks {len(missing)} of {len(found)}: {listing(missing)}"
        )
    return dataclasses.replace(cohort, manifest=manifest.assign(path=found))


def require_unchanged(cohort: Cohort, option: str) -> Cohort:
    """The same cohort, once its images are found to have the content that was read at first.

    Raises:
        InputError: Naming every image that is missing or has changed.
    """
    manifest = cohort.manifest
    missing = [path for path in manifest["path"] if not Path(path).is_file()]
    if missing:
        raise InputError(
            f"labelled images of the search are missing: {listing(missing)}; name the folder where "
            f"they are now with {option}"
        )
    changed = manifest.loc[manifest["sha256"] != hash_files(manifest["path"]), "path"]
    if len(changed):
        raise InputError(
            f"labelled images have changed since the search began: {listing(changed)}; put the "
            "old files back, or start a new search"
        )
    return cohort
