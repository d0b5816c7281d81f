"""A disk that fills while a search runs: one sentence, no trial lost, and --resume goes on.

A run whose models are kept predicts, and is exported, from a disk that can only be read.
"""

from pathlib import Path

import pandas as pd
import pytest
from fixtures.disks import needs_mounts
from fixtures.warm import Warm

from search.demo.phantoms import write_demo

pytestmark = [pytest.mark.timeout(300), needs_mounts]

SEARCH = (
    *("--weights", "none", "--backbones", "squeezenet1_1", "--unfreeze", "none"),
    *("--image-size", "32", "--epochs", "1", "--folds", "2", "--repeats", "1"),
    *("--max-concurrent", "1"),
)
# the folders of the tests, the disk and the images come as arguments; one Ray serves both searches
PROGRAM = """
import contextlib, ctypes, os, shutil, subprocess, sys
from pathlib import Path

tests, place, images, *options = sys.argv[1:]
sys.path.insert(0, tests)

def mount(*words):
    subprocess.run(["mount", *words], check=True)

assert ctypes.CDLL(None).unshare(0x00020000) == 0  # CLONE_NEWNS: mounts of this process alone
mount("--make-rprivate", "/")
mount("-t", "tmpfs", "-o", "size=130k", "tmpfs", place)
os.chdir(place)

from fixtures.commands import call_command
from search.tune import cluster

said = []
data, cache = f"{images}/demo/train.csv", ("--cache", f"{images}/cache")
with cluster.cluster(None) as wait:
    wait()
    cluster.cluster = lambda *_: contextlib.nullcontext(lambda: None)
    search = ("--data", data, *cache, *options, "--out", "run", "--trials", 6)
    said.append(call_command("search", *search, code=1))
    mount("-o", "remount,size=60m", place)
    said.append(call_command("search", "--resume", "run"))
Path("closed").mkdir()
mount("-t", "tmpfs", "-o", "ro", "tmpfs", "closed")
new = ("run", "--images", f"{images}/demo/test", "--seeds", 1, *cache)
said.append(call_command("analysis", *new, "--out", "closed/p.csv", code=1))
mount("-o", "remount,ro", place)
said.append(call_command("analysis", *new, "--out", f"{images}/p.csv", code=1))
mount("-o", "remount,rw", place)
said.append(call_command("analysis", *new, "--out", f"{images}/p.csv"))
mount("-o", "remount,ro", place)
said.append(call_command("analysis", *new, "--out", f"{images}/again.csv"))
page = ("run", "--out", f"{images}/page.html", "--heat-maps", "no")
said.append(call_command("search.__main__:report", *page, "--robustness", code=1))
said.append(call_command("search.__main__:report", *page))
team = ("run", "--seeds", 1, *cache, "--without-onnx", "--out", f"{images}/team")
said.append(call_command("analysis.export", *team))
shutil.copy("run/trials.csv", images)
for one in said:
    print(one.stdout, end="=====")
    print(one.stderr, file=sys.stderr)
"""


def test_a_run_folder_whose_disk_is_full_goes_on_once_there_is_room(
    warm: Warm, tmp_path: Path
) -> None:
    place = tmp_path / "small"
    place.mkdir()
    write_demo(tmp_path / "demo", num_patients=40, num_test_patients=2, size=48)
    tests = Path(__file__).parents[1]
    done = warm.start("-c", PROGRAM, tests, place, tmp_path, *SEARCH)
    said = f"{done.wait()} {done.out} {done.err}"
    assert said.startswith("0 "), said
    assert "Traceback" not in said
    full = f"there is no space left on the disk of {place}/run"
    assert full in done.err
    assert f"go on with: cxr-search --resume {place}/run" in done.err
    assert f"{place}/closed is on a disk that can only be read; name another" in done.err
    outputs = [" ".join(text.split()) for text in done.out.split("=====")]
    assert ["retraining" in text for text in outputs[2:6]] == [False, False, True, False]
    assert (tmp_path / "p.csv").read_text() == (tmp_path / "again.csv").read_text()
    closed = f"{place}/run is on a disk that can only be read; name another folder with RUN"
    assert closed in done.err
    assert outputs[6] == "", "nothing is computed in vain"
    assert outputs[7].startswith(f"report: {tmp_path}/page.html")
    assert f"the report of the search will not name this export: {closed}" in outputs[8]
    assert (tmp_path / "team" / "atlas.json").is_file()
    trials = pd.read_csv(tmp_path / "trials.csv")
    assert trials["number"].is_unique
    assert (trials["state"] == "complete").sum() == 6
