"""Labelled images at addresses that fsspec reads: its own store in memory, and a web server."""

import functools
import http.server
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from search.plan.download import as_url, download_inputs
from trainable.errors import InputError
from trainable.reading.options import DataOptions
from trainable.reading.read_cohort import read_cohort


@pytest.fixture
def memory(xray_csv: Path) -> Iterator[str]:
    """The cohort of `xray_csv` in fsspec's memory, with something that is no image beside."""
    store = fsspec.filesystem("memory")
    store.put(str(xray_csv), "/bucket/chests.csv")
    store.put(str(xray_csv.parent / "chests"), "/bucket/images/of/chests", recursive=True)
    store.pipe("/bucket/images/notes.txt", b"not an image")
    yield "memory://bucket"
    store.rm("/bucket", recursive=True)


def download(folder: Path, data: str, images: str | None = None) -> DataOptions:
    """The data at these addresses, with what is downloaded kept in the folder."""
    asked = DataOptions(data=Path(data), images=Path(images) if images else None)
    return download_inputs(asked, folder / "cache")


@pytest.mark.parametrize("path", ["train.csv", "/nfs/xrays/train.csv", "C:/xrays", "runs/s3"])
def test_a_path_is_no_address(path: str) -> None:
    assert as_url(Path(path)) is None


def test_a_cohort_in_a_store_is_the_one_on_the_disk(
    memory: str, xray_csv: Path, tmp_path: Path
) -> None:
    addresses = f"{memory}/chests.csv", f"{memory}/images/of/chests"
    found = download(tmp_path, *addresses)
    there, here = read_cohort(found).manifest, read_cohort(DataOptions(data=xray_csv)).manifest
    columns = ["label", "patient", "sha256"]
    assert there[columns].equals(here[columns])
    assert download(tmp_path, *addresses) == found


def test_only_images_are_brought_and_only_once(memory: str, tmp_path: Path) -> None:
    found = download(tmp_path, f"{memory}/images").data
    assert found is not None
    files = sorted(path for path in found.rglob("*") if path.is_file())
    assert {path.suffix for path in files} == {".png"}
    times = [path.stat().st_mtime_ns for path in files]
    assert download(tmp_path, f"{memory}/images").data == found
    assert [path.stat().st_mtime_ns for path in files] == times


def test_what_changes_in_the_store_does_not_change_what_was_brought(
    memory: str, tmp_path: Path
) -> None:
    addresses = f"{memory}/chests.csv", f"{memory}/images"
    before = download(tmp_path, *addresses).data
    assert before is not None
    text = before.read_text()
    fsspec.filesystem("memory").pipe("/bucket/chests.csv", text.encode() + b"more.png,1,013\n")
    after = download(tmp_path, *addresses).data
    assert after is not None
    assert after != before
    assert before.read_text() == text
    assert after.read_text() == text + "more.png,1,013\n"


def test_a_copy_that_was_broken_off_is_made_again(memory: str, tmp_path: Path) -> None:
    found = download(tmp_path, f"{memory}/images").data
    assert found is not None
    whole = sorted(path.relative_to(found) for path in found.rglob("*.png"))
    partial = found.with_suffix(".partial")
    found.rename(partial)
    next(partial.rglob("*.png")).unlink()
    assert download(tmp_path, f"{memory}/images").data == found
    assert sorted(path.relative_to(found) for path in found.rglob("*.png")) == whole


def test_all_that_is_wrong_is_said_at_once(memory: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        download(tmp_path, f"{memory}/gone.csv", "nostore://bucket/images")
    gone, unknown = refused.value.problems
    assert gone.startswith("memory://bucket/gone.csv cannot be read (FileNotFoundError")
    assert unknown.startswith("an address must begin with one of s3://, ")
    assert unknown.endswith("(got nostore://bucket/images): download it, and name the folder")


@pytest.mark.parametrize("name", ["of/../two.png", "of//two.png", "./two.png", "a\\two.png"])
def test_a_name_that_is_no_plain_path_is_not_copied(memory: str, tmp_path: Path, name: str) -> None:
    fsspec.filesystem("memory").pipe(f"/bucket/images/{name}", b"")
    with pytest.raises(InputError, match="whose name is no plain path"):
        download(tmp_path, f"{memory}/images")
    assert not list((tmp_path / "cache").rglob("*.png"))


def test_an_address_behind_another_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="an address must begin with one of"):
        download(tmp_path, "file://a.zip::memory://bucket/a.zip")


def test_a_table_in_a_store_needs_the_folder_of_its_images(memory: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--images must name the folder"):
        download(tmp_path, f"{memory}/chests.csv")


def test_a_store_whose_package_is_missing_is_said_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(InputError, match="uv sync --extra s3"):
        download(tmp_path, "s3://bucket/images")


def test_a_web_server_is_a_store_too(xray_csv: Path, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp", reason="fsspec reads http:// by aiohttp")
    handler = functools.partial(
        http.server.SimpleHTTPRequestHandler, directory=str(xray_csv.parent)
    )
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        at = f"http://127.0.0.1:{server.server_port}"
        found = download(tmp_path, f"{at}/chests.csv", f"{at}/chests/")
        server.shutdown()
    assert found.data is not None
    assert found.data.read_bytes() == xray_csv.read_bytes()
    assert len(read_cohort(found).manifest) == 24
