"""Names in a table are matched with files as a person would match them."""

import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from trainable.errors import Checks
from trainable.reading import places
from trainable.reading.places import Places, locate

WriteImages = Callable[[Path, Iterable[str]], None]
FILES = [
    "images_001/images/00000001_000.png",
    "images_002/images/00000002_000.png",
    "patient1/study1/view1.png",
    "patient2/study1/view1.png",
    "Große Aufnahme.PNG",
    "1.2.840.113.jpeg",
    "two/same.png",
    "two/same.jpg",
]


def found(folder: Path, *wanted: str) -> list[str]:
    checks = Checks()
    paths = locate(wanted, Places([folder]), checks)
    checks.raise_if_any()
    return [Path(path).relative_to(folder).as_posix() for path in paths]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("00000001_000.png", FILES[0]),
        ("00000002_000", FILES[1]),
        ("images_001/images/00000001_000.png", FILES[0]),
        ("./images_001\\images\\00000001_000.png", FILES[0]),
        ("patient2/study1/view1.png", FILES[3]),
        ("PATIENT2\\study1\\VIEW1", FILES[3]),
        ("C:\\data\\xrays\\patient1\\study1\\view1.png", FILES[2]),
        ("/home/somebody/xrays/patient1/study1/view1.png", FILES[2]),
        (unicodedata.normalize("NFD", "Große Aufnahme.PNG"), FILES[4]),
        ("große aufnahme.png", FILES[4]),
        ("1.2.840.113", FILES[5]),
        ("two/same.jpg", FILES[7]),
        ("gs://bucket/images_001/images/00000001_000.png", FILES[0]),
        ("s3://bucket/a/patient1/study1/view1.png", FILES[2]),
        ("https://example.org/files/gro%C3%9Fe%20Aufnahme.PNG?raw=1", FILES[4]),
        ("file:///data/images/1.2.840.113.jpeg", FILES[5]),
    ],
)
def test_a_name_fits_its_file(
    tmp_path: Path, write_images: WriteImages, name: str, file: str
) -> None:
    write_images(tmp_path, FILES)
    assert found(tmp_path, name) == [file]


def test_the_folder_itself_may_be_in_the_names(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path / "CheXpert", ["train/patient1/view1.png"])
    assert found(tmp_path / "CheXpert", "CheXpert/train/patient1/view1.png") == [
        "train/patient1/view1.png"
    ]


def test_an_absolute_path_need_not_be_in_the_folder(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images(tmp_path, ["here/a.png", "there/b.png"])
    checks = Checks()
    wanted = str(tmp_path / "there" / "b.png")
    assert locate([wanted], Places([tmp_path / "here"]), checks) == [wanted]
    assert not checks.problems


def test_where_all_names_are_whole_paths_no_folder_is_listed(
    tmp_path: Path, write_images: WriteImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, ["here/a.png", "there/b.png"])
    listed: list[Path] = []
    monkeypatch.setattr(places, "list_folder", lambda folder: listed.append(folder))
    wanted = [str(tmp_path / "here" / "a.png"), str(tmp_path / "there" / "b.png")]
    assert locate(wanted, Places([tmp_path]), Checks()) == wanted
    assert not listed


def test_a_folder_that_is_not_there_is_a_problem_even_of_whole_paths(
    tmp_path: Path, write_images: WriteImages
) -> None:
    write_images(tmp_path, ["a.png"])
    checks = Checks()
    locate([str(tmp_path / "a.png")], Places([tmp_path / "nowhere"]), checks)
    assert "nowhere; check --images" in checks.problems[0]


@pytest.mark.parametrize("name", ["view1.png", "study1/view1", "two/same", "same"])
def test_a_name_that_fits_several_files_is_refused_with_their_names(
    tmp_path: Path, write_images: WriteImages, name: str
) -> None:
    write_images(tmp_path, FILES)
    checks = Checks()
    locate([name], Places([tmp_path]), checks)
    (problem,) = checks.problems
    assert f"{name} (" in problem
    assert ("patient1" in problem) == ("view1" in name)


def test_a_file_of_another_kind_is_not_said_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(b"x")
    checks = Checks()
    locate(["a.nii.gz", "b.png"], Places([tmp_path]), checks)
    kind, absent = checks.problems
    assert "1 is there, but of another kind: a.nii.gz" in kind
    assert "1 of 2 is not found" in absent
    assert "a.nii.gz" not in absent


def test_each_absent_name_is_named_once(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, ["a.png"])
    checks = Checks()
    locate(["PA view", "PA view", "a.png", "b.png"], Places([tmp_path]), checks)
    assert ": PA view, b.png." in checks.problems[0]
    assert "3 of 4" in checks.problems[0]


def test_the_address_of_a_file_on_this_machine_is_that_file(tmp_path: Path) -> None:
    file = tmp_path / "an image.png"
    file.touch()
    address = file.as_uri()
    assert "%20" in address
    assert locate([address], Places([tmp_path]), Checks()) == [str(file)]


def test_another_folder_is_no_match(tmp_path: Path, write_images: WriteImages) -> None:
    write_images(tmp_path, ["test/a.png"])
    checks = Checks()
    locate(["train/a.png"], Places([tmp_path]), checks)
    assert "not found" in checks.problems[0]


@pytest.mark.parametrize("name", ["7", "7.png"])
def test_zeros_that_a_spreadsheet_has_dropped_are_named(
    tmp_path: Path, write_images: WriteImages, name: str
) -> None:
    write_images(tmp_path, ["0007.png", "x8.png"])
    checks = Checks()
    locate([name, "8"], Places([tmp_path]), checks)
    (problem,) = checks.problems
    assert "2 of 2 are not found" in problem
    assert "0007.png is there: a spreadsheet drops the zeros" in problem
