"""cxr-sort brings every image into its class folder, whole, and a search reads it back."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pytest

from trainable.cohort.readers import DataOptions, hash_files, list_images, read_cohort
from trainable.cohort.sort import main, sort_images
from trainable.errors import InputError

WriteImages = Callable[[Path, Iterable[str]], None]


def contents(folder: Path) -> list[str]:
    return sorted(hash_files([str(path) for path in list_images(folder)]))


def test_a_search_reads_back_what_was_sorted_with_its_patients(
    xray_csv: Path, tmp_path: Path
) -> None:
    before = contents(tmp_path / "chests")
    main(["--data", str(xray_csv), "--out", str(tmp_path / "sorted"), "--shares", "75,25"])
    assert contents(tmp_path / "sorted") == contents(tmp_path / "chests") == before
    given = read_cohort(DataOptions(data=xray_csv)).manifest.set_index("sha256")
    source = DataOptions(data=tmp_path / "sorted", split="keep")
    found = read_cohort(source).manifest.set_index("sha256").loc[given.index]
    assert found["patient"].tolist() == given["patient"].tolist()
    assert found["label"].tolist() == given["label"].tolist()
    assert (found.groupby("patient")["split"].nunique() == 1).all()
    assert found.groupby("split")["label"].agg(["size", "sum"]).to_dict("index") == {
        "train": {"size": 18, "sum": 6},
        "valid": {"size": 6, "sum": 2},
    }


def test_a_link_is_the_same_file_and_outlives_the_name_it_was_made_from(
    xray_csv: Path, tmp_path: Path
) -> None:
    before = contents(tmp_path / "chests")
    sort_images(read_cohort(DataOptions(data=xray_csv)), tmp_path / "sorted", link=True)
    shutil.rmtree(tmp_path / "chests")
    assert contents(tmp_path / "sorted") == before


def test_images_of_one_name_in_two_folders_are_both_kept(
    tmp_path: Path, write_images: WriteImages
) -> None:
    names = ["a/1.png", "a/2.png", "b/1.png", "b/2.png"]
    write_images(tmp_path / "xrays", names)
    csv = tmp_path / "xrays.csv"
    pd.DataFrame({"image": names, "died": ["no", "yes"] * 2}).to_csv(csv, index=False)
    sort_images(read_cohort(DataOptions(data=csv)), tmp_path / "sorted")
    found = [
        p.relative_to(tmp_path / "sorted").as_posix() for p in list_images(tmp_path / "sorted")
    ]
    assert found == ["no/a/1.png", "no/b/1.png", "yes/a/2.png", "yes/b/2.png"]


def test_a_folder_with_anything_in_it_is_refused_and_left_alone(
    xray_csv: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    cohort = read_cohort(DataOptions(data=xray_csv))
    with pytest.raises(InputError) as caught:
        sort_images(cohort, out, shares=(80, 30))
    assert [text.split()[0] for text in caught.value.problems] == ["--out", "--shares"]
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_nothing_half_done_is_left_when_an_image_cannot_be_brought(
    xray_csv: Path, tmp_path: Path
) -> None:
    cohort = read_cohort(DataOptions(data=xray_csv))
    list_images(tmp_path / "chests")[5].unlink()
    with pytest.raises(InputError, match="cannot bring"):
        sort_images(cohort, tmp_path / "sorted")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chests", "chests.csv"]


def test_a_manifest_that_lacks_an_image_is_refused(
    xray_csv: Path, tmp_path: Path, write_images: WriteImages
) -> None:
    sort_images(read_cohort(DataOptions(data=xray_csv)), tmp_path / "sorted")
    write_images(tmp_path / "sorted" / "1", ["new.png"])
    with pytest.raises(InputError, match=r"lacks: 1/new\.png"):
        read_cohort(DataOptions(data=tmp_path / "sorted"))


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="not found"):
        main(["--data", str(tmp_path / "no.csv"), "--out", str(tmp_path / "out")])
