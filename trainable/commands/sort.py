"""`cxr-sort`: copy or link labelled images into class folders, each patient on one side."""

from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from trainable.commands.cli import new_app
from trainable.defaults import COMMON
from trainable.errors import InputError
from trainable.reading.options import NO_COVARIATES, DataOptions, ImageOptions

_IMAGES = Group("Images", sort_key=0)
_SORTED = Group("Sorted folder", sort_key=1)

_NONE_GIVEN = ImageOptions()

app = new_app("cxr-sort")


@app.default
def sort(
    *,
    options: Annotated[ImageOptions, Parameter(name="*", group=_IMAGES)] = _NONE_GIVEN,
    out: Annotated[Path, COMMON, Parameter(group=_SORTED, metavar="FOLDER")],
    shares: Annotated[str | None, COMMON, Parameter(group=_SORTED, metavar="PERCENT,...")] = None,
    seed: Annotated[int, COMMON, Parameter(group=_SORTED)] = 0,
    mixed_patients: Annotated[bool, COMMON, Parameter(group=_SORTED)] = False,
    link: Annotated[bool, COMMON, Parameter(group=_SORTED, negative="--copy")] = False,
) -> None:
    """Copy or link labelled images into class folders, each patient on one side.

    Args:
        options: Labelled images.
        out: Folder to make.
        shares: Percentages for training, validation and test, such as 80,20 or 60,20,20; no split
            if not given.
        seed: Seed of the split.
        mixed_patients: Accept patients that have images of both classes.
        link: Make hard links, which take no room, or copies (the default).
    """
    if options.data is None:
        raise InputError("--data is missing; name a table or a folder of class folders")
    if seed < 0:
        raise InputError(f"--seed must be at least 0 (got {seed})")
    if str(options.data) in ("demo", "demo:findings") and not options.data.exists():
        raise InputError(f"--data {options.data} is for cxr-search alone: name a table or a folder")
    percentages = _percentages(shares)
    # pandas and scikit-learn take seconds: not before the command line is known to be right
    from trainable.commands.sorted_folder import sort_images
    from trainable.reading.read_cohort import read_cohort

    # covariates have no place in class folders
    cohort = read_cohort(DataOptions(**options.model_dump(), covariates=NO_COVARIATES))
    for line in sort_images(
        cohort, out, percentages, seed, mixed_patients=mixed_patients, link=link
    ):
        print(line)


def _percentages(text: str | None) -> tuple[int, ...]:
    """Read `80,20`."""
    if text is None:
        return ()
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(
            "--shares must be two or three percentages that add up to 100, such as 80,20 "
            f"(got {text})"
        ) from error
