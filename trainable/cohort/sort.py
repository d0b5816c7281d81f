"""`cxr-sort`: labelled images into class folders, split or not, patients together, nothing lost.

The assignment's preprocessing. Its own script moved the files, lost two of them to an index off by
one, and knew no patient.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from trainable.cohort.cohort import Cohort, check_cohort
from trainable.cohort.readers import DataOptions, hash_files, list_images, read_cohort
from trainable.cohort.splits import split_by_shares
from trainable.errors import InputError, Problems, listing
from trainable.files import replacing

MANIFEST = "manifest.csv"
"""Beside the sorted folders: where each image came from, and its patient."""

_SIDES = {"": "", "train": "train", "valid": "val"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = vars(_parser().parse_args(arguments))
    out, shares, seed = options.pop("out"), options.pop("shares"), options.pop("seed")
    mixed, link = options.pop("mixed_patients"), options.pop("link")
    try:
        cohort = read_cohort(DataOptions(**options, split="merge"))
        for line in sort_images(cohort, out, shares, seed, mixed_patients=mixed, link=link):
            print(line)
    except InputError as error:
        sys.exit(f"cxr-sort: {error}")


def sort_images(
    cohort: Cohort,
    out: Path,
    shares: Sequence[int] = (),
    seed: int = 0,
    *,
    mixed_patients: bool = False,
    link: bool = False,
) -> list[str]:
    """Copy or link every image into `out`: `CLASS/`, or `train/CLASS/` and `val/CLASS/`.

    All of it appears at once, when every copy has been found to have the content of its image;
    the images themselves stay where they are.

    Args:
        cohort: of the labelled images.
        out: folder to make.
        shares: percentages for training and validation; none for class folders alone.
        seed: of the split.
        mixed_patients: allow patients with both labels.
        link: hard links, which take no room, and not copies.

    Returns:
        What was done, a line each.

    Raises:
        InputError: if `out` holds anything, or images or shares cannot be.
    """
    out = out.expanduser().resolve()
    problems = Problems()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        problems.add(f"--out must be a new or empty folder; there is something in {out}")
    problems.found.extend(
        f"a class must be named as a folder can be; {name!r} cannot"
        for name in cohort.classes
        if not name.strip(". ") or {"/", "\\"} & set(name)
    )
    check_cohort(cohort, 1, mixed_patients, problems)
    if shares and (len(shares) != 2 or sum(shares) != 100 or min(shares) < 1):
        problems.add(f"--shares must be two percentages that add up to 100; got {listing(shares)}")
    problems.raise_if_any()
    if shares:
        cohort = split_by_shares(cohort, shares, seed)
    table = _sorted_names(cohort)
    with replacing(out) as partial:
        _bring(table, partial, link)
    return list(_describe(table, cohort, out, link))


def _sorted_names(cohort: Cohort) -> pd.DataFrame:
    """The manifest of the sorted folder: one row an image, `image` being its new path there."""
    table = cohort.manifest
    paths = [Path(path) for path in table["path"]]
    # images of one name may lie in two folders: then what their paths differ by is kept
    common = Path(os.path.commonpath([path.parent for path in paths]))
    is_plain = len({path.name for path in paths}) == len(paths)
    inner = [path.name if is_plain else path.relative_to(common) for path in paths]
    names = [
        Path(_SIDES[split], cohort.classes[label], name).as_posix()
        for split, label, name in zip(table["split"], table["label"], inner, strict=True)
    ]
    label = [cohort.classes[value] for value in table["label"]]
    columns = table[["patient", "split", "sha256"]]
    return columns.assign(image=names, label=label, source=table["path"])[
        ["image", "label", "patient", "split", "source", "sha256"]
    ]


def _bring(table: pd.DataFrame, folder: Path, link: bool) -> None:
    """Make the sorted folder, and look at every file in it."""
    for name, source in zip(table["image"], table["source"], strict=True):
        target = folder / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if link:
                os.link(source, target)
            else:
                shutil.copy2(source, target)
        except OSError as error:
            advice = "; hard links need one file system: leave --link out" if link else ""
            raise InputError(f"cannot bring {source} to {target}: {error}{advice}") from error
    brought = hash_files([str(folder / name) for name in table["image"]])
    changed = table.loc[table["sha256"] != brought, "source"]
    if len(changed):
        raise InputError(f"images changed while they were read: {listing(changed)}")
    table.to_csv(folder / MANIFEST, index=False)


def _describe(table: pd.DataFrame, cohort: Cohort, out: Path, link: bool) -> list[str]:
    done = "linked" if link else "copied"
    lines = [f"note: {note}" for note in cohort.notes]
    lines.append(f"{len(table)} images of {table['patient'].nunique()} patients {done} to {out}")
    for name, rows in table.groupby(table["image"].map(lambda image: _class_folder(image, table))):
        lines.append(f"  {name}/  {len(rows)} images of {rows['patient'].nunique()} patients")
    folder = os.path.commonpath([Path(source).parent for source in table["source"]])
    unlisted = len(list_images(Path(folder))) - len(table)
    if unlisted > 0:
        lines.append(f"{unlisted} other images in {folder} are not labelled, and were left alone")
    split = " --split keep" if table["split"].any() else ""
    lines.append(f"search them with: cxr-search --data {out}{split} --positive {cohort.classes[1]}")
    return lines


def _class_folder(image: str, table: pd.DataFrame) -> str:
    return "/".join(image.split("/")[: 2 if table["split"].any() else 1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cxr-sort", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, required=True, help="CSV of file names and labels, or class folders")
    add("--images", type=Path, help="folder of the images; found beside the CSV if not given")
    add("--out", type=Path, required=True, help="folder to make")
    add("--shares", type=percentages, default=(), help="training and validation, such as 80,20")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--copy", dest="link", action="store_false", help="copy the files (the default)"
    )
    how.add_argument(
        "--link", dest="link", action="store_true", help="hard links, which take no room"
    )
    add("--image-column", help="column of file names")
    add("--label-column", help="column of labels")
    add("--patient-column", help="column of patients")
    add("--patient-pattern", help="regular expression that finds the patient in a file name")
    add("--positive", help="the label that counts as positive")
    add("--mixed-patients", action="store_true", help="allow patients with both labels")
    add("--seed", type=int, default=0, help="of the split")
    parser.set_defaults(link=False)
    return parser


def percentages(text: str) -> tuple[int, ...]:
    """Read `80,20`."""
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    main()
