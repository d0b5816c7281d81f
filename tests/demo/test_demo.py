"""The demos as a search takes them: drawn, read, and with the best F1 that is possible on them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from search.demo import demo
from search.demo.findings import FINDINGS, write_findings
from search.demo.phantoms import write_demo
from search.options.options import SearchOptions
from trainable.reading.read_cohort import read_cohort


@pytest.mark.parametrize("name", ["demo", "demo:findings"])
def test_a_demo_is_asked_for_by_its_name(name: str) -> None:
    assert SearchOptions.of(data=Path(name)).is_demo
    assert not SearchOptions.of(data=Path("demo.csv")).is_demo


def test_one_finding_is_read_with_its_best_possible_f1(tmp_path: Path) -> None:
    write_demo(tmp_path / "demo", num_patients=40, num_test_patients=4, size=32)
    asked = SearchOptions.of(data=Path("demo")).data
    assert read_cohort(demo.write(tmp_path, asked)).findings.is_one
    [line] = demo.describe_best_possible(tmp_path, asked)
    assert 0.4 < float(line.rpartition(": ")[2]) < 1


def test_several_findings_are_read_with_the_best_possible_f1_of_each(tmp_path: Path) -> None:
    write_findings(tmp_path / "demo", num_patients=60, num_test_patients=4, size=32)
    asked = SearchOptions.of(data=Path("demo:findings")).data
    cohort = read_cohort(demo.write(tmp_path, asked))
    assert cohort.findings.names == FINDINGS
    assert not cohort.findings.exclusive
    unknown = (cohort.labels == -1).mean(axis=0)
    assert np.flatnonzero(unknown).tolist() == [FINDINGS.index("Effusion")]
    assert 0.1 < unknown.max() < 0.3
    line, of_each = demo.describe_best_possible(tmp_path, asked)
    found = dict(one.split() for one in of_each.split(", "))
    assert tuple(found) == FINDINGS
    mean = float(line.rpartition(" mean ")[2])
    assert mean == pytest.approx(np.mean([*map(float, found.values())]), abs=0.001)
    assert max(map(len, (line, of_each))) <= 80


def test_numpy_of_a_search_computes_on_one_thread_unless_the_user_says_otherwise() -> None:
    program = (
        "import search, numpy, threadpoolctl as t; "
        "print(*{one['num_threads'] for one in t.threadpool_info() if one['user_api'] == 'blas'})"
    )
    mine = {name: text for name, text in os.environ.items() if "NUM_THREADS" not in name}
    for asked in ({}, {"OPENBLAS_NUM_THREADS": "2"}):
        done = subprocess.run(
            [sys.executable, "-c", program],
            env={**mine, **asked},
            capture_output=True,
            text=True,
            check=True,
        )
        most = int(asked.get("OPENBLAS_NUM_THREADS", "1"))
        assert all(int(count) <= most for count in done.stdout.split())
