"""A file or folder is there as a whole, in its old or its new state, whoever writes it."""

import hashlib
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from trainable.files import as_typed, digest, hash_file, replacing


def write_folder(folder: Path) -> None:
    folder.mkdir()
    (folder / "part").write_text("new")


def fail_half_way(partial: Path, error: type[BaseException]) -> None:
    partial.write_text("half")
    raise error


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_path_is_typed_in_quotation_marks_where_it_has_blanks() -> None:
    assert as_typed(Path("runs/demo")) == "runs/demo"
    assert as_typed(Path("runs/COVID train")) == "'runs/COVID train'"


def test_a_file_is_replaced_and_missing_folders_are_made(tmp_path: Path) -> None:
    path = tmp_path / "made" / "scores.csv"
    for text in ("old", "new"):
        with replacing(path) as partial:
            assert partial.name == path.name
            partial.write_text(text)
        assert path.read_text() == text
    assert names(path.parent) == ["scores.csv"]


def test_a_folder_takes_the_place_of_an_empty_one_alone(tmp_path: Path) -> None:
    folder = tmp_path / "sorted"
    folder.mkdir()
    with replacing(folder) as partial:
        write_folder(partial)
    assert names(folder) == ["part"]
    with pytest.raises(OSError, match="sorted"), replacing(folder) as partial:
        write_folder(partial)
    assert names(tmp_path) == ["sorted"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "winner.json"
    path.write_text("old")
    with pytest.raises(error), replacing(path) as partial:
        fail_half_way(partial, error)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["winner.json"]


def test_a_kill_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "winner.json"
    path.write_text("old")
    killed = (
        "import os, pathlib, signal, sys\n"
        "from trainable.files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as partial:\n"
        "    partial.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run([sys.executable, "-c", killed, str(path)], check=False)
    assert run.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


def test_names_made_from_content_are_sha_256(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes("ü".encode())
    whole = hashlib.sha256("ü".encode()).hexdigest()
    assert hash_file(path) == whole
    assert digest("ü") == whole[:24]
