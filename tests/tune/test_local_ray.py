"""A Ray of our own has a folder with a short path and a token, and ends with its search."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from fixtures.disks import needs_mounts, on_small_disk

from search.tune.cluster import cluster
from search.tune.local_ray import local_ray
from trainable.errors import InputError


def test_the_folder_is_short_where_the_temporary_folder_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("n" * 60)))
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    with local_ray() as folder:
        assert folder.is_dir()
        socket = folder / "session_2026-11-25_09-38-44_870959_1234567" / "sockets" / "plasma_store"
        assert len(os.fsencode(socket)) <= 103
        assert len(os.environ["RAY_AUTH_TOKEN"]) >= 64
    assert not folder.exists()


def test_whatever_writes_below_the_folder_ends_with_it() -> None:
    with local_ray() as folder, (folder / "log").open("w") as log:
        waits = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(600)"]
        process = subprocess.Popen(waits, stdout=log, start_new_session=True)
        other = subprocess.Popen([*waits[:2], "pass"])
    assert process.wait() == -9
    assert other.wait() == 0


@pytest.mark.parametrize(
    ("address", "advice"), [(None, "unset RAY_AUTH_MODE$"), ("auto", "or add --without-token")]
)
def test_a_ray_that_is_open_to_everybody_is_refused(
    address: str | None, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(InputError, match=advice), cluster(address):
        pass


@needs_mounts
def test_a_folder_without_room_is_passed_over() -> None:
    program = (
        "from search.tune.local_ray import local_ray\nwith local_ray() as folder: print(folder)"
    )
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        command = [sys.executable, "-c", program]
        done = on_small_disk(Path(place), "size=64k", command, {"RAY_TMPDIR": place})
        assert done.returncode == 0, done.stderr
        assert not done.stdout.startswith(place)
