"""Copy or link labelled images into class folders, split or not, each patient on one side.

Images with several findings that can stand together are in no class folder: the table beside them
has their labels.
"""

import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from trainable.cohort.checks import check_cohort
from trainable.cohort.cohort import Cohort
from trainable.cohort.counts import count_lines
from trainable.cohort.left_out import FILE as LEFT_OUT
from trainable.cohort.left_out import write_left_out
from trainable.cohort.splits import split_by_shares
from trainable.errors import Checks, InputError, listing, num_of
from trainable.files import replacing, writing
from trainable.reading.image_files import hash_files, list_images

MANIFEST = "manifest.csv"
"""Beside the sorted folders: where each image came from, and its patient."""

_BEFORE, _AFTER = ("image",), ("patient", "split", "source", "sha256")

_SIDES = {"": "", "train": "train", "valid": "val", "test": "test"}


def sort_images(
    cohort: Cohort,
    out: Path,
    shares: Sequence[int] = (),
    seed: int = 0,
    *,
    mixed_patients: bool = False,
    link: bool = False,
) -> list[str]:
    """Copy or link every image into `out`: `CLASS/`, or below `train/`, `val/` and `test/`.

    With several findings there are no class folders.

    `out` appears as a whole, after every copy was compared with its image. The images stay where
    they are.

    Returns:
        Lines about what was done.

    Raises:
        InputError: if `out` is not empty, an image is unusable, or the shares are wrong.
    """
    out = out.expanduser().resolve()
    checks = Checks()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        checks.add(f"--out must be a new or empty folder; {out} is not empty")
    _check_names(cohort, checks)
    check_cohort(cohort, 1, mixed_patients, checks)
    if shares and (len(shares) not in (2, 3) or sum(shares) != 100 or min(shares) < 1):
        checks.add(
            f"--shares must be two or three percentages that add up to 100 (got {listing(shares)})"
        )
    if shares and cohort.is_split:
        checks.add("--shares splits the images anew: add --split merge, or drop --shares")
    checks.raise_if_any()
    if shares:
        cohort = split_by_shares(cohort, shares, seed)
    table = _sorted_names(cohort)
    with writing(out, "--out"), replacing(out) as partial:
        _fill(table, partial, link)
        if cohort.left_out:
            write_left_out(cohort.left_out, partial / LEFT_OUT)
    return list(_describe(table, cohort, out, link))


def _check_names(cohort: Cohort, checks: Checks) -> None:
    """Refuse names that no folder can have, or that another column of the table has."""
    if len(cohort.label_rules) > 1:
        taken = [name for name in cohort.findings.names if name in (*_BEFORE, *_AFTER)]
        for name in taken:
            checks.add(f"finding {name!r} must not be called as a column of {MANIFEST}; rename it")
        return
    for name in cohort.label_rules[0].classes:
        if not name.strip(". ") or {"/", "\\"} & set(name):
            checks.add(f"class {name!r} must have a name that a folder can have; rename it")


def _sorted_names(cohort: Cohort) -> pd.DataFrame:
    """The manifest of the sorted folder: one row per image, `image` being its new path there."""
    table = cohort.manifest
    paths = [Path(path) for path in table["path"]]
    # images of one name may lie in two folders: then what their paths differ by is kept
    common = Path(os.path.commonpath([path.parent for path in paths]))
    is_plain = len({path.name for path in paths}) == len(paths)
    inner = [path.name if is_plain else path.relative_to(common) for path in paths]
    if len(cohort.label_rules) > 1:
        folders = [""] * len(table)
        labels = table[cohort.label_columns].replace(-1, None)  # a blank is unknown
        labels.columns = pd.Index(cohort.findings.names)
    else:
        [rule] = cohort.label_rules
        folders = [rule.classes[value] for value in table["label"]]
        labels = pd.DataFrame({"label": folders}, index=table.index)
    names = [
        Path(_SIDES[split], folder, name).as_posix()
        for split, folder, name in zip(table["split"], folders, inner, strict=True)
    ]
    columns = table[["patient", "split", "sha256"]].join(labels)
    return columns.assign(image=names, source=table["path"])[[*_BEFORE, *labels.columns, *_AFTER]]


def _fill(table: pd.DataFrame, folder: Path, link: bool) -> None:
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
            advice = "; leave --link out, since hard links need one file system" if link else ""
            raise InputError(f"cannot copy {source} to {target}: {error}{advice}") from error
    copied_hashes = hash_files([str(folder / name) for name in table["image"]])
    changed = table.loc[table["sha256"] != copied_hashes, "source"]
    if len(changed):
        raise InputError(f"images changed while they were copied: {listing(changed)}")
    table.to_csv(folder / MANIFEST, index=False)


def _of_patients(table: pd.DataFrame) -> str:
    num_patients = num_of(table["patient"].nunique(), "patient")
    return f"{num_of(len(table), 'image')} of {num_patients}"


def _describe(table: pd.DataFrame, cohort: Cohort, out: Path, link: bool) -> list[str]:
    done = "linked" if link else "copied"
    lines = [f"note: {note}" for note in cohort.notes]
    lines.append(f"{_of_patients(table)} {done} to {out}")
    folders = table["image"].str.rpartition("/")[0]
    depth = (1 if len(cohort.label_rules) == 1 else 0) + (1 if cohort.is_split else 0)
    tops = folders.str.split("/").str[:depth].str.join("/")
    for name, rows in table.groupby(tops[tops != ""]):
        lines.append(f"  {name}/  {_of_patients(rows)}")
    if not cohort.findings.is_one:
        unit = cohort.grouping.unit
        lines += count_lines(cohort.findings, cohort.labels, cohort.patients, unit)
    folder = os.path.commonpath([Path(source).parent for source in table["source"]])
    damaged = [one for one in cohort.left_out if one.path]
    unlisted = len(list_images(Path(folder))) - len(table) - len(damaged)
    if unlisted > 0:
        lines.append(f"{num_of(unlisted, 'other image')} in {folder} without a label, not copied")
    lines.append(f"search with: {shlex.join(_search_command(cohort, out))}")
    return lines


def _search_command(cohort: Cohort, out: Path) -> list[str]:
    """The command that reads the sorted folder as it was meant."""
    split = ["--split", "keep"] if cohort.is_split else []
    if cohort.findings.is_one:
        return ["cxr-search", "--data", str(out), *split, "--positive", cohort.classes[1]]
    command = ["cxr-search", "--data", str(out / MANIFEST), *split]
    if not cohort.findings.exclusive:
        command += ["--label-column", ",".join(cohort.findings.names)]
        command += ["--missing", "drop"] * bool((cohort.labels < 0).any())
    return command
