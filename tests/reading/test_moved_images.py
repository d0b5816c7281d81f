"""Labelled images are found after a run folder or the images were moved."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pytest

from trainable.cohort.cohort import Cohort
from trainable.cohort.label_rule import LabelRule
from trainable.errors import InputError
from trainable.reading.image_files import hash_files
from trainable.reading.moved_images import find_images

WriteImages = Callable[[Path, Iterable[str]], None]
NAMES = ("a.png", "b/c.png", "d.png")


@pytest.fixture
def images(tmp_path: Path, write_images: WriteImages) -> Path:
    write_images(tmp_path / "disk" / "images", NAMES)
    return tmp_path / "disk" / "images"


def cohort_of(images: Path, names: Iterable[str] = NAMES) -> Cohort:
    paths = [str(images / name) for name in names]
    table = {"image": list(names), "path": paths, "patient": paths, "sha256": hash_files(paths)}
    return Cohort(
        pd.DataFrame(table).assign(label=[0, 1, 1], split=""), (LabelRule(("no", "yes")),)
    )


def saved(images: Path, run: Path) -> Path:
    run.mkdir(parents=True)
    cohort_of(images).save(run)
    return run


def folders_of(run: Path) -> set[Path]:
    paths = [Path(path) for path in Cohort.load(run).manifest["path"]]
    assert all(path.is_file() for path in paths)
    return {
        path.parents[len(Path(name).parts) - 1] for path, name in zip(paths, NAMES, strict=True)
    }


def test_images_beside_a_run_folder_move_with_it(images: Path, tmp_path: Path) -> None:
    saved(images, images.parent / "run")
    moved = images.parent.rename(tmp_path / "elsewhere")
    assert folders_of(moved / "run") == {moved / "images"}


def test_images_in_a_run_folder_move_with_it(images: Path, tmp_path: Path) -> None:
    run = saved(images, tmp_path / "runs" / "run")
    cohort_of(images.rename(run / "images")).save(run)
    moved = run.rename(tmp_path / "moved")
    assert folders_of(moved) == {moved / "images"}


@pytest.mark.parametrize("place", ["disk/run", "runs/run"])
def test_a_run_folder_that_moves_alone_finds_its_images_where_they_were(
    images: Path, tmp_path: Path, place: str
) -> None:
    run = saved(images, tmp_path / place)
    (tmp_path / "far" / "away").mkdir(parents=True)
    assert folders_of(run.rename(tmp_path / "far" / "away" / "run")) == {images}


def test_images_are_found_by_their_content_under_other_names(
    images: Path, tmp_path: Path, write_images: WriteImages
) -> None:
    cohort = cohort_of(images)
    moved = images.rename(tmp_path / "moved")
    (moved / "a.png").rename(moved / "z.png")
    write_images(moved, ["another.png"])
    found = find_images(cohort, moved, "--images")
    assert found.manifest["path"].tolist() == [
        str(moved / n) for n in ("z.png", "b/c.png", "d.png")
    ]
    assert found.digest == cohort.digest


def test_copies_of_an_image_keep_a_file_each(images: Path) -> None:
    (images / "d.png").write_bytes((images / "a.png").read_bytes())
    cohort = cohort_of(images)
    assert find_images(cohort, images, "--images").manifest["path"].is_unique
    (images / "d.png").unlink()
    with pytest.raises(InputError, match=r"lacks 1 of 3: d\.png"):
        find_images(cohort, images, "--images")


def test_a_folder_that_is_not_there_is_a_sentence(images: Path) -> None:
    with pytest.raises(InputError, match="--images must be a folder of images; not found"):
        find_images(cohort_of(images), images / "none", "--images")
