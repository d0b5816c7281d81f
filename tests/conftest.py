"""Small real images and cohorts, drawn by numpy and written by pillow."""

import contextlib
import gc
import os
import secrets
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fixtures.one_ray import OneRay
from fixtures.warm import Warm, serving
from numpy.typing import NDArray
from PIL import Image

import search  # noqa: F401 - sets Ray's switches before a test imports Ray
from trainable.cohort.cohort import Cohort
from trainable.cohort.label_rule import LabelRule

# two test files run at once: neither may take both cores, nor starve Ray's workers of one
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_worker_niceness", "0")
# Ray reads a token once a process: all clusters that the tests of one process start share this one
os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
os.environ.setdefault("RAY_AUTH_MODE", "token")
# what runs beside a node ends with a pipe from it, since a fork has another parent
os.environ.setdefault("RAY_enable_pipe_based_agent_to_parent_health_check", "1")

_SERVER = pytest.StashKey[str]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """One process forks for all processes of the tests; it imports while they collect."""
    config = node.config
    if _SERVER not in config.stash:
        stack = contextlib.ExitStack()
        config.stash[_SERVER] = stack.enter_context(serving())
        config.add_cleanup(stack.close)
    node.workerinput["warm"] = config.stash[_SERVER]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that are given minutes come first, so that none of two processes ends with them.

    Of these, those that start a Ray of their own do, before the one Ray that they would end.
    """
    items.sort(
        key=lambda item: (
            item.get_closest_marker("timeout") is None,
            "no_ray" not in getattr(item, "fixturenames", ()),
        )
    )


def pytest_collection_finish() -> None:
    """What is imported stays: the collector of garbage does not look at all of it each time."""
    gc.freeze()


def pytest_sessionfinish() -> None:
    """At the end of the process all of it is collected, as ever."""
    gc.unfreeze()


def _draw_xray(seed: int, height: int, width: int) -> NDArray[np.uint8]:
    """Two dark lungs on a body that brightens downwards; no two corners alike, nor two seeds."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    grey: NDArray[np.float64] = 90 + 90 * y + 40 * x
    for centre in (0.3, 0.7):
        across, down = rng.normal(centre, 0.02), rng.normal(0.45, 0.02)
        grey -= 80 * np.exp(-(((x - across) / 0.13) ** 2) - ((y - down) / 0.25) ** 2)
    noisy: NDArray[np.float64] = np.clip(grey + rng.normal(0, 2, grey.shape), 0, 255)
    return noisy.astype(np.uint8)


@pytest.fixture
def xray() -> NDArray[np.uint8]:
    """One upright grey image, taller than wide."""
    return _draw_xray(seed=0, height=120, width=96)


@pytest.fixture
def write_images() -> Callable[[Path, Iterable[str]], None]:
    """Writes small grey images of these names into a folder; each name has its own content."""

    def write(folder: Path, names: Iterable[str]) -> None:
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(_draw_xray(zlib.crc32(name.encode()), height=24, width=20)).save(path)

    return write


@pytest.fixture
def xray_csv(tmp_path: Path) -> Path:
    """A CSV (filename, died, patientid) beside a folder of its name with 24 grey PNG images.

    There are 12 patients, "001" to "012", of two images each; the first 4 died.
    """
    folder = tmp_path / "chests"
    folder.mkdir()
    rows = []
    for number in range(24):
        patient = number // 2 + 1
        name = f"patient{patient:03}_{number % 2}.png"
        Image.fromarray(_draw_xray(number, height=64, width=56)).save(folder / name)
        rows.append({"filename": name, "died": int(patient <= 4), "patientid": f"{patient:03}"})
    csv = tmp_path / "chests.csv"
    pd.DataFrame(rows).to_csv(csv, index=False)
    return csv


@pytest.fixture
def make_cohort() -> Callable[..., Cohort]:
    """Makes a cohort without files: labels, and whatever else of an image matters to a test."""

    def make(
        labels: Sequence[int] | NDArray[np.int64],
        patients: Sequence[str] | None = None,
        splits: Sequence[str] | None = None,
        contents: Sequence[str] | None = None,
        paths: Sequence[str] | None = None,
    ) -> Cohort:
        numbers = range(len(labels))
        manifest = pd.DataFrame(
            {
                "image": [f"image{number}.png" for number in numbers],
                "path": paths or [f"/images/image{number}.png" for number in numbers],
                "label": np.asarray(labels, np.int64),
                "patient": patients or [f"patient{number}" for number in numbers],
                "split": splits or [""] * len(labels),
                "sha256": contents or [f"content{number}" for number in numbers],
            }
        )
        return Cohort(manifest, (LabelRule(("alive", "dead")),), ("a remark",))

    return make


@pytest.fixture(scope="session")
def searched_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run folder of a small search, which no test changes."""
    from fixtures.searched_runs import search_of_phantoms  # a second that few tests need

    return search_of_phantoms(tmp_path_factory.mktemp("searched"))


@pytest.fixture(scope="session")
def warm(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warm]:
    """Where processes that have all imported are asked for."""
    with contextlib.ExitStack() as stack:
        given = getattr(request.config, "workerinput", {}).get("warm")
        yield Warm(given or stack.enter_context(serving()), tmp_path_factory.mktemp("warm"))


@pytest.fixture(scope="session")
def one_ray(warm: Warm) -> Iterator[OneRay]:
    """Ray, once it is joined."""
    one = OneRay(warm)
    yield one
    one.stop()


@pytest.fixture
def ray_of_tests(one_ray: OneRay) -> Iterator[None]:
    """Searches of this test run on the one Ray."""
    with one_ray.joined():
        yield


@pytest.fixture(scope="module")
def no_ray(one_ray: OneRay) -> None:
    """Tests of this file start a Ray of their own."""
    one_ray.stop()
