"""cxr-cache lists, verifies and clears what the other commands keep."""

from pathlib import Path

import numpy as np
import pytest
from fixtures.stores import numbered

from trainable.commands.cache import app
from trainable.commands.cli import run
from trainable.store.arrays import ArrayStore

TABLE = np.arange(900, dtype=np.float32).reshape(300, 3)


def said(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as end:
        run(app, [*arguments, "--cache", str(folder)])
    assert end.value.code == code
    return capsys.readouterr().out.replace(str(folder), "CACHE")


def test_what_is_there_is_listed_verified_and_cleared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "cache"
    assert said(capsys, folder) == "nothing is in CACHE\n"
    store = ArrayStore(folder)
    for what in ("features-a", "features-b", "pixels-a"):
        name = numbered(what, len(TABLE))
        store.get_or_compute(name, TABLE.shape[1:], TABLE.dtype, TABLE.__getitem__)
    first, pixels, features = said(capsys, folder).splitlines()
    assert first == "CACHE: 3 files or folders, 25 KiB"
    assert features.startswith("  features     2 files or folders, 16.7 KiB, last used 20")
    assert pixels.startswith("  pixels       1 file or folder, 8.3 KiB, last used 20")
    assert said(capsys, folder, "verify").splitlines()[0] == first
    damaged = store.path(numbered("features-b", len(TABLE)))
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:500] + b"!" + whole[501:])
    told = said(capsys, folder, "verify", code=1).splitlines()
    assert told[:2] == [
        f"damaged, and removed: CACHE/{damaged.name}",
        "CACHE: 2 files or folders, 16.7 KiB",
    ]
    in_use = said(capsys, folder, "clear").splitlines()
    assert in_use == ["removed: 0 files or folders, 0 B", "left: 2 files or folders, 16.7 KiB"]
    del store
    assert said(capsys, folder, "clear", "--keep", "10KB").startswith("removed: 1 file or folder")
    assert said(capsys, folder, "clear") == "removed: 1 file or folder, 8.3 KiB\n"


def test_a_folder_that_others_can_read_is_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tmp_path.chmod(0o755)
    assert "close it with: chmod 700 CACHE" in said(capsys, tmp_path)


def test_a_file_is_no_cache_and_a_size_needs_its_unit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("notes")
    for arguments, sentence in (
        (["--cache", str(file)], f"--cache must be a folder (got {file}, a file)"),
        (["clear", "--keep", "8"], "--keep must have a unit, such as 8GB or 500MB (got 8)"),
    ):
        with pytest.raises(SystemExit) as end:
            run(app, arguments)
        assert end.value.code == 2
        assert sentence in capsys.readouterr().err
    assert file.read_text() == "notes"
