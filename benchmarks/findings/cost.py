"""What a search for four findings costs beside the same search for one.

The phantoms, networks and trials are the same, and each search begins with nothing stored.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml

from benchmarks.findings.searches import Setup, draw_configs
from benchmarks.quality.methods import cpu_of_command
from search.demo.findings import FINDINGS, write_findings

_ASKED = {"one finding": FINDINGS[:1], f"{len(FINDINGS)} findings": FINDINGS}


class Cost(NamedTuple):
    """What one search took, from command to end.

    Attributes:
        wall: Seconds.
        cpu: Seconds of all its processes.
        forwarded: Images that were run through frozen networks.
    """

    wall: float
    cpu: float
    forwarded: int


def compare(setup: Setup, folder: Path, rounds: int) -> Iterator[str]:
    """Search for one and for four findings in turn; a line each, the ratios, and both as JSON.

    Args:
        setup: Networks, image size, trials and repeats.
        folder: Folder of the phantoms and all runs.
        rounds: How often each search is run.
    """
    write_findings(folder / "data", num_test_patients=0, size=setup.image_size)
    configs, _ = draw_configs(setup, seed=0)
    rows = [config.model_dump(mode="json") for config in configs]
    (folder / "rows.yaml").write_text(yaml.safe_dump({"rows": rows}))
    costs: dict[str, list[Cost]] = {what: [] for what in _ASKED}
    for number in range(rounds):
        # each is first as often as second
        for what in list(_ASKED)[:: 1 if number % 2 == 0 else -1]:
            cost = _search(setup, folder, f"{len(costs[what])}-{len(_ASKED[what])}", _ASKED[what])
            costs[what].append(cost)
            yield f"{what}: {cost.wall:.1f} s, {cost.cpu:.1f} CPU s, {cost.forwarded} images passed"
    one, several = (Cost(*map(sum, zip(*each, strict=True))) for each in costs.values())
    figures = {
        "wall_ratio": round(several.wall / one.wall, 3),
        "cpu_ratio": round(several.cpu / one.cpu, 3),
        "images_passed": {what: each[0].forwarded for what, each in costs.items()},
    }
    yield json.dumps(figures)


def _search(setup: Setup, folder: Path, name: str, findings: tuple[str, ...]) -> Cost:
    asked = ("--label-column", ",".join(findings), "--missing", "drop", "--mixed-patients")
    where = ("--cache", folder / f"cache-{name}", "--out", folder / name, "--time-budget", "none")
    began = time.perf_counter()
    cpu = cpu_of_command(
        "search", "--data", folder / "data" / "train.csv", *asked, *where,
        "--space", folder / "rows.yaml", "--weights", setup.weights.start, "--repeats",
        setup.repeats,
    )  # fmt: skip
    wall = time.perf_counter() - began
    return Cost(wall, cpu, int(pd.read_csv(folder / name / "trials.csv")["num_forwarded"].sum()))
