"""A disk that fills while a search runs: one sentence, no trial lost, and --resume goes on."""

import sys
from pathlib import Path

import pandas as pd
import pytest
from fixtures.disks import needs_mounts, on_small_disk

from search.demo.phantoms import write_demo

pytestmark = [pytest.mark.timeout(300), needs_mounts]

SEARCH = (
    *("--weights", "none", "--backbones", "squeezenet1_1", "--unfreeze", "none"),
    *("--image-size", "32", "--epochs", "1", "--folds", "2", "--repeats", "1"),
)


def test_a_run_folder_whose_disk_is_full_goes_on_once_there_is_room(tmp_path: Path) -> None:
    place = tmp_path / "small"
    place.mkdir()
    write_demo(tmp_path / "demo", num_patients=40, num_test_patients=2, size=48)
    search = f"{sys.executable} -m search"
    images = f"--data {tmp_path}/demo/train.csv --cache {tmp_path}/cache {' '.join(SEARCH)}"
    predict = f"{sys.executable} -m analysis run --images {tmp_path}/demo/test --seeds 1"
    script = f"""
{search} {images} --out run --trials 6; echo "exit $?"
mount -o remount,size=60m {place} && {search} --resume run; echo "exit $?"
mkdir closed && mount -t tmpfs -o ro tmpfs closed
{predict} --cache {tmp_path}/cache --out closed/p.csv; echo "exit $?"
cp run/trials.csv {tmp_path}; ls -A run run/scores; ls run/models
"""
    done = on_small_disk(place, "size=130k", ["bash", "-c", script])
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    full = f"there is no space left on the disk of {place}/run"
    assert full in done.stderr
    assert f"go on with: cxr-search --resume {place}/run" in done.stderr
    assert f"{place}/closed is on a disk that can only be read; name another" in done.stderr
    statuses = [line for line in done.stdout.splitlines() if line.startswith("exit")]
    assert statuses == ["exit 1", "exit 0", "exit 1"], said
    trials = pd.read_csv(tmp_path / "trials.csv")
    assert trials["number"].is_unique
    assert (trials["state"] == "complete").sum() == 6
    assert "retraining" not in done.stdout, "the output is tried before the work"
