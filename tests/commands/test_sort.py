"""cxr-sort copies every image into its class folder, and a search reads the folder back."""

import shlex
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
import pytest

from search.command import app as search
from trainable.commands.cli import run
from trainable.commands.sort import app
from trainable.commands.sorted_folder import sort_images
from trainable.errors import InputError
from trainable.reading.image_files import hash_files, list_images
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort

WriteImages = Callable[[Path, Iterable[str]], None]


def sort(*arguments: object) -> object:
    """Exit status of cxr-sort with these arguments."""
    with pytest.raises(SystemExit) as end:
        run(app, [str(argument) for argument in arguments])
    return end.value.code


def contents(folder: Path) -> list[str]:
    return sorted(hash_files([str(path) for path in list_images(folder)]))


def test_a_search_reads_back_what_was_sorted_with_its_patients(
    xray_csv: Path, tmp_path: Path
) -> None:
    before = contents(tmp_path / "chests")
    assert sort("--data", xray_csv, "--out", tmp_path / "sorted", "--shares", "75,25") is None
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


def test_a_test_side_is_made_and_kept(xray_csv: Path, tmp_path: Path) -> None:
    sort("--data", xray_csv, "--out", tmp_path / "one", "--shares", "50,25,25")
    sort("--data", tmp_path / "one", "--out", tmp_path / "two", "--split", "keep")
    for name in ("one", "two"):
        found = read_cohort(DataOptions(data=tmp_path / name, split="keep")).manifest
        assert found["split"].value_counts().to_dict() == {"train": 12, "valid": 6, "test": 6}
    with pytest.raises(InputError, match="add --split merge, or drop --shares"):
        sort_images(
            read_cohort(DataOptions(data=tmp_path / "one", split="keep")), tmp_path / "3", (80, 20)
        )


def test_the_command_to_search_with_can_be_pasted(
    tmp_path: Path, write_images: WriteImages, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path, ["in/TB negative/a.png", "in/TB positive/b.png"])
    assert sort("--data", tmp_path / "in", "--out", tmp_path / "my X-rays") in (0, None)
    last = capsys.readouterr().out.splitlines()[-1]
    words = shlex.split(last.removeprefix("search with: "))
    assert words[2:] == [str(tmp_path / "my X-rays"), "--positive", "TB positive"]


def test_a_split_is_merged_only_if_that_was_said(
    tmp_path: Path, write_images: WriteImages, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(
        tmp_path,
        [f"in/{side}/{label}/{side}{label}.png" for side in ("train", "val") for label in "01"],
    )
    assert sort("--data", tmp_path / "in", "--out", tmp_path / "out") == 2
    assert "--split keep" in capsys.readouterr().err
    assert sort("--data", tmp_path / "in", "--out", tmp_path / "out", "--split", "merge") in (
        0,
        None,
    )


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


def test_nothing_half_done_is_left_when_an_image_cannot_be_copied(
    xray_csv: Path, tmp_path: Path
) -> None:
    cohort = read_cohort(DataOptions(data=xray_csv))
    list_images(tmp_path / "chests")[5].unlink()
    with pytest.raises(InputError, match="cannot copy"):
        sort_images(cohort, tmp_path / "sorted")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chests", "chests.csv"]


def test_a_manifest_that_lacks_an_image_is_refused(
    xray_csv: Path, tmp_path: Path, write_images: WriteImages
) -> None:
    sort_images(read_cohort(DataOptions(data=xray_csv)), tmp_path / "sorted")
    write_images(tmp_path / "sorted" / "1", ["new.png"])
    with pytest.raises(InputError, match=r"lacks: 1/new\.png"):
        read_cohort(DataOptions(data=tmp_path / "sorted"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--data", "no.csv"], "not found"),
        ([], "--data is missing"),
        (["--data", "no.csv", "--shares", "a,b"], "--shares must be two or three"),
        # class folders have no place for examinations and covariates
        (["--data", "no.csv", "--views", "2"], "Unknown option: --views"),
        (["--data", "no.csv", "--exam-column", "exam"], "Unknown option: --exam-column"),
        (["--data", "no.csv", "--covariates", "age"], "Unknown option: --covariates"),
        (["--data", "no.csv", "--seed", "-1"], "--seed must be at least 0 (got -1)"),
        (["--data", "demo"], "--data demo is for cxr-search alone"),
        (["--data", "no.csv", "--sed", "2"], "Did you mean --seed?"),
    ],
)
def test_wrong_input_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert sort(*arguments, "--out", tmp_path / "out") == 2
    refusal = capsys.readouterr().err.splitlines()
    assert len(refusal) == 1
    assert sentence in refusal[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("head", "cells", "split"),
    [
        ("label", "a a b b c c a a b b c c", ()),
        ("label", "a a b b c c a a b b c c", (50, 50)),
        ("mass,lung nodule", "1,0 0,1 ,1 0,0 1, 0,0 1,1 0,1 1,0 0,0 1,1 0,1", ()),
    ],
)
def test_several_findings_and_classes_are_read_back_by_the_printed_command(
    tmp_path: Path, write_images: WriteImages, head: str, cells: str, split: tuple[int, ...]
) -> None:
    write_images(tmp_path / "images", [f"{n}.png" for n in range(12)])
    rows = [f"{n}.png,{cell}" for n, cell in enumerate(cells.split(" "))]
    (tmp_path / "t.csv").write_text("\n".join([f"image,{head}", *rows]))
    options = DataOptions(data=tmp_path / "t.csv", label_column=head, missing="drop")
    cohort = read_cohort(options)
    *_, last = sort_images(cohort, tmp_path / "out", split)
    _, bound, _ = search.parse_args(shlex.split(last.partition("cxr-search ")[2]))
    again = read_cohort(bound.arguments["options"].data)
    assert again.findings == cohort.findings
    assert again.is_split == bool(split)
    columns = ["sha256", *cohort.label_columns]
    before, after = (one.manifest[columns].sort_values("sha256") for one in (cohort, again))
    assert after.to_dict("list") == before.to_dict("list")
    folders = {path.name for path in (tmp_path / "out").rglob("*") if path.is_dir()}
    assert folders == ({*"abc"} if head == "label" else set()) | (
        {"train", "val"} if split else set()
    )


def test_a_finding_that_is_called_as_a_column_of_the_manifest_is_refused(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images(tmp_path / "images", ["a.png", "b.png"])
    (tmp_path / "t.csv").write_text("image,mass,source\na.png,1,0\nb.png,0,1\n")
    cohort = read_cohort(DataOptions(data=tmp_path / "t.csv", label_column="mass,source"))
    with pytest.raises(InputError, match="finding 'source' must not be called as a column"):
        sort_images(cohort, tmp_path / "out")
