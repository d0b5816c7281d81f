"""A search, one trial at a time, gives the same trials and predictions again, to the last bit.

`golden/` beside this file holds what it gave when a number was last meant to change. Another
processor or library version may round differently; the comparison is then skipped. To write the
files again after a change that is meant to move numbers:

    CXR_WRITE_GOLDEN=1 uv run pytest tests/commands/test_golden_run.py
"""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest
import torch
from fixtures.commands import call_command
from fixtures.one_ray import OneRay

from search.demo.phantoms import write_demo

GOLDEN = Path(__file__).parent / "golden"
LIBRARIES = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "optuna", "ray", "pillow")
BY_THE_CLOCK = ["seconds", "ended"]
SEARCH = (
    *("--weights", "none", "--backbones", "squeezenet1_0,squeezenet1_1", "--image-size", "48"),
    *("--batch-size", "16", "--epochs", "2", "--folds", "3", "--repeats", "1", "--trials", "8"),
    *("--unfreeze", "none,one", "--max-concurrent", "1", "--time-budget", "none", "--seed", "3"),
)

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def tables(one_ray: OneRay, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """What a small search found and predicted, by the name of the file."""
    home = tmp_path_factory.mktemp("golden")
    write_demo(home / "demo", num_patients=60, num_test_patients=12, size=64, seed=1)
    data, cache = ("--data", home / "demo" / "train.csv"), ("--cache", home / "cache")
    with one_ray.joined():
        call_command("search", *data, *cache, *SEARCH, "--out", home / "run")
    images = ("--images", home / "demo" / "test", "--out", home / "106.csv")
    call_command("analysis", home / "run", *images, *cache, "--seeds", "2")
    trials = pd.read_csv(home / "run" / "trials.csv", dtype=str).drop(columns=BY_THE_CLOCK)
    return {"trials.csv": trials, "scores.csv": pd.read_csv(home / "106_scores.csv", dtype=str)}


def machine() -> dict[str, str]:
    """What the last bits of a number depend on."""
    with Path("/proc/cpuinfo").open() as info:
        names = {line.partition(":")[2].strip() for line in info if line.startswith("model name")}
    kernels = torch.backends.cpu.get_cpu_capability()
    python = platform.python_version()
    libraries = {name: version(name) for name in LIBRARIES}
    return {"processor": " ".join(sorted(names)), "kernels": kernels, "python": python, **libraries}


def test_the_search_ran_to_its_end(tables: dict[str, pd.DataFrame]) -> None:
    assert tables["trials.csv"]["number"].tolist() == [str(number) for number in range(8)]
    assert set(tables["trials.csv"]["state"]) <= {"complete", "stopped"}


@pytest.mark.parametrize("name", ["trials.csv", "scores.csv"])
def test_the_search_gives_what_it_gave_before(tables: dict[str, pd.DataFrame], name: str) -> None:
    if os.environ.get("CXR_WRITE_GOLDEN"):
        tables[name].to_csv(GOLDEN / name, index=False)
        (GOLDEN / "machine.json").write_text(json.dumps(machine(), indent=2) + "\n")
    then = json.loads((GOLDEN / "machine.json").read_text())
    if then != machine():
        pytest.skip(f"the numbers are of another machine: {then}")
    before = pd.read_csv(GOLDEN / name, dtype=str)
    pd.testing.assert_frame_equal(tables[name], before, check_dtype=False)
